"""Tencent Cloud KMS, legacy API v2 at /v2/index.php (contract: PROTOCOL 5, SEMANTICS)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec

from tenantkms import errors as e
from tenantkms.model.profiles import PROFILES
from tenantkms.model.specs import KeySpec, KeyUsage
from tenantkms.wire import codecs
from tenantkms.wire.dialects.tencent import COMMON, STATE_NAMES, flat_parameters
from tenantkms.wire.http import Request, Response, nest
from tenantkms.wire.signing import Scheme
from tenantkms.wire.translate import SPREAD, Dialect, In, Operation, Out, each, first, get, listed, one

NAME = "tencent-v2"

USAGES = {"ENCRYPT/DECRYPT": {"usage": KeyUsage.ENCRYPT_DECRYPT, "spec": KeySpec.AES_256}}
# A key of another dialect's usage has no name in this one; its own is clearer than a wrong one.
_USAGE_NAMES = {**{usage: str(usage) for usage in KeyUsage}, KeyUsage.ENCRYPT_DECRYPT: "ENCRYPT/DECRYPT"}

_ALIAS = codecs.alias(
    r"(?!kms-)[A-Za-z0-9][A-Za-z0-9_-]{0,31}",
    "an alias has 1 to 32 letters, digits, '-' and '_', begins with a letter or digit, and not with 'kms-'.",
)


def _type(wire: str, value: Any) -> dict[str, Any]:
    """1: a normal key; 2: a quantum key, which is not offered."""
    if codecs.integer(1, 2)(wire, value) != 1:
        raise e.UnsupportedParameter(f"{wire} {value} is not supported here: use 1.")
    return {}


_METADATA: Mapping[str, Out] = {
    "keyId": get("id"),
    "createTime": get("created"),
    "description": get("description"),
    "keyState": listed("state", STATE_NAMES),
    "keyUsage": listed("usage", _USAGE_NAMES),
    "alias": lambda result, _view: result["aliases"][0] if result["aliases"] else "",
    "deleteTime": get("deletion_date"),
}

_KEY = In("keyId", "key_id", codecs.key_id, required=True)
_ONE_KEY = In("keyId", "key_ids", codecs.one_key_id, required=True)
_CONTEXT = In("encryptionContext", "context", codecs.context(PROFILES[NAME].context_limit))

OPERATIONS: dict[str, Operation] = {
    "CreateKey": Operation(
        "CreateKey",
        (
            In("alias", "alias", _ALIAS, required=True),
            In("description", "description", codecs.text),
            In("keyUsage", SPREAD, codecs.choice(USAGES)),
            In("type", SPREAD, _type),
        ),
        {"keyMetadata": one("key", _METADATA)},
    ),
    "GetKeyAttributes": Operation("DescribeKey", (_ONE_KEY,), {"keyMetadata": first("keys", _METADATA)}),
    "SetKeyAttributes": Operation("SetKeyAlias", (_KEY, In("alias", "alias", _ALIAS, required=True))),
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


class Row(NamedTuple):
    """`module` is the KMS module's own code, in front of the message; 0: the same as `code`. Text None: the error's."""

    code: int
    desc: str
    module: int = 0
    text: str | None = None


_ENCRYPTION_FAILED = Row(4560, "EncryptionFailed", 10660, "encryption failed, please check input parameters")

ERRORS: dict[type[e.KmsError], Row] = {
    e.MalformedRequest: Row(4000, "InvalidParameter"),
    e.RequestTooLarge: Row(4000, "InvalidParameter"),
    e.UnsupportedMethod: Row(4600, "UnsupportedProtocol"),
    e.UnknownAction: Row(4000, "InvalidParameter"),
    e.UnsupportedAction: Row(4000, "InvalidParameter"),
    e.UnknownVersion: Row(4000, "InvalidParameter"),
    e.MissingParameter: Row(4000, "InvalidParameter"),
    e.InvalidParameter: Row(4000, "InvalidParameter"),
    e.UnknownParameter: Row(4000, "InvalidParameter"),
    e.UnsupportedParameter: Row(4000, "InvalidParameter"),
    e.InvalidPlaintext: Row(4590, "InvalidPlaintext", 10690, "plaintext is not encoded with base64"),
    e.PlaintextTooLong: _ENCRYPTION_FAILED,
    e.InvalidContext: Row(4540, "IllegalEncryptionContext", 10640, "illegal encryptionContext"),
    e.MalformedCiphertext: Row(4000, "InvalidParameter"),
    e.InvalidCiphertext: Row(4000, "InvalidParameter"),
    e.InvalidAlias: Row(4000, "InvalidParameter"),
    e.InvalidKeyId: Row(4000, "InvalidParameter"),
    e.InvalidPolicy: Row(4000, "InvalidParameter"),
    e.InvalidPendingWindow: Row(4000, "InvalidParameter"),
    e.InvalidImportToken: Row(4000, "InvalidParameter"),
    e.ExpiredImportToken: Row(4000, "InvalidParameter"),
    e.InvalidKeyMaterial: Row(4000, "InvalidParameter"),
    e.MaterialMismatch: Row(4000, "InvalidParameter"),
    e.Unsigned: Row(4100, "AuthFailure"),
    e.UnsupportedSignature: Row(4100, "AuthFailure"),
    e.UnknownAccessKey: Row(4104, "SecretIdNotFound"),
    e.CredentialDisabled: Row(4100, "AuthFailure"),
    e.SignatureMismatch: Row(4100, "AuthFailure"),
    e.RequestExpired: Row(4500, "ReplayAttack"),
    e.NonceReused: Row(4500, "ReplayAttack"),
    e.InvalidSecurityToken: Row(4105, "TokenFailure"),
    e.AccessDenied: Row(4103, "UnauthorizedOperation"),
    e.KeyNotFound: Row(5000, "ResourceNotFound"),
    e.AliasNotFound: Row(5000, "ResourceNotFound"),
    e.AliasExists: Row(4000, "InvalidParameter"),
    e.KeyVersionNotFound: Row(5000, "ResourceNotFound"),
    e.ResourceNotFound: Row(5000, "ResourceNotFound"),
    e.LimitExceeded: Row(4400, "LimitExceeded"),
    e.KeyDisabled: Row(5100, "ResourceOpFailed"),
    e.KeyPendingDeletion: Row(5100, "ResourceOpFailed"),
    e.KeyPendingImport: Row(5100, "ResourceOpFailed"),
    e.KeyArchived: Row(5100, "ResourceOpFailed"),
    e.StateConflict: Row(5100, "ResourceOpFailed"),
    e.KeyNotDisabled: Row(5100, "ResourceOpFailed"),
    e.KeyNotPendingDeletion: Row(5100, "ResourceOpFailed"),
    e.DeletionProtected: Row(5100, "ResourceOpFailed"),
    e.ExternalOrigin: Row(5100, "ResourceOpFailed"),
    e.NotExternal: Row(5100, "ResourceOpFailed"),
    e.RotationUnsupported: Row(5100, "ResourceOpFailed"),
    e.RotationTooSoon: Row(4400, "LimitExceeded"),
    e.InvalidKeyUsage: Row(4000, "InvalidParameter"),
    e.UnsupportedKeySpec: Row(4000, "InvalidParameter"),
    e.DryRunSucceeded: Row(4000, "InvalidParameter"),
    e.Conflict: Row(6000, "InternalError"),
    e.Throttled: Row(4400, "LimitExceeded"),
    e.Unavailable: Row(6000, "InternalError"),
    e.Internal: Row(6000, "InternalError"),
}


def _parse(_request: Request, _scheme: Scheme, flat: dict[str, str]) -> tuple[str, dict[str, Any]]:
    action = flat.get("Action", "")
    if not action:
        raise e.MissingParameter("Action is required.")
    return action, nest(flat, first=0)


def _response(code: int, desc: str, message: str, request_id: str, fields: Mapping[str, Any]) -> Response:
    body = {"code": code, "message": message, "codeDesc": desc, "requestId": request_id, **fields}
    return Response(status=200, content_type="application/json", body=msgspec.json.encode(body).decode())


def _success(_request: Request, _action: str, fields: Mapping[str, Any], request_id: str) -> Response:
    return _response(0, "Success", "", request_id, fields)


def _failure(_request: Request, _action: str, error: e.KmsError, request_id: str) -> Response:
    row = ERRORS[e.kind(error)]
    message = f"({row.module or row.code}){row.text or error.message}"
    return _response(row.code, row.desc, message, request_id, {})


DIALECT = Dialect(
    name=NAME,
    operations=OPERATIONS,
    unsupported={},
    common=COMMON,
    flat=flat_parameters,
    parse=_parse,
    errors=ERRORS,
    success=_success,
    failure=_failure,
)
