"""Asymmetric keys, MACs and exported data keys through Alibaba's SDKs, beside plain `cryptography`; and no SM2."""

from __future__ import annotations

import base64
import hashlib
import hmac
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa, utils
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from kit.asymmetric_keys import ENCRYPTIONS, caller, caller_pem, caller_public, pss
from kit.sdk_alibaba import CALLER, DIGEST, HELLO, Alibaba
from kit.sdk_clients import Classic, Tea, refused

CONTEXT = {"tenant": "blue"}
SIGNERS: dict[str, tuple[str, str]] = {
    "RSA_PSS": ("RSA_2048", "RSA_PSS_SHA_256"),
    "RSA_PKCS1": ("RSA_2048", "RSA_PKCS1_SHA_256"),
    "RSA 3072": ("RSA_3072", "RSA_PSS_SHA_256"),
    "RSA 4096": ("RSA_4096", "RSA_PKCS1_SHA_256"),
    "P-256": ("EC_P256", "ECDSA_SHA_256"),
    "secp256k1": ("EC_P256K", "ECDSA_SHA_256"),
    "P-384": ("EC_P384", "ECDSA_SHA_384"),
}
MACS = {"HMAC_SHA_224": 28, "HMAC_SHA_256": 32, "HMAC_SHA_384": 48, "HMAC_SHA_512": 64}


@pytest.fixture(scope="module", params=["tea", "classic"])
def user(request: pytest.FixtureRequest, tea: Tea, classic: Classic) -> Alibaba:
    return Alibaba(tea if request.param == "tea" else classic)


@pytest.fixture(scope="module")
def made(tea: Tea) -> dict[tuple[str, str], dict[str, Any]]:
    """Keys that the tests share, by spec and usage."""
    user = Alibaba(tea)
    usages = {(spec, "SIGN/VERIFY") for spec, _ in SIGNERS.values()} | {("RSA_2048", "ENCRYPT/DECRYPT")}
    return {row: user.version(user.key(KeySpec=row[0], KeyUsage=row[1])) for row in sorted(usages)}


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def public(user: Alibaba, version: dict[str, Any]) -> Any:
    return load_pem_public_key(user.ask("GetPublicKey", **version)["PublicKey"].encode())


# -- signatures ----------------------------------------------------------------------------------------


def check(key: Any, algorithm: str, digest: bytes, signature: bytes) -> None:
    """Raises `InvalidSignature` where plain `cryptography` does."""
    hashed = utils.Prehashed(hashes.SHA384() if algorithm.endswith("384") else hashes.SHA256())
    if isinstance(key, ec.EllipticCurvePublicKey):
        key.verify(signature, digest, ec.ECDSA(hashed))
    else:
        assert isinstance(key, rsa.RSAPublicKey)
        key.verify(signature, digest, pss(32) if "PSS" in algorithm else padding.PKCS1v15(), hashed)


@pytest.mark.parametrize(("spec", "algorithm"), SIGNERS.values(), ids=SIGNERS)
def test_a_signature_verifies_here_and_elsewhere(
    user: Alibaba, made: dict[Any, Any], spec: str, algorithm: str
) -> None:
    version = made[spec, "SIGN/VERIFY"]
    digest = hashlib.new(f"sha{algorithm[-3:]}", b"hello").digest()
    fields = {**version, "Algorithm": algorithm, "Digest": b64(digest)}
    signed = user.ask("AsymmetricSign", **fields)
    assert (signed["KeyId"], signed["KeyVersionId"]) == (version["KeyId"], version["KeyVersionId"])
    check(public(user, version), algorithm, digest, base64.b64decode(signed["Value"]))
    assert user.ask("AsymmetricVerify", **fields, Value=signed["Value"])["Value"] is True
    other = {**fields, "Digest": b64(bytes(len(digest)))}
    assert user.ask("AsymmetricVerify", **other, Value=signed["Value"])["Value"] is False
    assert user.ask("AsymmetricVerify", **fields, Value=b64(bytes(256)))["Value"] is False


WRONG_SIGNING: dict[str, tuple[str, dict[str, str], str]] = {
    "a short digest": ("EC_P256", {"Digest": b64(bytes(31))}, "InvalidParameter"),
    "a digest of another hash": ("EC_P384", {"Algorithm": "ECDSA_SHA_384"}, "InvalidParameter"),
    "a digest that is no base64": ("EC_P256", {"Digest": "!"}, "InvalidParameter"),
    "the algorithm of another spec": ("EC_P256", {"Algorithm": "RSA_PSS_SHA_256"}, "InvalidParameter"),
    "the hash of another spec": ("EC_P384", {}, "InvalidParameter"),
    "no such algorithm": ("EC_P256", {"Algorithm": "ECDSA_SHA_1"}, "InvalidParameter"),
    "SM2DSA": ("EC_P256", {"Algorithm": "SM2DSA"}, "UnsupportedOperation"),
}


