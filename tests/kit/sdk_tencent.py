"""The life of keys as Tencent Cloud's SDKs know it: one call of every operation of both of its APIs."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable
from typing import Any
from uuid import uuid4

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_der_public_key

from kit.asymmetric_keys import ENCRYPTIONS
from kit.sdk_alibaba import HELLO, MATERIAL, OAEP, wrapped
from kit.sdk_clients import Qcloud, Tencent

Fields = dict[str, Any]
DIGEST = base64.b64encode(hashlib.sha256(b"hello").digest()).decode()
ECC = "ASYMMETRIC_SIGN_VERIFY_ECC"
RSA = "ASYMMETRIC_DECRYPT_RSA_2048"


class Tencent3:
    """The SDK of API 3.0, and what a test begins with."""

    def __init__(self, sdk: Tencent) -> None:
        self.sdk, self.error, self.read = sdk, sdk.error, sdk.read

    def ask(self, action: str, **fields: Any) -> Any:
        return self.sdk.call(action, **fields)

    def key(self, **fields: Any) -> str:
        """A new key's id."""
        return str(self.ask("CreateKey", **{"Alias": f"t-{uuid4().hex}", **fields}).KeyId)

    def described(self, key: str) -> Any:
        return self.ask("DescribeKey", KeyId=key).KeyMetadata

    def state(self, key: str) -> str:
        return str(self.described(key).KeyState)

    def disabled(self, **fields: Any) -> str:
        key = self.key(**fields)
        self.ask("DisableKey", KeyId=key)
        return key

    def scheduled(self) -> str:
        key = self.disabled()
        self.ask("ScheduleKeyDeletion", KeyId=key, PendingWindowInDays=7)
        return key

    def archived(self) -> str:
        key = self.key()
        self.ask("ArchiveKey", KeyId=key)
        return key

    def blob(self, key: str) -> str:
        return str(self.ask("Encrypt", KeyId=key, Plaintext=HELLO).CiphertextBlob)

    def imported(self, key: str, material: bytes = MATERIAL, algorithm: str = OAEP) -> Fields:
        """What ImportKeyMaterial takes."""
        made = self.ask("GetParametersForImport", KeyId=key, WrappingAlgorithm=algorithm, WrappingKeySpec="RSA_2048")
        sealed = wrapped(made.PublicKey, algorithm, material)
        return {"KeyId": key, "EncryptedKeyMaterial": sealed, "ImportToken": made.ImportToken}

    def public_key(self, key: str) -> Any:
        return load_der_public_key(base64.b64decode(self.ask("GetPublicKey", KeyId=key).PublicKey))

    def sealed_for(self, key: str, algorithm: str = OAEP, plaintext: bytes = b"hello") -> str:
        """What somebody outside encrypts with the public key of an RSA key."""
        public = self.public_key(key)
        assert isinstance(public, RSAPublicKey)
        return base64.b64encode(public.encrypt(plaintext, ENCRYPTIONS[algorithm])).decode()


def _key(u: Tencent3) -> Fields:
    return {"KeyId": u.key()}


def _keys(u: Tencent3) -> Fields:
    return {"KeyIds": [u.key(), u.key()]}


def _none(_u: object) -> Fields:
    return {}


def _something(u: Tencent3) -> Fields:
    """Nothing to send, but a key to be listed."""
    u.key()
    return {}


def _signer(u: Tencent3) -> Fields:
    return {"KeyId": u.key(KeyUsage=ECC), "Algorithm": "ECC_P256_R1", "Message": HELLO}


def _signed(u: Tencent3) -> Fields:
    fields = _signer(u)
    return {**fields, "SignatureValue": u.ask("SignByAsymmetricKey", **fields).Signature}


def _asymmetric(u: Tencent3) -> Fields:
    key = u.key(KeyUsage=RSA)
    return {"KeyId": key, "Ciphertext": u.sealed_for(key), "Algorithm": OAEP}


