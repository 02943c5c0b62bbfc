"""The operations of Tencent Cloud KMS, legacy API v2: parameters and answers by table."""

from __future__ import annotations

from collections.abc import Mapping

from tenantkms.model.profiles import PROFILES
from tenantkms.names import TENCENT_V2
from tenantkms.wire import codecs
from tenantkms.wire.dialects.tencent.fields import STATE_NAMES, first_alias
from tenantkms.wire.dialects.tencent_v2 import fields
from tenantkms.wire.translate import SPREAD, In, Operation, Out, each, first, get, listed, one

_METADATA: Mapping[str, Out] = {
    "keyId": get("id"),
    "createTime": get("created"),
    "description": get("description"),
    "keyState": listed("state", STATE_NAMES),
    "keyUsage": listed("usage", fields.USAGE_NAMES),
    "alias": first_alias,
    "deleteTime": get("deletion_date"),
}

_KEY = In("keyId", "key_id", codecs.key_id, required=True)
_ONE_KEY = In("keyId", "key_ids", codecs.one_key_id, required=True)
_CONTEXT = In("encryptionContext", "context", codecs.context(PROFILES[TENCENT_V2].context_limit))

OPERATIONS: dict[str, Operation] = {
    "CreateKey": Operation(
        "CreateKey",
        (
            In("alias", "alias", fields.ALIAS, required=True),
            In("description", "description", codecs.text),
            In("keyUsage", SPREAD, codecs.choice(fields.USAGES)),
            In("type", SPREAD, fields.kind),
        ),
        {"keyMetadata": one("key", _METADATA)},
    ),
    "GetKeyAttributes": Operation("DescribeKey", (_ONE_KEY,), {"keyMetadata": first("keys", _METADATA)}),
    "SetKeyAttributes": Operation("SetKeyAlias", (_KEY, In("alias", "alias", fields.ALIAS, required=True))),
    "ListKey": Operation(
        "ListKeys",
        (In("offset", "offset", codecs.integer(0, 10_000_000)), In("limit", "limit", codecs.integer(1, 200))),
        {
            "totalCount": get("total"),
            "offset": get("offset"),
            "limit": get("limit"),
            "keys": each("keys", {"keyId": get("id")}),
        },
    ),
    "EnableKey": Operation("EnableKey", (_ONE_KEY,)),
    "DisableKey": Operation("DisableKey", (_ONE_KEY,)),
    "ScheduleKeyDeletion": Operation(
        "ScheduleKeyDeletion",
        (_KEY, In("pendingWindowInDays", "days", codecs.integer(0, 100_000), required=True)),
    ),
    "CancelKeyDeletion": Operation("CancelKeyDeletion", (_KEY,)),
    "GenerateDataKey": Operation(
        "GenerateDataKey",
        (
            _KEY,
            In("keySpec", "key_spec", codecs.text),
            In("numberOfBytes", "number_of_bytes", codecs.integer(1, 1024)),
            _CONTEXT,
        ),
        {"keyId": get("key_id"), "plaintext": get("plaintext"), "ciphertextBlob": get("ciphertext")},
    ),
    "Encrypt": Operation(
        "Encrypt",
        (_KEY, In("plaintext", "plaintext", codecs.plaintext, required=True), _CONTEXT),
        {"keyId": get("key_id"), "ciphertextBlob": get("ciphertext")},
    ),
    "Decrypt": Operation(
        "Decrypt",
        (In("ciphertextBlob", "ciphertext", codecs.ciphertext, required=True), _CONTEXT),
        {"keyId": get("key_id"), "plaintext": get("plaintext")},
    ),
}
