"""The operations of Alibaba Cloud KMS, 2016-01-20: parameters and answers by table."""

from __future__ import annotations

from collections.abc import Mapping

from tenantkms import errors as e
from tenantkms.model.alias import ALIAS_PREFIX
from tenantkms.model.profiles import PROFILES
from tenantkms.names import ALIBABA
from tenantkms.wire import codecs, places
from tenantkms.wire.dialects.alibaba import fields
from tenantkms.wire.translate import (
    SPREAD,
    In,
    Operation,
    Out,
    call,
    const,
    each,
    first,
    get,
    into,
    listed,
    one,
    one_of,
    refused,
)

_METADATA: Mapping[str, Out] = {
    "Arn": fields.arn("key", "id"),
    "AutomaticRotation": fields.automatic_rotation,
    "CreationDate": fields.iso("created"),
    "Creator": get("creator"),
    "DeleteDate": fields.iso("deletion_date"),
    "DeletionProtection": lambda result, _view: "Enabled" if result["deletion_protection"] else "Disabled",
    "DeletionProtectionDescription": get("protection_description"),
    "Description": get("description"),
    "KeyId": get("id"),
    "KeySpec": listed("spec", fields.SPEC_NAMES),
    "KeyState": listed("state", fields.STATE_NAMES),
    "KeyUsage": listed("usage", fields.USAGE_NAMES),
    "LastRotationDate": lambda result, view: fields.iso("last_rotation" if result["last_rotation"] else "created")(
        result, view
    ),
    "MaterialExpireTime": fields.iso("material_expires"),
    "NextRotationDate": fields.iso("next_rotation"),
    "Origin": listed("origin", fields.ORIGIN_NAMES),
    "PrimaryKeyVersion": get("primary_version_id"),
    "ProtectionLevel": const("SOFTWARE"),
    "RotationInterval": lambda result, _view: f"{n}s" if (n := result["rotation_seconds"]) else "",
}
_VERSION: Mapping[str, Out] = {
    "KeyId": get("key_id"),
    "KeyVersionId": get("key_version_id"),
    "CreationDate": fields.iso("created"),
}
_USED: Mapping[str, Out] = {"KeyId": get("key_id"), "KeyVersionId": get("key_version_id")}
_CREATED = {name: leaf for name, leaf in _METADATA.items() if not name.startswith("DeletionProtection")}
_ALIAS_ROW: Mapping[str, Out] = {
    "AliasName": lambda result, _view: ALIAS_PREFIX + result["name"],
    "AliasArn": fields.arn("alias", "name"),
    "KeyId": get("key_id"),
}
_PAGE: Mapping[str, Out] = {
    "TotalCount": get("total"),
    "PageNumber": lambda result, _view: result["offset"] // result["limit"] + 1,
    "PageSize": get("limit"),
}
_BLOB: Mapping[str, Out] = {
    "KeyId": get("key_id"),
    "KeyVersionId": get("key_version_id"),
    "CiphertextBlob": get("ciphertext"),
}


_LIMIT = PROFILES[ALIBABA].context_limit
_KEY = In("KeyId", "key_id", fields.key, required=True)
_ONE_KEY = In("KeyId", "key_ids", fields.keys, required=True)
_ALIAS_NAME = In("AliasName", "alias", fields.alias, required=True)
_CONTEXT = In("EncryptionContext", "context", codecs.context(_LIMIT))
DRY_RUN = In("DryRun", call("dry_run"), codecs.boolean)
_RECIPIENT = refused("Recipient")
_CIPHERTEXT = In("CiphertextBlob", "ciphertext", codecs.ciphertext, required=True)
_DATA_KEY = (
    _KEY,
    In("KeySpec", "key_spec", codecs.text),
    In("NumberOfBytes", "number_of_bytes", codecs.integer(1, 1024)),
    _CONTEXT,
    DRY_RUN,
)
_PAGES = (
    In("PageNumber", "page", codecs.integer(1, 1_000_000)),
    In("PageSize", "limit", codecs.integer(1, 101)),
)

