"""Alibaba Cloud KMS, API version 2016-01-20 (contract: PROTOCOL 1 and 2, SEMANTICS)."""

from __future__ import annotations

import base64
import re
import time
from collections.abc import Mapping
from typing import Any, NamedTuple
from xml.sax.saxutils import escape

import msgspec

from tenantkms import errors as e
from tenantkms.model.alias import ALIAS_PREFIX
from tenantkms.model.profiles import DAY, PROFILES
from tenantkms.model.specs import KeySpec, KeyUsage, Origin
from tenantkms.model.states import KeyState
from tenantkms.wire import codecs
from tenantkms.wire.http import Request, Response, merge, nest, parse_form, parse_json, parse_pairs
from tenantkms.wire.signing import Scheme
from tenantkms.wire.translate import (
    SPREAD,
    Dialect,
    In,
    Operation,
    Out,
    View,
    const,
    each,
    first,
    get,
    listed,
    one,
    refused,
)

NAME = "alibaba"
VERSION = "2016-01-20"
_FORM = "application/x-www-form-urlencoded"
_CONTEXTS = frozenset({"EncryptionContext", "SourceEncryptionContext", "DestinationEncryptionContext"})
_LISTS = frozenset({"ResourceId", "Tag", "TagKey"})

SPECS = {
    "Aliyun_AES_256": KeySpec.AES_256,
    "Aliyun_SM4": KeySpec.SM4,
    **{str(spec): spec for spec in KeySpec if spec not in (KeySpec.AES_256, KeySpec.SM4)},
}
USAGES = {
    "ENCRYPT/DECRYPT": KeyUsage.ENCRYPT_DECRYPT,
    "SIGN/VERIFY": KeyUsage.SIGN_VERIFY,
    "GENERATE/VERIFY/MAC": KeyUsage.GENERATE_VERIFY_MAC,
}
STATES = {str(s): s for s in (KeyState.ENABLED, KeyState.DISABLED, KeyState.PENDING_DELETION, KeyState.PENDING_IMPORT)}
ORIGINS = {"Aliyun_KMS": Origin.KMS, "EXTERNAL": Origin.EXTERNAL}
_SPEC_NAMES = {spec: name for name, spec in SPECS.items()}
_USAGE_NAMES = {usage: name for name, usage in USAGES.items()}
_ORIGIN_NAMES = {origin: name for name, origin in ORIGINS.items()}
# Archived is Tencent's: to Alibaba's clients such a key looks like one that may not be used.
_STATE_NAMES = {**{s: str(s) for s in KeyState}, KeyState.ARCHIVED: "Disabled"}


# -- codecs --------------------------------------------------------------------------------------------

_ARN = re.compile(r"acs:kms:[a-z0-9-]*:[0-9]*:(?:key/(?P<key>.+)|(?P<alias>alias/.+))")
_OPAQUE = re.compile(r"[A-Za-z0-9_-]{1,128}")
_ALIAS = re.compile(r"alias/(?!acs)[A-Za-z0-9_/-]{1,255}")


def _key(wire: str, value: Any) -> str:
    """A CMK's id, an alias, or the ARN of either."""
    if not isinstance(value, str):
        raise e.InvalidParameter(f"{wire} is not a string.")
    arn = _ARN.fullmatch(value)
    ref: str = (arn["key"] or arn["alias"]) if arn else value
    if ref.startswith(ALIAS_PREFIX):
        if not _ALIAS.fullmatch(ref):
            raise e.AliasNotFound
        return ref
    try:
        return codecs.key_id(wire, ref)
    except e.InvalidKeyId:
        if _OPAQUE.fullmatch(ref):
            raise e.KeyNotFound from None  # the provider's own ids have other forms too
        raise e.InvalidParameter(f"{wire} is not a key id, an alias or an ARN.") from None


def _keys(wire: str, value: Any) -> list[str]:
    return [_key(wire, value)]


