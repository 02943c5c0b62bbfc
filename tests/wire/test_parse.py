"""The parsers read a request in one way only: what two readers could read differently is refused."""

from __future__ import annotations

import base64
import binascii
from typing import Any
from urllib.parse import unquote_plus, urlencode

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kit.support import event
from tenantkms.crypto.strings import decode_base64
from tenantkms.errors import MalformedRequest, RequestTooLarge
from tenantkms.wire.http import MAX_BODY, MAX_TARGET, Remembered, Response, check_size, request_from_event
from tenantkms.wire.parse import Parameters, escape, nest, parse_form, parse_pairs, unescape


@given(st.text(st.sampled_from("aF09%+~:\x7f"), max_size=20))
def test_unescaping_is_what_the_standard_library_does(text: str) -> None:
    assert unescape(text, "replace") == unquote_plus(text, errors="replace")


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)


@pytest.mark.parametrize(
    ("raw", "pairs"),
    [
        ("", {}),
        ("a=1", {"a": "1"}),
        ("a=", {"a": ""}),
        ("=a", {"": "a"}),
        ("a=b=c", {"a": "b=c"}),
        ("a=1&b=2", {"a": "1", "b": "2"}),
        ("a=x+y%20z%2B", {"a": "x y z+"}),
        ("%E7%A9%BA=%e7%a9%ba", {"空": "空"}),
        ("a=%00", {"a": "\0"}),
        ("a=%F0%9F%98%80", {"a": "😀"}),
        ("a=!'()*~-._:/?#[]@$,;", {"a": "!'()*~-._:/?#[]@$,;"}),
        ("&".join(f"n{i}=" for i in range(512)), {f"n{i}": "" for i in range(512)}),
    ],
)
def test_parameters(raw: str, pairs: dict[str, str]) -> None:
    assert parse_pairs(raw) == pairs
    assert parse_form(raw.encode()) == pairs


BAD_PARAMETERS = {
    "a name twice": "a=1&a=1",
    "a name twice, escaped once": "a=1&%61=2",
    "no equals sign": "a",
    "an empty part": "a=1&&b=2",
    "an ampersand at the end": "a=1&",
    "an ampersand at the start": "&a=1",
    "a bare percent": "a=100%",
    "a short escape": "a=%2",
    "an escape that is not hexadecimal": "a=%GG",
    "an escape with a full-width digit": "a=%\uff120",
    "an escape in a name": "a%zz=1",
    "invalid UTF-8": "a=%FF",
    "invalid UTF-8 in a name": "%FF=a",
    "an overlong slash": "a=%C0%AF",
    "an overlong NUL": "a=%C0%80",
    "an encoded surrogate": "a=%ED%A0%80",
    "above U+10FFFF": "a=%F4%90%80%80",
    "UTF-8 cut short": "a=%E7%A9",
    "UTF-16 with a byte order mark": "%FF%FEa%00=%001",
    "a raw space": "a=b c",
    "a raw line feed": "a=b\nc",
    "a raw NUL": "a=\0",
    "a raw letter that is not ASCII": "a=é",
    "more than 512 parameters": "&".join(f"n{i}=" for i in range(513)),
}


@pytest.mark.parametrize("raw", BAD_PARAMETERS.values(), ids=BAD_PARAMETERS)
def test_bad_parameters(raw: str) -> None:
    with pytest.raises(MalformedRequest):
        parse_pairs(raw)
    with pytest.raises(MalformedRequest):
        parse_form(raw.encode("utf-8"))


@pytest.mark.parametrize("body", [b"\xef\xbb\xbfa=1", b"a=\xff", "a=1".encode("utf-16"), b"a=\xc3\xa9"])
def test_a_form_is_ascii(body: bytes) -> None:
    with pytest.raises(MalformedRequest):
        parse_form(body)


@settings(deadline=None)
@given(st.dictionaries(texts, texts, max_size=8))
def test_parameters_round_trip(pairs: dict[str, str]) -> None:
    assert parse_pairs(urlencode(pairs)) == pairs
    assert parse_pairs("&".join(f"{escape(name)}={escape(value)}" for name, value in pairs.items())) == pairs


