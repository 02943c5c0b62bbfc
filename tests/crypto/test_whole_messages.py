"""Ed25519 and ML-DSA, which sign messages, not digests: published answers, other implementations, and what is wrong."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any, cast

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import mldsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_der_private_key, load_der_public_key
from hypothesis import given, settings
from hypothesis import strategies as st

from kit.asymmetric_keys import WHOLE, OpenSsl, private
from kit.support import VECTORS
from tenantkms.crypto import asymmetric
from tenantkms.errors import InvalidParameter
from tenantkms.model.specs import EDWARDS, ML_DSA, KeySpec

SPECS = list(WHOLE)
SIZES = {KeySpec.ED25519: 64, KeySpec.ML_DSA_44: 2420, KeySpec.ML_DSA_65: 3309, KeySpec.ML_DSA_87: 4627}
"""Bytes of a signature."""
ANSWERS: dict[str, list[dict[str, str]]] = {
    name: json.loads((VECTORS / "asymmetric" / f"{name}.json").read_text("utf-8")) for name in ("ed25519", "ml_dsa")
}
MESSAGE = "what is signed: данные 数据".encode()
MlDsaPublic = mldsa.MLDSA44PublicKey | mldsa.MLDSA65PublicKey | mldsa.MLDSA87PublicKey


def sign(spec: KeySpec, message: bytes, *, mu: bool = False) -> bytes:
    row = asymmetric.signing(spec, WHOLE[spec], mu=mu)
    return asymmetric.sign(private(spec), row, asymmetric.digest_of(row, message, raw=not mu))


def verifies(key: asymmetric.PrivateKey, spec: KeySpec, message: bytes, signature: bytes, *, mu: bool = False) -> bool:
    row = asymmetric.signing(spec, WHOLE[spec], mu=mu)
    return asymmetric.verify(key, row, asymmetric.digest_of(row, message, raw=not mu), signature)


def representative(public: bytes, message: bytes, context: bytes = b"") -> bytes:
    """ML-DSA's mu, by FIPS 204 alone: algorithms 2 and 7."""
    tr = hashlib.shake_256(public).digest(64)
    return hashlib.shake_256(tr + bytes([0, len(context)]) + context + message).digest(64)


def raw_public(spec: KeySpec) -> bytes:
    return cast("MlDsaPublic", private(spec).public_key()).public_bytes_raw()


# -- published answers -------------------------------------------------------------------------------------


@pytest.mark.parametrize("row", ANSWERS["ed25519"], ids=lambda row: f"{len(row['message']) // 2} bytes")
def test_ed25519_has_the_answers_of_rfc_8032(row: dict[str, str]) -> None:
    material = asymmetric.generate(KeySpec.ED25519, lambda n: bytes.fromhex(row["secret"])[:n])
    key = asymmetric.load(material)
    assert asymmetric.public_der(key)[-32:].hex() == row["public"]
    signing = asymmetric.signing(KeySpec.ED25519, "ED25519_SHA_512")
    message, signature = bytes.fromhex(row["message"]), bytes.fromhex(row["signature"])
    assert asymmetric.sign(key, signing, asymmetric.digest_of(signing, message, raw=True)) == signature
    assert verifies(key, KeySpec.ED25519, message, signature)
    assert not verifies(key, KeySpec.ED25519, message + b".", signature)


@pytest.mark.parametrize("spec", sorted(ML_DSA))
def test_ml_dsa_has_the_answers_of_fips_204(spec: KeySpec) -> None:
    rows: Any = ANSWERS["ml_dsa"]
    for row in rows[spec]:
        found = {name: bytes.fromhex(value) for name, value in row.items()}
        key = asymmetric.load(asymmetric.generate(spec, lambda n, seed=found["seed"]: seed[:n]))  # type: ignore[misc]
        assert asymmetric.public_der(key).endswith(found["public"])
        mu = representative(found["public"], found["message"], found["context"])
        assert verifies(key, spec, mu, found["signature"], mu=True)
        # The same message without its context is another one.
        assert not verifies(key, spec, found["message"], found["signature"])
        assert not verifies(key, spec, bytes(64), found["signature"], mu=True)


# -- material ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("spec", SPECS)
def test_the_material_is_the_seed_in_pkcs_8_and_small(spec: KeySpec) -> None:
    drawn: list[int] = []

    def random(size: int) -> bytes:
        drawn.append(size)
        return bytes(range(size))

    material = asymmetric.generate(spec, random)
    assert drawn == [32]
    assert bytes(range(32)) in material
    assert len(material) == (48 if spec in EDWARDS else 54)
    assert material == asymmetric.generate(spec, random)
    assert asymmetric.public_der(asymmetric.load(material)) == asymmetric.public_der(
        cast("asymmetric.PrivateKey", load_der_private_key(material, None))
    )