_VERSION_ID = In("KeyVersionId", "key_version_id", codecs.text, required=True)
_ENCRYPTION = In(
    "Algorithm",
    "algorithm",
    codecs.algorithm(codecs.same("RSAES_OAEP_SHA_256", "RSAES_OAEP_SHA_1"), "SM2PKE"),
    required=True,
)
_SIGNING = In(
    "Algorithm",
    "algorithm",
    codecs.algorithm(codecs.same("RSA_PSS_SHA_256", "RSA_PKCS1_SHA_256", "ECDSA_SHA_256", "ECDSA_SHA_384"), "SM2DSA"),
    required=True,
)
_MAC_ALGORITHM = In(
    "Algorithm",
    "algorithm",
    codecs.algorithm(codecs.same("HMAC_SHA_224", "HMAC_SHA_256", "HMAC_SHA_384", "HMAC_SHA_512"), "HMAC_SM3"),
    required=True,
)
_WRAPPING_SPEC = codecs.algorithm(codecs.same("RSA_2048"), "EC_SM2")
_RECEIVER = (
    In("PublicKeyBlob", into("wrap"), fields.public_key, required=True),
    In("WrappingAlgorithm", into("wrap"), fields.receiving, required=True),
    In("WrappingKeySpec", SPREAD, codecs.choice({"RSA_2048": {}}, e.UnsupportedParameter), required=True),
)
_DIGEST = In("Digest", "message", codecs.binary, required=True)
_MESSAGE = In("Message", "message", codecs.binary, required=True)
_RESOURCE_IDS = In("ResourceId", "key_ids", fields.resource_ids, required=True)
_RESOURCE_TYPE = In("ResourceType", SPREAD, codecs.choice({"key": {}}, e.UnsupportedParameter), required=True)
_POLICY_NAME = In("PolicyName", SPREAD, codecs.choice({"default": {}}))

