"""A second implementation of FORMAT.md, written from its text alone with a library's own HKDF and ciphers.

Tests hold it against the layer in both directions. Every field is an argument here, so that blobs can be made
that the layer would never make.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from typing import NamedTuple
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.constant_time import bytes_eq
from cryptography.hazmat.primitives.hashes import SHA512
from cryptography.hazmat.primitives.hmac import HMAC
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

KEY_SIZES = {1: 32, 2: 16}
ZERO_NONCE = bytes(12)


class Refused(Exception):
    """The blob does not open."""


class Fields(NamedTuple):
    """A header's fields, with the values of a good blob."""

    suite: int
    key_id: str
    version: int
    salt: bytes
    content: int = 0
    format: int = 1
    reserved: int = 0

    def header(self) -> bytes:
        fixed = struct.pack(">4B", self.format, self.suite, self.content, self.reserved)
        return fixed + UUID(self.key_id).bytes + struct.pack(">L", self.version) + self.salt


def canonical_context(context: Mapping[str, str]) -> bytes:
    out = struct.pack(">H", len(context))
    for name in sorted(context, key=lambda text: text.encode()):
        for text in (name.encode(), context[name].encode()):
            out += struct.pack(">H", len(text)) + text
    return out


def message_keys(material: bytes, header: bytes, key_size: int) -> tuple[bytes, bytes]:
    """(message key, commitment)."""
    extract = HMAC(b"tenantkms/v1", SHA512())
    extract.update(material)
    expand = HKDFExpand(SHA512(), length=key_size + 32, info=b"tenantkms/v1/message" + header)
    okm = expand.derive(extract.finalize())
    return okm[:key_size], okm[-32:]


def encrypt(key: bytes, plaintext: bytes, associated: bytes, nonce: bytes = ZERO_NONCE) -> bytes:
    if len(key) == 32:
        return AESGCM(key).encrypt(nonce, plaintext, associated)
    gcm = Cipher(algorithms.SM4(key), modes.GCM(nonce)).encryptor()
    gcm.authenticate_additional_data(associated)
    return gcm.update(plaintext) + gcm.finalize() + gcm.tag


def _decrypt(key: bytes, sealed: bytes, associated: bytes) -> bytes:
    if len(key) == 32:
        return AESGCM(key).decrypt(ZERO_NONCE, sealed, associated)
    gcm = Cipher(algorithms.SM4(key), modes.GCM(ZERO_NONCE)).decryptor()
    gcm.authenticate_additional_data(associated)
    return gcm.update(sealed[:-16]) + gcm.finalize_with_tag(sealed[-16:])


Encrypt = Callable[[bytes, bytes, bytes], bytes]


def seal(
    material: bytes, fields: Fields, plaintext: bytes, associated: bytes = b"\0\0", cipher: Encrypt = encrypt
) -> bytes:
    """A blob whose commitment and tag fit its header, whatever the header says."""
    header = fields.header()
    key, commitment = message_keys(material, header, KEY_SIZES.get(fields.suite, 32))
    return header + commitment + cipher(key, plaintext, associated)


def open_(material: bytes, key_id: str, version: int, blob: bytes, associated: bytes = b"\0\0") -> bytes:
    """The plaintext. Raises `Refused`."""
    if len(blob) < 96:
        raise Refused
    header, commitment, sealed = blob[:48], blob[48:80], blob[80:]
    format_, suite, content, reserved = header[:4]
    if format_ != 1 or suite not in KEY_SIZES or content not in (0, 1, 3) or reserved != 0:
        raise Refused
    if header[4:24] != UUID(key_id).bytes + struct.pack(">L", version) or version == 0:
        raise Refused
    key, expected = message_keys(material, header, KEY_SIZES[suite])
    if not bytes_eq(commitment, expected):
        raise Refused
    try:
        plaintext = _decrypt(key, sealed, associated)
        if content == 1:
            plaintext.decode("utf-8")
    except (InvalidTag, UnicodeDecodeError):
        raise Refused from None
    return plaintext
