"""Keys and algorithms of the AWS dialect, by `cryptography` on the other side."""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
from typing import Any, cast

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_der_private_key,
    load_der_public_key,
    load_pem_public_key,
)

from kit.asymmetric_keys import material, private, wrap
from kit.support import Kms
from tenantkms.crypto import asymmetric
from tenantkms.model.specs import KeySpec

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


def public_key(kms: Kms, key: str) -> Any:
    return load_der_public_key(base64.b64decode(kms.aws("GetPublicKey", KeyId=key)["PublicKey"]))


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


# -- Ed25519 and ML-DSA --------------------------------------------------------------------------------------

WHOLE = {
    "ECC_NIST_EDWARDS25519": "ED25519_SHA_512",
    **dict.fromkeys(("ML_DSA_44", "ML_DSA_65", "ML_DSA_87"), "ML_DSA_SHAKE_256"),
}


@pytest.mark.parametrize("spec", WHOLE)
def test_messages_are_signed_as_they_are(spec: str, kms: Kms) -> None:
    made = create(kms, spec, "SIGN_VERIFY")
    assert (made["KeySpec"], made["SigningAlgorithms"]) == (spec, [WHOLE[spec]])
    how = {"KeyId": made["Arn"], "Message": HELLO, "SigningAlgorithm": WHOLE[spec]}
    signed = kms.aws("Sign", **how)
    assert (signed["KeyId"], signed["SigningAlgorithm"]) == (made["Arn"], WHOLE[spec])
    public = public_key(kms, made["KeyId"])
    public.verify(base64.b64decode(signed["Signature"]), b"hello")
    assert kms.aws("Verify", **how, MessageType="RAW", Signature=signed["Signature"])["SignatureValid"] is True
    other = {**how, "Message": b64(b"other")}
    wrong = kms.aws("Verify", **other, Signature=signed["Signature"])
    assert wrong == {"__type": "KMSInvalidSignatureException"}
    digest = kms.aws("Sign", **{**how, "Message": b64(bytes(64))}, MessageType="DIGEST")
    assert digest["__type"] == "ValidationException"
    assert kms.aws("Sign", **{**how, "SigningAlgorithm": "ECDSA_SHA_256"})["__type"] == "InvalidKeyUsageException"


@pytest.mark.parametrize("spec", [spec for spec in WHOLE if spec.startswith("ML_DSA")])
def test_a_message_and_its_representative_are_signed_alike(spec: str, kms: Kms) -> None:
    """As AWS's documentation shows it for messages longer than 4 KB."""
    key = create(kms, spec, "SIGN_VERIFY")["KeyId"]
    public, message = public_key(kms, key), b"long" * 5000
    tr = hashlib.shake_256(public.public_bytes_raw()).digest(64)
    mu = b64(hashlib.shake_256(tr + b"\0\0" + message).digest(64))
    how = {"KeyId": key, "SigningAlgorithm": "ML_DSA_SHAKE_256", "MessageType": "EXTERNAL_MU"}
    signature = kms.aws("Sign", **how, Message=mu)["Signature"]
    public.verify(base64.b64decode(signature), message)
    assert kms.aws("Verify", **how, Message=mu, Signature=signature)["SignatureValid"] is True
    assert kms.aws("Sign", **how, Message=b64(bytes(63)))["__type"] == "ValidationException"


@pytest.mark.parametrize(
    ("spec", "algorithm"), [("ECC_NIST_EDWARDS25519", "ED25519_SHA_512"), ("RSA_2048", "RSASSA_PSS_SHA_256")]
)
def test_only_ml_dsa_has_representatives(spec: str, algorithm: str, kms: Kms) -> None:
    how = {"KeyId": create(kms, spec, "SIGN_VERIFY")["KeyId"], "SigningAlgorithm": algorithm}
    assert kms.aws("Sign", **how, Message=b64(bytes(64)), MessageType="EXTERNAL_MU")["__type"] == "ValidationException"


def test_the_prehashed_ed25519_is_refused_by_name(kms: Kms) -> None:
    how = {"KeyId": create(kms, "ECC_NIST_EDWARDS25519", "SIGN_VERIFY")["KeyId"], "Message": b64(bytes(64))}
    refused = kms.aws("Sign", **how, MessageType="DIGEST", SigningAlgorithm="ED25519_PH_SHA_512")
    assert refused["__type"] == "UnsupportedOperationException"
    assert "ED25519_PH_SHA_512 is not supported" in refused["message"]