def _alias(wire: str, value: Any) -> str:
    if not isinstance(value, str) or not _ALIAS.fullmatch(value):
        raise e.InvalidAlias(
            f"{wire} is 'alias/' and 1 to 255 letters, digits, '-', '_' and '/', and does not begin with 'alias/acs'."
        )
    return value.removeprefix(ALIAS_PREFIX)


def _filters(wire: str, value: Any) -> dict[str, Any]:
    """`[{"Key": .., "Values": [..]}]`, at most 10: values are alternatives, keys must all match."""
    try:
        rows = msgspec.convert(parse_json(value), list[_Filter])
    except (e.MalformedRequest, msgspec.ValidationError, TypeError):
        raise e.InvalidParameter(f"{wire} is not the JSON text of a list of Key and Values.") from None
    names = [row.Key.lower() for row in rows]
    if len(rows) > 10 or len(set(names)) != len(names):
        raise e.InvalidParameter(f"{wire} has at most 10 rows, each Key once.")
    asked = {row.Key.lower(): row.Values for row in rows}
    where: dict[str, Any] = {}
    for name, values in asked.items():
        if name in _FILTER_ENUMS:
            field, table = _FILTER_ENUMS[name]
            where[field] = [table[v] for v in values if v in table]
        elif name in _FILTER_CONSTANTS:
            if _FILTER_CONSTANTS[name] not in values:
                where["ids"] = []
        elif name == "keyid":
            where["ids"] = values
        elif name == "creator":
            where["creators"] = values
        elif name == "aliasname":
            where["aliases"] = [v.removeprefix(ALIAS_PREFIX) for v in values]
        elif name not in ("tagkey", "tagvalue"):
            raise e.InvalidParameter(f"{wire}: the Key {name[:64]!r} is not known.")
    if "tagkey" in asked or "tagvalue" in asked:
        where["tags"] = [[asked.get("tagkey", []), asked.get("tagvalue", [])]]
    return where


class _Filter(msgspec.Struct, forbid_unknown_fields=True):
    Key: str
    Values: list[str]


msgspec.json.Decoder(_Filter)  # built on import, not by the first request: see action.prepare


_FILTER_ENUMS: dict[str, tuple[str, Mapping[str, str]]] = {
    "keystate": ("states", STATES),
    "keyspec": ("specs", SPECS),
    "keyusage": ("usages", USAGES),
}
_FILTER_CONSTANTS = {"protectionlevel": "SOFTWARE", "creatortype": "User", "dkmsinstanceid": ""}


_INTERVAL = re.compile(r"([0-9]{1,9})([dhms])")
_SECONDS = {"d": DAY, "h": 3_600, "m": 60, "s": 1}


def _interval(wire: str, value: Any) -> int:
    """A number and its unit: `365d`, `8760h`."""
    match = _INTERVAL.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise e.InvalidParameter(f"{wire} is a number and one of the units d, h, m, s.")
    return int(match[1]) * _SECONDS[match[2]]


def _spec(wire: str, value: Any) -> KeySpec:
    if value == "EC_SM2":
        raise e.UnsupportedKeySpec(f"{wire} EC_SM2 is not supported here: {codecs.SM2_REASON}")
    spec: KeySpec = codecs.choice(SPECS, e.UnsupportedKeySpec)(wire, value)
    return spec


def _resource_ids(wire: str, value: Any) -> list[str]:
    if not isinstance(value, list) or not 1 <= len(value) <= 50:
        raise e.InvalidParameter(f"{wire} is a list of 1 to 50 key ids: {wire}.1, {wire}.2 and so on.")
    if len(set(value)) != len(value):
        raise e.InvalidParameter(f"{wire} names a key twice.")
    try:
        return [_key(wire, item) for item in value]
    except e.KeyNotFound:
        raise e.ResourceNotFound from None


def _tag_list(wire: str, value: Any) -> list[tuple[str, str]]:
    """`Tag.N.Key` and `Tag.N.Value`, each key once."""
    if not isinstance(value, list) or not 1 <= len(value) <= 20:
        raise e.InvalidParameter(f"{wire} is a list of 1 to 20 tags.")
    pairs: list[tuple[str, str]] = []
    for item in value:
        if not isinstance(item, dict) or not item.keys() <= {"Key", "Value"} or not item.get("Key"):
            raise e.InvalidParameter(f"{wire}: a tag has a Key and a Value.")
        pairs.append((codecs.text(wire, item["Key"]), codecs.text(wire, item.get("Value", ""))))
    if len({name for name, _ in pairs}) != len(pairs):
        raise e.InvalidParameter(f"{wire} names a Key twice.")
    return pairs


