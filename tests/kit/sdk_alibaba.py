"""The life of keys as Alibaba Cloud's SDKs know it: both SDKs under one name, and one call of every operation."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable
from typing import Any
from uuid import uuid4

from alibabacloud_kms20160120 import models
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_der_public_key

from kit.asymmetric_keys import ENCRYPTIONS, caller_public
from kit.sdk_clients import Classic, Tea

Fields = dict[str, Any]
HELLO = base64.b64encode(b"hello").decode()
DIGEST = base64.b64encode(hashlib.sha256(b"hello").digest()).decode()
CALLER = base64.b64encode(caller_public()).decode()
OAEP = "RSAES_OAEP_SHA_256"
MATERIAL = bytes(range(32))

_LISTS = {"ResourceId": "ResourceIds", "Tag": "Tags", "TagKey": "TagKeys"}


class Alibaba:
    """Either SDK, with the API's own names of fields and plain dicts."""

    def __init__(self, sdk: Tea | Classic) -> None:
        self.sdk, self.error, self.read = sdk, sdk.error, sdk.read

    def ask(self, action: str, **fields: Any) -> Fields:
        if action.endswith("Resources"):
            fields = self._lists(action, fields)
        return self.sdk.ask(action, **fields)

    def _lists(self, action: str, fields: Fields) -> Fields:
        """The SDKs name the items of lists, and what is in them, each in its own way."""
        if isinstance(self.sdk, Classic):
            return {_LISTS.get(name, name): value for name, value in fields.items()}
        tag = getattr(models, f"{action}RequestTag", None)
        return {
            name: [tag(key=row["Key"], value=row.get("Value")) for row in value] if tag and name == "Tag" else value
            for name, value in fields.items()
        }

    # -- what a test begins with --

    def key(self, **fields: Any) -> str:
        """A new key's id."""
        return str(self.ask("CreateKey", **fields)["KeyMetadata"]["KeyId"])

    def described(self, key: str) -> Fields:
        metadata: Fields = self.ask("DescribeKey", KeyId=key)["KeyMetadata"]
        return metadata

    def state(self, key: str) -> str:
        return str(self.described(key)["KeyState"])

    def version(self, key: str) -> Fields:
        """The key and its primary version, as asymmetric operations ask for them."""
        return {"KeyId": key, "KeyVersionId": self.described(key)["PrimaryKeyVersion"]}

    def alias(self, key: str) -> str:
        name = f"alias/life-{uuid4().hex}"
        self.ask("CreateAlias", AliasName=name, KeyId=key)
        return name

    def blob(self, key: str) -> str:
        return str(self.ask("Encrypt", KeyId=key, Plaintext=HELLO)["CiphertextBlob"])

    def scheduled(self, **fields: Any) -> str:
        key = self.key(**fields)
        self.ask("ScheduleKeyDeletion", KeyId=key, PendingWindowInDays=7)
        return key

    def imported(self, key: str, material: bytes = MATERIAL, algorithm: str = OAEP) -> Fields:
        """What ImportKeyMaterial takes."""
        made = self.ask("GetParametersForImport", KeyId=key, WrappingAlgorithm=algorithm, WrappingKeySpec="RSA_2048")
        return {
            "KeyId": key,
            "EncryptedKeyMaterial": wrapped(made["PublicKey"], algorithm, material),
            "ImportToken": made["ImportToken"],
            "KeyMaterialExpireUnix": 0,
        }


def wrapped(public_key: str, algorithm: str, material: bytes) -> str:
    """`material` under the public key (base64 of its DER) of import parameters."""
    public = load_der_public_key(base64.b64decode(public_key))
    assert isinstance(public, RSAPublicKey)
    return base64.b64encode(public.encrypt(material, ENCRYPTIONS[algorithm])).decode()


def tags(**pairs: str) -> str:
    """JSON text of tags."""
    return json.dumps([{"TagKey": name, "TagValue": value} for name, value in pairs.items()])


def policy(effect: str, action: str, who: str = "*") -> str:
    """A key policy of two statements: all may do all, and one exception."""
    everything = {"Effect": "Allow", "Principal": {"RAM": ["*"]}, "Action": ["kms:*"]}
    principal = {"RAM": [who if who == "*" else f"acs:ram::*:user/{who}"]}
    statements = [everything, {"Effect": effect, "Principal": principal, "Action": [f"kms:{action}"]}]
    return json.dumps({"Version": "1", "Statement": statements})


# -- one call of every operation -------------------------------------------------------------------------

_BLOB = {"KeyId", "KeyVersionId", "CiphertextBlob"}
_USED = {"KeyId", "KeyVersionId"}
_PAGE = {"TotalCount", "PageNumber", "PageSize"}
_WRAP = {"PublicKeyBlob": CALLER, "WrappingAlgorithm": OAEP, "WrappingKeySpec": "RSA_2048"}
_PSS = "RSA_PSS_SHA_256"
_MAC = "HMAC_SHA_256"


def _rsa(u: Alibaba) -> Fields:
    return {**u.version(u.key(KeySpec="RSA_2048")), "Algorithm": OAEP}


def _signer(u: Alibaba) -> Fields:
    return {**u.version(u.key(KeySpec="RSA_2048", KeyUsage="SIGN/VERIFY")), "Algorithm": _PSS, "Digest": DIGEST}


def _decrypting(u: Alibaba) -> Fields:
    fields = _rsa(u)
    return {**fields, "CiphertextBlob": u.ask("AsymmetricEncrypt", **fields, Plaintext=HELLO)["CiphertextBlob"]}


def _verifying(u: Alibaba) -> Fields:
    fields = _signer(u)
    return {**fields, "Value": u.ask("AsymmetricSign", **fields)["Value"]}