def test_a_pair_of_data_keys_is_of_ed25519_but_not_of_ml_dsa(kms: Kms) -> None:
    key = kms.aws("CreateKey")["KeyMetadata"]["KeyId"]
    pair = kms.aws("GenerateDataKeyPair", KeyId=key, KeyPairSpec="ECC_NIST_EDWARDS25519")
    private: Any = load_der_private_key(base64.b64decode(pair["PrivateKeyPlaintext"]), None)
    public: Any = load_der_public_key(base64.b64decode(pair["PublicKey"]))
    public.verify(private.sign(b"hello"), b"hello")
    assert pair["KeyPairSpec"] == "ECC_NIST_EDWARDS25519"
    opened = kms.aws("Decrypt", CiphertextBlob=pair["PrivateKeyCiphertextBlob"])
    assert opened["Plaintext"] == pair["PrivateKeyPlaintext"]
    for spec in ("ML_DSA_65", "HMAC_256"):  # AWS has no such pairs
        refused = kms.aws("GenerateDataKeyPair", KeyId=key, KeyPairSpec=spec)
        assert refused["__type"] == "ValidationException"


@pytest.mark.parametrize("spec", WHOLE)
@pytest.mark.parametrize("usage", ["ENCRYPT_DECRYPT", "KEY_AGREEMENT", "GENERATE_VERIFY_MAC"])
def test_these_keys_sign_only(spec: str, usage: str, kms: Kms) -> None:
    assert kms.aws("CreateKey", KeySpec=spec, KeyUsage=usage)["__type"] == "ValidationException"


@pytest.mark.parametrize("spec", WHOLE)
def test_other_dialects_show_their_public_keys_and_refuse_their_algorithms(spec: str, kms: Kms) -> None:
    key = create(kms, spec, "SIGN_VERIFY")["KeyId"]
    shown = kms.alibaba("DescribeKey", KeyId=key)["KeyMetadata"]
    assert shown["KeySpec"] == ("ED25519" if "25519" in spec else spec)
    assert kms.tencent("DescribeKey", KeyId=key)["KeyMetadata"]["KeyUsage"].startswith("ASYMMETRIC_SIGN_VERIFY_")
    version = kms.alibaba("ListKeyVersions", KeyId=key)["KeyVersions"]["KeyVersion"][0]["KeyVersionId"]
    pem = kms.alibaba("GetPublicKey", KeyId=key, KeyVersionId=version)["PublicKey"]
    assert load_pem_public_key(pem.encode()) == public_key(kms, key)
    sign = {"KeyId": key, "KeyVersionId": version, "Digest": b64(bytes(64))}
    for algorithm in (WHOLE[spec], "ECDSA_SHA_256"):
        assert kms.alibaba("AsymmetricSign", **sign, Algorithm=algorithm)["Code"] == "InvalidParameter"


# -- imported keys -----------------------------------------------------------------------------------------


def bring(kms: Kms, key: str, what: bytes, algorithm: str = "RSA_AES_KEY_WRAP_SHA_256") -> dict[str, Any]:
    how = {"WrappingAlgorithm": algorithm, "WrappingKeySpec": "RSA_4096"}
    made = kms.aws("GetParametersForImport", KeyId=key, **how)
    public: Any = load_der_public_key(base64.b64decode(made["PublicKey"]))
    answer: dict[str, Any] = kms.aws(
        "ImportKeyMaterial",
        KeyId=key,
        ImportToken=made["ImportToken"],
        EncryptedKeyMaterial=b64(wrap(public, algorithm, what)),
        ExpirationModel="KEY_MATERIAL_DOES_NOT_EXPIRE",
    )
    return answer


@pytest.mark.parametrize(
    ("spec", "usage", "own"),
    [
        ("RSA_2048", "ENCRYPT_DECRYPT", KeySpec.RSA_2048),
        ("RSA_2048", "SIGN_VERIFY", KeySpec.RSA_2048),
        ("ECC_NIST_P384", "KEY_AGREEMENT", KeySpec.EC_P384),
        ("ECC_NIST_EDWARDS25519", "SIGN_VERIFY", KeySpec.ED25519),
        ("ML_DSA_44", "SIGN_VERIFY", KeySpec.ML_DSA_44),
    ],
)
@pytest.mark.parametrize("algorithm", ["RSA_AES_KEY_WRAP_SHA_1", "RSA_AES_KEY_WRAP_SHA_256"])
def test_a_private_key_is_imported(spec: str, usage: str, own: KeySpec, algorithm: str, kms: Kms) -> None:
    made = create(kms, spec, usage, Origin="EXTERNAL")
    assert (made["KeyState"], made["Origin"]) == ("PendingImport", "EXTERNAL")
    assert bring(kms, made["KeyId"], material(own), algorithm) == {"KeyId": made["Arn"]}
    assert public_key(kms, made["KeyId"]) == private(own).public_key()
    wrong = bring(kms, made["KeyId"], material(KeySpec.EC_P256), algorithm)
    assert wrong["__type"] == "InvalidCiphertextException"
    again = asymmetric.generate(own, os.urandom)
    assert bring(kms, made["KeyId"], again, algorithm)["__type"] == "IncorrectKeyMaterialException"
    assert public_key(kms, made["KeyId"]) == private(own).public_key()
    assert kms.aws("DeleteImportedKeyMaterial", KeyId=made["KeyId"]) == {"KeyId": made["Arn"]}
    assert kms.aws("GetPublicKey", KeyId=made["KeyId"])["__type"] == "KMSInvalidStateException"
    assert bring(kms, made["KeyId"], material(own), algorithm) == {"KeyId": made["Arn"]}