@settings(deadline=None)
@given(st.text(max_size=40))
def test_any_text_is_parsed_or_refused(raw: str) -> None:
    try:
        pairs = parse_pairs(raw)
    except MalformedRequest:
        return
    assert parse_pairs(urlencode(pairs)) == pairs


def test_a_name_in_the_query_and_in_the_form() -> None:
    assert Parameters({"a": "1"}, {"b": "2"}).all == {"a": "1", "b": "2"}
    assert Parameters({"a": "1"}, {}).all == {"a": "1"}
    with pytest.raises(MalformedRequest):
        Parameters({"a": "1"}, {"a": "1"})


def test_a_common_name_in_both_says_the_same_in_both() -> None:
    common = frozenset({"a", "b"})
    assert Parameters({"a": "1", "c": "2"}, {"a": "1", "d": "3"}, common).all == {"a": "1", "c": "2", "d": "3"}
    for query, form in (
        ({"a": "1"}, {"a": "2"}),
        ({"a": ""}, {"a": "1"}),
        ({"a": "1", "c": "2"}, {"a": "1", "c": "2"}),
    ):
        with pytest.raises(MalformedRequest):
            Parameters(query, form, common)


@pytest.mark.parametrize(
    ("flat", "first", "nested"),
    [
        ({"a": "1"}, 0, {"a": "1"}),
        ({"a.0": "x", "a.1": "y"}, 0, {"a": ["x", "y"]}),
        ({"a.2": "y", "a.1": "x"}, 1, {"a": ["x", "y"]}),
        ({"Tags.0.TagKey": "k", "Tags.0.TagValue": "v"}, 0, {"Tags": [{"TagKey": "k", "TagValue": "v"}]}),
        ({"c.x": "1", "c.空": "2"}, 0, {"c": {"x": "1", "空": "2"}}),
        ({"c.x": "1", "c.0": "2"}, 0, {"c": {"x": "1", "0": "2"}}),
        ({"c.01": "1"}, 0, {"c": {"01": "1"}}),
        ({"a.10": "k", **{f"a.{i}": str(i) for i in range(10)}}, 0, {"a": [*"0123456789", "k"]}),
    ],
)
def test_nest(flat: dict[str, str], first: int, nested: dict[str, Any]) -> None:
    assert nest(flat, first) == nested


def test_nest_leaves_other_names_alone() -> None:
    flat = {"a.1": "x", "b.1": "y", "c": "z"}
    assert nest(flat, 1, only=frozenset({"a"})) == {"a": ["x"], "b.1": "y", "c": "z"}


BAD_NAMES = {
    "a list from 1 that should begin at 0": {"a.1": ""},
    "a list with a gap": {"a.0": "", "a.2": ""},
    "a far index": {"a.9999": ""},
    "a value and a list": {"a": "", "a.0": ""},
    "a list and a value": {"a.0": "", "a": ""},
    "an item and a map": {"a.0": "", "a.0.b": ""},
    "a map and an item": {"a.0.b": "", "a.0": ""},
    "nine levels": {"a.b.c.d.e.f.g.h.i": ""},
}


@pytest.mark.parametrize("flat", BAD_NAMES.values(), ids=BAD_NAMES)
def test_bad_names(flat: dict[str, str]) -> None:
    with pytest.raises(MalformedRequest):
        nest(flat, 0)


def _flatten(value: Any, name: str, first: int) -> dict[str, str]:
    if isinstance(value, str):
        return {name: value}
    items = value.items() if isinstance(value, dict) else enumerate(value, first)
    return {k: v for key, item in items for k, v in _flatten(item, f"{name}.{key}", first).items()}


names = st.text("abc空 -", min_size=1, max_size=3)
trees = st.recursive(
    texts,
    lambda inner: st.lists(inner, min_size=1, max_size=3) | st.dictionaries(names, inner, min_size=1, max_size=3),
    max_leaves=6,
)


