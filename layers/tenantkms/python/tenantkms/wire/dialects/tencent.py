"""Tencent Cloud KMS, API 3.0, version 2019-01-18 (contract: PROTOCOL 3 and 4, SEMANTICS)."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

import msgspec

from tenantkms import errors as e
from tenantkms.model.profiles import DAY, PROFILES
from tenantkms.model.specs import KeySpec, KeyUsage, Origin
from tenantkms.model.states import KeyState
from tenantkms.wire import codecs
from tenantkms.wire.http import Request, Response, nest, parse_form, parse_json_object, parse_pairs
from tenantkms.wire.signing import Scheme
from tenantkms.wire.translate import (
    SPREAD,
    Dialect,
    In,
    Operation,
    Out,
    const,
    each,
    first,
    get,
    listed,
    refused,
)

NAME = "tencent"
VERSION = "2019-01-18"
_FORM = "application/x-www-form-urlencoded"

USAGES = {
    "ENCRYPT_DECRYPT": (KeyUsage.ENCRYPT_DECRYPT, KeySpec.AES_256),
    "ASYMMETRIC_DECRYPT_RSA_2048": (KeyUsage.ENCRYPT_DECRYPT, KeySpec.RSA_2048),
    "ASYMMETRIC_SIGN_VERIFY_RSA_2048": (KeyUsage.SIGN_VERIFY, KeySpec.RSA_2048),
    "ASYMMETRIC_SIGN_VERIFY_ECC": (KeyUsage.SIGN_VERIFY, KeySpec.EC_P256),
    "ASYMMETRIC_SIGN_VERIFY_ECDSA384": (KeyUsage.SIGN_VERIFY, KeySpec.EC_P384),
}
_SM2_USAGES = ("ASYMMETRIC_DECRYPT_SM2", "ASYMMETRIC_SIGN_VERIFY_SM2")
_USAGE_NAMES = {row: name for name, row in USAGES.items()}
_USAGE_NAMES[KeyUsage.ENCRYPT_DECRYPT, KeySpec.SM4] = "ENCRYPT_DECRYPT"
_PREFIXES = {KeyUsage.ENCRYPT_DECRYPT: "ASYMMETRIC_DECRYPT_", KeyUsage.SIGN_VERIFY: "ASYMMETRIC_SIGN_VERIFY_"}
ENCRYPTIONS = codecs.same("RSAES_PKCS1_V1_5", "RSAES_OAEP_SHA_1", "RSAES_OAEP_SHA_256")
SIGNINGS = {
    "RSA_PSS_SHA_256": "RSA_PSS_SHA_256",
    "RSA_PKCS1_SHA_256": "RSA_PKCS1_SHA_256",
    "ECC_P256_R1": "ECDSA_SHA_256",
    "ECC_P384_R1": "ECDSA_SHA_384",
}
_SIGNING_OF = {
    "ASYMMETRIC_SIGN_VERIFY_RSA_2048": ("RSA_PSS_SHA_256", "RSA_PKCS1_SHA_256"),
    "ASYMMETRIC_SIGN_VERIFY_ECC": ("ECC_P256_R1",),
    "ASYMMETRIC_SIGN_VERIFY_ECDSA384": ("ECC_P384_R1",),
}
ORIGINS = {"TENCENT_KMS": Origin.KMS, "EXTERNAL": Origin.EXTERNAL}
_ORIGIN_NAMES = {origin: name for name, origin in ORIGINS.items()}
STATE_NAMES = {**{s: str(s) for s in KeyState}, KeyState.PENDING_DELETION: "PendingDelete"}
_STATES_BY_NUMBER: dict[int, list[KeyState]] = {
    1: [KeyState.ENABLED],
    2: [KeyState.DISABLED],
    3: [KeyState.PENDING_DELETION],
    4: [KeyState.PENDING_IMPORT],
    5: [KeyState.ARCHIVED],
}
_LISTED_STATES = [KeyState.ENABLED, KeyState.DISABLED, KeyState.PENDING_IMPORT]


# -- codecs --------------------------------------------------------------------------------------------

_ALIAS = codecs.alias(
    r"(?!kms-)[A-Za-z0-9][A-Za-z0-9_-]{0,59}",
    "an alias has 1 to 60 letters, digits, '-' and '_', begins with a letter or digit, and not with 'kms-'.",
)


def _zero(wire: str, value: Any) -> dict[str, Any]:
    """A switch of something that is not offered: only off is accepted."""
    if codecs.integer(0, 1)(wire, value):
        raise e.UnsupportedParameter(f"{wire} is not supported here.")
    return {}


def _role(wire: str, value: Any) -> dict[str, Any]:
    """0: keys that the user created, which all are; 1: keys of cloud products, of which there are none."""
    return {} if codecs.integer(0, 1)(wire, value) == 0 else {"ids": []}


def _key_state(wire: str, value: Any) -> dict[str, Any]:
    number = codecs.integer(0, 5)(wire, value)
    return {"states": _STATES_BY_NUMBER[number]} if number else {}


def _usage(wire: str, value: Any) -> dict[str, Any]:
    if value in _SM2_USAGES:
        raise e.UnsupportedKeySpec(f"{wire} {value} is not supported here: {codecs.SM2_REASON}")
    usage, spec = codecs.choice(USAGES, e.InvalidKeyUsage)(wire, value)
    return {"usage": usage, "spec": spec}


def _usage_filter(wire: str, value: Any) -> dict[str, Any]:
    text = codecs.text(wire, value)
    if text == "ALL":
        return {"usages": None, "specs": None}
    if text in _SM2_USAGES:
        return {"ids": []}
    if text not in USAGES:
        raise e.InvalidKeyUsage(f"{wire} is ALL or one of {', '.join(USAGES)}.")
    rows = [row for row, name in _USAGE_NAMES.items() if name == text]
    return {"usages": [usage for usage, _ in rows], "specs": [spec for _, spec in rows]}


def material_type(wire: str, value: Any) -> Origin:
    """1: made here; 2: imported."""
    return (Origin.KMS, Origin.EXTERNAL)[codecs.integer(1, 2)(wire, value) - 1]


def _public_key(wire: str, value: Any) -> dict[str, str]:
    """A PEM text, or what stands between its lines."""
    text = codecs.text(wire, value)
    if text.lstrip().startswith("-----BEGIN"):
        return {"public_key": base64.b64encode(text.encode()).decode()}
    return {"public_key": codecs.binary(wire, "".join(text.split()))}


_WRAPPING = codecs.algorithm(ENCRYPTIONS, "SM2", "SM2_C1C3C2", "SM2_C1C3C2_ASN1")


def _origin(wire: str, value: Any) -> dict[str, Any]:
    return {} if value == "ALL" else {"origins": [codecs.choice(ORIGINS)(wire, value)]}


def _tag_filters(wire: str, value: Any) -> dict[str, Any]:
    try:
        rows = msgspec.convert(value, list[_TagFilter])
    except msgspec.ValidationError:
        raise e.InvalidParameter(f"{wire} is a list of TagKey and a list TagValue.") from None
    return {"tags": [[[row.TagKey], row.TagValue] for row in rows]}


class _TagFilter(msgspec.Struct, forbid_unknown_fields=True):
    TagKey: str
    TagValue: list[str] = []


msgspec.json.Decoder(_TagFilter)  # built on import, not by the first request: see action.prepare


# -- leaves --------------------------------------------------------------------------------------------

_ALIAS_OUT: Out = lambda result, _view: result["aliases"][0] if result["aliases"] else ""  # noqa: E731


def _usage_out(result: Mapping[str, Any], _view: object) -> str:
    """The usage in Tencent's names; for a spec of other vendors a name made in the same way."""
    usage, spec = KeyUsage(result["usage"]), KeySpec(result["spec"])
    return _USAGE_NAMES.get((usage, spec)) or (_PREFIXES[usage] + spec if usage in _PREFIXES else usage)


