"""The operations of Tencent Cloud KMS, API 3.0: parameters and answers by table."""

from __future__ import annotations

from collections.abc import Mapping

from tenantkms import errors as e
from tenantkms.model.profiles import DAY, PROFILES
from tenantkms.names import TENCENT
from tenantkms.wire import codecs
from tenantkms.wire.dialects.tencent import fields
from tenantkms.wire.translate import (
    SPREAD,
    In,
    Operation,
    Out,
    const,
    each,
    first,
    get,
    into,
    listed,
    refused,
    together,
)

_METADATA: Mapping[str, Out] = {
    "KeyId": get("id"),
    "Alias": fields.first_alias,
    "CreateTime": get("created"),
    "Description": get("description"),
    "KeyState": listed("state", fields.STATE_NAMES),
    "KeyUsage": fields.usage_out,
    "Type": const(1),
    "CreatorUin": lambda _result, view: int(view.site.account),
    "KeyRotationEnabled": lambda result, _view: result["rotation_seconds"] > 0,
    "Owner": const("user"),
    "NextRotateTime": get("next_rotation"),
    "DeletionDate": get("deletion_date"),
    "Origin": listed("origin", fields.ORIGIN_NAMES),
    "ValidTo": get("material_expires"),
    "ResourceId": lambda result, view: f"creatorUin/{view.site.account}/{result['id']}",
    "HsmClusterId": const(""),
    "RotateDays": lambda result, _view: result["rotation_seconds"] // DAY,
    "LastRotateTime": get("last_rotation"),
    "CreatorUinString": lambda _result, view: view.site.account,
}


_KEY = In("KeyId", "key_id", codecs.key_id, required=True)
_ONE_KEY = In("KeyId", "key_ids", codecs.one_key_id, required=True)
_KEYS = In("KeyIds", "key_ids", codecs.key_ids, required=True)
_MEMBER = refused("MemberAccount")
_HSM = refused("HsmClusterId")
_CONTEXT_CODEC = codecs.context(PROFILES[TENCENT].context_limit)
_CONTEXT = In("EncryptionContext", "context", _CONTEXT_CODEC)
_RECEIVER = (
    In("EncryptionPublicKey", into("wrap"), fields.public_key),
    In("EncryptionAlgorithm", into("wrap"), fields.receiving),
)
_TOGETHER = (together("EncryptionPublicKey", "EncryptionAlgorithm"),)
_PAGES = (In("Offset", "offset", codecs.integer(0, 10_000_000)), In("Limit", "limit", codecs.integer(1, 200)))

_SIGNING = In("Algorithm", "algorithm", codecs.algorithm(fields.SIGNINGS, "SM2DSA"), required=True)

_SIGNED = (
    In("Message", "message", fields.message, required=True),
    In("MessageType", "raw", codecs.choice({"RAW": True, "DIGEST": False})),
)

