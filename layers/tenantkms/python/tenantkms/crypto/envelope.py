"""The ciphertext blob, version 1: FORMAT.md byte by byte. No I/O; the salt is an argument, so vectors can pin it."""

from __future__ import annotations

import hmac
import struct
from typing import NamedTuple

from tenantkms.crypto.ciphers import SUITES, TAG_SIZE, InvalidTag
from tenantkms.crypto.hmacs import Hmac
from tenantkms.errors import InvalidCiphertext

FORMAT = 0x01
BYTES, TEXT, BASE64 = 0x00, 0x01, 0x03
CONTENTS = (BYTES, TEXT, BASE64)
"""BASE64 is a text as well: the canonical base64 of what the blob holds."""
SALT_SIZE = 24
OVERHEAD = 96
"""Bytes that a blob is longer than its plaintext."""

_HEADER = struct.Struct(">BBBB16sI24s")
_COMMITMENT_SIZE = 32
_BODY = _HEADER.size + _COMMITMENT_SIZE
_EXTRACT_SALT = b"tenantkms/v1"
_MESSAGE_INFO = b"tenantkms/v1/message"


class Header(NamedTuple):
    """What a blob says of itself. Nothing of it is to be believed before `open_blob` has succeeded."""

    suite: int
    content: int
    key_id: str
    version: int
    raw: bytes


def derive(material: bytes) -> Hmac:
    """HMAC under the PRK of a key version: HKDF-Extract (RFC 5869) with SHA-512, once per unsealed version."""
    return Hmac(hmac.digest(_EXTRACT_SALT, material, "sha512"), "sha512")


def _message_keys(prk: Hmac, header: bytes, key_size: int) -> tuple[bytes, bytes]:
    """(message key, commitment): one block of HKDF-Expand, since neither suite needs more than 64 bytes."""
    okm = prk(_MESSAGE_INFO + header + b"\x01")[: key_size + _COMMITMENT_SIZE]
    return okm[:key_size], okm[key_size:]


def seal_blob(
    prk: Hmac, *, suite: int, content: int, key_id: str, version: int, salt: bytes, plaintext: bytes, context: bytes
) -> bytes:
    """A new blob. `context` is the canonical one; `salt` is 24 bytes that were never used before."""
    header = _HEADER.pack(FORMAT, suite, content, 0, bytes.fromhex(key_id.replace("-", "")), version, salt)
    row = SUITES[suite]
    key, commitment = _message_keys(prk, header, row.key_size)
    return header + commitment + row.seal(key, plaintext, context)


def _uuid(digits: str) -> str:
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def parse_header(blob: bytes) -> Header:
    """The header of a blob whose length and fixed fields are right. Raises `InvalidCiphertext`."""
    if len(blob) < _BODY + TAG_SIZE:
        raise InvalidCiphertext
    format_, suite, content, reserved, key_id, version, _ = _HEADER.unpack_from(blob)
    if format_ != FORMAT or suite not in SUITES or content not in CONTENTS or reserved or not version:
        raise InvalidCiphertext
    return Header(suite, content, _uuid(key_id.hex()), version, blob[: _HEADER.size])


def open_blob(prk: Hmac, header: Header, blob: bytes, context: bytes) -> bytes:
    """The plaintext of a blob. Raises `InvalidCiphertext` for every reason there is."""
    row = SUITES[header.suite]
    key, commitment = _message_keys(prk, header.raw, row.key_size)
    committed = hmac.compare_digest(commitment, blob[_HEADER.size : _BODY])
    try:
        plaintext = row.open(key, blob[_BODY:], context)
    except InvalidTag:
        raise InvalidCiphertext from None
    if not committed:
        raise InvalidCiphertext
    if header.content == TEXT:
        try:
            plaintext.decode("utf-8")
        except UnicodeDecodeError:
            raise InvalidCiphertext from None
    return plaintext
