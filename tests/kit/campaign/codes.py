"""What callers are told, written apart from the code under test: codes of refusals, and what each state refuses."""

from __future__ import annotations

CODES: dict[str, tuple[str, str, int]] = {
    "": ("", "", 0),
    "AccessDenied": ("Forbidden.NoPermission", "UnauthorizedOperation", 4103),
    "AliasExists": ("AliasAlreadyExists", "InvalidParameterValue.AliasAlreadyExists", 4000),
    "AliasNotFound": ("Forbidden.AliasNotFound", "ResourceUnavailable.CmkNotFound", 5000),
    "DeletionProtected": ("Rejected.ResourceInUse", "FailedOperation", 5100),
    "ExpiredImportToken": ("ExpiredImportToken", "ResourceUnavailable.TokenExpired", 4000),
    "ExternalOrigin": ("Unsupported.Origin", "UnsupportedOperation.ExternalCmkCanNotRotate", 5100),
    "InvalidCiphertext": ("InvalidParameter", "FailedOperation.DecryptError", 4000),
    "InvalidKeyUsage": ("Rejected.UnsupportedOperation", "InvalidParameterValue.InvalidKeyUsage", 4000),
    "InvalidParameter": ("InvalidParameter", "InvalidParameterValue", 4000),
    "InvalidPendingWindow": ("InvalidParameter", "InvalidParameter.InvalidPendingWindowInDays", 4000),
    "KeyArchived": ("Rejected.Unavailable", "ResourceUnavailable.CmkArchived", 5100),
    "KeyDisabled": ("Rejected.Disabled", "ResourceUnavailable.CmkDisabled", 5100),
    "KeyNotDisabled": ("Rejected.Enabled", "ResourceUnavailable.CmkShouldBeDisabled", 5100),
    "KeyNotFound": ("Forbidden.KeyNotFound", "ResourceUnavailable.CmkNotFound", 5000),
    "KeyNotPendingDeletion": ("Rejected.StateModifiedFailed", "ResourceUnavailable.CmkNotPendingDelete", 5100),
    "KeyPendingDeletion": ("Rejected.PendingDeletion", "ResourceUnavailable.KeyPendingDelete", 5100),
    "KeyPendingImport": ("Rejected.PendingImport", "ResourceUnavailable.CmkStateNotSupport", 5100),
    "KeyVersionNotFound": ("Forbidden.KeyVersionNotFound", "ResourceNotFound", 5000),
    "LimitExceeded": ("Rejected.LimitExceeded", "LimitExceeded.CmkLimitExceeded", 4400),
    "MaterialMismatch": ("InvalidKeyMaterial", "InvalidParameterValue.MaterialNotMatch", 4000),
    "NotExternal": ("Unsupported.Origin", "UnsupportedOperation.NotExternalCmk", 5100),
    "RotationTooSoon": ("Rejected.LimitExceeded", "RequestLimitExceeded.RotateRateLimited", 4400),
    "RotationUnsupported": ("Rejected.UnsupportedOperation", "UnsupportedOperation.RotateNotSupported", 5100),
    "StateConflict": ("Rejected.StateModifiedFailed", "ResourceUnavailable.CmkStateNotSupport", 5100),
}
"""What is wrong -> its code in Alibaba's API, in Tencent's API 3.0 and in Tencent's API v2; "" is nothing."""

ALIBABA, TENCENT, TENCENT_V2 = "alibaba", "tencent", "tencent-v2"
_COLUMN = {ALIBABA: 0, TENCENT: 1, TENCENT_V2: 2}


def code(dialect: str, error: str) -> str | int:
    return CODES[error][_COLUMN[dialect]]


STATES = ("Enabled", "Disabled", "PendingDeletion", "PendingImport", "Archived")
_LETTERS = {
    ".": "",
    "D": "KeyDisabled",
    "P": "KeyPendingDeletion",
    "I": "KeyPendingImport",
    "A": "KeyArchived",
    "S": "StateConflict",
    "N": "KeyNotPendingDeletion",
}
_ROWS = {
    "use": ". D P I A",
    "open": ". D P I .",
    "rotate": ". D P I S",
    "import": ". . P . A",
    "archive": ". . P I .",
    "switch": ". . S S S",
    "unarchive": "S S S S .",
    "name": ". . S . .",
    "edit": ". . P . .",
    "cancel": "N N . N N",
    "any": ". . . . .",
}
REFUSED: dict[str, dict[str, str]] = {
    row: {state: _LETTERS[letter] for state, letter in zip(STATES, letters.split(), strict=True)}
    for row, letters in _ROWS.items()
}
"""Kind of operation -> state of the key -> what is wrong."""
