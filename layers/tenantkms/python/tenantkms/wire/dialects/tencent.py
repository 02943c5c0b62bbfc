"""Tencent Cloud KMS, API 3.0, version 2019-01-18 (contract: PROTOCOL 3 and 4, SEMANTICS)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from tenantkms import errors as e
from tenantkms.model import PROFILES, KeySpec, KeyState, KeyUsage, Origin
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

USAGES = {"ENCRYPT_DECRYPT": {"usage": KeyUsage.ENCRYPT_DECRYPT, "spec": KeySpec.AES_256}}
_USAGE_NAMES = {KeyUsage.ENCRYPT_DECRYPT: "ENCRYPT_DECRYPT"}
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


def _keys(wire: str, value: Any) -> list[str]:
    return [codecs.key_id(wire, value)]


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


def _usage_filter(wire: str, value: Any) -> dict[str, Any]:
    text = codecs.text(wire, value)
    if text == "ALL":
        return {"usages": None}
    if text not in USAGES:
        raise e.InvalidKeyUsage(f"{wire} is ALL or one of {', '.join(USAGES)}.")
    return {"usages": [USAGES[text]["usage"]]}


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


# -- leaves --------------------------------------------------------------------------------------------

_ALIAS_OUT: Out = lambda result, _view: result["aliases"][0] if result["aliases"] else ""  # noqa: E731

_METADATA: Mapping[str, Out] = {
    "KeyId": get("id"),
    "Alias": _ALIAS_OUT,
    "CreateTime": get("created"),
    "Description": get("description"),
    "KeyState": listed("state", STATE_NAMES),
    "KeyUsage": listed("usage", _USAGE_NAMES),
    "Type": const(1),
    "CreatorUin": lambda _result, view: int(view.site.account),
    "KeyRotationEnabled": const(False),
    "Owner": const("user"),
    "NextRotateTime": const(0),
    "DeletionDate": const(0),
    "Origin": listed("origin", _ORIGIN_NAMES),
    "ValidTo": const(0),
    "ResourceId": lambda result, view: f"creatorUin/{view.site.account}/{result['id']}",
    "HsmClusterId": const(""),
    "RotateDays": const(0),
    "LastRotateTime": const(0),
    "CreatorUinString": lambda _result, view: view.site.account,
}


def _algorithms(_result: Mapping[str, Any], _view: object) -> list[dict[str, str]]:
    return [{"KeyUsage": name, "Algorithm": str(row["spec"])} for name, row in USAGES.items()]


# -- operations ----------------------------------------------------------------------------------------

_KEY = In("KeyId", "key_id", codecs.key_id, required=True)
_ONE_KEY = In("KeyId", "key_ids", _keys, required=True)
_KEYS = In("KeyIds", "key_ids", codecs.key_ids, required=True)
_MEMBER = refused("MemberAccount")
_HSM = refused("HsmClusterId")
_CONTEXT_CODEC = codecs.context(PROFILES[NAME].context_limit)
_CONTEXT = In("EncryptionContext", "context", _CONTEXT_CODEC)
_PUBLIC_KEY = refused("EncryptionPublicKey", "EncryptionAlgorithm")
_PAGES = (In("Offset", "offset", codecs.integer(0, 10_000_000)), In("Limit", "limit", codecs.integer(1, 200)))

OPERATIONS: dict[str, Operation] = {
    "Encrypt": Operation(
        "Encrypt",
        (_KEY, In("Plaintext", "plaintext", codecs.plaintext, required=True), _CONTEXT),
        {"CiphertextBlob": get("ciphertext"), "KeyId": get("key_id")},
    ),
    "Decrypt": Operation(
        "Decrypt",
        (In("CiphertextBlob", "ciphertext", codecs.ciphertext, required=True), _CONTEXT, *_PUBLIC_KEY),
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
            "ReEncrypted": const(True),
        },
    ),
    "GenerateDataKey": Operation(
        "GenerateDataKey",
        (
            _KEY,
            In("KeySpec", "key_spec", codecs.text),
            In("NumberOfBytes", "number_of_bytes", codecs.integer(1, 1024)),
            _CONTEXT,
            *_PUBLIC_KEY,
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
            In("KeyUsage", SPREAD, codecs.choice(USAGES, e.InvalidKeyUsage)),
            In("Type", SPREAD, codecs.choice({"1": {}}, e.UnsupportedParameter)),
            In("Tags", "tags", codecs.tags),
            *_HSM,
        ),
        {
            "KeyId": lambda result, _view: result["key"]["id"],
            "Alias": lambda result, view: _ALIAS_OUT(result["key"], view),
            "CreateTime": lambda result, _view: result["key"]["created"],
            "Description": lambda result, _view: result["key"]["description"],
            "KeyState": lambda result, _view: STATE_NAMES[result["key"]["state"]],
            "KeyUsage": lambda result, _view: _USAGE_NAMES[result["key"]["usage"]],
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
        constant={"descending": True, "where": {"usages": [KeyUsage.ENCRYPT_DECRYPT]}},
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
            "SymmetricAlgorithms": _algorithms,
            "AsymmetricAlgorithms": const([]),
            "AsymmetricSignVerifyAlgorithms": const([]),
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
    e.LimitExceeded: "LimitExceeded.CmkLimitExceeded",
    e.KeyDisabled: "ResourceUnavailable.CmkDisabled",
    e.KeyPendingDeletion: "ResourceUnavailable.KeyPendingDelete",
    e.KeyPendingImport: "ResourceUnavailable.CmkStateNotSupport",
    e.KeyArchived: "ResourceUnavailable.CmkArchived",
    e.StateConflict: "ResourceUnavailable.CmkStateNotSupport",
    e.InvalidKeyUsage: "InvalidParameterValue.InvalidKeyUsage",
    e.UnsupportedKeySpec: "InvalidParameterValue.InvalidKeyUsage",
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
    if scheme.name == "tencent-v1":
        return flat_parameters(request, scheme)
    if request.method == "GET" or request.media_type == _FORM:
        return flat_parameters(request, scheme)
    return {}


def _parse(request: Request, scheme: Scheme, flat: dict[str, str]) -> tuple[str, dict[str, Any]]:
    by_header = scheme.name == "tencent-tc3"
    said = {
        name: (request.header(f"x-tc-{name.lower()}"), "" if by_header else flat.get(name, ""))
        for name in ("Action", "Version")
    }
    if not by_header and any(header and header != param for header, param in said.values()):
        raise e.MalformedRequest("The Action or Version of the headers and of the parameters differ.")
    action, version = (header if by_header else param for header, param in said.values())
    if not action:
        raise e.MissingParameter("Action is required.")
    if version != VERSION:
        raise e.UnknownVersion(f"The Version must be {VERSION}.")
    if not by_header or request.method == "GET" or request.media_type == _FORM:
        return action, nest(flat, first=0)
    if request.method != "POST":
        raise e.UnsupportedMethod
    if request.media_type not in _JSON_TYPES:
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
    return _response({"Error": {"Code": ERRORS[type(error)], "Message": error.message}, "RequestId": request_id})


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
