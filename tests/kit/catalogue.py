"""One valid request for every operation that a dialect serves, on a tenant that has what it needs."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from kit.support import Kms, Signer

Params = Mapping[str, Any]
CONTEXT = {"purpose": "test", "ключ": "значение"}
CONTEXT_TEXT = json.dumps(CONTEXT)
IAM_POLICY = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "kms:*", "Resource": "*"}],
    }
)
"""A key's policy in AWS's form, which allows everything."""


@dataclass(frozen=True)
class Tenant:
    """What the examples name: two keys, an alias of the first, a blob under it with `CONTEXT`, and the account."""

    key_id: str
    other_id: str
    alias: str
    blob: str
    account: str


def prepare(kms: Kms, plaintext: str = "aGVsbG8=") -> Tenant:
    first, other = (kms.alibaba("CreateKey", Description=text)["KeyMetadata"]["KeyId"] for text in ("first", "other"))
    kms.alibaba("CreateAlias", AliasName="alias/first", KeyId=first)
    kms.alibaba("CreateAlias", AliasName="alias/other", KeyId=other)
    made = kms.alibaba("Encrypt", KeyId=first, Plaintext=plaintext, EncryptionContext=CONTEXT_TEXT)
    return Tenant(first, other, "alias/first", made["CiphertextBlob"], kms.settings.site.account)


def _alibaba(t: Tenant) -> dict[str, Params]:
    key = {"KeyId": t.key_id}
    page = {"PageNumber": "1", "PageSize": "10"}
    context = {"EncryptionContext": CONTEXT_TEXT}
    return {
        "Encrypt": {**key, **context, "Plaintext": "aGVsbG8="},
        "Decrypt": {"CiphertextBlob": t.blob, **context},
        "ReEncrypt": {
            "CiphertextBlob": t.blob,
            "SourceEncryptionContext": CONTEXT_TEXT,
            "DestinationKeyId": t.other_id,
            "DestinationEncryptionContext": '{"a":"b"}',
        },
        "GenerateDataKey": {**key, **context, "KeySpec": "AES_256"},
        "GenerateDataKeyWithoutPlaintext": {**key, **context, "NumberOfBytes": "48"},
        "CreateKey": {
            "Description": "made",
            "KeySpec": "Aliyun_AES_256",
            "KeyUsage": "ENCRYPT/DECRYPT",
            "Origin": "Aliyun_KMS",
            "ProtectionLevel": "SOFTWARE",
            "EnableAutomaticRotation": "false",
            "Tags": '[{"TagKey":"k","TagValue":"v"}]',
        },
        "DescribeKey": key,
        "ListKeys": {**page, "Filters": '[{"Key":"KeyState","Values":["Enabled"]}]'},
        "EnableKey": key,
        "DisableKey": {"KeyId": t.other_id},
        "UpdateKeyDescription": {**key, "Description": "changed"},
        "CreateAlias": {**key, "AliasName": "alias/new"},
        "UpdateAlias": {"KeyId": t.other_id, "AliasName": t.alias},
        "DeleteAlias": {"AliasName": t.alias},
        "ListAliases": page,
        "ListAliasesByKeyId": {**key, **page},
        "DescribeRegions": {},
    }


def _tencent(t: Tenant) -> dict[str, Params]:
    key = {"KeyId": t.key_id}
    context = {"EncryptionContext": CONTEXT_TEXT}
    return {
        "Encrypt": {**key, **context, "Plaintext": "aGVsbG8="},
        "Decrypt": {"CiphertextBlob": t.blob, **context},
        "ReEncrypt": {
            "CiphertextBlob": t.blob,
            "SourceEncryptionContext": CONTEXT_TEXT,
            "DestinationKeyId": t.other_id,
            "DestinationEncryptionContext": '{"a":"b"}',
        },
        "GenerateDataKey": {**key, **context, "NumberOfBytes": 32, "IsHostedByKms": 0},
        "GenerateRandom": {"NumberOfBytes": 40},
        "CreateKey": {
            "Alias": "made",
            "Description": "made",
            "KeyUsage": "ENCRYPT_DECRYPT",
            "Type": 1,
            "Tags": [{"TagKey": "k", "TagValue": "v"}],
        },
        "DescribeKey": key,
        "DescribeKeys": {"KeyIds": [t.key_id, t.other_id]},
        "ListKeys": {"Offset": 0, "Limit": 10, "Role": 0},
        "ListKeyDetail": {
            "Offset": 0,
            "Limit": 10,
            "Role": 0,
            "OrderType": 1,
            "KeyState": 0,
            "SearchKeyAlias": "",
            "Origin": "TENCENT_KMS",
            "KeyUsage": "ALL",
        },
        "EnableKey": key,
        "EnableKeys": {"KeyIds": [t.key_id, t.other_id]},
        "DisableKey": {"KeyId": t.other_id},
        "DisableKeys": {"KeyIds": [t.other_id]},
        "UpdateKeyDescription": {**key, "Description": "changed"},
        "UpdateAlias": {**key, "Alias": "renamed"},
        "GetServiceStatus": {},
        "GetRegions": {},
        "ListAlgorithms": {},
    }


def _tencent_v2(t: Tenant) -> dict[str, Params]:
    key = {"keyId": t.key_id}
    context = {"encryptionContext": CONTEXT_TEXT}
    return {
        "CreateKey": {"alias": "made", "description": "made", "keyUsage": "ENCRYPT/DECRYPT", "type": "1"},
        "GetKeyAttributes": key,
        "SetKeyAttributes": {**key, "alias": "renamed"},
        "ListKey": {"offset": "0", "limit": "10"},
        "EnableKey": key,
        "DisableKey": {"keyId": t.other_id},
        "GenerateDataKey": {**key, **context, "keySpec": "AES_256"},
        "Encrypt": {**key, **context, "plaintext": "aGVsbG8="},
        "Decrypt": {"ciphertextBlob": t.blob, **context},
    }


def _aws(t: Tenant) -> dict[str, Params]:
    key = {"KeyId": t.key_id}
    context = {"EncryptionContext": CONTEXT}
    return {
        "Encrypt": {**key, **context, "Plaintext": "aGVsbG8=", "GrantTokens": []},
        "Decrypt": {**key, **context, "CiphertextBlob": t.blob, "EncryptionAlgorithm": "SYMMETRIC_DEFAULT"},
        "ReEncrypt": {
            "CiphertextBlob": t.blob,
            "SourceEncryptionContext": CONTEXT,
            "DestinationKeyId": t.other_id,
            "DestinationEncryptionContext": {"a": "b"},
        },
        "GenerateDataKey": {**key, **context, "KeySpec": "AES_256"},
        "GenerateDataKeyPair": {**key, **context, "KeyPairSpec": "ECC_NIST_P256"},
        "GenerateDataKeyPairWithoutPlaintext": {**key, **context, "KeyPairSpec": "ECC_SECG_P256K1"},
        "GenerateDataKeyWithoutPlaintext": {**key, **context, "NumberOfBytes": 48},
        "GenerateRandom": {"NumberOfBytes": 40},
        "CreateKey": {
            "Description": "made",
            "KeySpec": "SYMMETRIC_DEFAULT",
            "KeyUsage": "ENCRYPT_DECRYPT",
            "Origin": "AWS_KMS",
            "MultiRegion": False,
            "Tags": [{"TagKey": "k", "TagValue": "v"}],
        },
        "DescribeKey": key,
        "ListKeys": {"Limit": 10},
        "EnableKey": key,
        "DisableKey": {"KeyId": t.other_id},
        "UpdateKeyDescription": {**key, "Description": "changed"},
        "CreateAlias": {"TargetKeyId": t.key_id, "AliasName": "alias/new"},
        "UpdateAlias": {"TargetKeyId": t.other_id, "AliasName": t.alias},
        "DeleteAlias": {"AliasName": t.alias},
        "ListAliases": {**key, "Limit": 10},
        "EnableKeyRotation": {**key, "RotationPeriodInDays": 90},
        "DisableKeyRotation": key,
        "GetKeyRotationStatus": key,
        "RotateKeyOnDemand": key,
        "ListKeyRotations": key,
        "CreateGrant": {
            **key,
            "GranteePrincipal": f"arn:aws:iam::{t.account}:user/TKMSsomebody",
            "Operations": ["Encrypt", "Decrypt"],
            "Constraints": {"EncryptionContextSubset": {"a": "b"}},
            "Name": "example",
        },
        "ListGrants": {**key, "Limit": 10},
        "ListRetirableGrants": {"RetiringPrincipal": f"arn:aws:iam::{t.account}:user/TKMSsomebody", "Limit": 10},
        "ListKeyPolicies": key,
        "GetKeyPolicy": {**key, "PolicyName": "default"},
        "PutKeyPolicy": {**key, "PolicyName": "default", "Policy": IAM_POLICY, "BypassPolicyLockoutSafetyCheck": False},
        "TagResource": {**key, "Tags": [{"TagKey": "k", "TagValue": "v"}]},
        "UntagResource": {**key, "TagKeys": ["k"]},
        "ListResourceTags": key,
        "ScheduleKeyDeletion": {"KeyId": t.other_id, "PendingWindowInDays": 7},
    }


EXAMPLES: dict[str, Callable[[Tenant], dict[str, Params]]] = {
    "alibaba": _alibaba,
    "tencent": _tencent,
    "tencent-v2": _tencent_v2,
    "aws": _aws,
}


def flatten(params: Params) -> dict[str, str]:
    """Nested parameters as Tencent's SDKs send them without JSON: `Tags.0.TagKey=k`."""
    flat: dict[str, str] = {}
    for name, value in params.items():
        if isinstance(value, Mapping | list):
            items = value if isinstance(value, Mapping) else {str(i): item for i, item in enumerate(value)}
            flat |= {f"{name}.{key}": item for key, item in flatten(items).items()}
        else:
            flat[name] = str(value)
    return flat


