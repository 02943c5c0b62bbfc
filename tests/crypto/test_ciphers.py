"""The two message ciphers: published vectors, and that nothing but the right key, text and data opens."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from tenantkms.crypto.ciphers import AES_256_GCM, SM4_128_GCM, SUITES, TAG_SIZE, InvalidTag

SIZES = {AES_256_GCM: 32, SM4_128_GCM: 16}
ZERO = bytes(12)

# The GCM specification's (McGrew, Viega) test cases 13 and 14: 256 zero bits of key, the zero nonce.
CASE_13 = "530f8afbc74536b9a963b4f1c4cb738b"
CASE_14 = "cea7403d4d606b6e074ec5d3baf39d18d0d1c8a799996bf0265b98b5d48ab919"
# GB/T 32907-2016, example 1: one block of SM4 under the key that equals it.
SM4_BLOCK, SM4_ANSWER = "0123456789abcdeffedcba9876543210", "681edf34d206965e86b3e94f536e4246"


def test_suites_are_those_of_the_format() -> None:
    assert {number: suite.key_size for number, suite in SUITES.items()} == {1: 32, 2: 16}


@pytest.mark.parametrize(("plaintext", "sealed"), [(b"", CASE_13), (bytes(16), CASE_14)])
def test_aes_256_gcm_gives_the_published_bytes(plaintext: bytes, sealed: str) -> None:
    suite = SUITES[AES_256_GCM]
    assert suite.seal(bytes(32), plaintext, b"").hex() == sealed
    assert suite.open(bytes(32), bytes.fromhex(sealed), b"") == plaintext


def test_the_library_s_sm4_is_the_standard_s() -> None:
    block = bytes.fromhex(SM4_BLOCK)
    ecb = Cipher(algorithms.SM4(block), modes.ECB()).encryptor()
    assert (ecb.update(block) + ecb.finalize()).hex() == SM4_ANSWER


def _ghash(h: int, data: bytes) -> int:
    """GHASH bit by bit (NIST SP 800-38D, algorithms 1 and 2)."""
    y = 0
    for start in range(0, len(data), 16):
        x, v, y = y ^ int.from_bytes(data[start : start + 16], "big"), h, 0
        for bit in range(127, -1, -1):
            if x >> bit & 1:
                y ^= v
            v = v >> 1 ^ (0xE1 << 120 if v & 1 else 0)
    return y


def _sm4_gcm(key: bytes, plaintext: bytes, associated: bytes) -> bytes:
    """SM4-GCM from SM4 in ECB mode alone."""

    def block(data: bytes) -> bytes:
        ecb = Cipher(algorithms.SM4(key), modes.ECB()).encryptor()
        return ecb.update(data) + ecb.finalize()

    def padded(data: bytes) -> bytes:
        return data + bytes(-len(data) % 16)

    stream = b"".join(block(ZERO + (2 + i).to_bytes(4, "big")) for i in range(len(plaintext) // 16 + 1))
    ciphertext = bytes(a ^ b for a, b in zip(plaintext, stream, strict=False))
    lengths = (len(associated) * 8).to_bytes(8, "big") + (len(ciphertext) * 8).to_bytes(8, "big")
    hashed = _ghash(int.from_bytes(block(bytes(16)), "big"), padded(associated) + padded(ciphertext) + lengths)
    mask = int.from_bytes(block(ZERO + b"\0\0\0\1"), "big")
    return ciphertext + (hashed ^ mask).to_bytes(16, "big")


@pytest.mark.parametrize("size", [0, 1, 15, 16, 17, 64])
@pytest.mark.parametrize("associated", [b"", b"\0\0", b"a" * 33])
def test_sm4_gcm_is_gcm_over_sm4(size: int, associated: bytes) -> None:
    key, plaintext = bytes(range(16)), bytes(range(size))
    assert SUITES[SM4_128_GCM].seal(key, plaintext, associated) == _sm4_gcm(key, plaintext, associated)


@pytest.mark.parametrize("number", SUITES)
@pytest.mark.parametrize("size", [0, 1, 16, 6144])
def test_what_is_sealed_opens_and_is_a_tag_longer(number: int, size: int) -> None:
    suite, key, plaintext = SUITES[number], bytes(range(SIZES[number])), bytes(size)
    sealed = suite.seal(key, plaintext, b"data")
    assert len(sealed) == size + TAG_SIZE
    assert suite.open(key, sealed, b"data") == plaintext


def _open_with(number: int, what: str) -> bytes:
    suite, key, data = SUITES[number], bytes(SIZES[number]), b"data"
    sealed = suite.seal(key, b"plaintext", data)
    changed = {
        "key": (key[:-1] + b"\1", sealed, data),
        "data": (key, sealed, b"dat"),
        "text": (key, b"\0" + sealed[1:], data),
        "tag": (key, sealed[:-1] + bytes([sealed[-1] ^ 1]), data),
        "shorter": (key, sealed[1:], data),
        "only a tag": (key, sealed[-TAG_SIZE:], data),
    }
    return suite.open(*changed[what])


@pytest.mark.parametrize("number", SUITES)
@pytest.mark.parametrize("what", ["key", "data", "text", "tag", "shorter", "only a tag"])
def test_anything_else_is_an_invalid_tag(number: int, what: str) -> None:
    with pytest.raises(InvalidTag):
        _open_with(number, what)
