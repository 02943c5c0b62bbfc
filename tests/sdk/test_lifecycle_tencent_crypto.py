"""Asymmetric keys, secrets for a caller's key and lists through Tencent's SDK, beside plain `cryptography`; no SM2."""

from __future__ import annotations

import base64
import hashlib
from typing import Any
from uuid import uuid4

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from kit.asymmetric_keys import ENCRYPTIONS, caller, caller_pem, pss
from kit.sdk_alibaba import CALLER, HELLO, OAEP
from kit.sdk_clients import UNKNOWN_KEY, Tencent, refused
from kit.sdk_tencent import ECC, RSA, Tencent3

_BAD = "InvalidParameterValue"
RSA_SIGN = "ASYMMETRIC_SIGN_VERIFY_RSA_2048"
ECDSA384 = "ASYMMETRIC_SIGN_VERIFY_ECDSA384"
SIGNERS = {
    "RSA_PSS_SHA_256": (RSA_SIGN, "sha256"),
    "RSA_PKCS1_SHA_256": (RSA_SIGN, "sha256"),
    "ECC_P256_R1": (ECC, "sha256"),
    "ECC_P384_R1": (ECDSA384, "sha384"),
}


@pytest.fixture(scope="module")
def user(tencent: Tencent) -> Tencent3:
    return Tencent3(tencent)


@pytest.fixture(scope="module")
def keys(user: Tencent3) -> dict[str, str]:
    """Asymmetric keys by usage."""
    return {usage: user.key(KeyUsage=usage) for usage in (RSA, RSA_SIGN, ECC, ECDSA384)}


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


# -- signatures ----------------------------------------------------------------------------------------


def check(key: Any, algorithm: str, message: bytes, signature: bytes) -> None:
    """Raises `InvalidSignature` where plain `cryptography` does."""
    if isinstance(key, ec.EllipticCurvePublicKey):
        hash_ = hashes.SHA384() if "384" in algorithm else hashes.SHA256()
        key.verify(signature, message, ec.ECDSA(hash_))
    else:
        assert isinstance(key, rsa.RSAPublicKey)
        key.verify(signature, message, pss(32) if "PSS" in algorithm else padding.PKCS1v15(), hashes.SHA256())


@pytest.mark.parametrize(("algorithm", "row"), SIGNERS.items(), ids=SIGNERS)
def test_a_message_or_its_digest_is_signed(
    user: Tencent3, keys: dict[str, str], algorithm: str, row: tuple[str, str]
) -> None:
    key, digest = keys[row[0]], hashlib.new(row[1], b"hello").digest()
    common = {"KeyId": key, "Algorithm": algorithm}
    raw = {**common, "Message": HELLO, "MessageType": "RAW"}
    forms = ({**common, "Message": HELLO}, raw, {**common, "Message": b64(digest), "MessageType": "DIGEST"})
    for signing in forms:
        signature = user.ask("SignByAsymmetricKey", **signing).Signature
        check(user.public_key(key), algorithm, b"hello", base64.b64decode(signature))
        for verifying in forms:
            answer = user.ask("VerifyByAsymmetricKey", **verifying, SignatureValue=signature)
            assert answer.SignatureValid is True
        wrong = {**raw, "Message": b64(b"hallo")}
        assert user.ask("VerifyByAsymmetricKey", **wrong, SignatureValue=signature).SignatureValid is False
    assert user.ask("VerifyByAsymmetricKey", **raw, SignatureValue=HELLO).SignatureValid is False


@pytest.mark.parametrize(("size", "code"), [(4096, ""), (4097, _BAD), (4098, _BAD), (4099, _BAD)])
def test_a_message_of_4096_bytes_and_not_one_more(user: Tencent3, keys: dict[str, str], size: int, code: str) -> None:
    fields = {"KeyId": keys[ECC], "Algorithm": "ECC_P256_R1", "Message": b64(bytes(size))}
    if not code:
        signature = user.ask("SignByAsymmetricKey", **fields).Signature
        assert user.ask("VerifyByAsymmetricKey", **fields, SignatureValue=signature).SignatureValid is True
        return
    with refused(user, code, text="4096 bytes"):
        user.ask("SignByAsymmetricKey", **fields)
    with refused(user, code, text="4096 bytes"):
        user.ask("VerifyByAsymmetricKey", **fields, SignatureValue=HELLO)


WRONG: dict[str, tuple[dict[str, str], str]] = {
    "a short digest": ({"MessageType": "DIGEST", "Message": b64(bytes(31))}, _BAD),
    "a long digest": ({"MessageType": "DIGEST", "Message": b64(bytes(48))}, _BAD),
    "another kind of message": ({"MessageType": "HASH"}, _BAD),
    "no base64": ({"Message": "!"}, _BAD),
    "another curve": ({"Algorithm": "ECC_P384_R1"}, _BAD),
    "RSA": ({"Algorithm": "RSA_PSS_SHA_256"}, _BAD),
    "no such algorithm": ({"Algorithm": "ECDSA"}, _BAD),
    "SM2DSA": ({"Algorithm": "SM2DSA"}, "UnsupportedOperation"),
    "unknown key": ({"KeyId": UNKNOWN_KEY}, "ResourceUnavailable.CmkNotFound"),
}