OPERATIONS: dict[str, Operation] = {
    "Encrypt": Operation(
        "Encrypt",
        (_KEY, In("Plaintext", "string", fields.string, required=True), _CONTEXT, DRY_RUN),
        _BLOB,
    ),
    "Decrypt": Operation(
        "Decrypt",
        (_CIPHERTEXT, _CONTEXT, DRY_RUN, *_RECIPIENT),
        {"KeyId": get("key_id"), "KeyVersionId": get("key_version_id"), "Plaintext": get("plaintext")},
        constant={"as_string": True},
    ),
    "ReEncrypt": Operation(
        "ReEncrypt",
        (
            _CIPHERTEXT,
            In("DestinationKeyId", "destination_key_id", fields.key, required=True),
            In("SourceEncryptionContext", "source_context", codecs.context(_LIMIT)),
            In("DestinationEncryptionContext", "destination_context", codecs.context(_LIMIT)),
            DRY_RUN,
            # They name the source of an asymmetric ciphertext; a symmetric blob names its own.
            *refused("SourceKeyId", "SourceKeyVersionId", "SourceEncryptionAlgorithm"),
        ),
        _BLOB,
    ),
    "GenerateDataKey": Operation(
        "GenerateDataKey", (*_DATA_KEY, *_RECIPIENT), {**_BLOB, "Plaintext": get("plaintext")}
    ),
    "GenerateDataKeyWithoutPlaintext": Operation("GenerateDataKeyWithoutPlaintext", _DATA_KEY, _BLOB),
    "CreateKey": Operation(
        "CreateKey",
        (
            In("Description", "description", codecs.text),
            In("KeySpec", "spec", fields.spec),
            In("KeyUsage", "usage", codecs.choice(fields.USAGES)),
            In("Tags", "tags", codecs.json_tags),
            In("Origin", "origin", codecs.choice(fields.ORIGINS)),
            In("EnableAutomaticRotation", "rotate", codecs.boolean),
            In("RotationInterval", "rotation_seconds", fields.interval),
            In("Policy", "policy", codecs.text),
            In("ProtectionLevel", SPREAD, codecs.choice({"SOFTWARE": {}}, e.UnsupportedParameter)),
            # The vendor's name for it in other services; CreateKey itself has none there.
            In("ClientToken", "client_token", codecs.text),
            *refused("DKMSInstanceId", "KeyStorageMechanism"),
        ),
        {"KeyMetadata": one("key", _CREATED)},
    ),
    "DescribeKey": Operation("DescribeKey", (_ONE_KEY,), {"KeyMetadata": first("keys", _METADATA)}),
    "ListKeys": Operation(
        "ListKeys",
        (*_PAGES, In("Filters", "where", fields.filters)),
        {"Keys": {"Key": each("keys", {"KeyId": get("id"), "KeyArn": fields.arn("key", "id")})}, **_PAGE},
    ),
    "EnableKey": Operation("EnableKey", (_ONE_KEY,)),
    "DisableKey": Operation("DisableKey", (_ONE_KEY,)),
    "UpdateKeyDescription": Operation(
        "UpdateKeyDescription", (_KEY, In("Description", "description", codecs.text, required=True, blank=True))
    ),
    "CreateAlias": Operation("CreateAlias", (_ALIAS_NAME, _KEY)),
    "UpdateAlias": Operation("UpdateAlias", (_ALIAS_NAME, _KEY)),
    "DeleteAlias": Operation("DeleteAlias", (_ALIAS_NAME,)),
    "ListAliases": Operation("ListAliases", _PAGES, {"Aliases": {"Alias": each("aliases", _ALIAS_ROW)}, **_PAGE}),
    "ListAliasesByKeyId": Operation(
        "ListAliases", (_KEY, *_PAGES), {"Aliases": {"Alias": each("aliases", _ALIAS_ROW)}, **_PAGE}
    ),
    "ScheduleKeyDeletion": Operation(
        "ScheduleKeyDeletion", (_KEY, In("PendingWindowInDays", "days", codecs.integer(0, 100_000), required=True))
    ),
    "CancelKeyDeletion": Operation("CancelKeyDeletion", (_KEY,)),
    "SetDeletionProtection": Operation(
        "SetDeletionProtection",
        (
            In("KeyId", "key_id", fields.key),
            In("ProtectedResourceArn", "key_id", fields.key),
            In("EnableDeletionProtection", "enabled", codecs.boolean, required=True),
            In("DeletionProtectionDescription", "description", codecs.text),
            *refused("KmsInstanceId"),
        ),
        rules=(one_of("KeyId", "ProtectedResourceArn", required=True),),
    ),
    "CreateKeyVersion": Operation("CreateKeyVersion", (_KEY,), {"KeyVersion": _VERSION}),
    "ListKeyVersions": Operation(
        "ListKeyVersions", (_KEY, *_PAGES), {"KeyVersions": {"KeyVersion": each("versions", _VERSION)}, **_PAGE}
    ),
    "DescribeKeyVersion": Operation(
        "DescribeKeyVersion",
        (_KEY, In("KeyVersionId", "key_version_id", codecs.text, required=True)),
        {"KeyVersion": one("version", _VERSION)},
    ),
    "UpdateRotationPolicy": Operation(
        "UpdateRotationPolicy",
        (
            _KEY,
            In("EnableAutomaticRotation", "enabled", codecs.boolean, required=True),
            In("RotationInterval", "seconds", fields.interval),
        ),
    ),
    "GetParametersForImport": Operation(
        "GetParametersForImport",
        (
            _KEY,
            In("WrappingAlgorithm", "wrapping_algorithm", fields.WRAPPING, required=True),
            In("WrappingKeySpec", "wrapping_key_spec", _WRAPPING_SPEC, required=True),
        ),
        {
            "KeyId": get("key_id"),
            "PublicKey": get("public_key"),
            "ImportToken": get("token"),
            "TokenExpireTime": fields.iso("expires"),
        },
    ),
    "ImportKeyMaterial": Operation(
        "ImportKeyMaterial",
        (
            _KEY,
            In("EncryptedKeyMaterial", "wrapped", codecs.base64_text(e.InvalidKeyMaterial), required=True),
            In("ImportToken", "token", codecs.base64_text(e.InvalidImportToken), required=True),
            In("KeyMaterialExpireUnix", "expires", codecs.integer(0, 10**10 - 1)),
        ),
    ),
    "DeleteKeyMaterial": Operation("DeleteKeyMaterial", (_KEY,)),
    "GetPublicKey": Operation("GetPublicKey", (_KEY, _VERSION_ID, DRY_RUN), {**_USED, "PublicKey": get("pem")}),
    "AsymmetricEncrypt": Operation(
        "AsymmetricEncrypt",
        (_KEY, _VERSION_ID, _ENCRYPTION, In("Plaintext", "plaintext", codecs.plaintext, required=True), DRY_RUN),
        _BLOB,
    ),
    "AsymmetricDecrypt": Operation(
        "AsymmetricDecrypt",
        (_KEY, _VERSION_ID, _ENCRYPTION, _CIPHERTEXT, DRY_RUN, *_RECIPIENT),
        {**_USED, "Plaintext": get("plaintext")},
    ),
    "AsymmetricSign": Operation(
        "AsymmetricSign",
        (_KEY, _VERSION_ID, _SIGNING, _DIGEST, DRY_RUN),
        {**_USED, "Value": get("signature")},
    ),
    "AsymmetricVerify": Operation(
        "AsymmetricVerify",
        (_KEY, _VERSION_ID, _SIGNING, _DIGEST, In("Value", "signature", codecs.binary, required=True), DRY_RUN),
        {**_USED, "Value": get("valid")},
    ),
    "GenerateMac": Operation(
        "GenerateMac",
        (_KEY, _MAC_ALGORITHM, _MESSAGE, DRY_RUN),
        {"KeyId": get("key_id"), "Algorithm": get("algorithm"), "Mac": get("mac")},
    ),
    "VerifyMac": Operation(
        "VerifyMac",
        (_KEY, _MAC_ALGORITHM, _MESSAGE, In("Mac", "mac", codecs.binary, required=True), DRY_RUN),
        {"KeyId": get("key_id"), "Algorithm": get("algorithm"), "Value": get("valid")},
    ),
    "ExportDataKey": Operation(
        "ExportDataKey",
        (_CIPHERTEXT, _CONTEXT, *_RECEIVER, DRY_RUN),
        {**_USED, "ExportedDataKey": get("exported")},
    ),
    "GenerateAndExportDataKey": Operation(
        "GenerateAndExportDataKey",
        (*_DATA_KEY, *_RECEIVER),
        {**_BLOB, "ExportedDataKey": get("exported")},
    ),
    "TagResource": Operation(
        "TagResources",
        (_ONE_KEY, In("Tags", "tags", codecs.json_tags, required=True), *refused("CertificateId", "SecretName")),
    ),
    "UntagResource": Operation(
        "UntagResources",
        (_ONE_KEY, In("TagKeys", "names", fields.tag_keys, required=True), *refused("CertificateId", "SecretName")),
    ),
    "ListResourceTags": Operation(
        "ListTagResources",
        (_ONE_KEY,),
        {"Tags": {"Tag": each("rows", {"KeyId": get("key_id"), "TagKey": get("name"), "TagValue": get("value")})}},
    ),
    "TagResources": Operation(
        "TagResources", (_RESOURCE_IDS, _RESOURCE_TYPE, In("Tag", "tags", fields.tag_map, required=True))
    ),
    "UntagResources": Operation(
        "UntagResources",
        (_RESOURCE_IDS, _RESOURCE_TYPE, In("TagKey", "names", fields.names), In("All", "all", codecs.boolean)),
    ),
    "ListTagResources": Operation(
        "ListTagResources",
        (
            In("ResourceId", "key_ids", fields.resource_ids),
            _RESOURCE_TYPE,
            In("Tag", "tags", fields.tag_filter),
            In("NextToken", SPREAD, fields.tags_token),
        ),
        {
            "TagResources": {
                "TagResource": each(
                    "rows",
                    {
                        "ResourceId": get("key_id"),
                        "ResourceType": const("key"),
                        "TagKey": get("name"),
                        "TagValue": get("value"),
                    },
                )
            },
            "NextToken": lambda result, _view: places.token("ListTagResources", result["next"]),
        },
    ),
    "GetKeyPolicy": Operation("GetKeyPolicy", (_KEY, _POLICY_NAME), {"Policy": get("policy")}),
    "SetKeyPolicy": Operation("SetKeyPolicy", (_KEY, In("Policy", "policy", codecs.text, required=True), _POLICY_NAME)),
    "OpenKmsService": Operation("DescribeService"),
    "DescribeAccountKmsStatus": Operation("DescribeService", (), {"AccountStatus": const("Enabled")}),
    "DescribeRegions": Operation(
        "DescribeService",
        (),
        {"Regions": {"Region": lambda _result, view: [{"RegionId": region} for region in view.site.regions]}},
    ),
}


