"""ECDH: the secret is what NIST's vectors and other implementations have, and a wrong peer is told, whatever it is."""

from __future__ import annotations

import json
from typing import Any, cast

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_public_key
from hypothesis import given, settings
from hypothesis import strategies as st

from kit.asymmetric_keys import caller_public, ec_private, sequence, tlv
from kit.support import VECTORS
from tenantkms.crypto import asymmetric
from tenantkms.crypto.agreement import agree
from tenantkms.errors import InvalidPublicKey
from tenantkms.model.specs import EC, NIST, KeySpec

CURVES: dict[str, ec.EllipticCurve] = {
    KeySpec.EC_P256: ec.SECP256R1(),
    KeySpec.EC_P384: ec.SECP384R1(),
    KeySpec.EC_P521: ec.SECP521R1(),
}
CASES: dict[str, Any] = json.loads((VECTORS / "asymmetric" / "ecdh.json").read_text("utf-8"))
_OIDS = {
    KeySpec.EC_P256: "06082a8648ce3d030107",
    KeySpec.EC_P384: "06052b81040022",
    KeySpec.EC_P521: "06052b81040023",
}
_EC_PUBLIC_KEY = bytes.fromhex("06072a8648ce3d0201")


def spki(spec: str, point: bytes, curve: str = "") -> bytes:
    """SubjectPublicKeyInfo of any bytes as a point."""
    named = bytes.fromhex(curve or _OIDS[KeySpec(spec)])
    return sequence(sequence(_EC_PUBLIC_KEY, named), tlv(3, b"\0" + point))


def uncompressed(spec: str, row: dict[str, str]) -> bytes:
    size = (CURVES[spec].key_size + 7) // 8
    return b"\4" + b"".join(int(row[name], 16).to_bytes(size, "big") for name in ("x", "y"))


@pytest.mark.parametrize("spec", sorted(NIST))
def test_the_secret_is_the_one_of_nists_vectors(spec: KeySpec) -> None:
    for row in CASES[spec]["agree"]:
        key = ec.derive_private_key(int(row["private"], 16), CURVES[spec])
        shared = agree(key, spki(spec, uncompressed(spec, row)))
        assert len(shared) == (CURVES[spec].key_size + 7) // 8
        assert int.from_bytes(shared, "big") == int(row["shared"], 16)


@pytest.mark.parametrize("spec", sorted(NIST))
def test_both_sides_agree(spec: KeySpec) -> None:
    ours, peer = ec_private(spec), ec.generate_private_key(CURVES[spec])
    theirs = peer.exchange(ec.ECDH(), ours.public_key())
    der = peer.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    assert agree(ours, der) == theirs


@pytest.mark.parametrize("spec", sorted(NIST))
def test_a_point_that_is_not_on_the_curve_is_refused(spec: KeySpec) -> None:
    for row in CASES[spec]["off_the_curve"]:
        with pytest.raises(InvalidPublicKey):
            agree(ec_private(spec), spki(spec, uncompressed(spec, row)))


@pytest.mark.parametrize("spec", sorted(NIST))
def test_points_at_the_edge_are_refused(spec: KeySpec) -> None:
    size = (CURVES[spec].key_size + 7) // 8
    right = ec_private(spec).public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    points = [
        b"\0",  # the point at infinity
        b"\0" * len(right),
        b"\4" + bytes(2 * size),
        b"\4" + b"\xff" * (2 * size),
        right[:-1],
        right + b"\0",
        b"",
        b"\5" + right[1:],
        b"\6" + right[1:] if right[-1] % 2 else b"\7" + right[1:],  # the hybrid form with the wrong sign
    ]
    for point in points:
        with pytest.raises(InvalidPublicKey):
            agree(ec_private(spec), spki(spec, point))


@pytest.mark.parametrize("spec", sorted(NIST))
@pytest.mark.parametrize("other", sorted(EC))
def test_another_curve_is_refused(spec: KeySpec, other: KeySpec) -> None:
    peer = asymmetric.public_der(ec_private(other))
    if other == spec:
        assert agree(ec_private(spec), peer)
        return
    with pytest.raises(InvalidPublicKey):
        agree(ec_private(spec), peer)


def test_a_key_of_another_kind_is_refused() -> None:
    edwards = Ed25519PrivateKey.generate().public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    for peer in (caller_public(), edwards):
        with pytest.raises(InvalidPublicKey):
            agree(ec_private(KeySpec.EC_P256), peer)


def test_only_der_of_a_named_curve_is_read() -> None:
    key = ec_private(KeySpec.EC_P256)
    public = key.public_key()
    pem = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    point = public.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    der = asymmetric.public_der(key)
    unknown = spki(KeySpec.EC_P256, point, "06082a8648ce3d030108")
    for peer in (pem, point, der + b"\0", der[:-1], unknown, b"", b"InvalidPublicKey"):
        with pytest.raises(InvalidPublicKey):
            agree(key, peer)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200), st.integers(0, 90), st.integers(1, 255))
def test_whatever_is_sent_is_refused_or_agreed_upon(garbage: bytes, place: int, flip: int) -> None:
    """Nothing but `InvalidPublicKey` comes out of what somebody sends."""
    key = ec_private(KeySpec.EC_P256)
    der = bytearray(asymmetric.public_der(key))
    der[place] ^= flip
    for peer in (garbage, bytes(der)):
        try:
            shared = agree(key, peer)
        except InvalidPublicKey:
            continue
        public = cast("ec.EllipticCurvePublicKey", load_der_public_key(peer))
        assert (len(shared), public.curve.name) == (32, "secp256r1")
