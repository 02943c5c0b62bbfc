"""Sealed data of any length (FORMAT.md): Tink's AES256-GCM-HKDF streaming with segments of 1 MiB.

Memory is that of three segments: one is read ahead, since the last one is marked, and one is written to again and
again. A new one each time would cost more than the cipher: the allocator gives it back to the system and takes it anew.
"""

from __future__ import annotations

import hmac
import os
from collections.abc import Callable, Iterator
from typing import Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from tenantkms.crypto.ciphers import TAG_SIZE
from tenantkms.errors import InvalidCiphertext

SEGMENT = 1 << 20
"""Bytes of a sealed segment with its tag. The header is counted in the first one."""
HEADER_SIZE = 40
KEY_SIZE = 32
_SALT_SIZE = 32
_REFUSED = "The sealed data is damaged, not whole, or of another key or context."


class Reader(Protocol):
    """A file, or what reads like one: `read(n)` gives at most n bytes, and none at the end only."""

    def read(self, size: int, /) -> bytes: ...


def sealed_size(size: int) -> int:
    """Bytes of the stream that seals `size` bytes."""
    segments = -(-(HEADER_SIZE + size) // (SEGMENT - TAG_SIZE))
    return HEADER_SIZE + size + segments * TAG_SIZE


def read_full(source: Reader, size: int) -> bytes:
    """`size` bytes, fewer at the end only: a socket gives what has arrived."""
    parts = []
    while size and (found := source.read(size)):
        parts.append(found)
        size -= len(found)
    return b"".join(parts)


def _segments(source: Reader, first: int, others: int) -> Iterator[tuple[bytes, bytes]]:
    """Each segment, of so many bytes, with the end of its nonce: its number, and whether it is the last.

    There is always one. Raises `OverflowError` after 4 PiB.
    """
    number, segment = 0, read_full(source, first)
    while following := read_full(source, others):
        yield segment, number.to_bytes(4, "big") + b"\0"
        number, segment = number + 1, following
    yield segment, number.to_bytes(4, "big") + b"\1"


def _keyed(data_key: bytes, associated_data: bytes, header: bytes) -> tuple[AESGCM, bytes]:
    """Cipher and nonce prefix of one stream. The key is one block of HKDF (RFC 5869) with SHA-256."""
    salt, prefix = header[1 : 1 + _SALT_SIZE], header[1 + _SALT_SIZE :]
    return AESGCM(hmac.digest(hmac.digest(salt, data_key, "sha256"), associated_data + b"\1", "sha256")), prefix


def seal_stream(
    data_key: bytes, associated_data: bytes, source: Reader, *, random: Callable[[int], bytes] = os.urandom
) -> Iterator[memoryview]:
    """The header, then each segment of what `source` reads. `associated_data` is the canonical context.

    Each piece is to be written or copied before the next one is asked for: then it is released, and its use an error.
    `random(n)` gives n bytes never used before. Raises `ValueError` for a data key that is not 32 bytes.
    """
    if len(data_key) != KEY_SIZE:
        raise ValueError(f"a data key of {len(data_key)} bytes")
    header = bytes([HEADER_SIZE]) + random(HEADER_SIZE - 1)
    cipher, prefix = _keyed(data_key, associated_data, header)
    with memoryview(header) as piece:
        yield piece
    sealed = memoryview(bytearray(SEGMENT))
    for segment, number in _segments(source, SEGMENT - TAG_SIZE - HEADER_SIZE, SEGMENT - TAG_SIZE):
        with sealed[: len(segment) + TAG_SIZE] as piece:
            cipher.encrypt_into(prefix + number, segment, None, piece)
            yield piece


def open_stream(data_key: bytes, associated_data: bytes, source: Reader) -> Iterator[memoryview]:
    """What was sealed, a segment at a time, each to be used as of `seal_stream`.

    Only the end says that it is whole: nothing of it may take effect before. Raises `InvalidCiphertext`, the same for
    every reason, unless this is exactly what was sealed.
    """
    header = read_full(source, HEADER_SIZE)
    if len(data_key) != KEY_SIZE or len(header) < HEADER_SIZE or header[0] != HEADER_SIZE:
        raise InvalidCiphertext(_REFUSED)
    cipher, prefix = _keyed(data_key, associated_data, header)
    opened = memoryview(bytearray(SEGMENT - TAG_SIZE))
    for segment, number in _segments(source, SEGMENT - HEADER_SIZE, SEGMENT):
        with opened[: len(segment) - TAG_SIZE] as piece:
            try:
                cipher.decrypt_into(prefix + number, segment, None, piece)
            except InvalidTag:
                raise InvalidCiphertext(_REFUSED) from None
            yield piece