SCHEMES: dict[str, tuple[str, Callable[[Signer, str, Params], dict[str, Any]]]] = {
    "alibaba-rpc": ("alibaba", lambda signer, action, params: signer.alibaba_rpc(action, params)),
    "alibaba-rpc-post": ("alibaba", lambda signer, action, params: signer.alibaba_rpc(action, params, method="POST")),
    "alibaba-acs3": ("alibaba", lambda signer, action, params: signer.alibaba_acs3(action, params)),
    "tencent-tc3": ("tencent", lambda signer, action, params: signer.tencent(action, params)),
    "tencent-v1": ("tencent", lambda signer, action, params: signer.tencent_v1(action, flatten(params))),
    "tencent-v2": ("tencent-v2", lambda signer, action, params: signer.tencent_v2(action, flatten(params))),
    "tencent-v2-get": (
        "tencent-v2",
        lambda signer, action, params: signer.tencent_v2(action, flatten(params), method="GET"),
    ),
    "aws-sigv4": ("aws", lambda signer, action, params: signer.aws(action, params)),
}
"""Name -> (dialect, signer of an event)."""
WITH_TOKEN: dict[str, Callable[[Signer, str, str, Params], dict[str, Any]]] = {
    "alibaba-rpc": lambda s, token, a, p: s.alibaba_rpc(a, p, SecurityToken=token),
    "alibaba-rpc-post": lambda s, token, a, p: s.alibaba_rpc(a, p, method="POST", SecurityToken=token),
    "alibaba-acs3": lambda s, token, a, p: s.alibaba_acs3(a, p, token=token),
    "tencent-tc3": lambda s, token, a, p: s.tencent(a, p, **{"x-tc-token": token}),
    "tencent-v1": lambda s, token, a, p: s.tencent_v1(a, p, Token=token),
    "tencent-v2": lambda s, token, a, p: s.tencent_v2(a, p, Token=token),
    "tencent-v2-get": lambda s, token, a, p: s.tencent_v2(a, p, method="GET", Token=token),
    "aws-sigv4": lambda s, token, a, p: s.aws(a, p, token=token),
}
"""The same with a session's token, which is signed with its id and secret."""


def fields(dialect: str, answer: Mapping[str, Any]) -> dict[str, Any]:
    """The response's fields, from the raw answer; the body must be JSON."""
    body: dict[str, Any] = json.loads(answer["body"])
    inner: dict[str, Any] = body["Response"] if dialect == "tencent" else body
    return inner


def error_code(dialect: str, answer: Mapping[str, Any]) -> str | int | None:
    """The code of a refusal in the words of the dialect; None for a success."""
    body = fields(dialect, answer)
    if dialect == "tencent":
        return body["Error"]["Code"] if "Error" in body else None
    if dialect == "tencent-v2":
        return body["code"] or None
    if dialect == "aws":
        return body.get("__type")
    return body.get("Code")


def refused(answer: Mapping[str, Any]) -> bool:
    """Whether it is a JSON refusal, of whatever dialect."""
    body = json.loads(answer["body"])
    return "Error" in body.get("Response", {}) or any(body.get(name) for name in ("code", "Code", "error", "__type"))
