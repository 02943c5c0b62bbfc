"""Imported keys that are not symmetric: they work as others do, and nothing else ever takes their place."""

from __future__ import annotations

import base64
import hmac
import os
from typing import Any, cast

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_der_public_key,
)

from kit.action_samples import Params, Tenant
from kit.asymmetric_keys import material, wrap
from tenantkms.crypto import asymmetric
from tenantkms.keys.import_tokens import FITS
from tenantkms.model.specs import ASYMMETRIC, EC, HMAC, RSA, SIZES, SYMMETRIC, KeySpec

OAEP, KEY_WRAP = "RSAES_OAEP_SHA_256", "RSA_AES_KEY_WRAP_SHA_256"
DIGEST = base64.b64encode(bytes(32)).decode()


@pytest.fixture(scope="module")
def tenant(tmp_path_factory: pytest.TempPathFactory) -> Tenant:
    return Tenant(tmp_path_factory.mktemp("import") / "data")


def brought(tenant: Tenant, key: str, what: bytes, algorithm: str, wrapping_key: str = "RSA_2048") -> Params:
    """What ImportKeyMaterial is given."""
    how = {"key_id": key, "wrapping_algorithm": algorithm, "wrapping_key_spec": wrapping_key}
    made = tenant.result("GetParametersForImport", how)
    public = load_der_public_key(base64.b64decode(made["public_key"]))
    assert isinstance(public, RSAPublicKey)
    return {
        "key_id": key,
        "token": made["token"],
        "wrapped": base64.b64encode(wrap(public, algorithm, what)).decode(),
    }


def bring(tenant: Tenant, key: str, what: bytes, algorithm: str = KEY_WRAP) -> str:
    return tenant.outcome("ImportKeyMaterial", brought(tenant, key, what, algorithm))


def some(spec: KeySpec) -> bytes:
    return material(spec) if spec in ASYMMETRIC else bytes(range(SIZES[spec]))


@pytest.mark.parametrize("algorithm", FITS)
@pytest.mark.parametrize("spec", sorted(frozenset(KeySpec) - {KeySpec.RSA_3072}))
def test_each_wrapping_is_for_its_material(tenant: Tenant, spec: KeySpec, algorithm: str) -> None:
    key = tenant.create(spec=spec, origin="EXTERNAL")
    if spec in FITS[algorithm]:
        if spec is KeySpec.EC_P521 and algorithm.startswith("RSAES"):  # longer than an RSA key of 2048 bits encrypts
            params = brought(tenant, key, some(spec), algorithm, "RSA_3072")
        else:
            params = brought(tenant, key, some(spec), algorithm)
        assert tenant.outcome("ImportKeyMaterial", params) == "ok"
        assert tenant.stored(key).state == "Enabled"
        return
    how = {"key_id": key, "wrapping_algorithm": algorithm, "wrapping_key_spec": "RSA_2048"}
    answer = tenant.run("GetParametersForImport", how)
    assert answer["error"]["type"] == "InvalidParameter"
    assert algorithm not in answer["error"]["message"]


def test_what_may_be_damaged_unseen_is_for_symmetric_keys() -> None:
    """Only they may get another material then, as a next version."""
    assert FITS["RSAES_PKCS1_V1_5"] == frozenset(SYMMETRIC)
    assert all(specs.isdisjoint(RSA) for name, specs in FITS.items() if name.startswith("RSAES"))


@pytest.mark.parametrize("spec", sorted(ASYMMETRIC - {KeySpec.RSA_3072, KeySpec.RSA_4096}))
def test_the_public_key_is_the_owners(tenant: Tenant, spec: KeySpec) -> None:
    key = tenant.create(spec=spec, origin="EXTERNAL")
    assert tenant.outcome("GetPublicKey", {"key_id": key}) == "KeyPendingImport"
    assert bring(tenant, key, material(spec)) == "ok"
    der = tenant.result("GetPublicKey", {"key_id": key})["der"]
    assert base64.b64decode(der) == asymmetric.public_der(asymmetric.load(material(spec)))


def test_they_are_used_as_others_are(tenant: Tenant) -> None:
    signing = tenant.create(spec="EC_P256", origin="EXTERNAL")
    bring(tenant, signing, material(KeySpec.EC_P256), OAEP)
    how = {"key_id": signing, "algorithm": "ECDSA_SHA_256", "message": DIGEST}
    signature = tenant.result("AsymmetricSign", how)["signature"]
    assert tenant.result("AsymmetricVerify", {**how, "signature": signature})["valid"] is True
    agreeing = tenant.create(spec="EC_P384", origin="EXTERNAL", usage="KEY_AGREEMENT")
    bring(tenant, agreeing, material(KeySpec.EC_P384), OAEP)
    peer = ec.generate_private_key(ec.SECP384R1())
    public = base64.b64encode(peer.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).decode()
    derived = tenant.result("DeriveSharedSecret", {"key_id": agreeing, "public_key": public})
    ours = cast("ec.EllipticCurvePrivateKey", asymmetric.load(material(KeySpec.EC_P384))).public_key()
    assert base64.b64decode(derived["shared"]) == peer.exchange(ec.ECDH(), ours)
    assert derived["origin"] == "EXTERNAL"


