"""The canonical encryption context: pinned bytes, one form for each set of pairs, no two sets with one form."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kit.support import VECTORS
from tenantkms.crypto.context import canonical
from tenantkms.errors import InvalidContext

CASES = json.loads((VECTORS / "format" / "v1.json").read_text("utf-8"))["cases"]
words = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
contexts = st.dictionaries(words, words, max_size=4)


def parsed(data: bytes) -> list[tuple[str, str]]:
    """Reads the canonical form back, by FORMAT.md."""
    count, rest = int.from_bytes(data[:2], "big"), data[2:]
    texts = []
    for _ in range(2 * count):
        size = int.from_bytes(rest[:2], "big")
        texts.append(rest[2 : 2 + size].decode())
        rest = rest[2 + size :]
    assert not rest
    return list(zip(texts[::2], texts[1::2], strict=True))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["canonical_context_hex"][:16])
def test_vectors(case: dict[str, Any]) -> None:
    assert canonical(case["context"]).hex() == case["canonical_context_hex"]


@pytest.mark.parametrize(
    ("context", "expected"),
    [
        ({}, "0000"),
        ({"": ""}, "0001 0000 0000"),
        ({"a": "bc"}, "0001 0001 61 0002 6263"),
        ({"ab": "c"}, "0001 0002 6162 0001 63"),
        ({"b": "", "a": ""}, "0002 0001 61 0000 0001 62 0000"),
        # UTF-16 would sort U+1F511 (d83d..) before U+FFFD; UTF-8 does not.
        ({"\U0001f511": "", "\ufffd": ""}, "0002 0003 efbfbd 0000 0004 f09f9491 0000"),
        ({"a\0": "", "a": "\0"}, "0002 0001 61 0001 00 0002 6100 0000"),
        # Not normalised: one letter and its two code points are two names.
        ({"e\u0301": "", "\u00e9": ""}, "0002 0003 65cc81 0000 0002 c3a9 0000"),
    ],
)
def test_bytes(context: dict[str, str], expected: str) -> None:
    assert canonical(context) == bytes.fromhex(expected)


@settings(max_examples=200, deadline=None)
@given(contexts)
def test_it_reads_back_sorted_by_bytes_in_any_order(context: dict[str, str]) -> None:
    data = canonical(context)
    assert data == canonical(dict(reversed(context.items())))
    pairs = parsed(data)
    assert dict(pairs) == context
    assert pairs == sorted(pairs, key=lambda pair: pair[0].encode())


@settings(max_examples=200, deadline=None)
@given(contexts, contexts)
def test_two_contexts_never_look_the_same(one: dict[str, str], other: dict[str, str]) -> None:
    assert (canonical(one) == canonical(other)) == (one == other)


@pytest.mark.parametrize("size", [0xFFFF, 0x10000])
@pytest.mark.parametrize("where", ["key", "value", "multibyte"])
def test_lengths_are_16_bits_of_utf8(size: int, where: str) -> None:
    text = "x" * size if where != "multibyte" else "é" * (size // 2) + "x" * (size % 2)
    context = {text: ""} if where == "key" else {"": text}
    if size <= 0xFFFF:
        assert dict(parsed(canonical(context))) == context
    else:
        with pytest.raises(InvalidContext):
            canonical(context)


def test_as_many_pairs_as_16_bits_count() -> None:
    assert canonical({str(number): "" for number in range(0xFFFF)})[:2] == b"\xff\xff"


def test_too_many_pairs() -> None:
    with pytest.raises(InvalidContext):
        canonical({str(number): "" for number in range(0x10000)})


@pytest.mark.parametrize("context", [{"\ud800": ""}, {"": "\udfff"}, {"a": "b", "c": "\ud83d"}])
def test_lone_surrogates_are_refused_without_repeating_them(context: dict[str, str]) -> None:
    with pytest.raises(InvalidContext) as refused:
        canonical(context)
    refused.value.message.encode("ascii")
