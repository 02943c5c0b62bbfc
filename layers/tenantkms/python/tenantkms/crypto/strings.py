"""Strings as plaintexts: Alibaba's API takes one and gives it back (docs/decisions/0034-text-or-bytes.md).

Inside a blob a string that is base64 is held decoded, a third shorter. That is seen by nobody: `string` gives what
`held` was given.
"""

from __future__ import annotations

import base64
import binascii

from tenantkms.crypto.envelope import BASE64, TEXT


def decode_base64(text: str) -> bytes | None:
    """The bytes of `text` if it is canonical standard base64: padded, no other bits, no white space. Else None."""
    try:
        data = binascii.a2b_base64(text, strict_mode=True)
    except (ValueError, UnicodeError):
        return None
    return data if binascii.b2a_base64(data, newline=False).decode() == text else None


def held(string: str) -> tuple[int, bytes]:
    """(content, what a blob holds) of a string that UTF-8 can encode."""
    data = decode_base64(string)
    return (TEXT, string.encode()) if data is None else (BASE64, data)


def string(content: int, held: bytes) -> str:
    """The string that was encrypted; of what was bytes, their base64."""
    return held.decode() if content == TEXT else base64.b64encode(held).decode()


def plaintext(content: int, held: bytes) -> bytes:
    """The bytes that were encrypted; of what was a string, its UTF-8."""
    return base64.b64encode(held) if content == BASE64 else held