def test_a_mac_key_is_imported(kms: Kms) -> None:
    key = create(kms, "HMAC_256", "GENERATE_VERIFY_MAC", Origin="EXTERNAL")["KeyId"]
    assert bring(kms, key, bytes(31), "RSAES_OAEP_SHA_256")["__type"] == "InvalidCiphertextException"
    assert "KeyMaterialId" not in bring(kms, key, bytes(32), "RSAES_OAEP_SHA_256")
    mac = kms.aws("GenerateMac", KeyId=key, Message=HELLO, MacAlgorithm="HMAC_SHA_256")["Mac"]
    assert base64.b64decode(mac) == hmac.digest(bytes(32), b"hello", "sha256")


def test_symmetric_material_has_an_id(kms: Kms) -> None:
    key = kms.aws("CreateKey", Origin="EXTERNAL")["KeyMetadata"]["KeyId"]
    told = bring(kms, key, bytes(32), "RSAES_OAEP_SHA_1")
    assert kms.aws("DescribeKey", KeyId=key)["KeyMetadata"]["CurrentKeyMaterialId"] == told["KeyMaterialId"]
    assert kms.aws("DeleteImportedKeyMaterial", KeyId=key) == told


@pytest.mark.parametrize(
    ("spec", "usage", "algorithm"),
    [
        ("RSA_2048", "SIGN_VERIFY", "RSAES_OAEP_SHA_256"),
        ("HMAC_256", "GENERATE_VERIFY_MAC", "RSA_AES_KEY_WRAP_SHA_256"),
        ("SYMMETRIC_DEFAULT", "ENCRYPT_DECRYPT", "RSA_AES_KEY_WRAP_SHA_1"),
    ],
)
def test_a_wrapping_that_is_not_for_the_material(spec: str, usage: str, algorithm: str, kms: Kms) -> None:
    how = {"WrappingAlgorithm": algorithm, "WrappingKeySpec": "RSA_2048"}
    key = create(kms, spec, usage, Origin="EXTERNAL")["KeyId"]
    assert kms.aws("GetParametersForImport", KeyId=key, **how)["__type"] == "ValidationException"


def test_other_dialects_import_into_such_a_key_what_they_can(kms: Kms) -> None:
    key = create(kms, "ECC_NIST_P256", "SIGN_VERIFY", Origin="EXTERNAL")["KeyId"]
    how = {"KeyId": key, "WrappingKeySpec": "RSA_2048"}
    assert kms.alibaba("GetParametersForImport", **how, WrappingAlgorithm="RSAES_PKCS1_V1_5")["Code"]
    made = kms.alibaba("GetParametersForImport", **how, WrappingAlgorithm="RSAES_OAEP_SHA_256")
    public: Any = load_der_public_key(base64.b64decode(made["PublicKey"]))
    sealed = b64(wrap(public, "RSAES_OAEP_SHA_256", material(KeySpec.EC_P256)))
    given = {"KeyId": key, "ImportToken": made["ImportToken"], "KeyMaterialExpireUnix": "0"}
    assert "Code" not in kms.alibaba("ImportKeyMaterial", **given, EncryptedKeyMaterial=sealed)
    assert public_key(kms, key) == private(KeySpec.EC_P256).public_key()


# -- ReEncrypt ---------------------------------------------------------------------------------------------

ENCRYPTIONS = ("SYMMETRIC_DEFAULT", "RSAES_OAEP_SHA_1", "RSAES_OAEP_SHA_256")


def encrypting(kms: Kms, algorithm: str) -> str:
    """A new key's ARN."""
    spec = "RSA_2048" if algorithm.startswith("RSA") else "SYMMETRIC_DEFAULT"
    return str(create(kms, spec, "ENCRYPT_DECRYPT")["Arn"])