def _maker(u: Alibaba) -> Fields:
    return {"KeyId": u.key(KeySpec=_MAC), "Algorithm": _MAC, "Message": HELLO}


def _mac(u: Alibaba) -> Fields:
    fields = _maker(u)
    return {**fields, "Mac": u.ask("GenerateMac", **fields)["Mac"]}


def _one_key(u: Alibaba) -> Fields:
    return {"KeyId": u.key()}


def _tagged(u: Alibaba) -> Fields:
    return {"ResourceId": [u.key(Tags=tags(a="b"))], "ResourceType": "key"}


CALLS: dict[str, tuple[Callable[[Alibaba], Fields], set[str]]] = {
    "Encrypt": (lambda u: {"KeyId": u.key(), "Plaintext": HELLO}, _BLOB),
    "Decrypt": (lambda u: {"CiphertextBlob": u.blob(u.key())}, _USED | {"Plaintext"}),
    "ReEncrypt": (lambda u: {"CiphertextBlob": u.blob(u.key()), "DestinationKeyId": u.key()}, _BLOB),
    "GenerateDataKey": (_one_key, _BLOB | {"Plaintext"}),
    "GenerateDataKeyWithoutPlaintext": (_one_key, _BLOB),
    "CreateKey": (lambda u: {}, {"KeyMetadata"}),
    "DescribeKey": (_one_key, {"KeyMetadata"}),
    "ListKeys": (lambda u: {}, _PAGE | {"Keys"}),
    "EnableKey": (_one_key, set()),
    "DisableKey": (_one_key, set()),
    "UpdateKeyDescription": (lambda u: {"KeyId": u.key(), "Description": "d"}, set()),
    "CreateAlias": (lambda u: {"KeyId": u.key(), "AliasName": f"alias/{uuid4().hex}"}, set()),
    "UpdateAlias": (lambda u: {"KeyId": u.key(), "AliasName": u.alias(u.key())}, set()),
    "DeleteAlias": (lambda u: {"AliasName": u.alias(u.key())}, set()),
    "ListAliases": (lambda u: {}, _PAGE | {"Aliases"}),
    "ListAliasesByKeyId": (_one_key, _PAGE | {"Aliases"}),
    "ScheduleKeyDeletion": (lambda u: {"KeyId": u.key(), "PendingWindowInDays": 7}, set()),
    "CancelKeyDeletion": (lambda u: {"KeyId": u.scheduled()}, set()),
    "SetDeletionProtection": (
        lambda u: {"ProtectedResourceArn": u.described(u.key())["Arn"], "EnableDeletionProtection": "true"},
        set(),
    ),
    "CreateKeyVersion": (_one_key, {"KeyVersion"}),
    "ListKeyVersions": (_one_key, _PAGE | {"KeyVersions"}),
    "DescribeKeyVersion": (lambda u: u.version(u.key()), {"KeyVersion"}),
    "UpdateRotationPolicy": (lambda u: {"KeyId": u.key(), "EnableAutomaticRotation": "true"}, set()),
    "GetParametersForImport": (
        lambda u: {"KeyId": u.key(Origin="EXTERNAL"), "WrappingAlgorithm": OAEP, "WrappingKeySpec": "RSA_2048"},
        {"KeyId", "PublicKey", "ImportToken", "TokenExpireTime"},
    ),
    "ImportKeyMaterial": (lambda u: u.imported(u.key(Origin="EXTERNAL")), set()),
    "DeleteKeyMaterial": (lambda u: {"KeyId": u.key(Origin="EXTERNAL")}, set()),
    "GetPublicKey": (lambda u: u.version(u.key(KeySpec="EC_P256")), _USED | {"PublicKey"}),
    "AsymmetricEncrypt": (lambda u: {**_rsa(u), "Plaintext": HELLO}, _BLOB),
    "AsymmetricDecrypt": (_decrypting, _USED | {"Plaintext"}),
    "AsymmetricSign": (_signer, _USED | {"Value"}),
    "AsymmetricVerify": (_verifying, _USED | {"Value"}),
    "GenerateMac": (_maker, {"KeyId", "Algorithm", "Mac"}),
    "VerifyMac": (_mac, {"KeyId", "Algorithm", "Value"}),
    "ExportDataKey": (lambda u: {"CiphertextBlob": u.blob(u.key()), **_WRAP}, _USED | {"ExportedDataKey"}),
    "GenerateAndExportDataKey": (lambda u: {"KeyId": u.key(), **_WRAP}, _BLOB | {"ExportedDataKey"}),
    "TagResource": (lambda u: {"KeyId": u.key(), "Tags": tags(a="b")}, set()),
    "UntagResource": (lambda u: {"KeyId": u.key(), "TagKeys": '["a"]'}, set()),
    "ListResourceTags": (lambda u: {"KeyId": u.key(Tags=tags(a="b"))}, {"Tags"}),
    "TagResources": (lambda u: {**_tagged(u), "Tag": [{"Key": "a", "Value": "c"}]}, set()),
    "UntagResources": (lambda u: {**_tagged(u), "TagKey": ["a"]}, set()),
    "ListTagResources": (_tagged, {"TagResources", "NextToken"}),
    "GetKeyPolicy": (_one_key, {"Policy"}),
    "SetKeyPolicy": (lambda u: {"KeyId": u.key(), "Policy": policy("Deny", "Decrypt")}, set()),
    "OpenKmsService": (lambda u: {}, set()),
    "DescribeAccountKmsStatus": (lambda u: {}, {"AccountStatus"}),
    "DescribeRegions": (lambda u: {}, {"Regions"}),
}
"""Operation -> what to send so that it succeeds, and the fields of the answer besides the RequestId."""
