"""The two message ciphers of the envelope: AES-256-GCM and SM4-128-GCM, both with a key that is used once."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

TAG_SIZE = 16
# The message key is derived anew from a random salt for each message, so one nonce serves them all.
_NONCE = bytes(12)


def _aes_seal(key: bytes, plaintext: bytes, associated: bytes) -> bytes:
    return AESGCM(key).encrypt(_NONCE, plaintext, associated)


def _aes_open(key: bytes, sealed: bytes, associated: bytes) -> bytes:
    return AESGCM(key).decrypt(_NONCE, sealed, associated)


def _sm4_seal(key: bytes, plaintext: bytes, associated: bytes) -> bytes:
    encryptor = Cipher(algorithms.SM4(key), modes.GCM(_NONCE)).encryptor()
    encryptor.authenticate_additional_data(associated)
    return encryptor.update(plaintext) + encryptor.finalize() + encryptor.tag


def _sm4_open(key: bytes, sealed: bytes, associated: bytes) -> bytes:
    tag = sealed[-TAG_SIZE:]
    decryptor = Cipher(algorithms.SM4(key), modes.GCM(_NONCE, tag)).decryptor()
    decryptor.authenticate_additional_data(associated)
    return decryptor.update(sealed[:-TAG_SIZE]) + decryptor.finalize()


class Suite(NamedTuple):
    """One row of FORMAT.md's suites. `seal` and `open` take (message key, text, associated data)."""

    key_size: int
    seal: Callable[[bytes, bytes, bytes], bytes]
    open: Callable[[bytes, bytes, bytes], bytes]


AES_256_GCM = 0x01
SM4_128_GCM = 0x02

SUITES = {
    AES_256_GCM: Suite(32, _aes_seal, _aes_open),
    SM4_128_GCM: Suite(16, _sm4_seal, _sm4_open),
}

__all__ = ["AES_256_GCM", "SM4_128_GCM", "SUITES", "TAG_SIZE", "InvalidTag", "Suite"]
