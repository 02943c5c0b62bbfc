"""Strings as plaintexts: each comes back as it was, and is held decoded exactly where that loses nothing."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenantkms.crypto.envelope import BASE64, BYTES, TEXT
from tenantkms.crypto.strings import decode_base64, held, plaintext, string

texts = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"])),
    st.binary().map(lambda data: base64.b64encode(data).decode()),
    st.text("AQgw+/=-_ \n", max_size=9),
)


@given(texts)
def test_a_string_comes_back_and_is_its_utf_8_to_who_asks_for_bytes(text: str) -> None:
    content, data = held(text)
    assert string(content, data) == text
    assert plaintext(content, data) == text.encode()
    assert len(data) <= len(text.encode())


@given(st.binary())
def test_bytes_come_back_and_are_base64_to_who_asks_for_a_string(data: bytes) -> None:
    assert plaintext(BYTES, data) == data
    assert string(BYTES, data) == base64.b64encode(data).decode()


@pytest.mark.parametrize(
    ("text", "content", "data"),
    [
        ("aGk=", BASE64, b"hi"),
        ("", BASE64, b""),
        ("password", BASE64, bytes.fromhex("a5ab2cc28add")),
        ("plaintext", TEXT, b"plaintext"),
        ("aGk", TEXT, b"aGk"),
        ("aGl=", TEXT, b"aGl="),
        ("aGk=\n", TEXT, b"aGk=\n"),
        ("空", TEXT, "空".encode()),
    ],
)
def test_what_a_blob_holds_of_a_string(text: str, content: int, data: bytes) -> None:
    assert held(text) == (content, data)
    assert (decode_base64(text) is not None) == (content == BASE64)
