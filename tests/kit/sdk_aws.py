"""The life of keys as boto3 knows it: one call of every operation that the AWS dialect serves."""

from __future__ import annotations

import base64
import os
from collections.abc import Callable
from functools import cache, cached_property
from typing import Any
from uuid import uuid4

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from kit.catalogue import IAM_POLICY
from kit.sdk_alibaba import wrapped
from kit.sdk_clients import Login, Refusal
from kit.sdk_node import Node

Fields = dict[str, Any]
HELLO = b"hello"
PSS = "RSASSA_PSS_SHA_256"


@cache
def default_session(_login: Login) -> boto3.Session:
    """boto3's, in the environment of this login. A new one for each test would read AWS's models each time."""
    return boto3.Session()


class Boto:
    """boto3. Fields as the API has them; the answer is a dict, without what boto3 adds to it."""

    error = ClientError

    def __init__(self, login: Login, **config: Any) -> None:
        self.client = boto3.client(
            "kms",
            region_name="eu-west-1",
            endpoint_url=f"{login.scheme}://{login.host}",
            aws_access_key_id=login.access_key_id,
            aws_secret_access_key=login.secret,
            aws_session_token=login.token,
            verify=login.ca,
            config=Config(**config),
        )

    def ask(self, action: str, **fields: Any) -> dict[str, Any]:
        method = getattr(self.client, self._methods[action])
        answer: dict[str, Any] = method(**fields)
        del answer["ResponseMetadata"]
        return answer

    @cached_property
    def _methods(self) -> dict[str, str]:
        return {action: name for name, action in self.client.meta.method_to_api_mapping.items()}

    @staticmethod
    def read(error: Any) -> Refusal:
        told, meta = error.response["Error"], error.response["ResponseMetadata"]
        return Refusal(told["Code"], meta["HTTPStatusCode"], meta["RequestId"], told.get("Message", ""))


class Aws:
    """One of AWS's SDKs, and what a test begins with."""

    def __init__(self, sdk: Boto | Node) -> None:
        self.sdk, self.error, self.read, self.ask = sdk, sdk.error, sdk.read, sdk.ask

    def key(self, **fields: Any) -> str:
        """A new key's ARN."""
        return str(self.ask("CreateKey", **fields)["KeyMetadata"]["Arn"])

    def signing(self) -> str:
        return self.key(KeySpec="RSA_2048", KeyUsage="SIGN_VERIFY")

    def agreeing(self, spec: str = "ECC_NIST_P256") -> str:
        return self.key(KeySpec=spec, KeyUsage="KEY_AGREEMENT")

    def agreed(self) -> Fields:
        peer = self.ask("GetPublicKey", KeyId=self.agreeing())["PublicKey"]
        return {"KeyId": self.agreeing(), "KeyAgreementAlgorithm": "ECDH", "PublicKey": peer}

    def hmac(self) -> str:
        return self.key(KeySpec="HMAC_256", KeyUsage="GENERATE_VERIFY_MAC")

    def disabled(self) -> str:
        key = self.key()
        self.ask("DisableKey", KeyId=key)
        return key

    def scheduled(self) -> str:
        key = self.key()
        self.ask("ScheduleKeyDeletion", KeyId=key, PendingWindowInDays=7)
        return key

    def alias(self) -> str:
        name = f"alias/t-{uuid4().hex}"
        self.ask("CreateAlias", AliasName=name, TargetKeyId=self.key())
        return name

    def blob(self, key: str) -> bytes:
        return bytes(self.ask("Encrypt", KeyId=key, Plaintext=HELLO)["CiphertextBlob"])

    def external(self) -> Fields:
        """What ImportKeyMaterial wants, of a new key of origin EXTERNAL."""
        key = self.key(Origin="EXTERNAL")
        how = {"WrappingAlgorithm": "RSAES_OAEP_SHA_256", "WrappingKeySpec": "RSA_4096"}
        made = self.ask("GetParametersForImport", KeyId=key, **how)
        public = base64.b64encode(made["PublicKey"]).decode()
        return {
            "KeyId": key,
            "ImportToken": made["ImportToken"],
            "EncryptedKeyMaterial": base64.b64decode(wrapped(public, how["WrappingAlgorithm"], os.urandom(32))),
            "ExpirationModel": "KEY_MATERIAL_DOES_NOT_EXPIRE",
        }

    def imported(self) -> str:
        fields = self.external()
        self.ask("ImportKeyMaterial", **fields)
        return str(fields["KeyId"])

    def principal(self, key: str, access_key_id: str) -> str:
        """An access key as AWS names a user of the key's account."""
        return f"arn:aws:iam::{key.split(':')[4]}:user/{access_key_id}"

    def grant(self) -> Fields:
        """What CreateGrant wants, of a new key."""
        key = self.key()
        return {"KeyId": key, "GranteePrincipal": self.principal(key, "TKMSguest"), "Operations": ["Decrypt"]}

    def granted(self) -> Fields:
        how = self.grant()
        return {"KeyId": how["KeyId"], "GrantId": self.ask("CreateGrant", **how)["GrantId"]}

    def retirable(self) -> Fields:
        """More than a page of them."""
        how = self.grant()
        for _ in range(2):
            self.ask("CreateGrant", **how, RetiringPrincipal=how["GranteePrincipal"])
        return {"RetiringPrincipal": how["GranteePrincipal"], "Limit": 1}

    def signed(self) -> Fields:
        key = self.signing()
        how = {"KeyId": key, "Message": HELLO, "SigningAlgorithm": PSS}
        return {**how, "Signature": self.ask("Sign", **how)["Signature"]}

    def authenticated(self) -> Fields:
        how = {"KeyId": self.hmac(), "Message": HELLO, "MacAlgorithm": "HMAC_SHA_256"}
        return {**how, "Mac": self.ask("GenerateMac", **how)["Mac"]}