def _tag_map(wire: str, value: Any) -> dict[str, str]:
    return dict(_tag_list(wire, value))


def _tag_filter(wire: str, value: Any) -> list[tuple[str, list[str]]]:
    return [(name, [content] if content else []) for name, content in _tag_list(wire, value)]


def _tag_keys(wire: str, value: Any) -> list[str]:
    """A JSON array of names, or names joined by commas: both are documented."""
    text = codecs.text(wire, value)
    if not text.startswith("["):
        return [name.strip() for name in text.split(",")]
    try:
        return msgspec.convert(parse_json(text), list[str])
    except (e.MalformedRequest, msgspec.ValidationError):
        raise e.InvalidParameter(f"{wire} is not the JSON text of a list of names.") from None


def _names(wire: str, value: Any) -> list[str]:
    if not isinstance(value, list) or len(value) > 20:
        raise e.InvalidParameter(f"{wire} is a list of at most 20 names.")
    return [codecs.text(wire, item) for item in value]


# -- leaves --------------------------------------------------------------------------------------------


def _iso(name: str) -> Out:
    """Unix seconds as ISO 8601 in UTC; empty for 0, which is never."""

    def leaf(result: Mapping[str, Any], _view: View) -> str:
        return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(result[name])) if result[name] else ""

    return leaf


def _automatic_rotation(result: Mapping[str, Any], _view: View) -> str:
    if not result["rotation_seconds"]:
        return "Disabled"
    return "Enabled" if result["state"] == KeyState.ENABLED else "Suspended"


def _arn(kind: str, name: str) -> Out:
    return lambda result, view: f"acs:kms:{view.site.region}:{view.site.account}:{kind}/{result[name]}"


def _plaintext(result: Mapping[str, Any], _view: View) -> str:
    """The string that was encrypted: base64 of bytes, or the text itself."""
    value: str = result["plaintext"]
    return base64.b64decode(value).decode("utf-8") if result["text"] else value