@pytest.mark.parametrize(("spec", "change", "code"), WRONG_SIGNING.values(), ids=WRONG_SIGNING)
def test_what_is_not_signed(user: Alibaba, made: dict[Any, Any], spec: str, change: dict[str, str], code: str) -> None:
    fields = {**made[spec, "SIGN/VERIFY"], "Algorithm": "ECDSA_SHA_256", "Digest": DIGEST, **change}
    with refused(user, code, 400):
        user.ask("AsymmetricSign", **fields)
    with refused(user, code, 400):
        user.ask("AsymmetricVerify", **fields, Value=HELLO)


# -- encryption ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("algorithm", "limit"), [("RSAES_OAEP_SHA_256", 190), ("RSAES_OAEP_SHA_1", 214)])
def test_encryption_both_ways(user: Alibaba, made: dict[Any, Any], algorithm: str, limit: int) -> None:
    fields = {**made["RSA_2048", "ENCRYPT/DECRYPT"], "Algorithm": algorithm}
    for plaintext in (b64(b"\xff" * limit), HELLO):
        sealed = user.ask("AsymmetricEncrypt", **fields, Plaintext=plaintext)
        opened = user.ask("AsymmetricDecrypt", **fields, CiphertextBlob=sealed["CiphertextBlob"])
        assert opened["Plaintext"] == plaintext
        assert {sealed["KeyVersionId"], opened["KeyVersionId"]} == {fields["KeyVersionId"]}
    theirs = public(user, made["RSA_2048", "ENCRYPT/DECRYPT"]).encrypt(b"hello", ENCRYPTIONS[algorithm])
    assert user.ask("AsymmetricDecrypt", **fields, CiphertextBlob=b64(theirs))["Plaintext"] == HELLO
    with refused(user, "InvalidParameter", 400, f"{limit} bytes"):
        user.ask("AsymmetricEncrypt", **fields, Plaintext=b64(bytes(limit + 1)))
    for damaged in (b64(theirs[:-1]), b64(theirs[:-1] + bytes([theirs[-1] ^ 1])), b64(bytes(256))):
        with refused(user, "InvalidParameter", 400):
            user.ask("AsymmetricDecrypt", **fields, CiphertextBlob=damaged)


@pytest.mark.parametrize(("algorithm", "code"), [("SM2PKE", "UnsupportedOperation"), ("RSA", "InvalidParameter")])
def test_encryptions_that_are_not_served(user: Alibaba, made: dict[Any, Any], algorithm: str, code: str) -> None:
    fields = {**made["RSA_2048", "ENCRYPT/DECRYPT"], "Algorithm": algorithm}
    with refused(user, code, 400):
        user.ask("AsymmetricEncrypt", **fields, Plaintext=HELLO)
    with refused(user, code, 400):
        user.ask("AsymmetricDecrypt", **fields, CiphertextBlob=HELLO)


def test_a_key_does_only_what_it_was_made_for(user: Alibaba, made: dict[Any, Any]) -> None:
    refusal = ("Rejected.UnsupportedOperation", 400)
    signer, opener = made["RSA_2048", "SIGN/VERIFY"], made["RSA_2048", "ENCRYPT/DECRYPT"]
    with refused(user, *refusal):
        user.ask("AsymmetricEncrypt", **signer, Algorithm="RSAES_OAEP_SHA_256", Plaintext=HELLO)
    with refused(user, *refusal):
        user.ask("AsymmetricSign", **opener, Algorithm="RSA_PSS_SHA_256", Digest=DIGEST)
    with refused(user, *refusal):
        user.ask("Encrypt", KeyId=opener["KeyId"], Plaintext=HELLO)
    with refused(user, *refusal):
        user.ask("GenerateDataKey", KeyId=signer["KeyId"])
    with refused(user, *refusal):
        user.ask("GetPublicKey", **user.version(user.key()))


def test_what_a_user_reads_of_an_asymmetric_key(user: Alibaba) -> None:
    for spec, usage in {"EC_P256": "SIGN/VERIFY", "RSA_3072": "ENCRYPT/DECRYPT"}.items():
        described = user.described(user.key(KeySpec=spec))
        assert (described["KeySpec"], described["KeyUsage"]) == (spec, usage)


@pytest.mark.parametrize(
    "fields",
    [{"KeySpec": "EC_P256", "KeyUsage": "ENCRYPT/DECRYPT"}, {"KeySpec": "Aliyun_AES_256", "KeyUsage": "SIGN/VERIFY"}],
    ids=["curve", "AES"],
)
def test_a_usage_that_a_spec_does_not_have(user: Alibaba, fields: dict[str, str]) -> None:
    with refused(user, "Rejected.UnsupportedOperation", 400):
        user.key(**fields)


