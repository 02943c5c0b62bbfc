"""Signatures that are almost right, each of which must be refused and none must crash."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, utils

from kit.asymmetric_keys import PAIRS, ec_private, integer, pss, raw, rsa_private, sequence, tlv
from tenantkms.crypto import asymmetric
from tenantkms.model.specs import EC, KeySpec

DIGEST = hashlib.sha256(b"signed").digest()
ORDERS = {
    KeySpec.EC_P256: 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551,
    KeySpec.EC_P384: 2**384 - 1388124618062372383947042015309946732620727252194336364173,
    KeySpec.EC_P521: 2**521 - 657877501894328237357444332315020117536923257219387276263472201219398408051703,
    KeySpec.EC_P256K: 2**256 - 432420386565659656852420866394968145599,
}
MODULUS = rsa_private().public_key().public_numbers().n


# -- elliptic curves ------------------------------------------------------------------------------------

EcChange = Callable[[int, int, int], bytes]
WRONG_EC: dict[str, EcChange] = {
    "nothing": lambda r, s, n: b"",
    "r is 0": lambda r, s, n: sequence(integer(0), integer(s)),
    "s is 0": lambda r, s, n: sequence(integer(r), integer(0)),
    "both are 0": lambda r, s, n: sequence(integer(0), integer(0)),
    "both are 1": lambda r, s, n: sequence(integer(1), integer(1)),
    "r is the order": lambda r, s, n: sequence(integer(n), integer(s)),
    "s is the order": lambda r, s, n: sequence(integer(r), integer(n)),
    "r is 0 and s the order": lambda r, s, n: sequence(integer(0), integer(n)),
    "r and the order": lambda r, s, n: sequence(integer(r + n), integer(s)),
    "s and the order": lambda r, s, n: sequence(integer(r), integer(s + n)),
    "r less the order": lambda r, s, n: sequence(integer(r - n), integer(s)),
    "r is negative": lambda r, s, n: sequence(integer(-r), integer(s)),
    "s is negative": lambda r, s, n: sequence(integer(r), integer(-s)),
    "s less the order": lambda r, s, n: sequence(integer(r), integer(s - n)),
    "r and s swapped": lambda r, s, n: sequence(integer(s), integer(r)),
    "r is huge": lambda r, s, n: sequence(integer(r + (n << 600)), integer(s)),
    "r after ff": lambda r, s, n: sequence(tlv(2, b"\xff" + raw(r)), integer(s)),
    "a zero too many": lambda r, s, n: sequence(tlv(2, b"\0" + integer(r)[2:]), integer(s)),
    "a long length": lambda r, s, n: b"\x30\x81" + sequence(integer(r), integer(s))[1:],
    "an indefinite length": lambda r, s, n: b"\x30\x80" + integer(r) + integer(s) + b"\0\0",
    "a trailing byte": lambda r, s, n: sequence(integer(r), integer(s)) + b"\0",
    "a trailing byte inside": lambda r, s, n: sequence(integer(r), integer(s), b"\0"),
    "trailing null": lambda r, s, n: sequence(integer(r), integer(s), b"\x05\0"),
    "a third number": lambda r, s, n: sequence(integer(r), integer(s), integer(1)),
    "no s": lambda r, s, n: sequence(integer(r)),
    "an empty sequence": lambda r, s, n: sequence(),
    "an empty integer": lambda r, s, n: sequence(tlv(2, b""), integer(s)),
    "cut": lambda r, s, n: sequence(integer(r), integer(s))[:-1],
    "a set": lambda r, s, n: tlv(0x31, integer(r) + integer(s)),
    "octets for r": lambda r, s, n: sequence(tlv(4, integer(r)[2:]), integer(s)),
    "two plain numbers": lambda r, s, n: raw(r) + raw(s),
    "a sequence in a sequence": lambda r, s, n: sequence(sequence(integer(r), integer(s))),
    "text": lambda r, s, n: b"MEYCIQ",
}


@pytest.mark.parametrize("change", WRONG_EC.values(), ids=WRONG_EC)
@pytest.mark.parametrize("spec", sorted(EC))
def test_a_wrong_ec_signature_is_refused(spec: KeySpec, change: EcChange) -> None:
    row = asymmetric.signing(spec, next(name for of, name in PAIRS if of is spec))
    digest = hashlib.new(row.hash().name, b"signed").digest()
    key = ec_private(spec)
    r, s = utils.decode_dss_signature(asymmetric.sign(key, row, digest))
    assert asymmetric.verify(key, row, digest, sequence(integer(r), integer(s)))
    assert not asymmetric.verify(key, row, digest, change(r, s, ORDERS[spec]))


# -- RSA signatures ------------------------------------------------------------------------------------

SHA256_INFO = bytes.fromhex("3031300d060960864801650304020105000420")
SHA1_INFO = bytes.fromhex("3021300906052b0e03021a05000414")


def pkcs1(info: bytes, size: int = 256, *, kind: int = 1, fill: int = 0xFF, tail: bytes = b"") -> bytes:
    """An encoded message of RSASSA-PKCS1-v1_5 (RFC 8017, 9.2)."""
    return b"\0" + bytes([kind]) + bytes([fill]) * (size - 3 - len(info + tail)) + b"\0" + info + tail


def signed_raw(encoded: bytes) -> bytes:
    """The RSA signature of any encoded message, right or wrong."""
    numbers = rsa_private().private_numbers()
    return pow(int.from_bytes(encoded, "big"), numbers.d, MODULUS).to_bytes(256, "big")


FORGED: dict[str, bytes] = {
    "another hash": pkcs1(SHA1_INFO + DIGEST[:20]),
    "no algorithm": pkcs1(DIGEST),
    "no parameters": pkcs1(bytes.fromhex("302f300b0609608648016503040201") + b"\x04\x20" + DIGEST),
    "a long length": pkcs1(b"\x30\x81" + SHA256_INFO[1:] + DIGEST),
    "the digest cut": pkcs1(SHA256_INFO + DIGEST[:-1]),
    "bytes after the digest": pkcs1(SHA256_INFO + DIGEST, tail=b"\0" * 8),
    "little padding, much behind it": (b"\0\1" + b"\xff" * 8 + b"\0" + SHA256_INFO + DIGEST).ljust(256, b"\0"),
    "padding of zeros": pkcs1(SHA256_INFO + DIGEST, fill=0),
    "padding of an encryption": pkcs1(SHA256_INFO + DIGEST, kind=2),
    "another digest": pkcs1(SHA256_INFO + bytes(32)),
}


def test_a_signature_that_is_encoded_by_hand_is_right() -> None:
    """So each one of `FORGED` is wrong for the reason that it names."""
    row = asymmetric.signing(KeySpec.RSA_2048, "RSA_PKCS1_SHA_256")
    assert asymmetric.verify(rsa_private(), row, DIGEST, signed_raw(pkcs1(SHA256_INFO + DIGEST)))


@pytest.mark.parametrize("encoded", FORGED.values(), ids=FORGED)
@pytest.mark.parametrize("algorithm", ["RSA_PKCS1_SHA_256", "RSA_PSS_SHA_256"])
def test_a_wrong_encoding_under_a_right_signature_is_refused(algorithm: str, encoded: bytes) -> None:
    row = asymmetric.signing(KeySpec.RSA_2048, algorithm)
    assert not asymmetric.verify(rsa_private(), row, DIGEST, signed_raw(encoded))


RsaChange = Callable[[bytes], bytes]
WRONG_RSA: dict[str, RsaChange] = {
    "nothing": lambda s: b"",
    "zero": lambda s: bytes(256),
    "one": lambda s: raw(1, 256),
    "the modulus": lambda s: raw(MODULUS, 256),
    "the modulus less one": lambda s: raw(MODULUS - 1, 256),
    "as large as it can be": lambda s: b"\xff" * 256,
    "and the modulus": lambda s: raw(int.from_bytes(s, "big") + MODULUS, 257),
    "a zero in front": lambda s: b"\0" + s,
    "a byte behind": lambda s: s + b"\0",
    "cut in front": lambda s: s[1:],
    "cut behind": lambda s: s[:-1],
    "twice": lambda s: s + s,
    "first bit": lambda s: bytes([s[0] ^ 0x01]) + s[1:],
    "last bit": lambda s: s[:-1] + bytes([s[-1] ^ 0x01]),
    "backwards": lambda s: s[::-1],
    "in DER": lambda s: tlv(4, s),
}


@pytest.mark.parametrize("change", WRONG_RSA.values(), ids=WRONG_RSA)
@pytest.mark.parametrize("algorithm", ["RSA_PKCS1_SHA_256", "RSA_PSS_SHA_256"])
def test_a_wrong_rsa_signature_is_refused(algorithm: str, change: RsaChange) -> None:
    row = asymmetric.signing(KeySpec.RSA_2048, algorithm)
    signature = asymmetric.sign(rsa_private(), row, DIGEST)
    assert asymmetric.verify(rsa_private(), row, DIGEST, signature)
    assert not asymmetric.verify(rsa_private(), row, DIGEST, change(signature))


PADDINGS = {
    "PSS as PKCS1": ("RSA_PKCS1_SHA_256", pss(32)),
    "PKCS1 as PSS": ("RSA_PSS_SHA_256", padding.PKCS1v15()),
    "PSS with another mask": ("RSA_PSS_SHA_256", padding.PSS(padding.MGF1(hashes.SHA1()), 32)),
}


@pytest.mark.parametrize(("algorithm", "padded"), PADDINGS.values(), ids=PADDINGS)
def test_a_signature_of_another_padding_is_refused(algorithm: str, padded: padding.AsymmetricPadding) -> None:
    row = asymmetric.signing(KeySpec.RSA_2048, algorithm)
    signature = rsa_private().sign(DIGEST, padded, utils.Prehashed(hashes.SHA256()))
    assert not asymmetric.verify(rsa_private(), row, DIGEST, signature)