@pytest.mark.parametrize("spec", sorted(HMAC))
def test_macs_are_by_the_owners_key(tenant: Tenant, spec: KeySpec) -> None:
    key = tenant.create(spec=spec, origin="EXTERNAL")
    assert bring(tenant, key, some(spec), OAEP) == "ok"
    made = tenant.result("GenerateMac", {"key_id": key, "algorithm": spec, "message": DIGEST})["mac"]
    assert base64.b64decode(made) == hmac.digest(some(spec), bytes(32), HMAC[spec].name)


# -- what is refused ---------------------------------------------------------------------------------------


def other(spec: KeySpec) -> bytes:
    return asymmetric.generate(spec, os.urandom) if spec in ASYMMETRIC else os.urandom(SIZES[spec])


CASES: dict[str, tuple[KeySpec, Any]] = {
    "another curve": (KeySpec.EC_P256, lambda: material(KeySpec.EC_P256K)),
    "another size": (KeySpec.RSA_3072, lambda: material(KeySpec.RSA_2048)),
    "another kind": (KeySpec.RSA_2048, lambda: material(KeySpec.EC_P256)),
    "another strength": (KeySpec.ML_DSA_65, lambda: material(KeySpec.ML_DSA_87)),
    "another algorithm": (KeySpec.ED25519, lambda: material(KeySpec.ML_DSA_44)),
    "a scalar": (KeySpec.EC_P256, lambda: bytes(range(32))),
    "a seed": (KeySpec.ED25519, lambda: bytes(range(32))),
}


@pytest.mark.parametrize("case", CASES)
def test_a_wrong_key_changes_nothing(tenant: Tenant, case: str) -> None:
    spec, what = CASES[case]
    key = tenant.create(spec=spec, origin="EXTERNAL")
    before = tenant.stored(key)
    assert bring(tenant, key, what()) == "InvalidKeyMaterial"
    assert tenant.stored(key) == before
    assert bring(tenant, key, some(spec)) == "ok"


@pytest.mark.parametrize("size", [0, 1, 27, 29, 32, 64])
def test_material_of_macs_is_as_long_as_the_hash(tenant: Tenant, size: int) -> None:
    key = tenant.create(spec="HMAC_SHA_224", origin="EXTERNAL")
    assert bring(tenant, key, bytes(size), OAEP) == "InvalidKeyMaterial"


@pytest.mark.parametrize(
    "spec", [KeySpec.RSA_2048, KeySpec.EC_P256, KeySpec.ED25519, KeySpec.ML_DSA_44, KeySpec.HMAC_SHA_256]
)
def test_only_the_same_comes_back(tenant: Tenant, spec: KeySpec) -> None:
    algorithm = KEY_WRAP if spec in ASYMMETRIC else OAEP
    key = tenant.create(spec=spec, origin="EXTERNAL")
    assert bring(tenant, key, some(spec), algorithm) == "ok"
    before = tenant.stored(key)
    assert bring(tenant, key, other(spec), algorithm) == "MaterialMismatch"
    assert tenant.stored(key) == before
    tenant.result("DeleteKeyMaterial", {"key_id": key})
    assert tenant.stored(key).state == "PendingImport"
    assert bring(tenant, key, other(spec), algorithm) == "MaterialMismatch"
    assert bring(tenant, key, some(spec), algorithm) == "ok"
    assert tenant.stored(key).primary_number == 1


def test_the_same_key_may_be_written_in_another_way(tenant: Tenant) -> None:
    """PKCS #8 of a curve may hold the public key or leave it out."""
    key = tenant.create(spec="EC_P256", origin="EXTERNAL")
    private = cast("ec.EllipticCurvePrivateKey", asymmetric.load(material(KeySpec.EC_P256)))
    scalar = private.private_numbers().private_value.to_bytes(32, "big")
    full = private.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    assert bring(tenant, key, full, OAEP) == "ok"
    bare = bytes.fromhex("3041020100301306072a8648ce3d020106082a8648ce3d030107042730250201010420") + scalar
    assert len(bare) < len(full)
    assert bring(tenant, key, bare, OAEP) == "ok"


def test_parameters_are_for_one_key(tenant: Tenant) -> None:
    one, another = (tenant.create(spec=spec, origin="EXTERNAL") for spec in (KeySpec.EC_P256, KeySpec.EC_P384))
    params = brought(tenant, one, material(KeySpec.EC_P256), OAEP)
    assert tenant.outcome("ImportKeyMaterial", {**params, "key_id": another}) == "InvalidImportToken"


def test_no_new_versions(tenant: Tenant) -> None:
    key = tenant.create(spec="EC_P256", origin="EXTERNAL")
    bring(tenant, key, material(KeySpec.EC_P256), OAEP)
    assert tenant.outcome("CreateKeyVersion", {"key_id": key}) == "ExternalOrigin"


@pytest.mark.parametrize("spec", sorted(EC | {KeySpec.RSA_2048}))
def test_keys_that_are_made_here_take_nothing(tenant: Tenant, spec: KeySpec) -> None:
    how = {"key_id": tenant.create(spec=spec), "wrapping_algorithm": KEY_WRAP, "wrapping_key_spec": "RSA_2048"}
    assert tenant.outcome("GetParametersForImport", how) == "NotExternal"
