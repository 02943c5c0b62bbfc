"""GenerateMac and VerifyMac: HMAC with SHA-2 as RFC 4231 has it, and nothing that is almost a MAC."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Callable

import pytest

from kit.action_samples import Tenant
from tenantkms.model.specs import HMAC, KeySpec

SIZES = {
    KeySpec.HMAC_SHA_224: 28,
    KeySpec.HMAC_SHA_256: 32,
    KeySpec.HMAC_SHA_384: 48,
    KeySpec.HMAC_SHA_512: 64,
}
MESSAGE = "message 数据".encode()

RFC_4231: dict[str, tuple[bytes, bytes, str, str]] = {
    "case 1": (
        b"\x0b" * 20,
        b"Hi There",
        "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7",
        (
            "87aa7cdea5ef619d4ff0b4241a1d6cb02379f4e2ce4ec2787ad0b30545e17cde"
            "daa833b7d6b8a702038b274eaea3f4e4be9d914eeb61f1702e696c203a126854"
        ),
    ),
    "case 2": (
        b"Jefe",
        b"what do ya want for nothing?",
        "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
        (
            "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea250554"
            "9758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737"
        ),
    ),
    "case 3": (
        b"\xaa" * 20,
        b"\xdd" * 50,
        "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe",
        (
            "fa73b0089d56a284efb0f0756c890be9b1b5dbdd8ee81a3655f83e33b2279d39"
            "bf3e848279a722c806b485a47e67c807b946a337bee8942674278859e13292fb"
        ),
    ),
}
"""RFC 4231: key, data, HMAC-SHA-256, HMAC-SHA-512."""


@pytest.fixture(scope="module")
def tenant(tmp_path_factory: pytest.TempPathFactory) -> Tenant:
    return Tenant(tmp_path_factory.mktemp("mac") / "data")


@pytest.fixture(scope="module")
def keys(tenant: Tenant) -> dict[KeySpec, str]:
    return {spec: tenant.create(spec=spec) for spec in SIZES}


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def generate(tenant: Tenant, key: str, spec: KeySpec, message: bytes = MESSAGE) -> bytes:
    params = {"key_id": key, "algorithm": spec, "message": b64(message)}
    answer = tenant.result("GenerateMac", params)
    assert (answer["key_id"], answer["algorithm"]) == (key, spec)
    return base64.b64decode(answer["mac"])


def verify(tenant: Tenant, key: str, spec: KeySpec, made: bytes, message: bytes = MESSAGE) -> bool:
    params = {"key_id": key, "algorithm": spec, "message": b64(message), "mac": b64(made)}
    return bool(tenant.result("VerifyMac", params)["valid"])


def test_every_mac_spec_is_covered() -> None:
    assert SIZES.keys() == HMAC.keys()


@pytest.mark.parametrize(("spec", "size"), SIZES.items())
def test_material_and_macs_are_as_long_as_the_hash(
    tenant: Tenant, keys: dict[KeySpec, str], spec: KeySpec, size: int
) -> None:
    key = tenant.stored(keys[spec])
    material = tenant.deps.keyring.loaded(key, 1, bytes)
    assert material is not None
    assert HMAC[spec].size == len(material) == size
    made = generate(tenant, key.id, spec)
    assert made == hmac.new(material, MESSAGE, f"sha{spec[-3:]}").digest()
    assert verify(tenant, key.id, spec, made)


@pytest.mark.parametrize(("material", "data", "sha256", "sha512"), RFC_4231.values(), ids=RFC_4231)
def test_the_vectors_of_the_rfc(tenant: Tenant, material: bytes, data: bytes, sha256: str, sha512: str) -> None:
    for spec, expected in ((KeySpec.HMAC_SHA_256, sha256), (KeySpec.HMAC_SHA_512, sha512)):
        key = tenant.create(spec=spec)
        tenant.put(key, primary=tenant.deps.keyring.seal_version(key, spec, 1, 0, material))
        assert generate(tenant, key, spec, data).hex() == expected
        assert verify(tenant, key, spec, bytes.fromhex(expected), data)


WRONG: dict[str, Callable[[bytes], bytes]] = {
    "nothing": lambda m: b"",
    "first bit": lambda m: bytes([m[0] ^ 0x80]) + m[1:],
    "last bit": lambda m: m[:-1] + bytes([m[-1] ^ 1]),
    "cut": lambda m: m[:-1],
    "half": lambda m: m[: len(m) // 2],
    "a byte more": lambda m: m + b"\0",
    "zeros": lambda m: bytes(len(m)),
    "a plain hash": lambda m: hashlib.sha256(MESSAGE).digest(),
    "in hex": lambda m: m.hex().encode(),
}


@pytest.mark.parametrize("change", WRONG.values(), ids=WRONG)
@pytest.mark.parametrize("spec", SIZES)
def test_what_is_almost_a_mac_is_not_valid(
    tenant: Tenant, keys: dict[KeySpec, str], spec: KeySpec, change: Callable[[bytes], bytes]
) -> None:
    assert not verify(tenant, keys[spec], spec, change(generate(tenant, keys[spec], spec)))


def test_a_mac_is_of_one_message_and_one_key(tenant: Tenant, keys: dict[KeySpec, str]) -> None:
    spec = KeySpec.HMAC_SHA_256
    made = generate(tenant, keys[spec], spec)
    assert not verify(tenant, keys[spec], spec, made, MESSAGE + b"\0")
    assert not verify(tenant, tenant.create(spec=spec), spec, made)


@pytest.mark.parametrize("algorithm", [*SIZES, "HMAC_SM3", "HMAC_SHA_1", "hmac_sha_256", ""])
@pytest.mark.parametrize("spec", SIZES)
def test_a_key_has_the_one_algorithm_of_its_spec(
    tenant: Tenant, keys: dict[KeySpec, str], spec: KeySpec, algorithm: str
) -> None:
    params = {"key_id": keys[spec], "algorithm": algorithm, "message": b64(MESSAGE)}
    expected = "ok" if algorithm == spec else "InvalidAlgorithm"
    assert tenant.outcome("GenerateMac", params) == expected
    assert tenant.outcome("VerifyMac", {**params, "mac": b64(b"mac")}) == expected


@pytest.mark.parametrize(("profile", "limit"), [("alibaba", 6144), ("tencent", 4096), ("native", 6144)])
def test_a_message_is_as_long_as_a_plaintext(
    tenant: Tenant, keys: dict[KeySpec, str], profile: str, limit: int
) -> None:
    for size, outcome in ((0, "ok"), (limit, "ok"), (limit + 1, "InvalidParameter")):
        params = {"key_id": keys[KeySpec.HMAC_SHA_256], "algorithm": "HMAC_SHA_256", "message": b64(bytes(size))}
        assert tenant.outcome("GenerateMac", params, profile=profile) == outcome
        assert tenant.outcome("VerifyMac", {**params, "mac": b64(b"mac")}, profile=profile) == outcome


@pytest.mark.parametrize("spec", [KeySpec.AES_256, KeySpec.SM4, KeySpec.RSA_2048, KeySpec.EC_P256])
def test_a_key_of_another_usage_makes_no_macs(tenant: Tenant, spec: KeySpec) -> None:
    params = {"key_id": tenant.create(spec=spec), "algorithm": "HMAC_SHA_256", "message": b64(MESSAGE)}
    assert tenant.outcome("GenerateMac", params) == "InvalidKeyUsage"
    assert tenant.outcome("VerifyMac", {**params, "mac": b64(b"mac")}) == "InvalidKeyUsage"


@pytest.mark.parametrize("usage", ["ENCRYPT_DECRYPT", "SIGN_VERIFY"])
def test_a_mac_key_has_no_other_usage(tenant: Tenant, usage: str) -> None:
    assert tenant.outcome("CreateKey", {"spec": "HMAC_SHA_256", "usage": usage}) == "InvalidKeyUsage"


@pytest.mark.parametrize("action", ["CreateKeyVersion", "UpdateRotationPolicy"])
def test_a_mac_key_is_not_rotated(tenant: Tenant, keys: dict[KeySpec, str], action: str) -> None:
    more = {"enabled": True} if "Policy" in action else {}
    assert tenant.outcome(action, {"key_id": keys[KeySpec.HMAC_SHA_256], **more}) == "RotationUnsupported"
