"""Sealed files and the metadata of sealed objects: only `InvalidCiphertext` leaves, and what FORMAT.md opens opens.

The first byte says what the rest is: of three, 0 a file, 1 what a file is made of, with one byte of it changed if the
input says so, 2 metadata, a name or a value a line.
"""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Iterator

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from tenantkms.crypto import sealed, streaming
from tenantkms.errors import InvalidCiphertext

KEY, CONTEXT = bytes(range(32)), b"\0\0"
BLOB = bytes(range(128))
WORDS = (b"TKO1\0\x80", b"\x28", b"tkms-v\n1", b"tkms-key", b"tkms-source", b"e30=")
_FIXED = 4


def run(data: bytes) -> None:
    kind, rest = data[:1] or b"\0", data[1:]
    if kind[0] % 3 == 2:
        _metadata(rest)
    else:
        _file(_made(rest) if kind[0] % 3 else rest)


def _made(rest: bytes) -> bytes:
    where, change, size = int.from_bytes(rest[:2], "big"), *rest[2:_FIXED].ljust(2, b"\0")
    pieces = streaming.seal_stream(KEY, CONTEXT, io.BytesIO(rest[_FIXED:]), random=lambda n: (rest * n + bytes(n))[:n])
    file = bytearray(sealed.pack_head(BLOB[:size]) + b"".join(bytes(piece) for piece in pieces))
    file[where % len(file)] ^= change
    return bytes(file)


def _file(file: bytes) -> None:
    opened = _opened(file)
    assert opened == _specified(file), "it opens what the specification does not, or the other way round"


def _opened(file: bytes) -> tuple[bytes, bytes] | None:
    source = io.BytesIO(file)
    try:
        blob = sealed.read_head(source)
        return blob, b"".join(bytes(piece) for piece in streaming.open_stream(KEY, CONTEXT, source))
    except InvalidCiphertext as error:
        refusal = error.message
    assert refusal.startswith(("This is no sealed file", "The sealed data is damaged")), "a text of its own"
    return None


def _specified(file: bytes) -> tuple[bytes, bytes] | None:
    """A file of one segment, opened by another implementation."""
    size = int.from_bytes(file[4:6], "big")
    blob, stream = file[6 : 6 + size], file[6 + size :]
    if file[:4] != b"TKO1" or len(file) < 6 + size or len(stream) < 40 or stream[0] != 40:
        return None
    key = HKDF(hashes.SHA256(), 32, stream[1:33], CONTEXT).derive(KEY)
    try:
        return blob, AESGCM(key).decrypt(stream[33:40] + bytes(4) + b"\1", stream[40:], None)
    except InvalidTag:
        return None


def _metadata(rest: bytes) -> None:
    lines = rest.decode("utf-8", "replace").split("\n")
    metadata = dict(zip(lines[::2], lines[1::2], strict=False))
    try:
        read = sealed.read_metadata(metadata)
    except InvalidCiphertext as error:
        refusal = error.message
    else:
        _check_read(metadata, read)
        return
    assert refusal == "The metadata of the sealed object is damaged.", "a text of its own"


def _check_read(metadata: dict[str, str], read: tuple[bytes, dict[str, str]] | None) -> None:
    if read is None:
        assert sealed.VERSION not in metadata
        return
    again = sealed.pack_metadata(*read)
    assert sealed.read_metadata(again) == read, "what is read is not what was written"
    assert again[sealed.WRAPPED_KEY] == metadata[sealed.WRAPPED_KEY], "one blob has two texts"


def seeds() -> Iterator[bytes]:
    for text in (b"", b"x", b"text " * 20):
        for fixed in (b"\0\0\0\x80", b"\0\x90\1\x80", b"\0\0\0\0"):
            yield b"\1" + fixed + text
            yield b"\0" + _made(fixed + text)
    source = base64.b64encode(json.dumps({"bucket": "b", "key": "k\u00e4"}).encode())
    good = b"tkms-v\n1\ntkms-key\n" + base64.b64encode(BLOB) + b"\ntkms-source\n" + source
    yield b"\2" + good.replace(b"n8=", b"n9=")
    yield from (
        b"\2" + good,
        b"\2" + good[:-1],
        b"\2" + good.replace(b"\n1\n", b"\n2\n"),
        b"\2" + good.replace(b"key\n", b"key\n "),
        b"\2a\nb",
    )
