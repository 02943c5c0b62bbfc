"""What each state refuses, what an Action needs of a key, and what providers decide differently: tables."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from msgspec import Struct

from tenantkms import errors as e
from tenantkms.model import EC, HMAC, RSA, SYMMETRIC, KeySpec, KeyState, KeyUsage

Refusals = Mapping[KeyState, type[e.KmsError]]

_ANY: Refusals = MappingProxyType({})
_USE: Refusals = MappingProxyType(
    {
        KeyState.DISABLED: e.KeyDisabled,
        KeyState.PENDING_DELETION: e.KeyPendingDeletion,
        KeyState.PENDING_IMPORT: e.KeyPendingImport,
        KeyState.ARCHIVED: e.KeyArchived,
    }
)
_OPEN: Refusals = MappingProxyType({s: err for s, err in _USE.items() if s is not KeyState.ARCHIVED})
_SWITCH: Refusals = MappingProxyType(
    {
        KeyState.PENDING_DELETION: e.StateConflict,
        KeyState.PENDING_IMPORT: e.StateConflict,
        KeyState.ARCHIVED: e.StateConflict,
    }
)
_NOT_LEAVING: Refusals = MappingProxyType({KeyState.PENDING_DELETION: e.KeyPendingDeletion})

_NOT_CHANGING: Refusals = MappingProxyType({KeyState.PENDING_DELETION: e.StateConflict})
_ROTATE: Refusals = MappingProxyType({**_USE, KeyState.ARCHIVED: e.StateConflict})
_CANCEL: Refusals = MappingProxyType(
    {state: e.KeyNotPendingDeletion for state in KeyState if state is not KeyState.PENDING_DELETION}
)
_UNARCHIVE: Refusals = MappingProxyType(
    {state: e.StateConflict for state in KeyState if state is not KeyState.ARCHIVED}
)
_ARCHIVE: Refusals = MappingProxyType(
    {KeyState.PENDING_DELETION: e.KeyPendingDeletion, KeyState.PENDING_IMPORT: e.KeyPendingImport}
)

REFUSALS: Mapping[str, Refusals] = MappingProxyType(
    {
        "Encrypt": _USE,
        "Decrypt": _OPEN,
        "GenerateDataKey": _USE,
        "GenerateDataKeyWithoutPlaintext": _USE,
        "GenerateAndExportDataKey": _USE,
        "ExportDataKey": _OPEN,
        "AsymmetricEncrypt": _USE,
        "AsymmetricDecrypt": _OPEN,
        "AsymmetricSign": _USE,
        "AsymmetricVerify": _OPEN,
        "GetPublicKey": _OPEN,
        "GenerateMac": _USE,
        "VerifyMac": _OPEN,
        "DescribeKey": _ANY,
        "EnableKey": _SWITCH,
        "DisableKey": _SWITCH,
        "UpdateKeyDescription": _NOT_LEAVING,
        "CreateAlias": _NOT_CHANGING,
        "UpdateAlias": _NOT_LEAVING,
        "SetKeyAlias": _NOT_LEAVING,
        "DeleteAlias": _ANY,
        "ListAliases": _ANY,
        "ScheduleKeyDeletion": _NOT_CHANGING,
        "CancelKeyDeletion": _CANCEL,
        "SetDeletionProtection": _NOT_LEAVING,
        "ArchiveKey": _ARCHIVE,
        "CancelKeyArchive": _UNARCHIVE,
        "CreateKeyVersion": _ROTATE,
        "UpdateRotationPolicy": _ROTATE,
        "ListKeyVersions": _ANY,
        "DescribeKeyVersion": _ANY,
        "GetParametersForImport": _ANY,
        "ImportKeyMaterial": MappingProxyType({**_NOT_LEAVING, KeyState.ARCHIVED: e.KeyArchived}),
        "DeleteKeyMaterial": _ANY,
        "TagResources": _NOT_LEAVING,
        "UntagResources": _NOT_LEAVING,
        "ListTagResources": _ANY,
        "GetKeyPolicy": _ANY,
        "SetKeyPolicy": _NOT_LEAVING,
    }
)
"""Action -> state -> the error it is refused with. An Action that uses a key and has no row here cannot run."""


class Need(Struct, frozen=True):
    """The usage that a key must have for an Action, and the specs that it may be of."""

    usage: KeyUsage | None
    specs: frozenset[KeySpec]


_BLOBS = Need(KeyUsage.ENCRYPT_DECRYPT, frozenset(SYMMETRIC))
_RSA = Need(KeyUsage.ENCRYPT_DECRYPT, RSA)
_SIGN = Need(KeyUsage.SIGN_VERIFY, RSA | EC)
_MAC = Need(KeyUsage.GENERATE_VERIFY_MAC, frozenset(HMAC))

NEEDS: Mapping[str, Need] = MappingProxyType(
    {
        "Encrypt": _BLOBS,
        "Decrypt": _BLOBS,
        "GenerateDataKey": _BLOBS,
        "GenerateDataKeyWithoutPlaintext": _BLOBS,
        "GenerateAndExportDataKey": _BLOBS,
        "ExportDataKey": _BLOBS,
        "AsymmetricEncrypt": _RSA,
        "AsymmetricDecrypt": _RSA,
        "AsymmetricSign": _SIGN,
        "AsymmetricVerify": _SIGN,
        "GetPublicKey": Need(None, RSA | EC),
        "GenerateMac": _MAC,
        "VerifyMac": _MAC,
    }
)
"""What an Action needs of a key; Actions that stand not here work on any."""


class Profile(Struct, frozen=True, kw_only=True):
    """The limits and defaults of one provider's API. Sizes in bytes; `context_limit` in characters of its JSON."""

    plaintext_limit: int
    context_limit: int
    description_limit: int
    data_key_default: int | None
    """Bytes of a data key when neither size nor spec is given; None: one of them is required."""
    deletion_window: tuple[int, int]
    """Days from scheduling a deletion to the deletion: least and most."""
    schedule_needs_disabled: bool
    """Whether an enabled key's deletion can be scheduled at once."""
    cancel_deletion_to: KeyState
    rotation_days: tuple[int, int]
    """Interval of automatic rotation: least and most."""
    rotation_pause: int
    """Seconds that must pass between two rotations by hand."""
    imports_disabled: bool
    """Whether material can be imported into a disabled key, which stays disabled."""
    rotates_asymmetric: bool
    """Whether asymmetric keys get new versions, by hand."""


_TENCENT = Profile(
    plaintext_limit=4096,
    context_limit=1024,
    description_limit=1024,
    data_key_default=None,
    deletion_window=(7, 30),
    schedule_needs_disabled=True,
    cancel_deletion_to=KeyState.DISABLED,
    rotation_days=(7, 365),
    rotation_pause=86_400,
    imports_disabled=False,
    rotates_asymmetric=False,
)
_ALIBABA = Profile(
    plaintext_limit=6144,
    context_limit=8192,
    description_limit=8192,
    data_key_default=32,
    deletion_window=(7, 366),
    schedule_needs_disabled=False,
    cancel_deletion_to=KeyState.ENABLED,
    rotation_days=(7, 730),
    rotation_pause=0,
    imports_disabled=True,
    rotates_asymmetric=True,
)

NATIVE = "native"
PROFILES: Mapping[str, Profile] = MappingProxyType(
    {"alibaba": _ALIBABA, "tencent": _TENCENT, "tencent-v2": _TENCENT, NATIVE: _ALIBABA}
)
"""By dialect; `native` is the `tkms` command and event sources."""