@pytest.mark.parametrize(("change", "code"), WRONG.values(), ids=WRONG)
def test_what_is_not_signed(user: Tencent3, keys: dict[str, str], change: dict[str, str], code: str) -> None:
    fields = {"KeyId": keys[ECC], "Algorithm": "ECC_P256_R1", "Message": HELLO, **change}
    with refused(user, code):
        user.ask("SignByAsymmetricKey", **fields)
    with refused(user, code):
        user.ask("VerifyByAsymmetricKey", **fields, SignatureValue=HELLO)


# -- encryption ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("algorithm", ENCRYPTIONS)
def test_what_was_encrypted_outside_is_decrypted(user: Tencent3, keys: dict[str, str], algorithm: str) -> None:
    fields = {"KeyId": keys[RSA], "Algorithm": algorithm}
    sealed = user.sealed_for(keys[RSA], algorithm)
    answer = user.ask("AsymmetricRsaDecrypt", **fields, Ciphertext=sealed)
    assert (answer.KeyId, answer.Plaintext) == (keys[RSA], HELLO)
    for damaged in (sealed[4:], b64(base64.b64decode(sealed) + b"\0"), HELLO):
        with refused(user, "FailedOperation.DecryptError"):
            user.ask("AsymmetricRsaDecrypt", **fields, Ciphertext=damaged)
    if algorithm != "RSAES_PKCS1_V1_5":
        with refused(user, "FailedOperation.DecryptError"):
            user.ask("AsymmetricRsaDecrypt", **fields, Ciphertext=b64(bytes(256)))


def test_a_public_key_in_both_forms(user: Tencent3, keys: dict[str, str]) -> None:
    for key in keys.values():
        answer = user.ask("GetPublicKey", KeyId=key)
        pem: Any = load_pem_public_key(answer.PublicKeyPem.encode())
        assert pem.public_numbers() == user.public_key(key).public_numbers()
        assert answer.KeyId == key
    with refused(user, f"{_BAD}.InvalidKeyUsage"):
        user.ask("GetPublicKey", KeyId=user.key())


def test_a_key_does_only_what_it_was_made_for(user: Tencent3, keys: dict[str, str]) -> None:
    wrong: dict[str, dict[str, Any]] = {
        "SignByAsymmetricKey": {"KeyId": keys[RSA], "Algorithm": "RSA_PSS_SHA_256", "Message": HELLO},
        "AsymmetricRsaDecrypt": {"KeyId": keys[RSA_SIGN], "Algorithm": OAEP, "Ciphertext": HELLO},
        "Encrypt": {"KeyId": keys[RSA], "Plaintext": HELLO},
        "GenerateDataKey": {"KeyId": keys[ECC], "KeySpec": "AES_256"},
    }
    for action, fields in wrong.items():
        with refused(user, f"{_BAD}.InvalidKeyUsage"):
            user.ask(action, **fields)


@pytest.mark.parametrize("usage", ["ASYMMETRIC_DECRYPT_SM2", "ASYMMETRIC_SIGN_VERIFY_SM2"])
def test_sm2_keys_are_not_supported(user: Tencent3, usage: str) -> None:
    with refused(user, "UnsupportedOperation.UnsupportedKeyUsageInCurrentRegion", text="SM2"):
        user.key(KeyUsage=usage)


def test_the_list_of_algorithms_is_what_keys_have(user: Tencent3, keys: dict[str, str]) -> None:
    answer = user.ask("ListAlgorithms")
    signing = {(row.KeyUsage, row.Algorithm) for row in answer.AsymmetricSignVerifyAlgorithms}
    assert signing == {(usage, algorithm) for algorithm, (usage, _) in SIGNERS.items()}
    assert {(row.KeyUsage, row.Algorithm) for row in answer.AsymmetricAlgorithms} == {
        (RSA, algorithm) for algorithm in ENCRYPTIONS
    }
    assert "SM" not in answer.to_json_string()


# -- secrets for a caller's key -------------------------------------------------------------------------


@pytest.mark.parametrize(
    "public_key", [CALLER, caller_pem(), caller_pem().replace("\n", "\r\n")], ids=["DER", "PEM", "CRLF"]
)
@pytest.mark.parametrize("algorithm", ENCRYPTIONS)
def test_a_secret_for_the_callers_key(user: Tencent3, algorithm: str, public_key: str) -> None:
    key = user.key()
    wrapping = {"EncryptionPublicKey": public_key, "EncryptionAlgorithm": algorithm}
    made = user.ask("GenerateDataKey", KeyId=key, NumberOfBytes=24, **wrapping)
    secret = user.ask("Decrypt", CiphertextBlob=made.CiphertextBlob)
    again = user.ask("Decrypt", CiphertextBlob=made.CiphertextBlob, **wrapping)
    opened = {caller().decrypt(base64.b64decode(answer.Plaintext), ENCRYPTIONS[algorithm]) for answer in (made, again)}
    assert opened == {base64.b64decode(secret.Plaintext)}
    assert len(opened.pop()) == 24


