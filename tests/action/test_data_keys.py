"""Data keys: how long they are, by provider; that blobs hold them; that a caller's key wraps them, or why not."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from kit.action_samples import Params, Tenant
from kit.asymmetric_keys import ENCRYPTIONS, caller, caller_pem, caller_public, ec_private
from tenantkms.crypto import asymmetric
from tenantkms.model.specs import KeySpec

GENERATING = ("GenerateDataKey", "GenerateDataKeyWithoutPlaintext", "GenerateAndExportDataKey")
CONTEXT = {"tenant": "blue", "数据": ""}


@pytest.fixture(scope="module")
def tenant(tmp_path_factory: pytest.TempPathFactory) -> Tenant:
    return Tenant(tmp_path_factory.mktemp("data-key") / "data")


@pytest.fixture(scope="module")
def key(tenant: Tenant) -> str:
    return tenant.create()


def caller_key(public_key: bytes | None = None, **more: str) -> Params:
    return {"public_key": base64.b64encode(caller_public() if public_key is None else public_key).decode(), **more}


def params(action: str, key: str, **more: Any) -> Params:
    exporting = {"wrap": caller_key()} if action == "GenerateAndExportDataKey" else {}
    return {"key_id": key, **exporting, **more}


def held(tenant: Tenant, ciphertext: str, context: dict[str, str] | None = None) -> bytes:
    """What a blob holds."""
    answer = tenant.result("Decrypt", {"ciphertext": ciphertext, "context": context or {}})
    return base64.b64decode(answer["plaintext"])


def unwrapped(text: str, algorithm: str = "RSAES_OAEP_SHA_256") -> bytes:
    """What the caller reads with its private key."""
    return caller().decrypt(base64.b64decode(text), ENCRYPTIONS[algorithm])


# -- sizes ---------------------------------------------------------------------------------------------

ASKED: dict[str, tuple[Params, str, int]] = {
    "AES_256": ({"key_spec": "AES_256"}, "ok", 32),
    "AES_128": ({"key_spec": "AES_128"}, "ok", 16),
    "one byte": ({"number_of_bytes": 1}, "ok", 1),
    "1024 bytes": ({"number_of_bytes": 1024}, "ok", 1024),
    "bytes win": ({"key_spec": "AES_128", "number_of_bytes": 64}, "ok", 64),
    "no byte": ({"number_of_bytes": 0}, "InvalidParameter", 0),
    "less than none": ({"number_of_bytes": -1}, "InvalidParameter", 0),
    "1025 bytes": ({"number_of_bytes": 1025}, "InvalidParameter", 0),
    "a huge number": ({"number_of_bytes": 2**63}, "InvalidParameter", 0),
    "no number": ({"number_of_bytes": "32"}, "InvalidParameter", 0),
    "half a byte": ({"number_of_bytes": 0.5}, "InvalidParameter", 0),
    "AES_512": ({"key_spec": "AES_512"}, "InvalidParameter", 0),
    "aes_256": ({"key_spec": "aes_256"}, "InvalidParameter", 0),
    "a spec that is none, and bytes": ({"key_spec": "RSA_2048", "number_of_bytes": 32}, "InvalidParameter", 0),
}


@pytest.mark.parametrize(("asked", "outcome", "size"), ASKED.values(), ids=ASKED)
@pytest.mark.parametrize("action", GENERATING[:2])
def test_a_data_key_of_the_size_that_was_asked_for(
    tenant: Tenant, key: str, action: str, asked: Params, outcome: str, size: int
) -> None:
    given = params(action, key, context=CONTEXT, **asked)
    assert tenant.outcome(action, given) == outcome
    if outcome == "ok":
        made = tenant.result(action, given)
        plaintext = held(tenant, made["ciphertext"], CONTEXT)
        assert len(plaintext) == size
        assert made["key_id"] == key
        if action == "GenerateDataKey":
            assert base64.b64decode(made["plaintext"]) == plaintext
        assert tenant.outcome("Decrypt", {"ciphertext": made["ciphertext"]}) == "InvalidCiphertext"


@pytest.mark.parametrize("action", GENERATING)
@pytest.mark.parametrize(
    ("profile", "outcome"),
    [
        ("alibaba", "ok"),
        ("tencent", "MissingParameter"),
        ("tencent-v2", "MissingParameter"),
        ("aws", "MissingParameter"),
    ],
)
def test_what_a_provider_makes_of_nothing_said(
    tenant: Tenant, key: str, profile: str, outcome: str, action: str
) -> None:
    answer = tenant.run(action, params(action, key), profile=profile)
    assert answer.get("error", {"type": "ok"})["type"] == outcome
    if outcome == "ok":
        assert len(held(tenant, answer["result"]["ciphertext"])) == 32


def test_no_plaintext_where_none_was_asked_for(tenant: Tenant, key: str) -> None:
    assert tenant.result(GENERATING[1], params(GENERATING[1], key)).keys() == {"key_id", "key_version_id", "ciphertext"}
    exported = tenant.result(GENERATING[2], params(GENERATING[2], key))
    assert exported.keys() == {"key_id", "key_version_id", "ciphertext", "exported"}


@pytest.mark.parametrize("action", GENERATING)
def test_no_two_are_alike(tenant: Tenant, key: str, action: str) -> None:
    blobs = [tenant.result(action, params(action, key))["ciphertext"] for _ in range(5)]
    assert len({held(tenant, blob) for blob in blobs}) == len(set(blobs)) == 5


@pytest.mark.parametrize("spec", [KeySpec.RSA_2048, KeySpec.EC_P256, KeySpec.HMAC_SHA_256])
def test_only_symmetric_keys_make_them(tenant: Tenant, spec: KeySpec) -> None:
    other = tenant.create(spec=spec)
    for action in GENERATING:
        assert tenant.outcome(action, params(action, other)) == "InvalidKeyUsage"


# -- wrapped for a caller ------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["DER", "PEM"])
@pytest.mark.parametrize("algorithm", ["", *ENCRYPTIONS])
def test_a_secret_for_the_callers_key(tenant: Tenant, key: str, algorithm: str, form: str) -> None:
    public = caller_public() if form == "DER" else caller_pem().encode()
    receiver = caller_key(public, **({"algorithm": algorithm} if algorithm else {}))
    used = algorithm or "RSAES_OAEP_SHA_256"
    made = tenant.result("GenerateDataKey", {"key_id": key, "wrap": receiver})
    secret = held(tenant, made["ciphertext"])
    assert unwrapped(made["plaintext"], used) == secret
    exported = tenant.result("GenerateAndExportDataKey", {"key_id": key, "wrap": receiver, "context": CONTEXT})
    assert unwrapped(exported["exported"], used) == held(tenant, exported["ciphertext"], CONTEXT)
    for action, field in (("Decrypt", "plaintext"), ("ExportDataKey", "exported")):
        answer = tenant.result(action, {"ciphertext": made["ciphertext"], "wrap": receiver})
        assert unwrapped(answer[field], used) == secret
        assert (answer["key_id"], answer["key_version_id"]) == (made["key_id"], made["key_version_id"])


LIMITS = {"RSAES_OAEP_SHA_256": 190, "RSAES_OAEP_SHA_1": 214, "RSAES_PKCS1_V1_5": 245}


@pytest.mark.parametrize(("algorithm", "limit"), LIMITS.items())
def test_a_secret_of_the_length_that_the_callers_key_takes(
    tenant: Tenant, key: str, algorithm: str, limit: int
) -> None:
    for size, outcome in ((limit, "ok"), (limit + 1, "InvalidParameter")):
        receiver = caller_key(algorithm=algorithm)
        given = {"key_id": key, "number_of_bytes": size, "wrap": receiver}
        assert tenant.outcome("GenerateDataKey", given) == outcome
        assert tenant.outcome("GenerateAndExportDataKey", given) == outcome
        made = tenant.result("GenerateDataKeyWithoutPlaintext", {"key_id": key, "number_of_bytes": size})
        for action in ("Decrypt", "ExportDataKey"):
            assert tenant.outcome(action, {"ciphertext": made["ciphertext"], "wrap": receiver}) == outcome


def _bad_wraps() -> dict[str, tuple[Params, str]]:
    return {
        "no key": ({"algorithm": "RSAES_OAEP_SHA_1"}, "MissingParameter"),
        "an empty key": (caller_key(b""), "InvalidParameter"),
        "no base64": ({"public_key": "!"}, "InvalidParameter"),
        "a key of a curve": (caller_key(asymmetric.public_der(ec_private(KeySpec.EC_P256))), "InvalidParameter"),
        "SM2": (caller_key(algorithm="SM2_C1C3C2"), "InvalidParameter"),
        "an algorithm that is none": (caller_key(algorithm="RSA"), "InvalidParameter"),
        "a signature's": (caller_key(algorithm="RSA_PSS_SHA_256"), "InvalidParameter"),
        "another field": ({**caller_key(), "label": "x"}, "InvalidParameter"),
    }


BAD_WRAPS = _bad_wraps()


@pytest.mark.parametrize(("receiver", "outcome"), BAD_WRAPS.values(), ids=BAD_WRAPS)
def test_a_bad_wrap_is_refused_and_nothing_leaves(tenant: Tenant, key: str, receiver: Params, outcome: str) -> None:
    blob = tenant.result("GenerateDataKeyWithoutPlaintext", {"key_id": key})["ciphertext"]
    for action, given in {
        "GenerateDataKey": {"key_id": key},
        "GenerateAndExportDataKey": {"key_id": key},
        "Decrypt": {"ciphertext": blob},
        "ExportDataKey": {"ciphertext": blob},
    }.items():
        answer = tenant.run(action, {**given, "wrap": receiver})
        assert answer.keys() == {"error"}
        assert answer["error"]["type"] == outcome, action


@pytest.mark.parametrize("action", ["GenerateAndExportDataKey", "ExportDataKey"])
def test_exporting_needs_somebody_to_export_to(tenant: Tenant, key: str, action: str) -> None:
    assert tenant.outcome(action, {"key_id": key} if "Generate" in action else {"ciphertext": "AAAA"}) == (
        "MissingParameter"
    )
