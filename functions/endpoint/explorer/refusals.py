"""Which errors an operation has."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from tenantkms import errors as e
from tenantkms.model import states
from tenantkms.model.profiles import Profile
from tenantkms.model.states import Refusals
from tenantkms.names import ACTIONS, CHANGING
from tenantkms.wire.translate import Operation

ALWAYS = frozenset(
    {
        *(e.MalformedRequest, e.RequestTooLarge, e.UnsupportedMethod, e.UnknownAction, e.UnsupportedAction),
        *(e.UnknownVersion, e.MissingParameter, e.InvalidParameter, e.UnknownParameter, e.UnsupportedParameter),
        *(e.Unsigned, e.UnsupportedSignature, e.UnknownAccessKey, e.CredentialDisabled, e.SignatureMismatch),
        *(e.RequestExpired, e.NonceReused, e.InvalidSecurityToken, e.MismatchedSecurityToken),
        *(e.ExpiredSecurityToken, e.AccessDenied, e.Throttled, e.Unavailable, e.Internal),
    }
)
"""Of every operation."""

_KEYS = frozenset("key_id key_ids destination_key_id source_key_id ciphertext".split())
_OF_PARAMETERS: dict[type[e.KmsError], frozenset[str]] = {
    e.InvalidPlaintext: frozenset({"plaintext"}),
    e.InvalidContext: frozenset({"context", "source_context", "destination_context"}),
    e.MalformedCiphertext: frozenset({"ciphertext"}),
    e.InvalidCiphertext: frozenset({"ciphertext"}),
    e.InvalidAlias: frozenset({"alias"}),
    e.ReservedAlias: frozenset({"alias"}),
    e.InvalidKeyId: _KEYS,
    e.KeyNotFound: _KEYS,
    e.AliasNotFound: _KEYS | {"alias"},
    e.InvalidPolicy: frozenset({"policy"}),
    e.InvalidPendingWindow: frozenset({"days"}),
    e.InvalidPublicKey: frozenset({"public_key", "wrap"}),
    e.InvalidImportToken: frozenset({"token"}),
    e.ExpiredImportToken: frozenset({"token"}),
    e.InvalidKeyMaterial: frozenset({"wrapped"}),
    e.MaterialMismatch: frozenset({"wrapped"}),
    e.KeyVersionNotFound: frozenset({"key_version_id"}),
    e.InvalidAlgorithm: frozenset({"algorithm", "source_algorithm", "destination_algorithm"}),
    e.UnsupportedKeySpec: frozenset({"spec", "pair_spec"}),
    e.DryRunSucceeded: frozenset({"dry_run"}),
}
"""Error -> the canonical parameters that bring it."""

_ENCRYPTS = frozenset({"Encrypt", "AsymmetricEncrypt"})
_ROTATES = frozenset({"CreateKeyVersion", "UpdateRotationPolicy"})
_IMPORTS = frozenset({"GetParametersForImport", "ImportKeyMaterial", "DeleteKeyMaterial"})

_OF_ACTIONS: dict[type[e.KmsError], frozenset[str]] = {
    e.PlaintextTooLong: _ENCRYPTS,
    e.IncorrectKey: frozenset({"Decrypt", "ReEncrypt"}),
    e.AliasExists: frozenset({"CreateAlias", "CreateKey", "SetKeyAlias"}),
    e.ResourceNotFound: frozenset({"TagResources", "UntagResources", "ListTagResources", "RetireGrant", "RevokeGrant"}),
    e.LimitExceeded: frozenset(
        "CreateAlias CreateGrant CreateKey CreateKeyVersion SetKeyAlias TagResources UpdateAlias".split()
    ),
    e.DeletionProtected: frozenset({"ScheduleKeyDeletion"}),
    e.ExternalOrigin: _ROTATES | {"CreateKey"},
    e.NotExternal: _IMPORTS,
    e.RotationUnsupported: _ROTATES | {"CreateKey"},
    e.InvalidKeyUsage: frozenset(
        "AsymmetricDecrypt AsymmetricEncrypt AsymmetricSign AsymmetricVerify CreateKey Decrypt DeriveSharedSecret"
        " Encrypt ExportDataKey GenerateAndExportDataKey GenerateDataKey GenerateDataKeyPair"
        " GenerateDataKeyPairWithoutPlaintext GenerateDataKeyWithoutPlaintext GenerateMac GetPublicKey ReEncrypt"
        " VerifyMac".split()
    ),
    e.Conflict: CHANGING,
}
"""Error -> the Actions that have it."""
_OF_PROVIDERS: dict[type[e.KmsError], tuple[str, Callable[[Profile], object]]] = {
    e.KeyDisabled: ("ImportKeyMaterial", lambda profile: not profile.imports_disabled),
    e.KeyNotDisabled: ("ScheduleKeyDeletion", lambda profile: profile.schedule_needs_disabled),
    e.RotationTooSoon: ("CreateKeyVersion", lambda profile: profile.rotation_pause),
}
"""Error -> the Action that has it, and at which providers."""

STATES: Mapping[str, Refusals] = {
    **dict.fromkeys(ACTIONS, states.NOTHING),
    **dict.fromkeys(
        "AsymmetricEncrypt AsymmetricSign CreateGrant Encrypt GenerateAndExportDataKey GenerateDataKey"
        " GenerateDataKeyPair GenerateDataKeyPairWithoutPlaintext GenerateDataKeyWithoutPlaintext GenerateMac".split(),
        states.USE,
    ),
    **dict.fromkeys(
        "AsymmetricDecrypt AsymmetricVerify Decrypt DeriveSharedSecret ExportDataKey GetPublicKey VerifyMac".split(),
        states.OPEN,
    ),
    "ReEncrypt": states.USE,
    **dict.fromkeys(("EnableKey", "DisableKey"), states.SWITCH),
    **dict.fromkeys(
        "SetDeletionProtection SetKeyAlias SetKeyPolicy TagResources UntagResources UpdateAlias"
        " UpdateKeyDescription".split(),
        states.EDIT,
    ),
    **dict.fromkeys(("CreateAlias", "ScheduleKeyDeletion"), states.SCHEDULE),
    **dict.fromkeys(_ROTATES, states.ROTATE),
    "ImportKeyMaterial": states.IMPORT,
    "CancelKeyDeletion": states.CANCEL_DELETION,
    "CancelKeyArchive": states.CANCEL_ARCHIVE,
    "ArchiveKey": states.ARCHIVE,
}
"""What each Action's own `refuses` says; the endpoint does not have the Actions. `tests/explorer` compares."""


def errors_of(operation: Operation, actions: frozenset[str], profile: Profile) -> Iterator[type[e.KmsError]]:
    """Those of an operation besides `ALWAYS`, in the order of `ERRORS`. `actions` serve it or one of its variants."""
    canonical = {*operation.constant, *(row.to if isinstance(row.to, str) else row.to.name for row in operation.params)}
    canonical |= {"dry_run"} if "DryRun" in operation.wires else set()
    of_states = {error for action in actions for error in STATES[action].values()}
    for error in e.ERRORS.values():
        action, at = _OF_PROVIDERS.get(error, ("", bool))
        if (
            error in of_states
            or not canonical.isdisjoint(_OF_PARAMETERS.get(error, frozenset()))
            or not actions.isdisjoint(_OF_ACTIONS.get(error, frozenset()))
            or (action in actions and at(profile))
        ):
            yield error
