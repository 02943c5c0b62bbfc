"""The errors of Alibaba Cloud KMS."""

from __future__ import annotations

from typing import NamedTuple

from tenantkms import errors as e


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
    e.UnknownVersion: Row(400, "InvalidVersion"),
    e.MissingParameter: Row(400, "MissingParameter"),
    e.InvalidParameter: Row(400, "InvalidParameter"),
    e.UnknownParameter: Row(400, "InvalidParameter"),
    e.UnsupportedParameter: Row(400, "UnsupportedOperation"),
    e.InvalidPlaintext: Row(400, "InvalidParameter"),
    e.PlaintextTooLong: Row(400, "InvalidParameter"),
    e.InvalidContext: Row(400, "InvalidParameter"),
    e.MalformedCiphertext: Row(400, "InvalidParameter"),
    e.InvalidCiphertext: Row(400, "InvalidParameter"),
    e.IncorrectKey: Row(400, "InvalidParameter"),
    e.InvalidAlias: Row(400, "InvalidParameter"),
    e.ReservedAlias: Row(400, "InvalidParameter"),
    e.InvalidKeyId: Row(400, "InvalidParameter"),
    e.InvalidPolicy: Row(400, "InvalidParameter"),
    e.InvalidPendingWindow: Row(400, "InvalidParameter"),
    e.InvalidPublicKey: Row(400, "InvalidParameter"),
    e.InvalidImportToken: Row(400, "InvalidImportToken"),
    e.ExpiredImportToken: Row(400, "ExpiredImportToken"),
    e.InvalidKeyMaterial: Row(400, "InvalidKeyMaterial"),
    e.MaterialMismatch: Row(400, "InvalidKeyMaterial"),
    e.Unsigned: Row(400, "IncompleteSignature"),
    e.UnsupportedSignature: Row(400, "InvalidSignatureMethod"),
    e.UnknownAccessKey: Row(404, "InvalidAccessKeyId.NotFound"),
    e.CredentialDisabled: Row(400, "InvalidAccessKeyId.Inactive"),
    # The classic Python SDK looks for a colon in this message and fails without one.
    e.SignatureMismatch: Row(
        400,
        "SignatureDoesNotMatch",
        "Specified signature is not matched with our calculation: check the secret, the host name and any proxy.",
    ),
    e.RequestExpired: Row(400, "InvalidTimeStamp.Expired", "Specified time stamp or date value is expired."),
    e.NonceReused: Row(400, "SignatureNonceUsed", "Specified signature nonce was used already."),
    e.InvalidSecurityToken: Row(400, "InvalidSecurityToken.Malformed"),
    e.MismatchedSecurityToken: Row(400, "InvalidSecurityToken.MismatchWithAccessKey"),
    e.ExpiredSecurityToken: Row(400, "InvalidSecurityToken.Expired"),
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
    e.InvalidAlgorithm: Row(400, "InvalidParameter"),
    e.UnsupportedKeySpec: Row(400, "UnsupportedOperation"),
    e.DryRunSucceeded: Row(
        400, "DryRunOperationError", "The request would have succeeded, but the DryRun flag is set."
    ),
    e.Conflict: Row(503, "ServiceUnavailableTemporary"),
    # As the pages of this product say; its client for instances (dkms-gcs) repeats this code and no other.
    e.Throttled: Row(429, "Rejected.Throttling", "QPS Limit Exceeded"),
    e.Unavailable: Row(503, "ServiceUnavailableTemporary"),
    e.Internal: Row(500, "InternalFailure"),
}
DRY_RUN_CODES = {
    "Forbidden.NoPermission": Row(403, "AccessDeniedError"),
    "MissingParameter": Row(400, "ValidationError"),
    "InvalidParameter": Row(400, "ValidationError"),
}
