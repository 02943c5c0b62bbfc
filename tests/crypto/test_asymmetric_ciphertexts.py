"""Ciphertexts and callers' public keys that are almost right, each of which must be refused and none must crash."""

from __future__ import annotations

import hashlib

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ed25519, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from kit.asymmetric_keys import ENCRYPTIONS, ec_private, integer, material, oaep, raw, rsa_private, sequence, tlv
from tenantkms.crypto import asymmetric
from tenantkms.errors import InvalidCiphertext, InvalidParameter
from tenantkms.model.specs import KeySpec

MODULUS = rsa_private().public_key().public_numbers().n


# -- OAEP ----------------------------------------------------------------------------------------------


def mask(seed: bytes, size: int) -> bytes:
    """MGF1 with SHA-256 (RFC 8017, B.2.1)."""
    blocks = (hashlib.sha256(seed + i.to_bytes(4, "big")).digest() for i in range(size // 32 + 1))
    return b"".join(blocks)[:size]


def xor(one: bytes, other: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(one, other, strict=True))


def encoded_oaep(**parts: bytes) -> bytes:
    """A ciphertext of an OAEP encoding (RFC 8017, 7.1.1), with any part replaced."""
    part = {"first": b"\0", "label": hashlib.sha256(b"").digest(), "zeros": bytes(256 - 66 - 6), "one": b"\1", **parts}
    block, seed = part["label"] + part["zeros"] + part["one"] + b"secret", bytes(range(32))
    masked = xor(block, mask(seed, len(block)))
    encoded = part["first"] + xor(seed, mask(masked, 32)) + masked
    public = rsa_private().public_key().public_numbers()
    return raw(pow(int.from_bytes(encoded, "big"), public.e, public.n), 256)


BROKEN_OAEP: dict[str, dict[str, bytes]] = {
    "first byte": {"first": b"\1"},
    "label hash": {"label": bytes(32)},
    "first bit of the label hash": {"label": xor(hashlib.sha256(b"").digest(), b"\x80" + bytes(31))},
    "last bit of the label hash": {"label": xor(hashlib.sha256(b"").digest(), bytes(31) + b"\1")},
    "padding begins with 2": {"zeros": b"\2" + bytes(183)},
    "padding ends with 2": {"zeros": bytes(183) + b"\2"},
    "no separator": {"one": b"\0"},
    "another separator": {"one": b"\2"},
}
SEALED = rsa_private().public_key().encrypt(b"secret", ENCRYPTIONS["RSAES_OAEP_SHA_256"])
BAD_CIPHERTEXTS: dict[str, bytes] = {
    **{name: encoded_oaep(**parts) for name, parts in BROKEN_OAEP.items()},
    **{f"byte {at}": SEALED[:at] + bytes([SEALED[at] ^ 1]) + SEALED[at + 1 :] for at in (1, 32, 64, 128, 255)},
    "nothing": b"",
    "too short": SEALED[1:],
    "cut": SEALED[:-1],
    "too long": SEALED + b"\0",
    "a zero in front": b"\0" + SEALED,
    "zero": bytes(256),
    "one": raw(1, 256),
    "the modulus": raw(MODULUS, 256),
    "the modulus less one": raw(MODULUS - 1, 256),
    "as large as it can be": b"\xff" * 256,
    "another label": rsa_private().public_key().encrypt(b"secret", oaep(hashes.SHA256, b"label")),
    "SHA-1": rsa_private().public_key().encrypt(b"secret", oaep(hashes.SHA1)),
    "another mask": rsa_private()
    .public_key()
    .encrypt(b"secret", padding.OAEP(padding.MGF1(hashes.SHA1()), hashes.SHA256(), None)),
    "PKCS1": rsa_private().public_key().encrypt(b"secret", padding.PKCS1v15()),
    "another key": rsa.generate_private_key(65537, 2048).public_key().encrypt(b"secret", oaep(hashes.SHA256)),
}


def test_an_encoding_by_hand_is_right() -> None:
    """So each one of `BROKEN_OAEP` is wrong for the reason that it names."""
    assert asymmetric.decrypt(rsa_private(), "RSAES_OAEP_SHA_256", encoded_oaep()) == b"secret"


@pytest.mark.parametrize("ciphertext", BAD_CIPHERTEXTS.values(), ids=BAD_CIPHERTEXTS)
def test_a_wrong_ciphertext_gives_the_one_error(ciphertext: bytes) -> None:
    assert asymmetric.decrypt(rsa_private(), "RSAES_OAEP_SHA_256", SEALED) == b"secret"
    with pytest.raises(InvalidCiphertext) as raised:
        asymmetric.decrypt(rsa_private(), "RSAES_OAEP_SHA_256", ciphertext)
    assert raised.value.message == InvalidCiphertext.text
    assert raised.value.__cause__ is None


@pytest.mark.parametrize("size", [0, 1, 255, 257, 512])
def test_a_pkcs1_ciphertext_of_another_length_gives_the_one_error(size: int) -> None:
    with pytest.raises(InvalidCiphertext):
        asymmetric.decrypt(rsa_private(), "RSAES_PKCS1_V1_5", bytes(size))


@pytest.mark.parametrize("at", [2, 100, 255])
def test_a_damaged_pkcs1_ciphertext_tells_nothing(at: int) -> None:
    """It gives other bytes, the same each time: an error would tell an attacker what the padding was."""
    sealed = bytearray(rsa_private().public_key().encrypt(b"secret", padding.PKCS1v15()))
    sealed[at] ^= 1
    first, again = (asymmetric.decrypt(rsa_private(), "RSAES_PKCS1_V1_5", bytes(sealed)) for _ in range(2))
    assert first == again != b"secret"


# -- public keys of callers -----------------------------------------------------------------------------


def spki(n: int, e: int) -> bytes:
    """SubjectPublicKeyInfo of any two numbers as an RSA key."""
    return sequence(bytes.fromhex("300d06092a864886f70d0101010500"), tlv(3, b"\0" + sequence(integer(n), integer(e))))


BAD_KEYS: dict[str, bytes] = {
    "nothing": b"",
    "text": b"a public key",
    "cut": spki(MODULUS, 65537)[:-1],
    "a trailing byte": spki(MODULUS, 65537) + b"\0",
    "1024 bits": spki((1 << 1023) + 1, 65537),
    "2047 bits": spki((1 << 2046) + 1, 65537),
    "8192 bits": spki((1 << 8191) + 1, 65537),
    "an even modulus": spki(MODULUS - 1, 65537),
    "a power of two": spki(1 << 2047, 65537),
    "a negative modulus": spki(-MODULUS, 65537),
    "exponent 0": spki(MODULUS, 0),
    "exponent 1": spki(MODULUS, 1),
    "an even exponent": spki(MODULUS, 2),
    "an exponent beyond the modulus": spki(MODULUS, MODULUS + 2),
    "a private key": material(KeySpec.RSA_2048),
    "P-256": asymmetric.public_der(ec_private(KeySpec.EC_P256)),
    "P-256 in PEM": asymmetric.public_pem(ec_private(KeySpec.EC_P256)).encode(),
    "Ed25519": ed25519.Ed25519PrivateKey.generate()
    .public_key()
    .public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
    "SM2": bytes.fromhex("3059301306072a8648ce3d020106082a811ccf5501822d03420004") + bytes(64),
    "PEM of nothing": b"-----BEGIN PUBLIC KEY-----\n-----END PUBLIC KEY-----\n",
    "PEM without an end": asymmetric.public_pem(rsa_private()).encode()[:-30],
    "PEM that is no base64": b"-----BEGIN PUBLIC KEY-----\n\xff!\n-----END PUBLIC KEY-----\n",
    "PEM of something else": asymmetric.public_pem(rsa_private()).replace("PUBLIC KEY", "CERTIFICATE").encode(),
}


@pytest.mark.parametrize("public_key", BAD_KEYS.values(), ids=BAD_KEYS)
def test_a_callers_bad_public_key_is_a_bad_parameter(public_key: bytes) -> None:
    assert len(asymmetric.encrypt_for(spki(MODULUS, 65537), "RSAES_OAEP_SHA_256", bytes(32))) == 256
    for algorithm in asymmetric.ENCRYPTIONS:
        with pytest.raises(InvalidParameter):
            asymmetric.encrypt_for(public_key, algorithm, bytes(32))