# -- others --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("spec", SPECS)
def test_others_accept_what_we_sign(spec: KeySpec) -> None:
    public = cast("Ed25519PublicKey | MlDsaPublic", load_der_public_key(asymmetric.public_der(private(spec))))
    signature = sign(spec, MESSAGE)
    assert len(signature) == SIZES[spec]
    public.verify(signature, MESSAGE)
    with pytest.raises(InvalidSignature):
        public.verify(signature, MESSAGE + b".")


@pytest.mark.skipif(not shutil.which("openssl"), reason="the openssl command line is not installed")
def test_openssl_accepts_what_we_sign(tmp_path: Path) -> None:
    """Ed25519 alone: most installed versions know no ML-DSA."""
    tool = OpenSsl(tmp_path, KeySpec.ED25519)
    tool.write("message", MESSAGE)
    tool.write("signature", sign(KeySpec.ED25519, MESSAGE))
    options = ("-pubin", "-inkey", "public.pem", "-rawin", "-in", "message", "-sigfile", "signature")
    assert b"Verified" in tool.output("pkeyutl", "-verify", *options)
    theirs = ("-inkey", "key.pem", "-rawin", "-in", "message", "-out", "theirs")
    tool.output("pkeyutl", "-sign", *theirs)
    assert verifies(private(KeySpec.ED25519), KeySpec.ED25519, MESSAGE, (tmp_path / "theirs").read_bytes())


@pytest.mark.parametrize("spec", sorted(ML_DSA))
def test_a_message_and_its_representative_are_signed_alike(spec: KeySpec) -> None:
    mu = representative(raw_public(spec), MESSAGE)
    key = private(spec)
    assert verifies(key, spec, MESSAGE, sign(spec, mu, mu=True))
    assert verifies(key, spec, mu, sign(spec, MESSAGE), mu=True)


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(SPECS), st.binary(max_size=4096))
def test_what_is_signed_verifies_and_nothing_else(spec: KeySpec, message: bytes) -> None:
    key, signature = private(spec), sign(spec, message)
    assert verifies(key, spec, message, signature)
    assert not verifies(key, spec, message + b"\0", signature)


# -- what is wrong -------------------------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(SPECS), st.integers(0, 4626), st.integers(1, 255))
def test_a_changed_byte_is_seen(spec: KeySpec, place: int, flip: int) -> None:
    signature = bytearray(sign(spec, MESSAGE))
    signature[place % len(signature)] ^= flip
    assert not verifies(private(spec), spec, MESSAGE, bytes(signature))


@pytest.mark.parametrize("spec", SPECS)
def test_a_signature_of_another_length_is_none(spec: KeySpec) -> None:
    signature = sign(spec, MESSAGE)
    for wrong in (b"", signature[:-1], signature + b"\0", bytes(len(signature)), b"\xff" * len(signature)):
        assert not verifies(private(spec), spec, MESSAGE, wrong)


def test_an_ed25519_signature_has_one_spelling() -> None:
    """The scalar plus the order of the group would verify without RFC 8032's check of its range."""
    order = 2**252 + 27742317777372353535851937790883648493
    signature = sign(KeySpec.ED25519, MESSAGE)
    scalar = int.from_bytes(signature[32:], "little") + order
    assert not verifies(
        private(KeySpec.ED25519), KeySpec.ED25519, MESSAGE, signature[:32] + scalar.to_bytes(32, "little")
    )


@pytest.mark.parametrize("spec", SPECS)
@pytest.mark.parametrize("size", [0, 32, 48, 64])
def test_a_digest_is_not_signed(spec: KeySpec, size: int) -> None:
    row = asymmetric.signing(spec, WHOLE[spec])
    with pytest.raises(InvalidParameter, match="not its digest"):
        asymmetric.digest_of(row, bytes(size), raw=False)


@pytest.mark.parametrize("size", [0, 1, 63, 65, 128])
def test_a_representative_has_64_bytes(size: int) -> None:
    row = asymmetric.signing(KeySpec.ML_DSA_65, "ML_DSA_SHAKE_256", mu=True)
    with pytest.raises(InvalidParameter, match="64 bytes"):
        asymmetric.digest_of(row, bytes(size), raw=False)
    with pytest.raises(InvalidParameter, match="not the message"):
        asymmetric.digest_of(row, bytes(64), raw=True)


@pytest.mark.parametrize(
    ("spec", "algorithm"), [(KeySpec.ED25519, "ED25519_SHA_512"), (KeySpec.EC_P256, "ECDSA_SHA_256")]
)
def test_only_ml_dsa_has_representatives(spec: KeySpec, algorithm: str) -> None:
    with pytest.raises(InvalidParameter, match="no representative"):
        asymmetric.signing(spec, algorithm, mu=True)