@pytest.mark.parametrize("spec", ["EC_SM2", "RSA_1024", "Aliyun_AES_192"])
def test_specs_that_are_not_supported(user: Alibaba, spec: str) -> None:
    with refused(user, "UnsupportedOperation", 400):
        user.key(KeySpec=spec)


# -- MACs ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("algorithm", "size"), MACS.items())
def test_a_mac_is_made_and_verified(tea: Tea, algorithm: str, size: int) -> None:
    user = Alibaba(tea)
    fields = {"KeyId": user.key(KeySpec=algorithm), "Algorithm": algorithm, "Message": HELLO}
    assert user.described(fields["KeyId"])["KeyUsage"] == "GENERATE/VERIFY/MAC"
    made = user.ask("GenerateMac", **fields)
    assert (made["KeyId"], made["Algorithm"]) == (fields["KeyId"], algorithm)
    assert len(base64.b64decode(made["Mac"])) == size
    assert user.ask("VerifyMac", **fields, Mac=made["Mac"])["Value"] is True
    assert user.ask("VerifyMac", **{**fields, "Message": DIGEST}, Mac=made["Mac"])["Value"] is False
    other = hmac.digest(b"another key", b"hello", "sha256")
    assert user.ask("VerifyMac", **fields, Mac=b64(other))["Value"] is False
    for wrong, code in {"HMAC_SM3": "UnsupportedOperation", "HMAC_SHA_1": "InvalidParameter"}.items():
        with refused(user, code, 400):
            user.ask("GenerateMac", **{**fields, "Algorithm": wrong})
        with refused(user, code, 400):
            user.ask("VerifyMac", **{**fields, "Algorithm": wrong}, Mac=made["Mac"])


# -- exports -------------------------------------------------------------------------------------------

SIZES: dict[str, tuple[dict[str, Any], int]] = {
    "by default": ({}, 32),
    "AES_128": ({"KeySpec": "AES_128"}, 16),
    "64 bytes": ({"NumberOfBytes": 64}, 64),
}


def exporting(algorithm: str = "RSAES_OAEP_SHA_256", key: str = CALLER) -> dict[str, str]:
    return {"PublicKeyBlob": key, "WrappingAlgorithm": algorithm, "WrappingKeySpec": "RSA_2048"}


@pytest.mark.parametrize(("fields", "size"), SIZES.values(), ids=SIZES)
@pytest.mark.parametrize("algorithm", ENCRYPTIONS)
def test_a_data_key_is_exported(user: Alibaba, algorithm: str, fields: dict[str, Any], size: int) -> None:
    key, context = user.key(), {"EncryptionContext": CONTEXT}
    made = user.ask("GenerateAndExportDataKey", KeyId=key, **fields, **context, **exporting(algorithm))
    again = user.ask("ExportDataKey", CiphertextBlob=made["CiphertextBlob"], **context, **exporting(algorithm))
    first, second = (
        caller().decrypt(base64.b64decode(answer["ExportedDataKey"]), ENCRYPTIONS[algorithm])
        for answer in (made, again)
    )
    opened = user.ask("Decrypt", CiphertextBlob=made["CiphertextBlob"], **context)
    assert b64(first) == b64(second) == opened["Plaintext"]
    assert len(first) == size
    assert {answer["KeyId"] for answer in (made, again)} == {key}
    with refused(user, "InvalidParameter", 400, "EncryptionContext differs"):
        user.ask("ExportDataKey", CiphertextBlob=made["CiphertextBlob"], **exporting(algorithm))


BAD_EXPORTS: dict[str, tuple[dict[str, str], str]] = {
    "SM2PKE": ({"WrappingAlgorithm": "SM2PKE"}, "UnsupportedOperation"),
    "an SM2 key": ({"WrappingKeySpec": "EC_SM2"}, "UnsupportedOperation"),
    "no such algorithm": ({"WrappingAlgorithm": "RSA"}, "InvalidParameter"),
    "a key that is no base64": ({"PublicKeyBlob": "!"}, "InvalidParameter"),
    "a key that is none": ({"PublicKeyBlob": HELLO}, "InvalidParameter"),
    "PEM that is not in base64": ({"PublicKeyBlob": caller_pem()}, "InvalidParameter"),
    "a damaged key": ({"PublicKeyBlob": b64(caller_public()[:-1])}, "InvalidParameter"),
}


@pytest.mark.parametrize(("change", "code"), BAD_EXPORTS.values(), ids=BAD_EXPORTS)
def test_a_bad_export_is_refused(user: Alibaba, change: dict[str, str], code: str) -> None:
    fields = {**exporting(), **change}
    with refused(user, code, 400):
        user.ask("GenerateAndExportDataKey", KeyId="alias/default", **fields)
    with refused(user, code, 400):
        user.ask("ExportDataKey", CiphertextBlob=user.blob("alias/default"), **fields)