@settings(deadline=None)
@given(st.dictionaries(names, trees, max_size=3), st.sampled_from([0, 1]))
def test_nest_undoes_flattening(nested: dict[str, Any], first: int) -> None:
    flat = {k: v for name, value in nested.items() for k, v in _flatten(value, name, first).items()}
    if max((name.count(".") for name in flat), default=0) < 8:
        assert nest(flat, first) == nested


@pytest.mark.parametrize(
    "text",
    ["A", "QQ", "QQ=", "QR==", "QUJ=", "QUI", " QQ==", "QQ==\n", "Q Q==", "Q-_=", "QQ===", "====", "é", "\ud800"],
)
def test_base64_that_is_not_canonical(text: str) -> None:
    assert decode_base64(text) is None


@settings(deadline=None)
@given(st.binary(max_size=40))
def test_canonical_base64(data: bytes) -> None:
    assert decode_base64(base64.b64encode(data).decode()) == data


@settings(deadline=None)
@given(st.text("AQRgw+/=-_ \n", max_size=10))
def test_base64_has_one_spelling(text: str) -> None:
    try:
        canonical = base64.b64encode(base64.b64decode(text)).decode() == text
    except binascii.Error:
        canonical = False
    assert (decode_base64(text) is not None) == canonical


BAD_EVENTS: dict[str, Any] = {
    "an empty event": {},
    "no request context": {"rawPath": "/"},
    "payload format 1.0": {"httpMethod": "GET", "path": "/", "requestContext": {"stage": "prod"}},
    "no path": {"requestContext": {"http": {"method": "GET"}}},
    "a body that is not base64": {**event(), "body": "a", "isBase64Encoded": True},
    "a body with a lone surrogate": {**event(), "body": "\ud800"},
    "a list": [],
}


@pytest.mark.parametrize("made", BAD_EVENTS.values(), ids=BAD_EVENTS)
def test_events_that_api_gateway_does_not_send(made: Any) -> None:
    with pytest.raises(MalformedRequest):
        request_from_event(made)


def test_an_event_becomes_a_request_and_a_response_an_answer() -> None:
    request = request_from_event(event("POST", "/p", "a=%20", {"Content-Type": "Text/Plain; charset=x"}, b"\xff"))
    assert (request.method, request.path, request.query, request.body) == ("POST", "/p", "a=%20", b"\xff")
    assert (request.media_type, request.header("none"), request.source_ip) == ("text/plain", "", "192.0.2.1")
    answer = Response(status=418, content_type="a/b", body="{}", headers={"x": "y"}).event()
    assert answer["headers"] == {"content-type": "a/b", "cache-control": "no-store", "x": "y"}
    assert (answer["statusCode"], answer["body"], answer["isBase64Encoded"]) == (418, "{}", False)


@pytest.mark.parametrize(("body", "query"), [(b"x" * (MAX_BODY + 1), ""), (b"", "x" * (MAX_TARGET + 1))])
def test_size_comes_first(body: bytes, query: str) -> None:
    with pytest.raises(RequestTooLarge):
        check_size(request_from_event(event("POST", query=query, body=body)))
    check_size(request_from_event(event("POST", query=query[:MAX_TARGET], body=body[:MAX_BODY])))


def test_names_that_strangers_make_up_do_not_stay() -> None:
    made: list[str] = []

    def make(name: str) -> str:
        made.append(name)
        return name.upper()

    names = Remembered(make, size=3)
    assert [names[name] for name in ("a", "b", "a", "c", "b")] == ["A", "B", "A", "C", "B"]
    assert made == ["a", "b", "c"]
    assert names["x" * 1000] == "X" * 1000
    assert set(names) == {"a", "b", "c"}
    assert names["d"] == "D"
    assert set(names) == {"d"}
    for length, kept in ((128, True), (129, False)):
        names = Remembered(make)
        assert names["x" * length] == "X" * length
        assert bool(names) is kept
    names = Remembered(make)
    assert max(len(names) for number in range(1000) if names[str(number)]) == 512