@pytest.mark.parametrize("source", ENCRYPTIONS)
@pytest.mark.parametrize("destination", ENCRYPTIONS)
def test_a_ciphertext_moves_between_kinds_of_keys(source: str, destination: str, kms: Kms) -> None:
    one, other = encrypting(kms, source), encrypting(kms, destination)
    blob = kms.aws("Encrypt", KeyId=one, Plaintext=HELLO, EncryptionAlgorithm=source)["CiphertextBlob"]
    moved = kms.aws(
        "ReEncrypt",
        CiphertextBlob=blob,
        SourceKeyId=one,
        SourceEncryptionAlgorithm=source,
        DestinationKeyId=other,
        DestinationEncryptionAlgorithm=destination,
    )
    assert (moved["SourceKeyId"], moved["KeyId"]) == (one, other)
    told = moved["SourceEncryptionAlgorithm"], moved["DestinationEncryptionAlgorithm"]
    assert told == (source, destination)
    assert ("SourceKeyMaterialId" in moved) == (source == "SYMMETRIC_DEFAULT")
    assert ("DestinationKeyMaterialId" in moved) == (destination == "SYMMETRIC_DEFAULT")
    new = {"CiphertextBlob": moved["CiphertextBlob"], "KeyId": other, "EncryptionAlgorithm": destination}
    assert kms.aws("Decrypt", **new)["Plaintext"] == HELLO


def test_what_re_encrypt_wants_of_rsa_keys(kms: Kms) -> None:
    one, other = (encrypting(kms, "RSA") for _ in range(2))
    sides = {"SourceEncryptionAlgorithm": "RSAES_OAEP_SHA_256", "DestinationEncryptionAlgorithm": "RSAES_OAEP_SHA_256"}
    made = kms.aws("Encrypt", KeyId=one, Plaintext=HELLO, EncryptionAlgorithm="RSAES_OAEP_SHA_256")
    how = {**sides, "CiphertextBlob": made["CiphertextBlob"], "DestinationKeyId": other}
    missing = kms.aws("ReEncrypt", **how)
    assert missing["__type"] == "ValidationException"
    assert missing["message"] == "SourceKeyId is required with an RSA key."
    how["SourceKeyId"] = one
    context = {"EncryptionContext": {"a": "b"}}
    for side in ("Source", "Destination"):
        refused = kms.aws("ReEncrypt", **how, **{f"{side}{name}": value for name, value in context.items()})
        assert refused["__type"] == "ValidationException"
        assert f"{side}EncryptionContext" in refused["message"]
    wrong = kms.aws("ReEncrypt", **{**how, "SourceEncryptionAlgorithm": "RSAES_OAEP_SHA_1"})
    assert wrong == {"__type": "InvalidCiphertextException"}
    fits_not = kms.aws("ReEncrypt", **{**how, "DestinationKeyId": encrypting(kms, "SYMMETRIC_DEFAULT")})
    assert fits_not["__type"] == "InvalidKeyUsageException"
    assert (
        kms.aws("ReEncrypt", **{**how, "SourceEncryptionAlgorithm": "SM2PKE"})["__type"]
        == "UnsupportedOperationException"
    )
    assert kms.aws("ReEncrypt", **how)["KeyId"] == other


SPOKEN = {
    "GetPublicKey": ({}, {}, "{key} is of the key spec SYMMETRIC_DEFAULT which is not valid for this GetPublicKey."),
    "Encrypt": (
        {"KeySpec": "RSA_2048", "KeyUsage": "ENCRYPT_DECRYPT"},
        {"Plaintext": HELLO},
        "{key} is of the key spec RSA_2048 which is not valid for this Encrypt.",
    ),
    "Sign": (
        {"KeySpec": "ECC_NIST_P256", "KeyUsage": "SIGN_VERIFY"},
        {"Message": HELLO, "SigningAlgorithm": "RSASSA_PSS_SHA_256"},
        "The algorithm is not one of the key spec ECC_NIST_P256.",
    ),
    "GenerateMac": (
        {"KeySpec": "HMAC_256", "KeyUsage": "GENERATE_VERIFY_MAC"},
        {"Message": HELLO, "MacAlgorithm": "HMAC_SHA_384"},
        "The algorithm is not one of the key spec HMAC_256.",
    ),
}


@pytest.mark.parametrize("operation", SPOKEN)
def test_a_refusal_names_key_specs_as_aws_does(operation: str, kms: Kms) -> None:
    made, params, told = SPOKEN[operation]
    key = kms.aws("CreateKey", **made)["KeyMetadata"]["Arn"]
    answer = kms.aws(operation, KeyId=key, **params)
    assert answer == {"__type": "InvalidKeyUsageException", "message": told.format(key=key)}