OPERATIONS: dict[str, Operation] = {
    "Encrypt": Operation(
        "Encrypt",
        (_KEY, In("Plaintext", "plaintext", codecs.plaintext, required=True), _CONTEXT),
        {"CiphertextBlob": get("ciphertext"), "KeyId": get("key_id")},
    ),
    "Decrypt": Operation(
        "Decrypt",
        (In("CiphertextBlob", "ciphertext", codecs.ciphertext, required=True), _CONTEXT, *_RECEIVER),
        {"KeyId": get("key_id"), "Plaintext": get("plaintext")},
        rules=_TOGETHER,
    ),
    "ReEncrypt": Operation(
        "ReEncrypt",
        (
            In("CiphertextBlob", "ciphertext", codecs.ciphertext, required=True),
            In("DestinationKeyId", "destination_key_id", codecs.key_id),
            In("SourceEncryptionContext", "source_context", _CONTEXT_CODEC),
            In("DestinationEncryptionContext", "destination_context", _CONTEXT_CODEC),
        ),
        {
            "CiphertextBlob": get("ciphertext"),
            "KeyId": get("key_id"),
            "SourceKeyId": get("source_key_id"),
            "ReEncrypted": get("changed"),
        },
    ),
    "GenerateDataKey": Operation(
        "GenerateDataKey",
        (
            _KEY,
            In("KeySpec", "key_spec", codecs.text),
            In("NumberOfBytes", "number_of_bytes", codecs.integer(1, 1024)),
            _CONTEXT,
            *_RECEIVER,
            In("IsHostedByKms", SPREAD, fields.zero),
            *refused("DataKeyName", "Description", "Tags"),
            *_HSM,
        ),
        {"KeyId": get("key_id"), "Plaintext": get("plaintext"), "CiphertextBlob": get("ciphertext")},
        rules=_TOGETHER,
    ),
    "GenerateRandom": Operation(
        "GenerateRandom",
        (In("NumberOfBytes", "number_of_bytes", codecs.integer(1, 1024), required=True),),
        {"Plaintext": get("plaintext")},
    ),
    "CreateKey": Operation(
        "CreateKey",
        (
            In("Alias", "alias", fields.ALIAS, required=True),
            In("Description", "description", codecs.text),
            In("KeyUsage", SPREAD, fields.usage),
            In("Type", "origin", fields.material_type),
            In("Tags", "tags", codecs.tags),
            *_HSM,
        ),
        {
            "KeyId": lambda result, _view: result["key"]["id"],
            "Alias": lambda result, view: fields.first_alias(result["key"], view),
            "CreateTime": lambda result, _view: result["key"]["created"],
            "Description": lambda result, _view: result["key"]["description"],
            "KeyState": lambda result, _view: fields.STATE_NAMES[result["key"]["state"]],
            "KeyUsage": lambda result, view: fields.usage_out(result["key"], view),
            "TagCode": const(0),
            "TagMsg": const(""),
            "HsmClusterId": const(""),
        },
    ),
    "DescribeKey": Operation("DescribeKey", (_ONE_KEY, *_MEMBER), {"KeyMetadata": first("keys", _METADATA)}),
    "DescribeKeys": Operation("DescribeKey", (_KEYS, *_MEMBER), {"KeyMetadatas": each("keys", _METADATA)}),
    "ListKeys": Operation(
        "ListKeys",
        (*_PAGES, In("Role", into("where"), fields.role), *_HSM),
        {"Keys": each("keys", {"KeyId": get("id")}), "TotalCount": get("total")},
        constant={"where": {"states": fields.LISTED_STATES}},
    ),
    "ListKeyDetail": Operation(
        "ListKeys",
        (
            *_PAGES,
            In("Role", into("where"), fields.role),
            In("OrderType", "descending", fields.descending),
            In("KeyState", into("where"), fields.key_state),
            In("SearchKeyAlias", into("where"), fields.alias_part),
            In("Origin", into("where"), fields.origin),
            In("KeyUsage", into("where"), fields.usage_filter),
            In("TagFilters", into("where"), fields.tag_filters),
            *_HSM,
            *refused("MemberAccounts"),
        ),
        {"TotalCount": get("total"), "KeyMetadatas": each("keys", _METADATA)},
        constant={"descending": True, "where": fields.usage_filter("KeyUsage", "ENCRYPT_DECRYPT")},
    ),
    "EnableKey": Operation("EnableKey", (_ONE_KEY, *_MEMBER)),
    "EnableKeys": Operation("EnableKey", (_KEYS, *_MEMBER)),
    "DisableKey": Operation("DisableKey", (_ONE_KEY, *_MEMBER)),
    "DisableKeys": Operation("DisableKey", (_KEYS, *_MEMBER)),
    "UpdateKeyDescription": Operation(
        "UpdateKeyDescription",
        (_KEY, In("Description", "description", codecs.text, required=True, blank=True), *_MEMBER),
    ),
    "UpdateAlias": Operation("SetKeyAlias", (_KEY, In("Alias", "alias", fields.ALIAS, required=True), *_MEMBER)),
    "ScheduleKeyDeletion": Operation(
        "ScheduleKeyDeletion",
        (_KEY, In("PendingWindowInDays", "days", codecs.integer(0, 100_000), required=True), *_MEMBER),
        {"KeyId": get("key_id"), "DeletionDate": get("deletion_date")},
    ),
    "CancelKeyDeletion": Operation("CancelKeyDeletion", (_KEY, *_MEMBER), {"KeyId": get("key_id")}),
    "ArchiveKey": Operation("ArchiveKey", (_ONE_KEY, *_MEMBER)),
    "CancelKeyArchive": Operation("CancelKeyArchive", (_ONE_KEY, *_MEMBER)),
    "EnableKeyRotation": Operation(
        "UpdateRotationPolicy",
        (
            _KEY,
            In("RotateDays", "seconds", fields.days),
            *_MEMBER,
        ),
        constant={"enabled": True},
    ),
    "DisableKeyRotation": Operation("UpdateRotationPolicy", (_KEY, *_MEMBER), constant={"enabled": False}),
    "GetKeyRotationStatus": Operation(
        "DescribeKey",
        (_ONE_KEY, *_MEMBER),
        {"KeyRotationEnabled": lambda result, _view: result["keys"][0]["rotation_seconds"] > 0},
    ),
    "RotateKey": Operation("CreateKeyVersion", (_KEY, *_MEMBER), {"TaskId": get("key_version_id")}),
    "GetParametersForImport": Operation(
        "GetParametersForImport",
        (
            _KEY,
            In("WrappingAlgorithm", "wrapping_algorithm", fields.WRAPPING, required=True),
            In("WrappingKeySpec", "wrapping_key_spec", codecs.algorithm(codecs.same("RSA_2048"), "SM2"), required=True),
        ),
        {
            "KeyId": get("key_id"),
            "ImportToken": get("token"),
            "PublicKey": get("public_key"),
            "ParametersValidTo": get("expires"),
        },
    ),
    "ImportKeyMaterial": Operation(
        "ImportKeyMaterial",
        (
            _KEY,
            In("EncryptedKeyMaterial", "wrapped", codecs.base64_text(e.InvalidKeyMaterial), required=True),
            In("ImportToken", "token", codecs.base64_text(e.InvalidImportToken), required=True),
            In("ValidTo", "expires", codecs.integer(0, 10**10 - 1)),
        ),
    ),
    "DeleteImportedKeyMaterial": Operation("DeleteKeyMaterial", (_KEY,)),
    "GetPublicKey": Operation(
        "GetPublicKey",
        (_KEY,),
        {"KeyId": get("key_id"), "PublicKey": get("der"), "PublicKeyPem": get("pem")},
    ),
    "AsymmetricRsaDecrypt": Operation(
        "AsymmetricDecrypt",
        (
            _KEY,
            In("Ciphertext", "ciphertext", codecs.ciphertext, required=True),
            In("Algorithm", "algorithm", codecs.choice(fields.ENCRYPTIONS), required=True),
        ),
        {"KeyId": get("key_id"), "Plaintext": get("plaintext")},
    ),
    "SignByAsymmetricKey": Operation(
        "AsymmetricSign", (_KEY, _SIGNING, *_SIGNED), {"Signature": get("signature")}, constant={"raw": True}
    ),
    "VerifyByAsymmetricKey": Operation(
        "AsymmetricVerify",
        (_KEY, _SIGNING, *_SIGNED, In("SignatureValue", "signature", codecs.binary, required=True)),
        {"SignatureValid": get("valid")},
        constant={"raw": True},
    ),
    "GetServiceStatus": Operation(
        "DescribeService",
        (),
        {
            "ServiceEnabled": const(True),
            "InvalidType": const(0),
            "UserLevel": const(0),
            "ExclusiveVSMEnabled": const(False),
            "ExclusiveHSMEnabled": const(False),
            "CmkUserCount": get("key_count"),
            "IsAllowedDataKeyHosted": const(False),
            "IsAllowedSync": const(False),
        },
        constant={"count": True},
    ),
    "GetRegions": Operation("DescribeService", (), {"Regions": lambda _result, view: view.site.regions}),
    "ListAlgorithms": Operation(
        "DescribeService",
        (),
        {
            "SymmetricAlgorithms": fields.pairs(("ENCRYPT_DECRYPT", "AES_256")),
            "AsymmetricAlgorithms": fields.pairs(
                *(("ASYMMETRIC_DECRYPT_RSA_2048", name) for name in fields.ENCRYPTIONS)
            ),
            "AsymmetricSignVerifyAlgorithms": fields.pairs(
                *((usage, name) for usage, names in fields.SIGNING_OF.items() for name in names)
            ),
        },
    ),
}