def _one(key: Callable[[Aws], str]) -> Callable[[Aws], Fields]:
    return lambda user: {"KeyId": key(user)}


_KEY = _one(Aws.key)
_PAGE = {"Truncated"}
CALLS: dict[str, tuple[Callable[[Aws], Fields], set[str]]] = {
    "CancelKeyDeletion": (_one(Aws.scheduled), {"KeyId"}),
    "CreateAlias": (lambda user: {"AliasName": f"alias/t-{uuid4().hex}", "TargetKeyId": user.key()}, set()),
    "CreateGrant": (Aws.grant, {"GrantId", "GrantToken"}),
    "CreateKey": (lambda _user: {"Description": "made", "Tags": [{"TagKey": "k", "TagValue": ""}]}, {"KeyMetadata"}),
    "Decrypt": (
        lambda user: {"KeyId": (name := user.alias()), "CiphertextBlob": user.blob(name), "GrantTokens": []},
        {"KeyId", "Plaintext", "EncryptionAlgorithm", "KeyMaterialId"},
    ),
    "DeleteAlias": (lambda user: {"AliasName": user.alias()}, set()),
    "DeleteImportedKeyMaterial": (_one(Aws.imported), {"KeyId", "KeyMaterialId"}),
    "DeriveSharedSecret": (Aws.agreed, {"KeyId", "SharedSecret", "KeyAgreementAlgorithm", "KeyOrigin"}),
    "DescribeKey": (lambda user: {"KeyId": user.alias()}, {"KeyMetadata"}),
    "DisableKey": (_KEY, set()),
    "DisableKeyRotation": (_KEY, set()),
    "EnableKey": (_one(Aws.disabled), set()),
    "EnableKeyRotation": (lambda user: {"KeyId": user.key(), "RotationPeriodInDays": 90}, set()),
    "Encrypt": (
        lambda user: {"KeyId": user.alias(), "Plaintext": HELLO, "EncryptionContext": {"a": "b"}},
        {"CiphertextBlob", "KeyId", "EncryptionAlgorithm"},
    ),
    "GenerateDataKey": (
        lambda user: {"KeyId": user.key(), "KeySpec": "AES_256"},
        {"Plaintext", "CiphertextBlob", "KeyId", "KeyMaterialId"},
    ),
    "GenerateDataKeyPair": (
        lambda user: {"KeyId": user.key(), "KeyPairSpec": "RSA_2048"},
        {"PrivateKeyPlaintext", "PrivateKeyCiphertextBlob", "PublicKey", "KeyId", "KeyPairSpec", "KeyMaterialId"},
    ),
    "GenerateDataKeyPairWithoutPlaintext": (
        lambda user: {"KeyId": user.key(), "KeyPairSpec": "ECC_NIST_P521"},
        {"PrivateKeyCiphertextBlob", "PublicKey", "KeyId", "KeyPairSpec", "KeyMaterialId"},
    ),
    "GenerateDataKeyWithoutPlaintext": (
        lambda user: {"KeyId": user.key(), "NumberOfBytes": 64},
        {"CiphertextBlob", "KeyId", "KeyMaterialId"},
    ),
    "GenerateMac": (
        lambda user: {"KeyId": user.hmac(), "Message": HELLO, "MacAlgorithm": "HMAC_SHA_256"},
        {"Mac", "MacAlgorithm", "KeyId"},
    ),
    "GenerateRandom": (lambda _user: {"NumberOfBytes": 1024}, {"Plaintext"}),
    "GetKeyPolicy": (_KEY, {"Policy", "PolicyName"}),
    "GetKeyRotationStatus": (_KEY, {"KeyId", "KeyRotationEnabled"}),
    "GetParametersForImport": (
        lambda user: {
            "KeyId": user.key(Origin="EXTERNAL"),
            "WrappingAlgorithm": "RSAES_OAEP_SHA_1",
            "WrappingKeySpec": "RSA_2048",
        },
        {"KeyId", "ImportToken", "PublicKey", "ParametersValidTo"},
    ),
    "GetPublicKey": (
        _one(Aws.signing),
        {"KeyId", "PublicKey", "CustomerMasterKeySpec", "KeySpec", "KeyUsage", "SigningAlgorithms"},
    ),
    "ImportKeyMaterial": (Aws.external, {"KeyId", "KeyMaterialId"}),
    "ListAliases": (_KEY, {"Aliases", *_PAGE}),
    "ListGrants": (_KEY, {"Grants", *_PAGE}),
    "ListKeyPolicies": (_KEY, {"PolicyNames", *_PAGE}),
    "ListKeyRotations": (_KEY, {"Rotations", *_PAGE}),
    "ListKeys": (lambda _user: {"Limit": 1000}, {"Keys", *_PAGE}),
    "ListResourceTags": (_KEY, {"Tags", *_PAGE}),
    "PutKeyPolicy": (lambda user: {"KeyId": user.key(), "Policy": IAM_POLICY}, set()),
    "ListRetirableGrants": (Aws.retirable, {"Grants", "NextMarker", *_PAGE}),
    "ReEncrypt": (
        lambda user: {"CiphertextBlob": user.blob(user.key()), "DestinationKeyId": user.key()},
        {
            "CiphertextBlob",
            "SourceKeyId",
            "KeyId",
            "SourceEncryptionAlgorithm",
            "DestinationEncryptionAlgorithm",
            "SourceKeyMaterialId",
            "DestinationKeyMaterialId",
        },
    ),
    "RetireGrant": (Aws.granted, set()),
    "RevokeGrant": (Aws.granted, set()),
    "RotateKeyOnDemand": (_KEY, {"KeyId"}),
    "ScheduleKeyDeletion": (_KEY, {"KeyId", "DeletionDate", "KeyState", "PendingWindowInDays"}),
    "Sign": (
        lambda user: {"KeyId": user.signing(), "Message": HELLO, "SigningAlgorithm": PSS},
        {"KeyId", "Signature", "SigningAlgorithm"},
    ),
    "TagResource": (lambda user: {"KeyId": user.key(), "Tags": [{"TagKey": "k", "TagValue": "v"}]}, set()),
    "UntagResource": (lambda user: {"KeyId": user.key(), "TagKeys": ["k"]}, set()),
    "UpdateAlias": (lambda user: {"AliasName": user.alias(), "TargetKeyId": user.key()}, set()),
    "UpdateKeyDescription": (lambda user: {"KeyId": user.key(), "Description": ""}, set()),
    "Verify": (Aws.signed, {"KeyId", "SignatureValid", "SigningAlgorithm"}),
    "VerifyMac": (Aws.authenticated, {"KeyId", "MacValid", "MacAlgorithm"}),
}
"""Operation -> (its fields, the fields of its answer)."""
