"""GenerateDataKeyPair and its sibling: the private key opens by Decrypt alone, and belongs to the public one."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_der_private_key,
)

from kit.action_samples import Tenant
from tenantkms.action.data_key_pairs import PAIRS
from tenantkms.model.specs import EC, KeySpec

CONTEXT = {"a": "b"}


@pytest.fixture(scope="module")
def tenant(tmp_path_factory: pytest.TempPathFactory) -> Tenant:
    return Tenant(tmp_path_factory.mktemp("pairs") / "data")


@pytest.fixture(scope="module")
def key(tenant: Tenant) -> str:
    return str(tenant.result("CreateKey", {})["key"]["id"])


def made(tenant: Tenant, key: str, action: str, spec: KeySpec) -> dict[str, Any]:
    return dict(tenant.result(action, {"key_id": key, "pair_spec": spec, "context": CONTEXT}))


@pytest.mark.parametrize("spec", sorted(PAIRS - {KeySpec.RSA_3072, KeySpec.RSA_4096}))
def test_the_private_key_is_of_the_public_one_and_of_the_spec(tenant: Tenant, key: str, spec: KeySpec) -> None:
    pair = made(tenant, key, "GenerateDataKeyPair", spec)
    private = load_der_private_key(base64.b64decode(pair["private"]), None)
    public = private.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    assert base64.b64decode(pair["public"]) == public
    assert isinstance(private, EllipticCurvePrivateKey) == (spec in EC)
    assert pair["pair_spec"] == spec
    opened = tenant.result("Decrypt", {"ciphertext": pair["ciphertext"], "context": CONTEXT})
    assert opened["plaintext"] == pair["private"]
    assert tenant.outcome("Decrypt", {"ciphertext": pair["ciphertext"]}) == "InvalidCiphertext"


def test_without_plaintext_only_decrypt_shows_it(tenant: Tenant, key: str) -> None:
    pair = made(tenant, key, "GenerateDataKeyPairWithoutPlaintext", KeySpec.EC_P521)
    assert "private" not in pair
    opened = tenant.result("Decrypt", {"ciphertext": pair["ciphertext"], "context": CONTEXT})
    private = load_der_private_key(base64.b64decode(opened["plaintext"]), None)
    public = private.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    assert base64.b64decode(pair["public"]) == public


def test_each_pair_is_new(tenant: Tenant, key: str) -> None:
    pairs = [made(tenant, key, "GenerateDataKeyPair", KeySpec.EC_P256) for _ in range(3)]
    assert len({pair["private"] for pair in pairs}) == len({pair["ciphertext"] for pair in pairs}) == 3


@pytest.mark.parametrize("action", ["GenerateDataKeyPair", "GenerateDataKeyPairWithoutPlaintext"])
@pytest.mark.parametrize(
    ("spec", "outcome"),
    [
        ("AES_256", "UnsupportedKeySpec"),
        ("SM4_128", "UnsupportedKeySpec"),
        ("ML_DSA_65", "UnsupportedKeySpec"),
        ("HMAC_SHA_256", "UnsupportedKeySpec"),
        ("RSA_1024", "InvalidParameter"),
        (None, "InvalidParameter"),
    ],
)
def test_what_is_no_pair_is_not_made(tenant: Tenant, key: str, action: str, spec: str | None, outcome: str) -> None:
    assert tenant.outcome(action, {"key_id": key, "pair_spec": spec}) == outcome
