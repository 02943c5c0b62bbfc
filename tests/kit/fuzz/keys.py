"""Keys that somebody sends: a private one that is taken works and is of its spec, a peer's one is on the curve."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import cast

from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_der_private_key,
    load_der_public_key,
)

from tenantkms.crypto import asymmetric, wrapping
from tenantkms.crypto.agreement import agree
from tenantkms.errors import InvalidKeyMaterial, InvalidPublicKey

_CURVES = {"EC_P256": "secp256r1", "EC_P384": "secp384r1", "EC_P521": "secp521r1", "EC_P256K": "secp256k1"}
_SEEDED = {"ED25519": "Ed25519PrivateKey", **{f"ML_DSA_{n}": f"MLDSA{n}PrivateKey" for n in (44, 65, 87)}}
_ALGORITHM = {"ED25519": "ED25519_SHA_512", **{f"ML_DSA_{n}": "ML_DSA_SHAKE_256" for n in (44, 65, 87)}}
WORDS = tuple(
    bytes.fromhex(word)
    for word in (
        *("06072a8648ce3d0201", "06082a8648ce3d030107", "06052b81040022", "06052b81040023", "06052b8104000a"),
        *(
            "06032b6570",
            "0609608648016503040311",
            "0609608648016503040312",
            "06092a864886f70d010101",
            "020100",
            "0203010001",
        ),
    )
)


@cache
def _own(spec: str) -> ec.EllipticCurvePrivateKey:
    return cast("ec.EllipticCurvePrivateKey", asymmetric.load(_material(spec)))


def _material(spec: str) -> bytes:
    return asymmetric.generate(spec, lambda size: bytes(range(1, size + 1)))


def _der(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey, form: PrivateFormat) -> bytes:
    return key.private_bytes(Encoding.DER, form, NoEncryption())


@cache
def _weak() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(3, 2048)


def seeds() -> Iterator[bytes]:
    for spec in (*_CURVES, *_SEEDED):
        yield _material(spec)
        yield asymmetric.public_der(asymmetric.load(_material(spec)))
    yield _der(_own("EC_P256"), PrivateFormat.TraditionalOpenSSL)
    yield _der(_weak(), PrivateFormat.PKCS8)


def run(data: bytes) -> None:
    taken = [spec for spec in (*_CURVES, *_SEEDED, "RSA_2048") if _takes(spec, data)]
    assert len(taken) <= 1, "one key of two specs"
    for spec in ("EC_P256", "EC_P384", "EC_P521"):
        try:
            shared = agree(_own(spec), data)
        except InvalidPublicKey:
            continue
        peer = load_der_public_key(data)
        assert isinstance(peer, ec.EllipticCurvePublicKey)
        assert peer.curve.name == _CURVES[spec], "a point of another curve"
        assert len(shared) == (peer.curve.key_size + 7) // 8


def _takes(spec: str, data: bytes) -> bool:
    try:
        material = wrapping.private_key(spec, data)
    except InvalidKeyMaterial:
        return False
    assert wrapping.private_key(spec, material) == material, "one key has two materials"
    key = load_der_private_key(material, None)
    if isinstance(key, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey):
        assert data != _der(key, PrivateFormat.TraditionalOpenSSL), "what is not PKCS #8"
    if isinstance(key, rsa.RSAPrivateKey):
        assert (spec, key.key_size) == ("RSA_2048", 2048)
        assert key.public_key().public_numbers().e > 2**16, "a weak exponent"
    elif isinstance(key, ec.EllipticCurvePrivateKey):
        assert _CURVES.get(spec) == key.curve.name
    else:
        assert _SEEDED.get(spec) == type(key).__name__
        row = asymmetric.signing(spec, _ALGORITHM[spec])
        loaded = asymmetric.load(material)
        assert asymmetric.verify(loaded, row, b"m", asymmetric.sign(loaded, row, b"m"))
    return True
