"""The errors of AWS KMS, and those that only this dialect tells apart."""

from __future__ import annotations

from typing import NamedTuple

from tenantkms import errors as e


class WrongSignature(e.InvalidParameter):
    text = "The signature is not of this message and key."


class WrongMac(e.InvalidParameter):
    text = "The MAC is not of this message and key."


class BadMarker(e.InvalidParameter):
    text = "The Marker is not one that this operation has answered."


class BadTags(e.InvalidParameter):
    text = "A tag's key is reserved, or is there twice."


class BadArn(e.InvalidParameter):
    text = "The ARN is not one of an access key here."


class BadGrantToken(e.InvalidParameter):
    text = "The grant token is not one of here."


class BadGrantId(e.InvalidParameter):
    text = "A GrantId has 64 hexadecimal digits."


class Row(NamedTuple):
    """`__type`, HTTP status and message: a text for `str.format` with what the error is about, or with nothing of that
    the error's own message. Empty: AWS answers none."""

    type: str
    status: int = 400
    text: str | None = None


_NOT_FOUND = Row("NotFoundException")
_STATE = Row("KMSInvalidStateException", text="{key} is {state}.")
_VALIDATION = Row("ValidationException")
_UNSUPPORTED = Row("UnsupportedOperationException")
_ORIGIN = "{key} origin is {origin} which is not valid for this operation."
_MALFORMED = Row("SerializationException")
_UNRECOGNIZED = Row("UnrecognizedClientException")
_EXPIRED = "Signature expired: X-Amz-Date is more than 5 minutes from the time here. Check the clock."

ERRORS: dict[type[e.KmsError], Row] = {
    e.MalformedRequest: _MALFORMED,
    e.RequestTooLarge: _VALIDATION,
    e.UnsupportedMethod: Row("ValidationException", text="The HTTP method is not supported: use POST."),
    e.UnknownAction: Row("UnknownOperationException"),
    e.UnsupportedAction: _UNSUPPORTED,
    e.UnknownVersion: Row("UnknownOperationException"),
    e.MissingParameter: Row(
        "ValidationException",
        text="1 validation error detected: Value null at '{parameter}' failed to satisfy constraint: "
        "Member must not be null",
    ),
    e.InvalidParameter: _VALIDATION,
    e.UnknownParameter: _VALIDATION,
    e.UnsupportedParameter: _UNSUPPORTED,
    e.InvalidPlaintext: _MALFORMED,
    e.PlaintextTooLong: _VALIDATION,
    e.InvalidContext: _VALIDATION,
    e.MalformedCiphertext: _MALFORMED,
    e.InvalidCiphertext: Row("InvalidCiphertextException", text=""),
    e.IncorrectKey: Row(
        "IncorrectKeyException",
        text="The key ID in the request does not identify a CMK that can perform this operation.",
    ),
    e.InvalidAlias: _VALIDATION,
    e.ReservedAlias: Row("InvalidAliasNameException"),
    e.InvalidKeyId: _NOT_FOUND,
    e.InvalidPolicy: Row("MalformedPolicyDocumentException"),
    e.InvalidPendingWindow: _VALIDATION,
    e.InvalidPublicKey: Row("ValidationException", text=""),
    e.InvalidImportToken: Row("InvalidImportTokenException"),
    e.ExpiredImportToken: Row("ExpiredImportTokenException"),
    e.InvalidKeyMaterial: Row("InvalidCiphertextException"),
    e.MaterialMismatch: Row("IncorrectKeyMaterialException"),
    e.Unsigned: Row("IncompleteSignatureException"),
    e.UnsupportedSignature: Row("IncompleteSignatureException"),
    e.UnknownAccessKey: _UNRECOGNIZED,
    e.CredentialDisabled: _UNRECOGNIZED,
    e.SignatureMismatch: Row("InvalidSignatureException"),
    # SDKs for JavaScript look for these words and sign again, with the clock of the answer's Date.
    e.RequestExpired: Row("InvalidSignatureException", text=_EXPIRED),
    e.NonceReused: Row("InvalidSignatureException"),
    e.InvalidSecurityToken: _UNRECOGNIZED,
    e.MismatchedSecurityToken: _UNRECOGNIZED,
    e.ExpiredSecurityToken: Row("ExpiredTokenException"),
    e.AccessDenied: Row("AccessDeniedException"),
    e.KeyNotFound: Row("NotFoundException", text="Key '{key}' does not exist"),
    e.AliasNotFound: Row("NotFoundException", text="Alias {key} is not found."),
    e.AliasExists: Row("AlreadyExistsException"),
    e.KeyVersionNotFound: _VALIDATION,
    e.ResourceNotFound: _NOT_FOUND,
    e.LimitExceeded: Row("LimitExceededException"),
    e.KeyDisabled: Row("DisabledException", text="{key} is disabled."),
    e.KeyPendingDeletion: _STATE,
    e.KeyPendingImport: _STATE,
    # Archived is Tencent's: to AWS's clients such a key looks disabled.
    e.KeyArchived: Row("DisabledException", text="{key} is disabled."),
    e.StateConflict: _STATE,
    e.KeyNotDisabled: Row("KMSInvalidStateException"),
    e.KeyNotPendingDeletion: Row("KMSInvalidStateException", text="{key} is not pending deletion."),
    e.DeletionProtected: Row("KMSInvalidStateException"),
    e.ExternalOrigin: Row("UnsupportedOperationException", text=_ORIGIN.replace("{origin}", "EXTERNAL")),
    e.NotExternal: Row("UnsupportedOperationException", text=_ORIGIN.replace("{origin}", "AWS_KMS")),
    e.RotationUnsupported: Row("UnsupportedOperationException", text=""),
    e.RotationTooSoon: Row("LimitExceededException"),
    e.InvalidKeyUsage: Row(
        "InvalidKeyUsageException", text="{key} key usage is {usage} which is not valid for {operation}."
    ),
    e.InvalidAlgorithm: Row("InvalidKeyUsageException", text="The algorithm is not one of the key spec {spec}."),
    e.UnsupportedKeySpec: _UNSUPPORTED,
    e.DryRunSucceeded: Row(
        "DryRunOperationException", text="The request would have succeeded, but the DryRun option is set."
    ),
    # 5xx and 429 are what every client repeats; 504 and faults of 400 are not.
    e.Conflict: Row("DependencyTimeoutException", 503),
    e.Throttled: Row("ThrottlingException", 429, "Rate exceeded"),
    e.Unavailable: Row("DependencyTimeoutException", 503),
    e.Internal: Row("KMSInternalException", 500),
}