_LEFT_OUT = {
    "Secrets Manager is another service: this project manages keys": (
        "BatchGetSecretValue CreateSecret DeleteSecret DescribeSecret GetRandomPassword GetSecretPolicy GetSecretValue"
        " ListSecretVersionIds ListSecrets PutSecretValue RestoreSecret RotateSecret SetSecretPolicy UpdateSecret"
        " UpdateSecretRotationPolicy UpdateSecretVersionStage"
    ),
    "Certificates Manager is another service": (
        "CertificatePrivateKeyDecrypt CertificatePrivateKeySign CertificatePublicKeyEncrypt CertificatePublicKeyVerify"
        " CreateCertificate DeleteCertificate DescribeCertificate GetCertificate UpdateCertificateStatus"
        " UploadCertificate"
    ),
    "there are no KMS instances here: a tenant's deployment is one": (
        "AdvanceEncrypt ConnectKmsInstance GetDefaultKmsInstance GetKmsInstance GetKmsInstanceQuotaInfos"
        " ListKmsInstances ReleaseKmsInstance UpdateKmsInstanceBindVpc"
    ),
    "application access points belong to KMS instances: here access keys have policies": (
        "CreateApplicationAccessPoint CreateClientKey CreateNetworkRule CreatePolicy DeleteApplicationAccessPoint"
        " DeleteClientKey DeleteNetworkRule DeletePolicy DescribeApplicationAccessPoint DescribeNetworkRule"
        " DescribePolicy GetClientKey ListApplicationAccessPoints ListClientKeys ListNetworkRules ListPolicies"
        " UpdateApplicationAccessPoint UpdateNetworkRule UpdatePolicy"
    ),
    "enclave attestation needs the provider's hardware": "GetChallenge",
    "managed data keys belong to KMS instances": "GetManagedDataKey ListManagedDataKeyVersions",
}
UNSUPPORTED = {name: reason for reason, names in _LEFT_OUT.items() for name in names.split()}
