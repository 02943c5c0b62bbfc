"""The table-driven translation, on a small made-up vendor: nothing in it may depend on a real one."""

from __future__ import annotations

from typing import Any

import pytest

from tenantkms import errors as e
from tenantkms.model.site import Site
from tenantkms.wire import codecs
from tenantkms.wire.dialects.alibaba import fields as alibaba_fields
from tenantkms.wire.translate import (
    SPREAD,
    In,
    Operation,
    View,
    call,
    const,
    decode,
    each,
    encode,
    first,
    get,
    into,
    listed,
    one,
    one_of,
    refused,
    together,
)

PACK = Operation(
    "PackParcel",
    (
        In("Box", "box", codecs.text),
        In("Bag", "box", codecs.text),
        In("Ribbon", "ribbon", codecs.text),
        In("Bow", "bow", codecs.text),
        In("Card", "card", codecs.text, blank=True),
        In("Stamp", "card", codecs.text),
    ),
    rules=(one_of("Box", "Bag", required=True), together("Ribbon", "Bow"), one_of("Card", "Stamp")),
)
COMMON = frozenset({"Action", "Version"})
PAINT = Operation(
    "PaintWall",
    (
        In("Wall", "wall", codecs.text, required=True),
        In("Colour", SPREAD, codecs.choice({"red": {"r": 255, "g": 0}})),
        In("Coats", "coats", codecs.integer(1, 3)),
        In("Note", "note", codecs.text, blank=True),
        In("Height", into("where"), lambda _wire, value: {"height": value}),
        In("Width", into("where"), lambda _wire, value: {"width": value}),
        In("Practice", call("dry_run"), codecs.boolean),
        *refused("Gold"),
    ),
    constant={"tool": "brush", "where": {"side": "north"}},
)
BASE = {"tool": "brush", "where": {"side": "north"}, "wall": "w"}


@pytest.mark.parametrize(
    ("params", "canonical", "call"),
    [
        ({"Wall": "w"}, BASE, {}),
        ({"Wall": "w", "Action": "PaintWall", "Version": "1"}, BASE, {}),
        ({"Wall": "w", "Coats": ""}, BASE, {}),
        ({"Wall": "w", "Coats": None}, BASE, {}),
        ({"Wall": "w", "Nonsense": None}, BASE, {}),
        ({"Wall": "w", "Coats": "2"}, {**BASE, "coats": 2}, {}),
        ({"Wall": "w", "Coats": 3}, {**BASE, "coats": 3}, {}),
        ({"Wall": "w", "Note": ""}, {**BASE, "note": ""}, {}),
        ({"Wall": "w", "Colour": "red"}, {**BASE, "r": 255, "g": 0}, {}),
        ({"Wall": "w", "Gold": ""}, BASE, {}),
        ({"Wall": "w", "Height": 2, "Width": 3}, {**BASE, "where": {"side": "north", "height": 2, "width": 3}}, {}),
        ({"Wall": "w", "Practice": "True"}, BASE, {"dry_run": True}),
    ],
)
def test_decode(params: dict[str, Any], canonical: dict[str, Any], call: dict[str, Any]) -> None:
    assert decode(PAINT, params, COMMON) == (canonical, call)


@pytest.mark.parametrize(
    ("params", "error", "names"),
    [
        ({}, e.MissingParameter, "Wall"),
        ({"Wall": ""}, e.MissingParameter, "Wall"),
        ({"Wall": None}, e.MissingParameter, "Wall"),
        ({"Wall": 5}, e.InvalidParameter, "Wall"),
        ({"Wall": "\ud800"}, e.InvalidParameter, "Wall"),
        ({"Wall": "w", "Coats": "4"}, e.InvalidParameter, "Coats"),
        ({"Wall": "w", "Coats": "0x2"}, e.InvalidParameter, "Coats"),
        ({"Wall": "w", "Coats": "\uff12"}, e.InvalidParameter, "Coats"),
        ({"Wall": "w", "Coats": " 2"}, e.InvalidParameter, "Coats"),
        ({"Wall": "w", "Coats": "9" * 5000}, e.InvalidParameter, "Coats"),
        ({"Wall": "w", "Coats": 10**4000}, e.InvalidParameter, "Coats"),
        ({"Wall": "w", "Coats": 2.0}, e.InvalidParameter, "Coats"),
        ({"Wall": "w", "Coats": True}, e.InvalidParameter, "Coats"),
        ({"Wall": "w", "Coats": float("inf")}, e.InvalidParameter, "Coats"),
        ({"Wall": "w", "Colour": "blue"}, e.InvalidParameter, "Colour"),
        ({"Wall": "w", "Colour": ["red"]}, e.InvalidParameter, "Colour"),
        ({"Wall": "w", "Practice": "yes"}, e.InvalidParameter, "Practice"),
        ({"Wall": "w", "Gold": "24k"}, e.UnsupportedParameter, "Gold"),
        ({"Wall": "w", "wall": "w"}, e.UnknownParameter, "'wall'"),
        ({"Wall": "w", "Nonsense": ""}, e.UnknownParameter, "'Nonsense'"),
        ({"Wall": "w", "\ud800\n": "x"}, e.UnknownParameter, r"'\ud800\n'"),
    ],
)
def test_decode_refuses(params: dict[str, Any], error: type[e.KmsError], names: str) -> None:
    with pytest.raises(error) as refusal:
        decode(PAINT, params, COMMON)
    assert names in refusal.value.message
    refusal.value.message.encode("utf-8")


