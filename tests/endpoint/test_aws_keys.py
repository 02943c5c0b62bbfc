"""Keys and algorithms of the AWS dialect, by `cryptography` on the other side."""

from __future__ import annotations

import base64
from typing import Any, cast

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_public_key

from kit.support import Kms

HELLO = base64.b64encode(b"hello").decode()
CURVES: dict[str, ec.EllipticCurve] = {
    "ECC_NIST_P256": ec.SECP256R1(),
    "ECC_NIST_P384": ec.SECP384R1(),
    "ECC_NIST_P521": ec.SECP521R1(),
}


def create(kms: Kms, spec: str, usage: str, **more: Any) -> dict[str, Any]:
    """KeyMetadata of a new key."""
    made: dict[str, Any] = kms.aws("CreateKey", KeySpec=spec, KeyUsage=usage, **more)
    return dict(made["KeyMetadata"])


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def spki(key: ec.EllipticCurvePrivateKey) -> str:
    return b64(key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))


# -- key agreement -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("spec", CURVES)
def test_two_sides_agree_on_a_secret(spec: str, kms: Kms) -> None:
    made = create(kms, spec, "KEY_AGREEMENT")
    assert made["KeyAgreementAlgorithms"] == ["ECDH"]
    assert not {"SigningAlgorithms", "EncryptionAlgorithms", "MacAlgorithms", "CurrentKeyMaterialId"} & made.keys()
    public = kms.aws("GetPublicKey", KeyId=made["KeyId"])
    assert (public["KeyUsage"], public["KeyAgreementAlgorithms"]) == ("KEY_AGREEMENT", ["ECDH"])
    peer = ec.generate_private_key(CURVES[spec])
    derived = kms.aws("DeriveSharedSecret", KeyId=made["Arn"], KeyAgreementAlgorithm="ECDH", PublicKey=spki(peer))
    ours = cast("ec.EllipticCurvePublicKey", load_der_public_key(base64.b64decode(public["PublicKey"])))
    assert derived == {
        "KeyId": made["Arn"],
        "SharedSecret": b64(peer.exchange(ec.ECDH(), ours)),
        "KeyAgreementAlgorithm": "ECDH",
        "KeyOrigin": "AWS_KMS",
    }


def test_what_does_not_agree_is_refused(kms: Kms) -> None:
    key = create(kms, "ECC_NIST_P256", "KEY_AGREEMENT")["KeyId"]
    how = {"KeyId": key, "KeyAgreementAlgorithm": "ECDH"}
    peer = spki(ec.generate_private_key(ec.SECP384R1()))
    assert kms.aws("DeriveSharedSecret", **how, PublicKey=peer) == {"__type": "ValidationException"}
    right = spki(ec.generate_private_key(ec.SECP256R1()))
    nitro = {"KeyEncryptionAlgorithm": "RSAES_OAEP_SHA_256", "AttestationDocument": "AAAA"}
    refused = kms.aws("DeriveSharedSecret", **how, PublicKey=right, Recipient=nitro)
    assert refused["__type"] == "UnsupportedOperationException"
    assert kms.aws("DeriveSharedSecret", **how)["__type"] == "ValidationException"
    assert kms.aws("DeriveSharedSecret", **how, PublicKey=right, DryRun=True)["__type"] == "DryRunOperationException"
    kms.aws("DisableKey", KeyId=key)
    assert kms.aws("DeriveSharedSecret", **how, PublicKey=right)["__type"] == "DisabledException"


@pytest.mark.parametrize("spec", ["ECC_SECG_P256K1", "RSA_2048", "SYMMETRIC_DEFAULT", "HMAC_256"])
def test_other_specs_do_not_agree(spec: str, kms: Kms) -> None:
    refused = kms.aws("CreateKey", KeySpec=spec, KeyUsage="KEY_AGREEMENT")
    assert refused == {
        "__type": "ValidationException",
        "message": f"KeyUsage KEY_AGREEMENT is not compatible with KeySpec {spec}",
    }


def test_other_dialects_show_such_a_key_by_its_own_names(kms: Kms) -> None:
    key = create(kms, "ECC_NIST_P256", "KEY_AGREEMENT")["KeyId"]
    assert kms.alibaba("DescribeKey", KeyId=key)["KeyMetadata"]["KeyUsage"] == "KEY_AGREEMENT"
    assert kms.tencent("DescribeKey", KeyId=key)["KeyMetadata"]["KeyUsage"] == "KEY_AGREEMENT"
    assert kms.alibaba("CreateKey", KeySpec="EC_P256", KeyUsage="KEY_AGREEMENT")["Code"] == "InvalidParameter"