_LEFT_OUT = {
    "keys are not bound to cloud products here": "BindCloudResource UnbindCloudResource",
    "data keys are not kept: GenerateDataKey hands them out sealed": (
        "CancelDataKeyDeletion DescribeDataKey DescribeDataKeys DisableDataKey DisableDataKeys EnableDataKey"
        " EnableDataKeys GetDataKeyCiphertextBlob GetDataKeyPlaintext ImportDataKey ListDataKeyDetail ListDataKeys"
        " ScheduleDataKeyDeletion UpdateDataKeyDescription UpdateDataKeyName"
    ),
    "white-box cryptography is another product": (
        "CreateWhiteBoxKey DeleteWhiteBoxKey DescribeWhiteBoxDecryptKey DescribeWhiteBoxDeviceFingerprints"
        " DescribeWhiteBoxKey DescribeWhiteBoxKeyDetails DescribeWhiteBoxServiceStatus DisableWhiteBoxKey"
        " DisableWhiteBoxKeys EnableWhiteBoxKey EnableWhiteBoxKeys EncryptByWhiteBox"
        " OverwriteWhiteBoxDeviceFingerprints"
    ),
    codecs.SM2_REASON[:-1]: "AsymmetricSm2Decrypt",
    "the provider's post-quantum operations are not documented well enough to serve": (
        "PostQuantumCryptoDecrypt PostQuantumCryptoEncrypt PostQuantumCryptoSign PostQuantumCryptoVerify"
    ),
}
UNSUPPORTED = {name: reason for reason, names in _LEFT_OUT.items() for name in names.split()}