_METADATA: Mapping[str, Out] = {
    "KeyId": get("id"),
    "Alias": _ALIAS_OUT,
    "CreateTime": get("created"),
    "Description": get("description"),
    "KeyState": listed("state", STATE_NAMES),
    "KeyUsage": _usage_out,
    "Type": const(1),
    "CreatorUin": lambda _result, view: int(view.site.account),
    "KeyRotationEnabled": lambda result, _view: result["rotation_seconds"] > 0,
    "Owner": const("user"),
    "NextRotateTime": get("next_rotation"),
    "DeletionDate": get("deletion_date"),
    "Origin": listed("origin", _ORIGIN_NAMES),
    "ValidTo": get("material_expires"),
    "ResourceId": lambda result, view: f"creatorUin/{view.site.account}/{result['id']}",
    "HsmClusterId": const(""),
    "RotateDays": lambda result, _view: result["rotation_seconds"] // DAY,
    "LastRotateTime": get("last_rotation"),
    "CreatorUinString": lambda _result, view: view.site.account,
}


def _pairs(*rows: tuple[str, str]) -> Out:
    return const([{"KeyUsage": usage, "Algorithm": algorithm} for usage, algorithm in rows])


# -- operations ----------------------------------------------------------------------------------------

_KEY = In("KeyId", "key_id", codecs.key_id, required=True)
_ONE_KEY = In("KeyId", "key_ids", codecs.one_key_id, required=True)
_KEYS = In("KeyIds", "key_ids", codecs.key_ids, required=True)
_MEMBER = refused("MemberAccount")
_HSM = refused("HsmClusterId")
_CONTEXT_CODEC = codecs.context(PROFILES[NAME].context_limit)
_CONTEXT = In("EncryptionContext", "context", _CONTEXT_CODEC)
_WRAP = (
    In("EncryptionPublicKey", "+receiver", _public_key),
    In("EncryptionAlgorithm", "+receiver", lambda wire, value: {"algorithm": _WRAPPING(wire, value)}),
)
_PAGES = (In("Offset", "offset", codecs.integer(0, 10_000_000)), In("Limit", "limit", codecs.integer(1, 200)))