_OWN: dict[type[e.KmsError], Row] = {
    WrongSignature: Row("KMSInvalidSignatureException", text=""),
    WrongMac: Row("KMSInvalidMacException", text=""),
    BadMarker: Row("InvalidMarkerException"),
    BadArn: Row("InvalidArnException"),
    BadGrantToken: Row("InvalidGrantTokenException"),
    BadGrantId: Row("InvalidGrantIdException"),
    BadTags: Row("TagException"),
}
_BY_OPERATION: dict[tuple[str, type[e.KmsError]], Row] = {
    ("RotateKeyOnDemand", e.ExternalOrigin): Row(
        "KMSInvalidStateException", text="No available key material pending rotation for the key: {key}."
    )
}
_INVALID = {"Verify": _OWN[WrongSignature], "VerifyMac": _OWN[WrongMac]}
"""By operation, of what a dry run found not valid: it would not have succeeded."""
_OF_SPEC = Row(
    "InvalidKeyUsageException", text="{key} is of the key spec {spec} which is not valid for this {operation}."
)
"""Of a key whose usage would do."""
UNSIGNED = Row("MissingAuthenticationTokenException", text="Missing Authentication Token")
"""Of a request without any authentication."""


def row(operation: str, error: e.KmsError) -> Row:
    if "valid" in error.about:
        return _INVALID[operation]
    kind = e.kind(error)
    if kind is e.InvalidKeyUsage and "spec" in error.about:
        return _OF_SPEC
    return _OWN.get(type(error)) or _BY_OPERATION.get((operation, kind)) or ERRORS[kind]
