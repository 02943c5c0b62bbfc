"""States of keys, and what each refuses: the tables that `@action(refuses=...)` takes."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType

from tenantkms import errors as e


class KeyState(StrEnum):
    ENABLED = "Enabled"
    DISABLED = "Disabled"
    PENDING_DELETION = "PendingDeletion"
    PENDING_IMPORT = "PendingImport"
    ARCHIVED = "Archived"


Refusals = Mapping[KeyState, type[e.KmsError]]
"""State -> the error that an Action is refused with in it."""


def _refusals(rows: Mapping[KeyState, type[e.KmsError]]) -> Refusals:
    return MappingProxyType(rows)


def _all_but(state: KeyState, error: type[e.KmsError]) -> Refusals:
    return _refusals({other: error for other in KeyState if other is not state})


NOTHING: Refusals = _refusals({})
USE: Refusals = _refusals(
    {
        KeyState.DISABLED: e.KeyDisabled,
        KeyState.PENDING_DELETION: e.KeyPendingDeletion,
        KeyState.PENDING_IMPORT: e.KeyPendingImport,
        KeyState.ARCHIVED: e.KeyArchived,
    }
)
"""Making something new with the key."""
OPEN: Refusals = _refusals({state: error for state, error in USE.items() if state is not KeyState.ARCHIVED})
"""Opening or checking what was made with it, which an archived key still does."""
SWITCH: Refusals = _refusals(
    {
        KeyState.PENDING_DELETION: e.StateConflict,
        KeyState.PENDING_IMPORT: e.StateConflict,
        KeyState.ARCHIVED: e.StateConflict,
    }
)
"""Enabling and disabling."""
EDIT: Refusals = _refusals({KeyState.PENDING_DELETION: e.KeyPendingDeletion})
"""Changing what is said of the key, which one that leaves does not need any more."""
SCHEDULE: Refusals = _refusals({KeyState.PENDING_DELETION: e.StateConflict})
ROTATE: Refusals = _refusals({**USE, KeyState.ARCHIVED: e.StateConflict})
IMPORT: Refusals = _refusals({**EDIT, KeyState.ARCHIVED: e.KeyArchived})
CANCEL_DELETION: Refusals = _all_but(KeyState.PENDING_DELETION, e.KeyNotPendingDeletion)
CANCEL_ARCHIVE: Refusals = _all_but(KeyState.ARCHIVED, e.StateConflict)
ARCHIVE: Refusals = _refusals(
    {KeyState.PENDING_DELETION: e.KeyPendingDeletion, KeyState.PENDING_IMPORT: e.KeyPendingImport}
)
