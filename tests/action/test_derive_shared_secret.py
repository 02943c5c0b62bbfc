"""DeriveSharedSecret: with keys for that alone, and with a peer that is somebody else's."""

from __future__ import annotations

import base64
from typing import cast

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_public_key

from kit.action_samples import Tenant
from tenantkms.model.specs import EC, NIST, SPEC_USAGES, KeySpec, KeyUsage

CURVES: dict[str, ec.EllipticCurve] = {
    KeySpec.EC_P256: ec.SECP256R1(),
    KeySpec.EC_P384: ec.SECP384R1(),
    KeySpec.EC_P521: ec.SECP521R1(),
}


@pytest.fixture(scope="module")
def tenant(tmp_path_factory: pytest.TempPathFactory) -> Tenant:
    return Tenant(tmp_path_factory.mktemp("agreement") / "data")


def peer(spec: KeySpec) -> tuple[ec.EllipticCurvePrivateKey, str]:
    private = ec.generate_private_key(CURVES[spec])
    der = private.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return private, base64.b64encode(der).decode()


@pytest.mark.parametrize("spec", sorted(NIST))
def test_the_peer_comes_to_the_same_secret(tenant: Tenant, spec: KeySpec) -> None:
    key = tenant.create(spec=spec, usage="KEY_AGREEMENT")
    private, public = peer(spec)
    derived = tenant.result("DeriveSharedSecret", {"key_id": key, "public_key": public})
    told = tenant.result("GetPublicKey", {"key_id": key})
    assert (told["spec"], told["usage"]) == (spec, "KEY_AGREEMENT")
    ours = cast("ec.EllipticCurvePublicKey", load_der_public_key(base64.b64decode(told["der"])))
    assert base64.b64decode(derived["shared"]) == private.exchange(ec.ECDH(), ours)
    assert derived["origin"] == "KMS"
    assert derived["key_id"] == key


def test_a_key_has_one_usage(tenant: Tenant) -> None:
    _, public = peer(KeySpec.EC_P256)
    signing = tenant.create(spec="EC_P256")
    assert tenant.outcome("DeriveSharedSecret", {"key_id": signing, "public_key": public}) == "InvalidKeyUsage"
    agreeing = tenant.create(spec="EC_P256", usage="KEY_AGREEMENT")
    sign = {"key_id": agreeing, "algorithm": "ECDSA_SHA_256", "message": base64.b64encode(bytes(32)).decode()}
    assert tenant.outcome("AsymmetricSign", sign) == "InvalidKeyUsage"


@pytest.mark.parametrize("spec", sorted(KeySpec))
def test_only_nists_curves_agree(spec: KeySpec) -> None:
    assert (KeyUsage.KEY_AGREEMENT in SPEC_USAGES[spec]) == (spec in NIST)
    assert spec not in EC or SPEC_USAGES[spec][0] is KeyUsage.SIGN_VERIFY


@pytest.mark.parametrize("public", ["", "AAAA", base64.b64encode(b"-----BEGIN PUBLIC KEY-----").decode()])
def test_what_is_no_public_key_is_told(tenant: Tenant, public: str) -> None:
    key = tenant.create(spec="EC_P256", usage="KEY_AGREEMENT")
    assert tenant.outcome("DeriveSharedSecret", {"key_id": key, "public_key": public}) == "InvalidPublicKey"


@pytest.mark.parametrize(
    "made", [{"spec": "EC_P256", "usage": "KEY_AGREEMENT"}, {"spec": "ED25519"}, {"spec": "ML_DSA_65"}]
)
def test_keys_whose_versions_nobody_can_name_get_no_second_one(tenant: Tenant, made: dict[str, str]) -> None:
    """A next version would take the place of the one that peers know."""
    assert tenant.outcome("CreateKeyVersion", {"key_id": tenant.create(**made)}) == "RotationUnsupported"


def test_a_policy_may_allow_it_or_not(tenant: Tenant) -> None:
    key = tenant.create(spec="EC_P256", usage="KEY_AGREEMENT")
    call = {"key_id": key, "public_key": peer(KeySpec.EC_P256)[1]}
    for action, outcome in (("DeriveSharedSecret", "ok"), ("AsymmetricDecrypt", "AccessDenied")):
        policy = f'{{"Statement": [{{"Effect": "Allow", "Action": "{action}", "Resource": "key/{key}"}}]}}'
        assert tenant.outcome("DeriveSharedSecret", call, policy=policy) == outcome


@pytest.mark.parametrize("profile", ["alibaba", "tencent", "tencent-v2"])
def test_vendors_without_a_name_for_it_have_no_such_keys(tenant: Tenant, profile: str) -> None:
    for usage in ("KEY_AGREEMENT", "ENCRYPT_DECRYPT"):
        answer = tenant.run("CreateKey", {"spec": "EC_P256", "usage": usage}, profile=profile)
        assert answer["error"]["message"] == "A key of spec EC_P256 has the usage SIGN_VERIFY."