CALLS: dict[str, tuple[Callable[[Tencent3], Fields], set[str]]] = {
    "Encrypt": (lambda u: {"KeyId": u.key(), "Plaintext": HELLO}, {"CiphertextBlob", "KeyId"}),
    "Decrypt": (lambda u: {"CiphertextBlob": u.blob(u.key())}, {"KeyId", "Plaintext"}),
    "ReEncrypt": (
        lambda u: {"CiphertextBlob": u.blob(u.key())},
        {"CiphertextBlob", "KeyId", "SourceKeyId", "ReEncrypted"},
    ),
    "GenerateDataKey": (
        lambda u: {"KeyId": u.key(), "KeySpec": "AES_256"},
        {"KeyId", "Plaintext", "CiphertextBlob"},
    ),
    "GenerateRandom": (lambda u: {"NumberOfBytes": 8}, {"Plaintext"}),
    "CreateKey": (
        lambda u: {"Alias": f"t-{uuid4().hex}"},
        {"KeyId", "Alias", "CreateTime", "KeyState", "KeyUsage", "TagCode"},
    ),
    "DescribeKey": (_key, {"KeyMetadata"}),
    "DescribeKeys": (_keys, {"KeyMetadatas"}),
    "ListKeys": (_something, {"Keys", "TotalCount"}),
    "ListKeyDetail": (_something, {"KeyMetadatas", "TotalCount"}),
    "EnableKey": (_key, set()),
    "EnableKeys": (_keys, set()),
    "DisableKey": (_key, set()),
    "DisableKeys": (_keys, set()),
    "UpdateKeyDescription": (lambda u: {"KeyId": u.key(), "Description": "d"}, set()),
    "UpdateAlias": (lambda u: {"KeyId": u.key(), "Alias": f"u-{uuid4().hex}"}, set()),
    "ScheduleKeyDeletion": (lambda u: {"KeyId": u.disabled(), "PendingWindowInDays": 7}, {"KeyId", "DeletionDate"}),
    "CancelKeyDeletion": (lambda u: {"KeyId": u.scheduled()}, {"KeyId"}),
    "ArchiveKey": (_key, set()),
    "CancelKeyArchive": (lambda u: {"KeyId": u.archived()}, set()),
    "EnableKeyRotation": (_key, set()),
    "DisableKeyRotation": (_key, set()),
    "GetKeyRotationStatus": (_key, {"KeyRotationEnabled"}),
    "RotateKey": (_key, {"TaskId"}),
    "GetParametersForImport": (
        lambda u: {"KeyId": u.key(Type=2), "WrappingAlgorithm": OAEP, "WrappingKeySpec": "RSA_2048"},
        {"KeyId", "ImportToken", "PublicKey", "ParametersValidTo"},
    ),
    "ImportKeyMaterial": (lambda u: u.imported(u.key(Type=2)), set()),
    "DeleteImportedKeyMaterial": (lambda u: {"KeyId": u.key(Type=2)}, set()),
    "GetPublicKey": (lambda u: {"KeyId": u.key(KeyUsage=ECC)}, {"KeyId", "PublicKey", "PublicKeyPem"}),
    "AsymmetricRsaDecrypt": (_asymmetric, {"KeyId", "Plaintext"}),
    "SignByAsymmetricKey": (_signer, {"Signature"}),
    "VerifyByAsymmetricKey": (_signed, {"SignatureValid"}),
    "GetServiceStatus": (_none, {"ServiceEnabled", "InvalidType", "CmkUserCount"}),
    "GetRegions": (_none, {"Regions"}),
    "ListAlgorithms": (_none, {"SymmetricAlgorithms", "AsymmetricAlgorithms", "AsymmetricSignVerifyAlgorithms"}),
}
"""Operation of API 3.0 -> what to send so that it succeeds, and fields of the answer that its user reads."""


class Tencent2:
    """The SDK of the legacy API, and what a test begins with."""

    def __init__(self, sdk: Qcloud) -> None:
        self.sdk = sdk

    def ask(self, action: str, **fields: Any) -> Fields:
        """The answer of a call that succeeds."""
        answer: Fields = self.sdk.call(action, **fields)
        assert (answer["code"], answer["codeDesc"]) == (0, "Success"), answer
        return answer

    def key(self) -> str:
        return str(self.ask("CreateKey", alias=f"v{uuid4().hex[:24]}")["keyMetadata"]["keyId"])

    def described(self, key: str) -> Fields:
        metadata: Fields = self.ask("GetKeyAttributes", keyId=key)["keyMetadata"]
        return metadata

    def disabled(self) -> str:
        key = self.key()
        self.ask("DisableKey", keyId=key)
        return key

    def scheduled(self) -> str:
        key = self.disabled()
        self.ask("ScheduleKeyDeletion", keyId=key, pendingWindowInDays=7)
        return key

    def blob(self, key: str) -> str:
        return str(self.ask("Encrypt", keyId=key, plaintext=HELLO)["ciphertextBlob"])


CALLS_V2: dict[str, tuple[Callable[[Tencent2], Fields], set[str]]] = {
    "CreateKey": (lambda u: {"alias": f"v{uuid4().hex[:24]}"}, {"keyMetadata"}),
    "GetKeyAttributes": (lambda u: {"keyId": u.key()}, {"keyMetadata"}),
    "SetKeyAttributes": (lambda u: {"keyId": u.key(), "alias": f"w{uuid4().hex[:24]}"}, set()),
    "ListKey": (_none, {"totalCount", "offset", "limit", "keys"}),
    "EnableKey": (lambda u: {"keyId": u.key()}, set()),
    "DisableKey": (lambda u: {"keyId": u.key()}, set()),
    "ScheduleKeyDeletion": (lambda u: {"keyId": u.disabled(), "pendingWindowInDays": 7}, set()),
    "CancelKeyDeletion": (lambda u: {"keyId": u.scheduled()}, set()),
    "GenerateDataKey": (
        lambda u: {"keyId": u.key(), "keySpec": "AES_256"},
        {"keyId", "plaintext", "ciphertextBlob"},
    ),
    "Encrypt": (lambda u: {"keyId": u.key(), "plaintext": HELLO}, {"keyId", "ciphertextBlob"}),
    "Decrypt": (lambda u: {"ciphertextBlob": u.blob(u.key())}, {"keyId", "plaintext"}),
}
"""Operation of the legacy API -> what to send so that it succeeds, and fields of the answer besides the common ones."""