_METADATA: Mapping[str, Out] = {
    "Arn": _arn("key", "id"),
    "AutomaticRotation": _automatic_rotation,
    "CreationDate": _iso("created"),
    "Creator": get("creator"),
    "DeleteDate": _iso("deletion_date"),
    "DeletionProtection": lambda result, _view: "Enabled" if result["deletion_protection"] else "Disabled",
    "DeletionProtectionDescription": get("protection_description"),
    "Description": get("description"),
    "KeyId": get("id"),
    "KeySpec": listed("spec", _SPEC_NAMES),
    "KeyState": listed("state", _STATE_NAMES),
    "KeyUsage": listed("usage", _USAGE_NAMES),
    "LastRotationDate": lambda result, view: _iso("last_rotation" if result["last_rotation"] else "created")(
        result, view
    ),
    "MaterialExpireTime": _iso("material_expires"),
    "NextRotationDate": _iso("next_rotation"),
    "Origin": listed("origin", _ORIGIN_NAMES),
    "PrimaryKeyVersion": get("primary_version_id"),
    "ProtectionLevel": const("SOFTWARE"),
    "RotationInterval": lambda result, _view: f"{n}s" if (n := result["rotation_seconds"]) else "",
}
_VERSION: Mapping[str, Out] = {
    "KeyId": get("key_id"),
    "KeyVersionId": get("key_version_id"),
    "CreationDate": _iso("created"),
}
_USED: Mapping[str, Out] = {"KeyId": get("key_id"), "KeyVersionId": get("key_version_id")}
_CREATED = {name: leaf for name, leaf in _METADATA.items() if not name.startswith("DeletionProtection")}
_ALIAS_ROW: Mapping[str, Out] = {
    "AliasName": lambda result, _view: ALIAS_PREFIX + result["name"],
    "AliasArn": _arn("alias", "name"),
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


# -- operations ----------------------------------------------------------------------------------------

_LIMIT = PROFILES[NAME].context_limit
_KEY = In("KeyId", "key_id", _key, required=True)
_ONE_KEY = In("KeyId", "key_ids", _keys, required=True)
_ALIAS_NAME = In("AliasName", "alias", _alias, required=True)
_CONTEXT = In("EncryptionContext", "context", codecs.context(_LIMIT))
_DRY_RUN = In("DryRun", "@dry_run", codecs.boolean)
_RECIPIENT = refused("Recipient")
_CIPHERTEXT = In("CiphertextBlob", "ciphertext", codecs.ciphertext, required=True)
_DATA_KEY = (
    _KEY,
    In("KeySpec", "key_spec", codecs.text),
    In("NumberOfBytes", "number_of_bytes", codecs.integer(1, 1024)),
    _CONTEXT,
    _DRY_RUN,
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
_WRAPPING = codecs.algorithm(codecs.same("RSAES_PKCS1_V1_5", "RSAES_OAEP_SHA_1", "RSAES_OAEP_SHA_256"), "SM2PKE")
_WRAPPING_SPEC = codecs.algorithm(codecs.same("RSA_2048"), "EC_SM2")
_WRAP = (
    In("PublicKeyBlob", "+receiver", lambda wire, value: {"public_key": codecs.binary(wire, value)}, required=True),
    In("WrappingAlgorithm", "+receiver", lambda wire, value: {"algorithm": _WRAPPING(wire, value)}, required=True),
    In("WrappingKeySpec", SPREAD, codecs.choice({"RSA_2048": {}}, e.UnsupportedParameter), required=True),
)
_DIGEST = In("Digest", "message", codecs.binary, required=True)
_MESSAGE = In("Message", "message", codecs.binary, required=True)
_RESOURCE_IDS = In("ResourceId", "key_ids", _resource_ids, required=True)
_RESOURCE_TYPE = In("ResourceType", SPREAD, codecs.choice({"key": {}}, e.UnsupportedParameter), required=True)
_POLICY_NAME = In("PolicyName", SPREAD, codecs.choice({"default": {}}))

OPERATIONS: dict[str, Operation] = {
    "Encrypt": Operation(
        "Encrypt",
        (_KEY, In("Plaintext", SPREAD, codecs.string_plaintext, required=True), _CONTEXT, _DRY_RUN),
        _BLOB,
    ),
    "Decrypt": Operation(
        "Decrypt",
        (_CIPHERTEXT, _CONTEXT, _DRY_RUN, *_RECIPIENT),
        {"KeyId": get("key_id"), "KeyVersionId": get("key_version_id"), "Plaintext": _plaintext},
    ),
    "ReEncrypt": Operation(
        "ReEncrypt",
        (
            _CIPHERTEXT,
            In("DestinationKeyId", "destination_key_id", _key, required=True),
            In("SourceEncryptionContext", "source_context", codecs.context(_LIMIT)),
            In("DestinationEncryptionContext", "destination_context", codecs.context(_LIMIT)),
            _DRY_RUN,
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
            In("KeySpec", "spec", _spec),
            In("KeyUsage", "usage", codecs.choice(USAGES)),
            In("Tags", "tags", codecs.json_tags),
            In("Origin", "origin", codecs.choice(ORIGINS)),
            In("EnableAutomaticRotation", "rotate", codecs.boolean),
            In("RotationInterval", "rotation_seconds", _interval),
            In("Policy", "policy", codecs.text),
            In("ProtectionLevel", SPREAD, codecs.choice({"SOFTWARE": {}}, e.UnsupportedParameter)),
            *refused("DKMSInstanceId", "KeyStorageMechanism"),
        ),
        {"KeyMetadata": one("key", _CREATED)},
    ),
    "DescribeKey": Operation("DescribeKey", (_ONE_KEY,), {"KeyMetadata": first("keys", _METADATA)}),
    "ListKeys": Operation(
        "ListKeys",
        (*_PAGES, In("Filters", "where", _filters)),
        {"Keys": {"Key": each("keys", {"KeyId": get("id"), "KeyArn": _arn("key", "id")})}, **_PAGE},
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
            In("KeyId", "key_id", _key),
            In("ProtectedResourceArn", "key_id", _key),
            In("EnableDeletionProtection", "enabled", codecs.boolean, required=True),
            In("DeletionProtectionDescription", "description", codecs.text),
            *refused("KmsInstanceId"),
        ),
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
            In("RotationInterval", "seconds", _interval),
        ),
    ),
    "GetParametersForImport": Operation(
        "GetParametersForImport",
        (
            _KEY,
            In("WrappingAlgorithm", "wrapping_algorithm", _WRAPPING, required=True),
            In("WrappingKeySpec", "wrapping_key_spec", _WRAPPING_SPEC, required=True),
        ),
        {
            "KeyId": get("key_id"),
            "PublicKey": get("public_key"),
            "ImportToken": get("token"),
            "TokenExpireTime": _iso("expires"),
        },
    ),
    "ImportKeyMaterial": Operation(
        "ImportKeyMaterial",
        (
            _KEY,
            In("EncryptedKeyMaterial", "encrypted", codecs.base64_text(e.InvalidKeyMaterial), required=True),
            In("ImportToken", "token", codecs.base64_text(e.InvalidImportToken), required=True),
            In("KeyMaterialExpireUnix", "expires", codecs.integer(0, 10**10 - 1), required=True),
        ),
    ),
    "DeleteKeyMaterial": Operation("DeleteKeyMaterial", (_KEY,)),
    "GetPublicKey": Operation("GetPublicKey", (_KEY, _VERSION_ID, _DRY_RUN), {**_USED, "PublicKey": get("pem")}),
    "AsymmetricEncrypt": Operation(
        "AsymmetricEncrypt",
        (_KEY, _VERSION_ID, _ENCRYPTION, In("Plaintext", "plaintext", codecs.plaintext, required=True), _DRY_RUN),
        _BLOB,
    ),
    "AsymmetricDecrypt": Operation(
        "AsymmetricDecrypt",
        (_KEY, _VERSION_ID, _ENCRYPTION, _CIPHERTEXT, _DRY_RUN, *_RECIPIENT),
        {**_USED, "Plaintext": get("plaintext")},
    ),
    "AsymmetricSign": Operation(
        "AsymmetricSign",
        (_KEY, _VERSION_ID, _SIGNING, _DIGEST, _DRY_RUN),
        {**_USED, "Value": get("signature")},
    ),
    "AsymmetricVerify": Operation(
        "AsymmetricVerify",
        (_KEY, _VERSION_ID, _SIGNING, _DIGEST, In("Value", "signature", codecs.binary, required=True), _DRY_RUN),
        {**_USED, "Value": get("valid")},
    ),
    "GenerateMac": Operation(
        "GenerateMac",
        (_KEY, _MAC_ALGORITHM, _MESSAGE, _DRY_RUN),
        {"KeyId": get("key_id"), "Algorithm": get("algorithm"), "Mac": get("mac")},
    ),
    "VerifyMac": Operation(
        "VerifyMac",
        (_KEY, _MAC_ALGORITHM, _MESSAGE, In("Mac", "mac", codecs.binary, required=True), _DRY_RUN),
        {"KeyId": get("key_id"), "Algorithm": get("algorithm"), "Value": get("valid")},
    ),
    "ExportDataKey": Operation(
        "ExportDataKey",
        (_CIPHERTEXT, _CONTEXT, *_WRAP, _DRY_RUN),
        {**_USED, "ExportedDataKey": get("exported")},
    ),
    "GenerateAndExportDataKey": Operation(
        "GenerateAndExportDataKey",
        (*_DATA_KEY, *_WRAP),
        {**_BLOB, "ExportedDataKey": get("exported")},
    ),
    "TagResource": Operation(
        "TagResources",
        (_ONE_KEY, In("Tags", "tags", codecs.json_tags, required=True), *refused("CertificateId", "SecretName")),
    ),
    "UntagResource": Operation(
        "UntagResources",
        (_ONE_KEY, In("TagKeys", "names", _tag_keys, required=True), *refused("CertificateId", "SecretName")),
    ),
    "ListResourceTags": Operation(
        "ListTagResources",
        (_ONE_KEY,),
        {"Tags": {"Tag": each("rows", {"KeyId": get("key_id"), "TagKey": get("name"), "TagValue": get("value")})}},
    ),
    "TagResources": Operation(
        "TagResources", (_RESOURCE_IDS, _RESOURCE_TYPE, In("Tag", "tags", _tag_map, required=True))
    ),
    "UntagResources": Operation(
        "UntagResources",
        (_RESOURCE_IDS, _RESOURCE_TYPE, In("TagKey", "names", _names), In("All", "all", codecs.boolean)),
    ),
    "ListTagResources": Operation(
        "ListTagResources",
        (
            In("ResourceId", "key_ids", _resource_ids),
            _RESOURCE_TYPE,
            In("Tag", "tags", _tag_filter),
            In("NextToken", "start", codecs.integer(0, 10**9)),
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
            "NextToken": lambda result, _view: str(result["next"]) if result["next"] else "",
        },
    ),
    "GetKeyPolicy": Operation("GetKeyPolicy", (_KEY, _POLICY_NAME), {"Policy": get("policy")}),
    "SetKeyPolicy": Operation("SetKeyPolicy", (_KEY, In("Policy", "policy", codecs.text, required=True), _POLICY_NAME)),
    "OpenKmsService": Operation("DescribeService"),
    "DescribeAccountKmsStatus": Operation("DescribeService", (), {"AccountStatus": const("Enabled")}),
    "DescribeRegions": Operation(
        "DescribeService", (), {"Regions": {"Region": lambda _result, view: [{"RegionId": view.site.region}]}}
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


# -- errors --------------------------------------------------------------------------------------------


class Row(NamedTuple):
    """HTTP status, Code, and Message; None: the domain error's own message."""

    status: int
    code: str
    text: str | None = None


ERRORS: dict[type[e.KmsError], Row] = {
    e.MalformedRequest: Row(400, "ParseRequestParameterException"),
    e.RequestTooLarge: Row(400, "ParseRequestParameterException"),
    e.UnsupportedMethod: Row(403, "UnsupportedHTTPMethod"),
    e.UnknownAction: Row(
        404, "InvalidAction.NotFound", "Specified api is not found: check the Action and the Version."
    ),
    e.UnsupportedAction: Row(400, "UnsupportedOperation"),
    e.UnknownVersion: Row(400, "InvalidVersion", "The Version must be 2016-01-20."),
    e.MissingParameter: Row(400, "MissingParameter"),
    e.InvalidParameter: Row(400, "InvalidParameter"),
    e.UnknownParameter: Row(400, "InvalidParameter"),
    e.UnsupportedParameter: Row(400, "UnsupportedOperation"),
    e.InvalidPlaintext: Row(400, "InvalidParameter"),
    e.PlaintextTooLong: Row(400, "InvalidParameter"),
    e.InvalidContext: Row(400, "InvalidParameter"),
    e.MalformedCiphertext: Row(400, "InvalidParameter"),
    e.InvalidCiphertext: Row(400, "InvalidParameter"),
    e.InvalidAlias: Row(400, "InvalidParameter"),
    e.InvalidKeyId: Row(400, "InvalidParameter"),
    e.InvalidPolicy: Row(400, "InvalidParameter"),
    e.InvalidPendingWindow: Row(400, "InvalidParameter"),
    e.InvalidImportToken: Row(400, "InvalidImportToken"),
    e.ExpiredImportToken: Row(400, "ExpiredImportToken"),
    e.InvalidKeyMaterial: Row(400, "InvalidKeyMaterial"),
    e.MaterialMismatch: Row(400, "InvalidKeyMaterial"),
    e.Unsigned: Row(400, "IncompleteSignature"),
    e.UnsupportedSignature: Row(400, "InvalidSignatureMethod"),
    e.UnknownAccessKey: Row(404, "InvalidAccessKeyId.NotFound", "Specified access key is not found."),
    e.CredentialDisabled: Row(400, "InvalidAccessKeyId.Inactive", "Specified access key is disabled."),
    # The classic Python SDK looks for a colon in this message and fails without one.
    e.SignatureMismatch: Row(
        400,
        "SignatureDoesNotMatch",
        "Specified signature is not matched with our calculation: check the secret, the host name and any proxy.",
    ),
    e.RequestExpired: Row(400, "InvalidTimeStamp.Expired", "Specified time stamp or date value is expired."),
    e.NonceReused: Row(400, "SignatureNonceUsed", "Specified signature nonce was used already."),
    e.InvalidSecurityToken: Row(400, "InvalidSecurityToken.MismatchWithAccessKey"),
    e.AccessDenied: Row(403, "Forbidden.NoPermission"),
    e.KeyNotFound: Row(404, "Forbidden.KeyNotFound", "The specified Key is not found."),
    e.AliasNotFound: Row(404, "Forbidden.AliasNotFound", "The specified Alias is not found."),
    e.AliasExists: Row(400, "AliasAlreadyExists", "The specified Alias already exists."),
    e.KeyVersionNotFound: Row(404, "Forbidden.KeyVersionNotFound"),
    e.ResourceNotFound: Row(404, "InvalidResourceId.NotFound"),
    e.LimitExceeded: Row(400, "Rejected.LimitExceeded"),
    e.KeyDisabled: Row(409, "Rejected.Disabled", "The request was rejected because the key state is Disabled."),
    e.KeyPendingDeletion: Row(
        409, "Rejected.PendingDeletion", "The request was rejected because the key state is PendingDeletion."
    ),
    e.KeyPendingImport: Row(
        409, "Rejected.PendingImport", "The request was rejected because the key state is PendingImport."
    ),
    e.KeyArchived: Row(409, "Rejected.Unavailable"),
    e.StateConflict: Row(
        409,
        "Rejected.StateModifiedFailed",
        "The request was rejected because the key's state does not allow the change.",
    ),
    e.KeyNotDisabled: Row(409, "Rejected.Enabled"),
    e.KeyNotPendingDeletion: Row(409, "Rejected.StateModifiedFailed"),
    e.DeletionProtected: Row(409, "Rejected.ResourceInUse"),
    e.ExternalOrigin: Row(400, "Unsupported.Origin"),
    e.NotExternal: Row(400, "Unsupported.Origin"),
    e.RotationUnsupported: Row(400, "Rejected.UnsupportedOperation"),
    e.RotationTooSoon: Row(400, "Rejected.LimitExceeded"),
    e.InvalidKeyUsage: Row(400, "Rejected.UnsupportedOperation"),
    e.UnsupportedKeySpec: Row(400, "UnsupportedOperation"),
    e.DryRunSucceeded: Row(
        400, "DryRunOperationError", "The request would have succeeded, but the DryRun flag is set."
    ),
    e.Conflict: Row(503, "ServiceUnavailableTemporary"),
    e.Throttled: Row(429, "Throttling.User"),
    e.Unavailable: Row(503, "ServiceUnavailableTemporary"),
    e.Internal: Row(500, "InternalFailure"),
}
_DRY_RUN_CODES = {
    "Forbidden.NoPermission": Row(403, "AccessDeniedError"),
    "MissingParameter": Row(400, "ValidationError"),
    "InvalidParameter": Row(400, "ValidationError"),
}


# -- the protocol --------------------------------------------------------------------------------------


def _flat(request: Request, _scheme: Scheme) -> dict[str, str]:
    if request.method not in ("GET", "POST"):
        raise e.UnsupportedMethod
    query = parse_pairs(request.query)
    if not request.body:
        return query
    if request.media_type != _FORM:
        raise e.MalformedRequest(f"A body must have the Content-Type {_FORM}.")
    return merge(query, parse_form(request.body))


def _parse(request: Request, scheme: Scheme, flat: dict[str, str]) -> tuple[str, dict[str, Any]]:
    # What is signed decides; the other place, which proxies and tools read, may not say otherwise.
    headed = request.header("x-acs-action"), request.header("x-acs-version")
    given = flat.get("Action", ""), flat.get("Version", "")
    action, version = headed if scheme.name == "alibaba-acs" else given
    if headed != given and any(a and b and a != b for a, b in zip(headed, given, strict=True)):
        raise e.MalformedRequest("The Action or Version of the headers and of the parameters differ.")
    if not action:
        raise e.MissingParameter("Action is required.")
    if version != VERSION:
        raise e.UnknownVersion
    if "." not in "".join(flat):
        return action, dict(flat)
    contexts: dict[str, dict[str, str]] = {}
    rest: dict[str, str] = {}
    for name, value in flat.items():
        head, dot, key = name.partition(".")
        if dot and head in _CONTEXTS:
            contexts.setdefault(head, {})[key] = value
        else:
            rest[name] = value
    if contexts.keys() & rest.keys():
        raise e.MalformedRequest("An encryption context is given as JSON text and as single parameters.")
    return action, {**nest(rest, first=1, only=_LISTS), **contexts}


def _wants(request: Request, parameter: str) -> bool:
    """Whether a raw parameter, in lower case, is there in any case, even in a request that does not parse."""
    if f"&{parameter}&" in f"&{request.query}&".lower():
        return True
    return request.media_type == _FORM and f"&{parameter}&" in f"&{request.body.decode('latin-1')}&".lower()


_FORMAT_XML = "format=xml"
_DRY = "dryrun=true"


def _xml(name: str, value: Any) -> str:
    if isinstance(value, Mapping):
        return f"<{name}>{''.join(_xml(k, v) for k, v in value.items())}</{name}>"
    if isinstance(value, list):
        return "".join(_xml(name, item) for item in value)
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return f"<{name}>{escape(text)}</{name}>"


_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def _render(request: Request, status: int, body: dict[str, Any]) -> Response:
    if _wants(request, _FORMAT_XML):
        text = _xml("KMS", body)
        if _NOT_XML.search(text):
            raise e.UnsupportedParameter("The answer holds a character that XML cannot carry: use Format=JSON.")
        # A literal carriage return would be read back as a line feed.
        text = '<?xml version="1.0" encoding="UTF-8"?>' + text.replace("\r", "&#13;")
        return Response(status=status, content_type="text/xml;charset=utf-8", body=text)
    return Response(
        status=status, content_type="application/json;charset=utf-8", body=msgspec.json.encode(body).decode()
    )


def _success(request: Request, _action: str, fields: Mapping[str, Any], request_id: str) -> Response:
    return _render(request, 200, {**fields, "RequestId": request_id})


def _failure(request: Request, action: str, error: e.KmsError, request_id: str) -> Response:
    row = ERRORS[e.kind(error)]
    if _wants(request, _DRY) and _DRY_RUN in getattr(OPERATIONS.get(action), "params", ()):
        row = _DRY_RUN_CODES.get(row.code, row)
    body = {
        "RequestId": request_id,
        "HostId": _NOT_XML.sub("", request.header("host")),
        "Code": row.code,
        "Message": _NOT_XML.sub("", row.text or error.message),
    }
    if _wants(request, _FORMAT_XML):
        body["HttpStatus"] = str(row.status)
    headers = {"x-acs-retry-after": "1000"} if isinstance(error, e.Throttled) else {}
    response = _render(request, row.status, body)
    return msgspec.structs.replace(response, headers=headers)


DIALECT = Dialect(
    name=NAME,
    operations=OPERATIONS,
    unsupported=UNSUPPORTED,
    common=frozenset(
        "Action Version Format AccessKeyId Signature SignatureMethod SignatureVersion SignatureNonce SignatureType"
        " Timestamp SecurityToken RegionId".split()
    ),
    flat=_flat,
    parse=_parse,
    errors=ERRORS,
    success=_success,
    failure=_failure,
)
