"""Private keys from outside: unwrapped as RFC 5649 and RFC 8017 say, and taken only if they are what they are to be."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from functools import cache
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.keywrap import aes_key_wrap, aes_key_wrap_with_padding
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from kit.asymmetric_keys import (
    ec_private,
    integer,
    material,
    oaep,
    private,
    rsa_private,
    sequence,
    tlv,
    wrap,
)
from kit.support import VECTORS
from tenantkms.crypto import asymmetric, wrapping
from tenantkms.errors import InvalidKeyMaterial
from tenantkms.model.specs import ASYMMETRIC, EC, ML_DSA, RSA, KeySpec

KWP: list[dict[str, str]] = json.loads((VECTORS / "asymmetric" / "aes_kwp.json").read_text("utf-8"))
SMALL = sorted(ASYMMETRIC - {KeySpec.RSA_3072, KeySpec.RSA_4096})
OAEP = {"RSA_AES_KEY_WRAP_SHA_1": "RSAES_OAEP_SHA_1", "RSA_AES_KEY_WRAP_SHA_256": "RSAES_OAEP_SHA_256"}


def outer() -> rsa.RSAPrivateKey:
    return rsa_private(KeySpec.RSA_2048)


# -- wrappings -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("algorithm", wrapping.WRAPPINGS)
def test_what_was_wrapped_is_unwrapped(algorithm: str) -> None:
    secret = os.urandom(98)
    assert wrapping.unwrap(outer(), algorithm, wrap(outer().public_key(), algorithm, secret)) == secret


@pytest.mark.parametrize("algorithm", OAEP)
@pytest.mark.parametrize("row", KWP, ids=lambda row: f"{len(row['wrapped']) // 2} bytes")
def test_aes_key_wrap_is_nists(row: dict[str, str], algorithm: str) -> None:
    wrapped = asymmetric.encrypt(outer().public_key(), OAEP[algorithm], bytes.fromhex(row["key"]))
    wrapped += bytes.fromhex(row["wrapped"])
    if row["plaintext"] is None:
        with pytest.raises(InvalidKeyMaterial):
            wrapping.unwrap(outer(), algorithm, wrapped)
    else:
        assert wrapping.unwrap(outer(), algorithm, wrapped).hex() == row["plaintext"]


@pytest.mark.parametrize("algorithm", OAEP)
@pytest.mark.parametrize("aes", [b"", bytes(16), bytes(24), bytes(31), bytes(33)], ids=len)
def test_the_aes_key_has_32_bytes(algorithm: str, aes: bytes) -> None:
    body = aes_key_wrap_with_padding(aes, bytes(40)) if len(aes) in (16, 24) else bytes(48)
    wrapped = asymmetric.encrypt(outer().public_key(), OAEP[algorithm], aes) + body
    with pytest.raises(InvalidKeyMaterial):
        wrapping.unwrap(outer(), algorithm, wrapped)


@pytest.mark.parametrize("algorithm", OAEP)
def test_another_hash_or_wrapping_is_refused(algorithm: str) -> None:
    public, secret = outer().public_key(), os.urandom(40)
    other = next(name for name in OAEP if name != algorithm)
    aes = bytes(32)
    unpadded = asymmetric.encrypt(public, OAEP[algorithm], aes) + aes_key_wrap(aes, secret)
    for wrong in (wrap(public, other, secret), wrap(public, OAEP[algorithm], secret), unpadded):
        with pytest.raises(InvalidKeyMaterial):
            wrapping.unwrap(outer(), algorithm, wrong)


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(sorted(OAEP)), st.integers(0, 2000), st.integers(0, 255), st.integers(0, 2000))
def test_whatever_is_damaged_is_refused(algorithm: str, place: int, flip: int, cut: int) -> None:
    wrapped = bytearray(wrap(outer().public_key(), algorithm, bytes(100)))
    wrapped[place % len(wrapped)] ^= flip
    damaged = bytes(wrapped[: cut or None])
    if damaged == wrapped and not flip:
        return
    try:
        assert wrapping.unwrap(outer(), algorithm, damaged) == bytes(100)
        assert not flip
        assert cut >= len(wrapped)
    except InvalidKeyMaterial:
        assert flip or cut < len(wrapped)


# -- keys that are taken -------------------------------------------------------------------------------


@pytest.mark.parametrize("spec", SMALL)
def test_a_key_of_the_spec_is_taken_and_no_other(spec: KeySpec) -> None:
    for other in SMALL:
        if other == spec:
            assert wrapping.private_key(spec, material(other)) == material(other)
            continue
        with pytest.raises(InvalidKeyMaterial):
            wrapping.private_key(spec, material(other))


def test_an_rsa_key_of_another_size_is_refused() -> None:
    odd = rsa.generate_private_key(65537, 2056).private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    for spec in sorted(RSA):
        with pytest.raises(InvalidKeyMaterial):
            wrapping.private_key(spec, odd)


# -- written by hand -----------------------------------------------------------------------------------

_OID = {
    "rsa": "06092a864886f70d010101",
    "ec": "06072a8648ce3d0201",
    KeySpec.EC_P256: "06082a8648ce3d030107",
    KeySpec.EC_P256K: "06052b8104000a",
    KeySpec.ML_DSA_44: "0609608648016503040311",
    KeySpec.ML_DSA_65: "0609608648016503040312",
    KeySpec.ML_DSA_87: "0609608648016503040313",
}
_EXPANDED = {KeySpec.ML_DSA_44: 2560, KeySpec.ML_DSA_65: 4032, KeySpec.ML_DSA_87: 4896}


def oid(name: str) -> bytes:
    return bytes.fromhex(_OID[name])


def rsa_key(**changes: int) -> bytes:
    """PKCS #8 of our RSA key, with some of its numbers changed."""
    own = outer().private_numbers()
    numbers = {
        "n": own.public_numbers.n,
        "e": own.public_numbers.e,
        "d": own.d,
        "p": own.p,
        "q": own.q,
        "dmp1": own.dmp1,
        "dmq1": own.dmq1,
        "iqmp": own.iqmp,
        **changes,
    }
    inner = sequence(integer(0), *map(integer, numbers.values()))
    return sequence(integer(0), sequence(oid("rsa"), bytes.fromhex("0500")), tlv(4, inner))


