"""JSON is read strictly: one object, each key once, finite, shallow, in UTF-8."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tenantkms.errors import MalformedRequest
from tenantkms.wire.parse import parse_json, parse_json_object

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)


def _deep(levels: int) -> str:
    return '{"a":' * levels + "1" + "}" * levels


@pytest.mark.parametrize(
    ("body", "value"),
    [
        (b"{}", {}),
        (b' {"a": "b"} ', {"a": "b"}),
        (b'{"a": {"a": 1}}', {"a": {"a": 1}}),
        ('{"空": "\\u7a7a"}'.encode(), {"空": "空"}),
        (_deep(8).encode(), json.loads(_deep(8))),
        (b'{"a": ' + b"9" * 4000 + b"}", {"a": 10**4000 - 1}),
    ],
)
def test_json(body: bytes, value: dict[str, Any]) -> None:
    assert parse_json_object(body) == value


BAD_JSON = {
    "nothing": b"",
    "white space": b"  ",
    "a list": b"[]",
    "a string": b'"a"',
    "null": b"null",
    "a key twice": b'{"a": 1, "a": 1}',
    "a key twice, of texts": b'{"a": "1", "b": "", "a": "1"}',
    "a key twice, the first no text": b'{"a": 1, "a": "1"}',
    "a key twice, the last no text": b'{"a": "1", "a": 1}',
    "a key twice, with an object": b'{"a": {"b": "c"}, "a": "1"}',
    "a key twice, escaped once": b'{"a": 1, "\\u0061": 1}',
    "a key twice, deep inside": b'{"a": [{"b": 1, "b": 2}]}',
    "NaN": b'{"a": NaN}',
    "Infinity": b'{"a": Infinity}',
    "-Infinity": b'{"a": -Infinity}',
    "a number of 5000 digits": b'{"a": ' + b"1" * 5000 + b"}",
    "nine levels": _deep(9).encode(),
    "nine levels of lists": b'{"a": ' + b"[" * 8 + b"]" * 8 + b"}",
    "thousands of levels": b'{"a": ' + b"[" * 20_000,
    "thousands of levels, closed": b'{"a":' * 9_000 + b"1" + b"}" * 9_000,
    "text after it": b"{} {}",
    "a comma too many": b'{"a": 1,}',
    "a comment": b"{} // a",
    "single quotes": b"{'a': 1}",
    "a raw line feed in a string": b'{"a": "\n"}',
    "a byte order mark": b"\xef\xbb\xbf{}",
    "UTF-16": '{"a": 1}'.encode("utf-16"),
    "UTF-16 without a mark": '{"a": 1}'.encode("utf-16-le"),
    "invalid UTF-8": b'{"a": "\xff"}',
    "an overlong slash": b'{"a": "\xc0\xaf"}',
    "an encoded surrogate": b'{"a": "\xed\xa0\x80"}',
    "a NUL after it": b"{}\0",
}


@pytest.mark.parametrize("body", BAD_JSON.values(), ids=BAD_JSON)
def test_bad_json(body: bytes) -> None:
    with pytest.raises(MalformedRequest):
        parse_json_object(body)


@settings(deadline=None)
@given(st.dictionaries(texts, texts | st.integers(-(10**30), 10**30) | st.booleans() | st.none(), max_size=5))
def test_json_round_trip(value: dict[str, Any]) -> None:
    assert parse_json_object(json.dumps(value).encode()) == value
    assert parse_json(json.dumps(value, ensure_ascii=False)) == value


_pieces = st.sampled_from(['"', "a", "b", ":", ",", "{", "}", "\\", " ", "1", '"a":"b"', '"b":"",', "é", "\n", "null"])


@settings(deadline=None, max_examples=500)
@given(st.lists(_pieces, max_size=10).map(lambda pieces: "{" + "".join(pieces) + "}"))
def test_an_object_of_texts_is_read_as_any_other(text: str) -> None:
    """Most bodies are objects of texts, which have a parser of their own."""
    outcomes = []
    for parse in (parse_json, lambda text: parse_json_object(text.encode())):
        try:
            outcomes.append(parse(text))
        except MalformedRequest:
            outcomes.append(MalformedRequest)
    assert outcomes[0] == outcomes[1]