@pytest.mark.parametrize(
    ("params", "error", "said"),
    [
        ({"Box": "b"}, None, ""),
        ({"Bag": "b", "Box": ""}, None, ""),
        ({"Box": "b", "Ribbon": "r"}, None, ""),
        ({"Box": "b", "Ribbon": "r", "Bow": "w"}, None, ""),
        ({"Box": "b", "Card": "c"}, None, ""),
        ({}, e.MissingParameter, "Box or Bag is required."),
        ({"Box": "", "Bag": None}, e.MissingParameter, "Box or Bag is required."),
        ({"Box": "b", "Bag": "b"}, e.InvalidParameter, "Box and Bag exclude each other: give one of them."),
        ({"Box": "b", "Bow": "w"}, e.MissingParameter, "Ribbon is required with Bow."),
        (
            {"Box": "b", "Card": "", "Stamp": "s"},
            e.InvalidParameter,
            "Card and Stamp exclude each other: give one of them.",
        ),
    ],
)
def test_what_goes_with_what(params: dict[str, Any], error: type[e.KmsError] | None, said: str) -> None:
    if error is None:
        assert decode(PACK, params, COMMON)[0].keys() <= {"box", "ribbon", "bow", "card"}
        return
    with pytest.raises(error) as refusal:
        decode(PACK, params, COMMON)
    assert refusal.value.message.startswith(said)


@pytest.mark.parametrize(
    ("operation", "field", "name"),
    [
        (PAINT, "wall", "Wall"),
        (PAINT, "where", "Height or Width"),
        (PAINT, "tool", "A parameter"),
        (PACK, "box", "Box or Bag"),
    ],
)
def test_an_error_gets_the_operation_s_own_name(operation: Operation, field: str, name: str) -> None:
    error = operation.named(e.InvalidParameter("is too tall.", field=field))
    assert error.message == f"{name} is too tall."


def test_an_error_about_no_parameter_stays_as_it_is() -> None:
    assert PAINT.named(e.InvalidParameter("It rains.")).message == "It rains."


def test_a_table_is_not_changed_by_use() -> None:
    decode(PAINT, {"Wall": "w", "Height": 2}, COMMON)
    assert decode(PAINT, {"Wall": "w"}, COMMON)[0]["where"] == {"side": "north"}


def test_encode() -> None:
    rows = [{"n": "a", "s": 1}, {"n": "b", "s": 2}]
    row = {"Name": get("n"), "Size": listed("s", {1: "small", 2: "large"})}
    out = {
        "Id": get("id"),
        "Fixed": const(0),
        "Absent": const(None),
        "Blank": const(""),
        "Region": lambda _result, view: view.site.region,
        "Inner": {"List": each("rows", row), "Empty": each("none", row)},
        "First": first("rows", row),
        "One": one("row", {"Name": get("n")}),
    }
    result = {"id": 7, "rows": rows, "none": [], "row": rows[1], "secret": "never rendered"}
    small, large = {"Name": "a", "Size": "small"}, {"Name": "b", "Size": "large"}
    assert encode(out, result, View(Site(tenant="t", region="r"))) == {
        "Id": 7,
        "Fixed": 0,
        "Blank": "",
        "Region": "r",
        "Inner": {"List": [small, large], "Empty": []},
        "First": small,
        "One": {"Name": "b"},
    }


@pytest.mark.parametrize(
    ("value", "context"),
    [
        ("{}", {}),
        ('{"a": "b"}', {"a": "b"}),
        ({"a": "b"}, {"a": "b"}),
        ('{"a": "' + "x" * 11 + '"}', {"a": "x" * 11}),
    ],
)
def test_contexts(value: Any, context: dict[str, str]) -> None:
    assert codecs.context(20)("Context", value) == context


@pytest.mark.parametrize(
    "value",
    [
        "",
        "a",
        "[]",
        "null",
        '"{}"',
        '{"a": 1}',
        '{"a": null}',
        '{"a": {"b": "c"}}',
        '{"a": "b", "a": "b"}',
        '{"a": "' + "x" * 12 + '"}',
        {"a": "x" * 20},
        {"a": ["b"]},
        {"a": 1},
        ["a"],
        7,
        True,
    ],
)
def test_contexts_that_are_refused(value: Any) -> None:
    with pytest.raises(e.InvalidContext):
        codecs.context(20)("Context", value)


