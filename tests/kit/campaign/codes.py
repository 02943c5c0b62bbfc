"""What callers are told, written apart from the code under test: codes of refusals, and what each state refuses."""

from __future__ import annotations

CODES: dict[str, tuple[str, str, int, str]] = {
    "": ("", "", 0, ""),
    "AccessDenied": ("Forbidden.NoPermission", "UnauthorizedOperation", 4103, "AccessDeniedException"),
    "AliasExists": ("AliasAlreadyExists", "InvalidParameterValue.AliasAlreadyExists", 4000, "AlreadyExistsException"),
    "AliasNotFound": ("Forbidden.AliasNotFound", "ResourceUnavailable.CmkNotFound", 5000, "NotFoundException"),
    "DeletionProtected": ("Rejected.ResourceInUse", "FailedOperation", 5100, "KMSInvalidStateException"),
    "ExpiredImportToken": (
        "ExpiredImportToken",
        "ResourceUnavailable.TokenExpired",
        4000,
        "ExpiredImportTokenException",
    ),
    "ExternalOrigin": (
        "Unsupported.Origin",
        "UnsupportedOperation.ExternalCmkCanNotRotate",
        5100,
        "UnsupportedOperationException",
    ),
    "InvalidCiphertext": ("InvalidParameter", "FailedOperation.DecryptError", 4000, "InvalidCiphertextException"),
    "InvalidKeyUsage": (
        "Rejected.UnsupportedOperation",
        "InvalidParameterValue.InvalidKeyUsage",
        4000,
        "InvalidKeyUsageException",
    ),
    "InvalidParameter": ("InvalidParameter", "InvalidParameterValue", 4000, "ValidationException"),
    "InvalidPendingWindow": (
        "InvalidParameter",
        "InvalidParameter.InvalidPendingWindowInDays",
        4000,
        "ValidationException",
    ),
    "KeyArchived": ("Rejected.Unavailable", "ResourceUnavailable.CmkArchived", 5100, "DisabledException"),
    "KeyDisabled": ("Rejected.Disabled", "ResourceUnavailable.CmkDisabled", 5100, "DisabledException"),
    "KeyNotDisabled": ("Rejected.Enabled", "ResourceUnavailable.CmkShouldBeDisabled", 5100, "KMSInvalidStateException"),
    "KeyNotFound": ("Forbidden.KeyNotFound", "ResourceUnavailable.CmkNotFound", 5000, "NotFoundException"),
    "KeyNotPendingDeletion": (
        "Rejected.StateModifiedFailed",
        "ResourceUnavailable.CmkNotPendingDelete",
        5100,
        "KMSInvalidStateException",
    ),
    "KeyPendingDeletion": (
        "Rejected.PendingDeletion",
        "ResourceUnavailable.KeyPendingDelete",
        5100,
        "KMSInvalidStateException",
    ),
    "KeyPendingImport": (
        "Rejected.PendingImport",
        "ResourceUnavailable.CmkStateNotSupport",
        5100,
        "KMSInvalidStateException",
    ),
    "KeyVersionNotFound": ("Forbidden.KeyVersionNotFound", "ResourceNotFound", 5000, "ValidationException"),
    "LimitExceeded": ("Rejected.LimitExceeded", "LimitExceeded.CmkLimitExceeded", 4400, "LimitExceededException"),
    "MaterialMismatch": (
        "InvalidKeyMaterial",
        "InvalidParameterValue.MaterialNotMatch",
        4000,
        "IncorrectKeyMaterialException",
    ),
    "NotExternal": ("Unsupported.Origin", "UnsupportedOperation.NotExternalCmk", 5100, "UnsupportedOperationException"),
    "RotationTooSoon": (
        "Rejected.LimitExceeded",
        "RequestLimitExceeded.RotateRateLimited",
        4400,
        "LimitExceededException",
    ),
    "RotationUnsupported": (
        "Rejected.UnsupportedOperation",
        "UnsupportedOperation.RotateNotSupported",
        5100,
        "UnsupportedOperationException",
    ),
    "StateConflict": (
        "Rejected.StateModifiedFailed",
        "ResourceUnavailable.CmkStateNotSupport",
        5100,
        "KMSInvalidStateException",
    ),
}
"""What is wrong -> its code in Alibaba's API, in Tencent's API 3.0, in Tencent's API v2 and in AWS's; "" is nothing."""

ONLY_AWS = frozenset(
    {"IncorrectKeyException", "KMSInvalidSignatureException", "KMSInvalidMacException", "NotFoundException"}
)
"""What is wrong in AWS's API alone, by its own code."""
_OF_OPERATION = {("RotateKeyOnDemand", "ExternalOrigin"): "KMSInvalidStateException"}

ALIBABA, TENCENT, TENCENT_V2, AWS = "alibaba", "tencent", "tencent-v2", "aws"
_COLUMN = {ALIBABA: 0, TENCENT: 1, TENCENT_V2: 2, AWS: 3}


def code(dialect: str, operation: str, error: str) -> str | int:
    if dialect == AWS and error in ONLY_AWS:
        return error
    if dialect == AWS and (operation, error) in _OF_OPERATION:
        return _OF_OPERATION[operation, error]
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