_SIGNING = In("Algorithm", "algorithm", codecs.algorithm(SIGNINGS, "SM2DSA"), required=True)
_MAX_MESSAGE = 4096


def _message(wire: str, value: Any) -> str:
    text: str = codecs.binary(wire, value)
    if len(text) // 4 * 3 - text.count("=") > _MAX_MESSAGE:
        raise e.InvalidParameter(f"{wire} is longer than {_MAX_MESSAGE} bytes.")
    return text


_SIGNED = (
    In("Message", "message", _message, required=True),
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
        (In("CiphertextBlob", "ciphertext", codecs.ciphertext, required=True), _CONTEXT, *_WRAP),
        {"KeyId": get("key_id"), "Plaintext": get("plaintext")},
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
            *_WRAP,
            In("IsHostedByKms", SPREAD, _zero),
            *refused("DataKeyName", "Description", "Tags"),
            *_HSM,
        ),
        {"KeyId": get("key_id"), "Plaintext": get("plaintext"), "CiphertextBlob": get("ciphertext")},
    ),
    "GenerateRandom": Operation(
        "GenerateRandom",
        (In("NumberOfBytes", "number_of_bytes", codecs.integer(1, 1024), required=True),),
        {"Plaintext": get("plaintext")},
    ),
    "CreateKey": Operation(
        "CreateKey",
        (
            In("Alias", "alias", _ALIAS, required=True),
            In("Description", "description", codecs.text),
            In("KeyUsage", SPREAD, _usage),
            In("Type", "origin", material_type),
            In("Tags", "tags", codecs.tags),
            *_HSM,
        ),
        {
            "KeyId": lambda result, _view: result["key"]["id"],
            "Alias": lambda result, view: _ALIAS_OUT(result["key"], view),
            "CreateTime": lambda result, _view: result["key"]["created"],
            "Description": lambda result, _view: result["key"]["description"],
            "KeyState": lambda result, _view: STATE_NAMES[result["key"]["state"]],
            "KeyUsage": lambda result, view: _usage_out(result["key"], view),
            "TagCode": const(0),
            "TagMsg": const(""),
            "HsmClusterId": const(""),
        },
    ),
    "DescribeKey": Operation("DescribeKey", (_ONE_KEY, *_MEMBER), {"KeyMetadata": first("keys", _METADATA)}),
    "DescribeKeys": Operation("DescribeKey", (_KEYS, *_MEMBER), {"KeyMetadatas": each("keys", _METADATA)}),
    "ListKeys": Operation(
        "ListKeys",
        (*_PAGES, In("Role", "+where", _role), *_HSM),
        {"Keys": each("keys", {"KeyId": get("id")}), "TotalCount": get("total")},
        constant={"where": {"states": _LISTED_STATES}},
    ),
    "ListKeyDetail": Operation(
        "ListKeys",
        (
            *_PAGES,
            In("Role", "+where", _role),
            In("OrderType", "descending", lambda wire, value: codecs.integer(0, 1)(wire, value) == 0),
            In("KeyState", "+where", _key_state),
            In("SearchKeyAlias", "+where", lambda wire, value: {"alias_contains": codecs.text(wire, value)}),
            In("Origin", "+where", _origin),
            In("KeyUsage", "+where", _usage_filter),
            In("TagFilters", "+where", _tag_filters),
            *_HSM,
            *refused("MemberAccounts"),
        ),
        {"TotalCount": get("total"), "KeyMetadatas": each("keys", _METADATA)},
        constant={"descending": True, "where": _usage_filter("KeyUsage", "ENCRYPT_DECRYPT")},
    ),
    "EnableKey": Operation("EnableKey", (_ONE_KEY, *_MEMBER)),
    "EnableKeys": Operation("EnableKey", (_KEYS, *_MEMBER)),
    "DisableKey": Operation("DisableKey", (_ONE_KEY, *_MEMBER)),
    "DisableKeys": Operation("DisableKey", (_KEYS, *_MEMBER)),
    "UpdateKeyDescription": Operation(
        "UpdateKeyDescription",
        (_KEY, In("Description", "description", codecs.text, required=True, blank=True), *_MEMBER),
    ),
    "UpdateAlias": Operation("SetKeyAlias", (_KEY, In("Alias", "alias", _ALIAS, required=True), *_MEMBER)),
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
            In("RotateDays", "seconds", lambda wire, value: codecs.integer(0, 100_000)(wire, value) * DAY),
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
            In("WrappingAlgorithm", "wrapping_algorithm", _WRAPPING, required=True),
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
            In("EncryptedKeyMaterial", "encrypted", codecs.base64_text(e.InvalidKeyMaterial), required=True),
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
            In("Algorithm", "algorithm", codecs.choice(ENCRYPTIONS), required=True),
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
    "GetRegions": Operation("DescribeService", (), {"Regions": lambda _result, view: [view.site.region]}),
    "ListAlgorithms": Operation(
        "DescribeService",
        (),
        {
            "SymmetricAlgorithms": _pairs(("ENCRYPT_DECRYPT", "AES_256")),
            "AsymmetricAlgorithms": _pairs(*(("ASYMMETRIC_DECRYPT_RSA_2048", name) for name in ENCRYPTIONS)),
            "AsymmetricSignVerifyAlgorithms": _pairs(
                *((usage, name) for usage, names in _SIGNING_OF.items() for name in names)
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


# -- errors --------------------------------------------------------------------------------------------

ERRORS: dict[type[e.KmsError], str] = {
    e.MalformedRequest: "InvalidParameter",
    e.RequestTooLarge: "RequestSizeLimitExceeded",
    e.UnsupportedMethod: "UnsupportedProtocol",
    e.UnknownAction: "InvalidAction",
    e.UnsupportedAction: "UnsupportedOperation",
    e.UnknownVersion: "NoSuchVersion",
    e.MissingParameter: "MissingParameter",
    e.InvalidParameter: "InvalidParameterValue",
    e.UnknownParameter: "UnknownParameter",
    e.UnsupportedParameter: "UnsupportedOperation",
    e.InvalidPlaintext: "InvalidParameterValue.InvalidPlaintext",
    e.PlaintextTooLong: "InvalidParameterValue.InvalidPlaintext",
    e.InvalidContext: "InvalidParameter",
    e.MalformedCiphertext: "InvalidParameterValue.InvalidCiphertext",
    e.InvalidCiphertext: "FailedOperation.DecryptError",
    e.InvalidAlias: "InvalidParameterValue.InvalidAlias",
    e.InvalidKeyId: "InvalidParameterValue.InvalidKeyId",
    e.InvalidPolicy: "InvalidParameterValue",
    e.InvalidPendingWindow: "InvalidParameter.InvalidPendingWindowInDays",
    e.InvalidImportToken: "InvalidParameter.DecryptMaterialError",
    e.ExpiredImportToken: "ResourceUnavailable.TokenExpired",
    e.InvalidKeyMaterial: "InvalidParameter.DecryptMaterialError",
    e.MaterialMismatch: "InvalidParameterValue.MaterialNotMatch",
    e.Unsigned: "AuthFailure.InvalidAuthorization",
    e.UnsupportedSignature: "AuthFailure.InvalidAuthorization",
    e.UnknownAccessKey: "AuthFailure.SecretIdNotFound",
    e.CredentialDisabled: "AuthFailure.InvalidSecretId",
    e.SignatureMismatch: "AuthFailure.SignatureFailure",
    e.RequestExpired: "AuthFailure.SignatureExpire",
    e.NonceReused: "AuthFailure.SignatureFailure",
    e.InvalidSecurityToken: "AuthFailure.TokenFailure",
    e.AccessDenied: "UnauthorizedOperation",
    e.KeyNotFound: "ResourceUnavailable.CmkNotFound",
    e.AliasNotFound: "ResourceUnavailable.CmkNotFound",
    e.AliasExists: "InvalidParameterValue.AliasAlreadyExists",
    e.KeyVersionNotFound: "ResourceNotFound",
    e.ResourceNotFound: "ResourceNotFound",
    e.LimitExceeded: "LimitExceeded.CmkLimitExceeded",
    e.KeyDisabled: "ResourceUnavailable.CmkDisabled",
    e.KeyPendingDeletion: "ResourceUnavailable.KeyPendingDelete",
    e.KeyPendingImport: "ResourceUnavailable.CmkStateNotSupport",
    e.KeyArchived: "ResourceUnavailable.CmkArchived",
    e.StateConflict: "ResourceUnavailable.CmkStateNotSupport",
    e.KeyNotDisabled: "ResourceUnavailable.CmkShouldBeDisabled",
    e.KeyNotPendingDeletion: "ResourceUnavailable.CmkNotPendingDelete",
    e.DeletionProtected: "FailedOperation",
    e.ExternalOrigin: "UnsupportedOperation.ExternalCmkCanNotRotate",
    e.NotExternal: "UnsupportedOperation.NotExternalCmk",
    e.RotationUnsupported: "UnsupportedOperation.RotateNotSupported",
    e.RotationTooSoon: "RequestLimitExceeded.RotateRateLimited",
    e.InvalidKeyUsage: "InvalidParameterValue.InvalidKeyUsage",
    e.UnsupportedKeySpec: "UnsupportedOperation.UnsupportedKeyUsageInCurrentRegion",
    e.DryRunSucceeded: "DryRunOperation",
    e.Conflict: "FailedOperation",
    e.Throttled: "RequestLimitExceeded",
    e.Unavailable: "ServiceUnavailable",
    e.Internal: "InternalError",
}
"""Codes; the status is always 200 and the message the domain error's own."""


# -- the protocol --------------------------------------------------------------------------------------


def flat_parameters(request: Request, _scheme: Scheme) -> dict[str, str]:
    """The parameters of a v1 signature: of the query for GET, of the form for POST, never of both."""
    if request.method == "GET" and not request.body:
        return parse_pairs(request.query)
    if request.method == "POST" and not request.query:
        return parse_form(request.body)
    if request.method in ("GET", "POST"):
        raise e.MalformedRequest("Parameters travel in the query of a GET or in the body of a POST, not in both.")
    raise e.UnsupportedMethod


def _flat(request: Request, scheme: Scheme) -> dict[str, str]:
    if scheme.name == "tencent-v1" or request.method == "GET" or request.media_type == _FORM:
        return flat_parameters(request, scheme)
    return {}


def _parse(request: Request, scheme: Scheme, flat: dict[str, str]) -> tuple[str, dict[str, Any]]:
    action, version = headed = request.header("x-tc-action"), request.header("x-tc-version")
    by_header = scheme.name == "tencent-tc3"
    if not by_header:
        action, version = given = flat.get("Action", ""), flat.get("Version", "")
        if any(header and header != param for header, param in zip(headed, given, strict=True)):
            raise e.MalformedRequest("The Action or Version of the headers and of the parameters differ.")
    if not action:
        raise e.MissingParameter("Action is required.")
    if version != VERSION:
        raise e.UnknownVersion(f"The Version must be {VERSION}.")
    media_type = request.media_type
    if not by_header or request.method == "GET" or media_type == _FORM:
        return action, nest(flat, first=0)
    if request.method != "POST":
        raise e.UnsupportedMethod
    if media_type not in _JSON_TYPES:
        raise e.MalformedRequest("A signed POST has the Content-Type application/json.")
    if request.query:
        raise e.MalformedRequest("A POST has its parameters in the body.")
    return action, parse_json_object(request.body)


_JSON_TYPES = ("application/json", "application/octet-stream")
"""The Node SDK sends the same JSON as an octet stream when it is asked to."""


def _response(body: dict[str, Any]) -> Response:
    # A charset here would hide the error from the Python SDK.
    text = msgspec.json.encode({"Response": body}).decode()
    return Response(status=200, content_type="application/json", body=text)


def _success(_request: Request, _action: str, fields: Mapping[str, Any], request_id: str) -> Response:
    return _response({**fields, "RequestId": request_id})


def _failure(_request: Request, _action: str, error: e.KmsError, request_id: str) -> Response:
    return _response({"Error": {"Code": ERRORS[e.kind(error)], "Message": error.message}, "RequestId": request_id})


COMMON = frozenset(
    "Action Version Timestamp Nonce SecretId Region Token Language RequestClient SignatureMethod Signature".split()
)

DIALECT = Dialect(
    name=NAME,
    operations=OPERATIONS,
    unsupported=UNSUPPORTED,
    common=COMMON,
    flat=_flat,
    parse=_parse,
    errors=ERRORS,
    success=_success,
    failure=_failure,
)