BAD_WRAPS: dict[str, tuple[dict[str, Any], str]] = {
    "SM2": ({"EncryptionAlgorithm": "SM2"}, "UnsupportedOperation"),
    "SM2_C1C3C2": ({"EncryptionAlgorithm": "SM2_C1C3C2"}, "UnsupportedOperation"),
    "SM2_C1C3C2_ASN1": ({"EncryptionAlgorithm": "SM2_C1C3C2_ASN1"}, "UnsupportedOperation"),
    "no such algorithm": ({"EncryptionAlgorithm": "RSA"}, _BAD),
    "no key": ({"EncryptionPublicKey": HELLO}, _BAD),
    "no base64": ({"EncryptionPublicKey": "!"}, _BAD),
    "a certificate": ({"EncryptionPublicKey": caller_pem().replace("PUBLIC KEY", "CERTIFICATE")}, _BAD),
    "too much for it": ({"NumberOfBytes": 191}, _BAD),
}


@pytest.mark.parametrize(("change", "code"), BAD_WRAPS.values(), ids=BAD_WRAPS)
def test_a_bad_wrap_is_refused(user: Tencent3, change: dict[str, Any], code: str) -> None:
    key = user.key()
    fields = {"NumberOfBytes": 32, "EncryptionPublicKey": CALLER, "EncryptionAlgorithm": OAEP, **change}
    with refused(user, code):
        user.ask("GenerateDataKey", KeyId=key, **fields)
    blob = user.ask("GenerateDataKey", KeyId=key, NumberOfBytes=fields.pop("NumberOfBytes")).CiphertextBlob
    with refused(user, code):
        user.ask("Decrypt", CiphertextBlob=blob, **fields)


# -- lists ---------------------------------------------------------------------------------------------


def test_key_details_by_state_usage_origin_and_tag(user: Tencent3) -> None:
    word, tag = uuid4().hex[:16], uuid4().hex
    names = ("plain", "disabled", "pending", "waiting", "archived", "signer", "opener")
    fields: dict[str, dict[str, Any]] = {
        "plain": {"Tags": [{"TagKey": tag, "TagValue": "1"}]},
        "waiting": {"Type": 2},
        "signer": {"KeyUsage": ECC},
        "opener": {"KeyUsage": RSA, "Tags": [{"TagKey": tag, "TagValue": "2"}]},
    }
    keys = {name: user.key(Alias=f"{name}-{word}", **fields.get(name, {})) for name in names}
    for name in ("disabled", "pending"):
        user.ask("DisableKey", KeyId=keys[name])
    user.ask("ScheduleKeyDeletion", KeyId=keys["pending"], PendingWindowInDays=7)
    user.ask("ArchiveKey", KeyId=keys["archived"])

    def found(**asked: Any) -> set[str]:
        answer = user.ask("ListKeyDetail", SearchKeyAlias=word, Limit=200, **asked)
        assert answer.TotalCount == len(answer.KeyMetadatas)
        return {row.Alias.partition("-")[0] for row in answer.KeyMetadatas}

    everything = set(names)
    assert found(KeyUsage="ALL") == everything
    assert found() == found(KeyUsage="ENCRYPT_DECRYPT", KeyState=0) == everything - {"signer", "opener"}
    by_number = {1: {"plain"}, 2: {"disabled"}, 3: {"pending"}, 4: {"waiting"}, 5: {"archived"}}
    assert {number: found(KeyState=number) for number in by_number} == by_number
    assert found(KeyUsage=ECC) == {"signer"}
    assert found(KeyUsage=RSA, KeyState=1) == {"opener"}
    assert found(KeyUsage="ASYMMETRIC_SIGN_VERIFY_SM2") == set()
    assert found(Origin="EXTERNAL") == {"waiting"}
    assert found(KeyUsage="ALL", TagFilters=[{"TagKey": tag}]) == {"plain", "opener"}
    assert found(KeyUsage="ALL", TagFilters=[{"TagKey": tag, "TagValue": ["2", "3"]}]) == {"opener"}
    usages = {row.KeyUsage for row in user.ask("DescribeKeys", KeyIds=list(keys.values())).KeyMetadatas}
    assert usages == {"ENCRYPT_DECRYPT", ECC, RSA}
    with refused(user, f"{_BAD}.InvalidKeyUsage"):
        found(KeyUsage="WASH")


def test_the_short_list_leaves_out_what_is_going(user: Tencent3) -> None:
    kept, gone = {user.key(), user.disabled(), user.key(Type=2)}, {user.scheduled(), user.archived()}
    total = user.ask("ListKeys").TotalCount
    pages = [user.ask("ListKeys", Offset=at, Limit=200) for at in range(0, total + 1, 200)]
    listed = {row.KeyId for page in pages for row in page.Keys}
    assert kept <= listed
    assert not gone & listed