@pytest.mark.parametrize(
    ("codec", "value", "error"),
    [
        (codecs.plaintext, "aGk", e.InvalidPlaintext),
        (codecs.plaintext, 5, e.InvalidPlaintext),
        (codecs.ciphertext, "aGl=", e.MalformedCiphertext),
        (codecs.ciphertext, "a-_=", e.MalformedCiphertext),
        (alibaba_fields.string, "\ud800", e.InvalidPlaintext),
        (alibaba_fields.string, ["a"], e.InvalidPlaintext),
        (codecs.context(99), '{"a":"\\ud800"}', e.InvalidContext),
        (codecs.context(99), {"\udfff": "b"}, e.InvalidContext),
        (codecs.key_id, "alias/default", e.InvalidKeyId),
        (codecs.key_id, "5c438b18-05be-40ad-b6c2-3be6752cfa7e\n", e.InvalidKeyId),
        (codecs.key_id, {"a": "b"}, e.InvalidKeyId),
        (codecs.key_ids, [], e.InvalidParameter),
        (codecs.key_ids, "5c438b18-05be-40ad-b6c2-3be6752cfa7e", e.InvalidParameter),
        (codecs.key_ids, ["5c438b18-05be-40ad-b6c2-3be6752cfa7e"] * 2, e.InvalidParameter),
        (
            codecs.key_ids,
            ["5c438b18-05be-40ad-b6c2-3be6752cfa7e", "5C438B18-05BE-40AD-B6C2-3BE6752CFA7E"],
            e.InvalidParameter,
        ),
        (codecs.key_ids, [f"5c438b18-05be-40ad-b6c2-{i:012}" for i in range(101)], e.InvalidParameter),
        (codecs.tags, [{"TagKey": "k"}, {"TagKey": "k"}], e.InvalidParameter),
        (codecs.tags, [{"TagKey": ""}], e.InvalidParameter),
        (codecs.tags, [{"TagKey": "k", "Extra": "v"}], e.InvalidParameter),
        (codecs.tags, [{"TagKey": "k" * 129}], e.InvalidParameter),
        (codecs.tags, [{"TagKey": "\ud800"}], e.InvalidParameter),
        (codecs.tags, [{"TagKey": f"k{i}"} for i in range(21)], e.InvalidParameter),
        (codecs.json_tags, "[", e.InvalidParameter),
        (codecs.json_tags, '{"TagKey":"k"}', e.InvalidParameter),
        (codecs.integer(1, 9), "\uff19", e.InvalidParameter),
        (codecs.boolean, 1, e.InvalidParameter),
    ],
)
def test_values_that_are_refused(codec: Any, value: Any, error: type[e.KmsError]) -> None:
    with pytest.raises(error):
        codec("Name", value)


def test_tags_that_are_no_list_are_told_what_they_are() -> None:
    for text in ('{"a":"b"}', "a=b", '"a"'):
        with pytest.raises(e.InvalidParameter, match="Tags is not the JSON text of a list of TagKey and TagValue"):
            codecs.json_tags("Tags", text)
    assert codecs.json_tags("Tags", '[{"TagKey":"a","TagValue":"b"}]') == {"a": "b"}


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ('"Tag","Values":["a"]', "the Key 'Tag' is none of KeyState, .*, TagKey, TagValue"),
        ('"KeyState","Values":["enabled"]', "the KeyState 'enabled' is none of Enabled, Disabled, PendingDeletion, "),
        ('"keystate","Values":["Enabled",""]', "the KeyState '' is none of Enabled, "),
        ('"KeySpec","Values":["AES"]', "the KeySpec 'AES' is none of Aliyun_AES_256, "),
        ('"KeyUsage","Values":["ENCRYPT"]', "the KeyUsage 'ENCRYPT' is none of ENCRYPT/DECRYPT, "),
        ('"ProtectionLevel","Values":["Hsm"]', "the ProtectionLevel 'Hsm' is none of SOFTWARE, HSM"),
        ('"CreatorType","Values":["user"]', "the CreatorType 'user' is none of User, Service"),
    ],
)
def test_filters_name_what_they_know(row: str, told: str) -> None:
    with pytest.raises(e.InvalidParameter, match=f"Filters: {told}"):
        alibaba_fields.filters("Filters", f'[{{"Key":{row}}}]')


@pytest.mark.parametrize(
    ("rows", "where"),
    [
        ('[{"Key":"KeySpec","Values":["EC_SM2"]}]', {"specs": []}),
        ('[{"Key":"KeySpec","Values":["EC_P521"]}]', {"specs": ["EC_P521"]}),
        (
            '[{"Key":"KeyState","Values":["Enabled"]},{"Key":"KeyState","Values":["Disabled"]}]',
            {"states": ["Enabled", "Disabled"]},
        ),
        ('[{"Key":"ProtectionLevel","Values":["HSM"]},{"Key":"keyId","Values":["k"]}]', {"ids": []}),
        ('[{"Key":"ProtectionLevel","Values":["HSM","SOFTWARE"]},{"Key":"keyId","Values":["k"]}]', {"ids": ["k"]}),
        ('[{"Key":"DKMSInstanceId","Values":["kst-1"]}]', {"ids": []}),
    ],
)
def test_filters_are_all_to_match(rows: str, where: dict[str, Any]) -> None:
    assert alibaba_fields.filters("Filters", rows) == where
