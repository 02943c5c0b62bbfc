"""ReEncrypt with RSA keys on either side: what goes in comes out, and nothing is encrypted anew that was damaged."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_der_public_key

from kit.action_samples import Params, Tenant, in_state
from kit.asymmetric_keys import ENCRYPTIONS
from tenantkms.model.specs import KeySpec
from tenantkms.model.states import KeyState

SECRET = b"a secret"
PLAINTEXT = base64.b64encode(SECRET).decode()
OAEP = "RSAES_OAEP_SHA_256"
SIDES = ["", OAEP, "RSAES_OAEP_SHA_1"]
CONTEXT = {"a": "b"}


@pytest.fixture(scope="module")
def tenant(tmp_path_factory: pytest.TempPathFactory) -> Tenant:
    return Tenant(tmp_path_factory.mktemp("re-encrypt") / "data")


@pytest.fixture(scope="module")
def pairs(tenant: Tenant) -> dict[bool, tuple[str, str]]:
    """Source and destination, RSA or not."""
    rsa, aes = ((tenant.create(spec=s), tenant.create(spec=s)) for s in (KeySpec.RSA_2048, KeySpec.AES_256))
    return {True: rsa, False: aes}


def encrypted(tenant: Tenant, key: str, algorithm: str) -> str:
    if not algorithm:
        return str(tenant.result("Encrypt", {"key_id": key, "plaintext": PLAINTEXT})["ciphertext"])
    how = {"key_id": key, "algorithm": algorithm, "plaintext": PLAINTEXT}
    return str(tenant.result("AsymmetricEncrypt", how)["ciphertext"])


def opened(tenant: Tenant, key: str, algorithm: str, blob: str) -> bytes:
    action, more = ("AsymmetricDecrypt", {"algorithm": algorithm}) if algorithm else ("Decrypt", {})
    found = tenant.result(action, {"key_id": key, "ciphertext": blob, **more})
    return base64.b64decode(found["plaintext"])


@pytest.mark.parametrize("source", SIDES)
@pytest.mark.parametrize("destination", SIDES)
def test_each_side_may_be_rsa(
    tenant: Tenant, pairs: dict[bool, tuple[str, str]], source: str, destination: str
) -> None:
    one, other = pairs[bool(source)][0], pairs[bool(destination)][1]
    made = tenant.result(
        "ReEncrypt",
        {
            "ciphertext": encrypted(tenant, one, source),
            "source_key_id": one,
            "source_algorithm": source,
            "destination_key_id": other,
            "destination_algorithm": destination,
        },
    )
    assert (made["source_key_id"], made["key_id"], made["changed"]) == (one, other, True)
    assert (made["source_algorithm"], made["destination_algorithm"]) == (source, destination)
    assert opened(tenant, other, destination, made["ciphertext"]) == SECRET


def test_what_others_encrypted_moves(tenant: Tenant, pairs: dict[bool, tuple[str, str]]) -> None:
    key, to = pairs[True][0], pairs[False][1]
    public = load_der_public_key(base64.b64decode(tenant.result("GetPublicKey", {"key_id": key})["der"]))
    assert isinstance(public, RSAPublicKey)
    blob = base64.b64encode(public.encrypt(SECRET, ENCRYPTIONS[OAEP])).decode()
    how = {"source_key_id": key, "source_algorithm": OAEP, "destination_key_id": to, "destination_context": CONTEXT}
    made = tenant.result("ReEncrypt", {"ciphertext": blob, **how})["ciphertext"]
    assert tenant.outcome("Decrypt", {"ciphertext": made}) == "InvalidCiphertext"
    assert tenant.result("Decrypt", {"ciphertext": made, "context": CONTEXT})["plaintext"] == PLAINTEXT


def from_rsa_to_rsa(tenant: Tenant, one: str, other: str) -> Params:
    return {
        "ciphertext": encrypted(tenant, one, OAEP),
        "source_key_id": one,
        "source_algorithm": OAEP,
        "destination_key_id": other,
        "destination_algorithm": OAEP,
    }


@pytest.mark.parametrize(
    ("change", "outcome"),
    [
        ({"source_key_id": ""}, "MissingParameter"),
        ({"source_context": CONTEXT}, "InvalidParameter"),
        ({"source_algorithm": "RSAES_PKCS1_V1_5"}, "InvalidParameter"),
        ({"source_algorithm": "SM2PKE"}, "InvalidParameter"),
        ({"source_algorithm": "RSAES_OAEP_SHA_1"}, "InvalidCiphertext"),
        ({"destination_context": CONTEXT}, "InvalidParameter"),
        ({"destination_algorithm": "SM2PKE"}, "InvalidParameter"),
        ({"destination_algorithm": ""}, "InvalidKeyUsage"),
        ({"source_algorithm": ""}, "InvalidCiphertext"),
        ({"ciphertext": PLAINTEXT}, "InvalidCiphertext"),
        ({"ciphertext": ""}, "InvalidCiphertext"),
    ],
    ids=str,
)
def test_what_does_not_fit_is_refused(
    tenant: Tenant, pairs: dict[bool, tuple[str, str]], change: Params, outcome: str
) -> None:
    params = from_rsa_to_rsa(tenant, *pairs[True])
    assert tenant.outcome("ReEncrypt", params) == "ok"
    assert tenant.outcome("ReEncrypt", {**params, **change}) == outcome


def test_keys_of_the_other_kind_are_refused(tenant: Tenant, pairs: dict[bool, tuple[str, str]]) -> None:
    rsa, aes = pairs[True][0], pairs[False][0]
    blob = encrypted(tenant, aes, "")
    to_aes: dict[str, Any] = {"ciphertext": blob, "destination_key_id": aes, "destination_algorithm": OAEP}
    assert tenant.outcome("ReEncrypt", to_aes) == "InvalidKeyUsage"
    from_aes = {"ciphertext": blob, "source_key_id": aes, "source_algorithm": OAEP, "destination_key_id": aes}
    assert tenant.outcome("ReEncrypt", from_aes) == "InvalidKeyUsage"
    signing = tenant.create(spec=KeySpec.RSA_2048, usage="SIGN_VERIFY")
    assert tenant.outcome("ReEncrypt", {**to_aes, "destination_key_id": signing}) == "InvalidKeyUsage"
    assert tenant.outcome("ReEncrypt", {**to_aes, "destination_key_id": rsa}) == "ok"


def test_more_than_the_rsa_key_holds_is_told(tenant: Tenant, pairs: dict[bool, tuple[str, str]]) -> None:
    long = base64.b64encode(bytes(191)).decode()
    blob = tenant.result("Encrypt", {"key_id": pairs[False][0], "plaintext": long})["ciphertext"]
    how = {"ciphertext": blob, "destination_key_id": pairs[True][0], "destination_algorithm": OAEP}
    assert tenant.outcome("ReEncrypt", how) == "PlaintextTooLong"


@pytest.mark.parametrize(
    ("allowed", "outcome"),
    [
        (["ReEncrypt", "Decrypt", "Encrypt"], "AccessDenied"),
        (["ReEncrypt", "AsymmetricDecrypt"], "AccessDenied"),
        (["ReEncrypt", "AsymmetricEncrypt"], "AccessDenied"),
        (["AsymmetricDecrypt", "AsymmetricEncrypt"], "AccessDenied"),
        (["ReEncrypt", "AsymmetricDecrypt", "AsymmetricEncrypt"], "ok"),
    ],
)
def test_it_needs_what_the_keys_need(
    tenant: Tenant, pairs: dict[bool, tuple[str, str]], allowed: list[str], outcome: str
) -> None:
    params = from_rsa_to_rsa(tenant, *pairs[True])
    policy = json.dumps({"Statement": [{"Effect": "Allow", "Action": allowed}]})
    assert tenant.outcome("ReEncrypt", params, policy=policy) == outcome


@pytest.mark.parametrize("state", KeyState)
def test_states_refuse_what_they_refuse_to_the_parts(
    tenant: Tenant, pairs: dict[bool, tuple[str, str]], state: KeyState
) -> None:
    one, other = pairs[True]
    params = from_rsa_to_rsa(tenant, one, other)
    parts = (
        (one, "AsymmetricDecrypt", {"ciphertext": params["ciphertext"]}),
        (other, "AsymmetricEncrypt", {"plaintext": PLAINTEXT}),
    )
    for key, action, given in parts:
        in_state(tenant, key, state)
        expected = tenant.outcome(action, {"key_id": key, "algorithm": OAEP, **given})
        assert tenant.outcome("ReEncrypt", params) == expected
        in_state(tenant, key, KeyState.ENABLED)