def whole(p: int, q: int, e: int = 65537) -> bytes:
    """PKCS #8 of an RSA key whose parts fit, of these primes."""
    d = pow(e, -1, (p - 1) * (q - 1))
    return rsa_key(n=p * q, e=e, d=d, p=p, q=q, dmp1=d % (p - 1), dmq1=d % (q - 1), iqmp=pow(q, -1, p))


def ec_key(scalar: int, point: bytes | None = None, curve: str = KeySpec.EC_P256) -> bytes:
    inner = [integer(1), tlv(4, scalar.to_bytes(32, "big"))]
    if point is not None:
        inner.append(tlv(0xA1, tlv(3, b"\0" + point)))
    return sequence(integer(0), sequence(oid("ec"), oid(curve)), tlv(4, sequence(*inner)))


def prime_after(start: int) -> int:
    number = start | 1
    while not all(number % small for small in (3, 5, 7, 11, 13, 17, 19, 23, 29, 31)) or pow(2, number - 1, number) != 1:
        number += 2
    return number


@cache
def prime(bits: int, seed: int = 0) -> int:
    """The first one after a number whose two highest bits are set."""
    return prime_after((3 << (bits - 2)) | int.from_bytes(seed.to_bytes(1, "big") * (bits // 8 - 1), "big"))


def point_of(scalar: int) -> bytes:
    public = ec.derive_private_key(scalar, ec.SECP256R1()).public_key()
    return public.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)


N = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


def test_what_is_written_by_hand_here_is_read() -> None:
    """Else the tests below would refuse for another reason than theirs."""
    assert wrapping.private_key(KeySpec.RSA_2048, rsa_key()) == material(KeySpec.RSA_2048)
    for exponent in (65537, 65539, 2**32 - 5):
        assert wrapping.private_key(KeySpec.RSA_2048, whole(prime(1024, 1), prime(1024, 2), exponent))
    one = wrapping.private_key(KeySpec.EC_P256, ec_key(5))
    assert one == wrapping.private_key(KeySpec.EC_P256, ec_key(5, point_of(5))), "one key has one material"


def test_an_rsa_key_has_one_material_however_it_is_written() -> None:
    """Programs differ in the private exponent, which is one of many, and in which prime is the first."""
    own = outer().private_numbers()
    d, phi = own.d, (own.p - 1) * (own.q - 1)
    swapped = {"p": own.q, "q": own.p, "dmp1": own.dmq1, "dmq1": own.dmp1, "iqmp": pow(own.p, -1, own.q)}
    ways = [rsa_key(), rsa_key(d=d + phi), rsa_key(d=pow(65537, -1, phi)), rsa_key(**swapped)]
    assert len({wrapping.private_key(KeySpec.RSA_2048, way) for way in ways}) == 1


Wrong = Callable[[], bytes]
RSA_WRONG: dict[str, Wrong] = {
    "another modulus": lambda: rsa_key(n=outer().private_numbers().public_numbers.n + 2),
    "another private exponent": lambda: rsa_key(d=outer().private_numbers().d + 2),
    "another dP": lambda: rsa_key(dmp1=outer().private_numbers().dmp1 + 2),
    "another dQ": lambda: rsa_key(dmq1=outer().private_numbers().dmq1 + 2),
    "another inverse": lambda: rsa_key(iqmp=outer().private_numbers().iqmp + 1),
    "no primes": lambda: rsa_key(p=0, q=0),
    "one prime twice": lambda: rsa_key(q=outer().private_numbers().p),
    "a composite": lambda: whole(prime(512, 3) * prime(512, 4), prime(1024, 1)),
    "exponent 3": lambda: rsa.generate_private_key(3, 2048).private_bytes(
        Encoding.DER, PrivateFormat.PKCS8, NoEncryption()
    ),
    "exponent 257": lambda: whole(prime(1024, 1), prime(1024, 2), 257),
    "a long exponent": lambda: whole(prime(1024, 1), prime(1024, 2), prime_after(2**32)),
    "primes of other sizes": lambda: whole(prime(1000, 1), prime(1048, 2)),
    "primes near to each other": lambda: whole(prime(1024, 1), prime_after(prime(1024, 1) + 2)),
    "nothing private": lambda: rsa_key(d=0, p=0, q=0, dmp1=0, dmq1=0, iqmp=0),
    "negative": lambda: rsa_key(d=-outer().private_numbers().d),
    "PKCS #1": lambda: outer().private_bytes(Encoding.DER, PrivateFormat.TraditionalOpenSSL, NoEncryption()),
    "PEM": lambda: outer().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
    "encrypted": lambda: outer().private_bytes(Encoding.DER, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret")),
    "public": lambda: asymmetric.public_der(outer()),
    "more behind it": lambda: rsa_key() + b"\0",
    "cut off": lambda: rsa_key()[:-1],
}


@pytest.mark.parametrize("wrong", RSA_WRONG)
def test_a_wrong_rsa_key_is_refused(wrong: str) -> None:
    with pytest.raises(InvalidKeyMaterial):
        wrapping.private_key(KeySpec.RSA_2048, RSA_WRONG[wrong]())


EC_WRONG: dict[str, Wrong] = {
    "scalar 0": lambda: ec_key(0),
    "scalar n": lambda: ec_key(N),
    "scalar above n": lambda: ec_key(N + 5),
    "the longest scalar": lambda: ec_key(2**256 - 1),
    "another point": lambda: ec_key(5, point_of(6)),
    "a point off the curve": lambda: ec_key(5, point_of(5)[:-1] + b"\x01"),
    "a point at infinity": lambda: ec_key(5, b"\0"),
    "a point cut off": lambda: ec_key(5, point_of(5)[:-1]),
    "another curve's point": lambda: ec_key(5, point_of(5), KeySpec.EC_P256K),
    "SEC 1": lambda: ec_private(KeySpec.EC_P256).private_bytes(
        Encoding.DER, PrivateFormat.TraditionalOpenSSL, NoEncryption()
    ),
    "PEM": lambda: ec_private(KeySpec.EC_P256).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
    "encrypted": lambda: ec_private(KeySpec.EC_P256).private_bytes(
        Encoding.DER, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret")
    ),
    "the scalar alone": lambda: bytes(31) + b"\5",
    "nothing": lambda: b"",
    "more behind it": lambda: ec_key(5) + b"\0",
}


@pytest.mark.parametrize("wrong", EC_WRONG)
def test_a_wrong_key_of_a_curve_is_refused(wrong: str) -> None:
    with pytest.raises(InvalidKeyMaterial):
        wrapping.private_key(KeySpec.EC_P256, EC_WRONG[wrong]())


@pytest.mark.parametrize("spec", sorted(ML_DSA))
def test_ml_dsa_comes_with_its_seed(spec: KeySpec) -> None:
    """Without it the key could be used and not be kept small; what is beside the seed is to be the same key."""
    expanded = bytes(_EXPANDED[spec])
    forms: tuple[Any, ...] = (tlv(4, expanded), sequence(tlv(4, bytes(32)), tlv(4, expanded)), tlv(0x80, bytes(31)))
    for inner in forms:
        with pytest.raises(InvalidKeyMaterial):
            wrapping.private_key(spec, sequence(integer(0), sequence(oid(spec)), tlv(4, inner)))
    seed = sequence(integer(0), sequence(oid(spec)), tlv(4, tlv(0x80, bytes(32))))
    assert wrapping.private_key(spec, seed) == asymmetric.generate(spec, bytes)


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(sorted(EC | ML_DSA | {KeySpec.ED25519})), st.integers(0, 300), st.integers(1, 255))
def test_a_changed_byte_is_refused_or_another_key(spec: KeySpec, place: int, flip: int) -> None:
    """Nothing but `InvalidKeyMaterial` comes out, and what is taken is a key that works."""
    changed = bytearray(material(spec))
    changed[place % len(changed)] ^= flip
    try:
        taken = wrapping.private_key(spec, bytes(changed))
    except InvalidKeyMaterial:
        return
    assert wrapping.private_key(spec, taken) == taken
    assert type(asymmetric.load(taken)) is type(private(spec))


@pytest.mark.parametrize("kind", [0x6E, 0x6F, 0x70, 0x71], ids=["X25519", "X448", "Ed25519", "Ed448"])
@pytest.mark.parametrize("size", [0, 1, 31, 33, 56, 57, 58])
def test_a_seed_of_another_size_is_refused(kind: int, size: int) -> None:
    """OpenSSL's own error comes out of the library for them."""
    wrong = sequence(integer(0), sequence(bytes([6, 3, 0x2B, 0x65, kind])), tlv(4, tlv(4, bytes(size))))
    with pytest.raises(InvalidKeyMaterial):
        wrapping.private_key(KeySpec.ED25519, wrong)


def test_a_label_of_oaep_is_not_ours() -> None:
    public = outer().public_key()
    labelled = public.encrypt(bytes(32), oaep(hashes.SHA256, b"label"))
    with pytest.raises(InvalidKeyMaterial):
        wrapping.unwrap(outer(), "RSAES_OAEP_SHA_256", labelled)
