"""What codecs say of the values that they take is so: bounds, names and forms, tried on the codecs themselves."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from tenantkms.errors import KmsError
from tenantkms.wire import shapes
from tenantkms.wire.dialects import DIALECTS
from tenantkms.wire.shapes import Shape, shape_of
from tenantkms.wire.translate import In, refused

_REFUSE = refused("")[0].codec
KEY = "1234abcd-12ab-34cd-56ef-1234567890ab"


def _rows() -> Iterator[tuple[str, In]]:
    for dialect in DIALECTS.values():
        for name, operation in dialect.operations.items():
            for row in operation.params:
                if row.codec is not _REFUSE and "-" not in row.wire:
                    yield f"{dialect.name} {name} {row.wire}", row


ROWS = dict(_rows())


def takes(row: In, value: Any) -> bool:
    try:
        row.codec(row.wire, value)
    except KmsError:
        return False
    return True


def test_every_parameter_says_what_it_takes() -> None:
    for where, row in ROWS.items():
        assert shape_of(row.codec).kind, where
    assert len(ROWS) > 400


VALUES = ("Enabled", "ALL", "default", "AQEB", "1", 1, 0, ["Encrypt"], {"a": "b"}, '[{"TagKey":"a","TagValue":"b"}]')
"""Of every sort: some codecs go on with one, some with another."""


def test_no_request_says_what_a_codec_takes() -> None:
    """Codecs are made once: what requests made would be said, and kept, for each of them."""
    known = len(shapes._SHAPES)
    for row in ROWS.values():
        for value in (*VALUES, *shape_of(row.codec).names, shape_of(row.codec).example):
            takes(row, value)
    assert len(shapes._SHAPES) == known


def _of(kind: str) -> list[Any]:
    found = {where: row for where, row in ROWS.items() if shape_of(row.codec).kind == kind}
    assert found
    return [pytest.param(row, shape_of(row.codec), id=where) for where, row in found.items()]


@pytest.mark.parametrize(("row", "shape"), _of("integer"))
def test_integers_have_their_bounds(row: In, shape: Shape) -> None:
    assert shape.least is not None
    assert shape.most is not None
    assert [takes(row, n) for n in (shape.least - 1, shape.least, shape.most, shape.most + 1)] == [
        False,
        True,
        True,
        False,
    ]


@pytest.mark.parametrize(("row", "shape"), _of("choice"))
def test_choices_are_all_there_are(row: In, shape: Shape) -> None:
    wrong = [name for name in shape.names if not takes(row, name)]
    # Names of AWS that are not served are told so by a rule of their own, after the codec.
    assert not wrong
    assert not takes(row, "Another")
    assert not takes(row, "")


@pytest.mark.parametrize(("row", "shape"), _of("base64"))
def test_base64_has_its_bytes(row: In, shape: Shape) -> None:
    assert takes(row, base64.b64encode(b"\1" * max(shape.least or 1, 1)).decode())
    assert not takes(row, "not base64")
    if shape.most:
        assert takes(row, base64.b64encode(bytes(shape.most)).decode())
        assert not takes(row, base64.b64encode(bytes(shape.most + 1)).decode())


@pytest.mark.parametrize(("row", "shape"), _of("text"))
def test_texts_have_their_form_and_length(row: In, shape: Shape) -> None:
    if shape.example:
        assert takes(row, shape.example)
        assert re.fullmatch(shape.form or ".*", shape.example)
    if shape.form:
        assert not takes(row, "no such form \x00")
    if shape.most and not shape.form and row.wire not in ("Marker", "NextToken", "GrantToken"):
        assert takes(row, "a" * shape.most)
    if shape.most:
        assert not takes(row, "a" * (shape.most + 1))
    if shape.least:
        assert not takes(row, "a" * (shape.least - 1))


@pytest.mark.parametrize(("row", "shape"), _of("key"))
def test_keys_are_named_so(row: In, shape: Shape) -> None:
    assert takes(row, KEY)
    assert takes(row, "alias/default") == (shape.example == "alias/default")
    assert not shape.form or (re.fullmatch(shape.form, KEY) and not re.fullmatch(shape.form, "alias/default"))


@pytest.mark.parametrize(("row", "shape"), _of("boolean"))
def test_booleans(row: In, shape: Shape) -> None:
    assert takes(row, False)
    assert not takes(row, "perhaps")


@pytest.mark.parametrize(("row", "shape"), _of("map"))
def test_maps_have_their_characters(row: In, shape: Shape) -> None:
    def travelling(size: int) -> Any:
        made = {"a": "b" * (size - 1)} if size else {}
        return json.dumps(made) if shape.json else made

    assert shape.most is not None
    assert takes(row, travelling(shape.most - 20 if shape.json else shape.most))  # JSON text has its own marks in it
    assert not takes(row, travelling(shape.most + 1))


@pytest.mark.parametrize(("row", "shape"), _of("json"))
def test_examples_of_json_are_taken(row: In, shape: Shape) -> None:
    made = json.loads(shape.example)
    assert takes(row, shape.example if shape.json else made)
    assert takes(row, shape.example) == shape.json


@pytest.mark.parametrize(("row", "shape"), _of("list"))
def test_lists_have_their_items(row: In, shape: Shape) -> None:
    assert shape.of is not None

    def items(size: int) -> list[str]:
        assert shape.of
        named = shape.of.names or tuple(f"alias/{n}" for n in range(size)) * bool(shape.of.example)
        ids = [f"1234abcd-12ab-34cd-56ef-{n:012}" for n in range(size)]
        return [*named][:size] if shape.of.names else [*(named or ids)]

    assert takes(row, items(max(shape.least or 1, 1)))
    if shape.least:
        assert not takes(row, [])
    if shape.most:
        assert takes(row, items(shape.most))
        assert not takes(row, items(shape.most + 1))
