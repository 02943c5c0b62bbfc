"""Destroying key material: nothing else does."""

from __future__ import annotations

from tenantkms.keys.deps import Deps
from tenantkms.model.alias import Alias
from tenantkms.model.key import Key, revised
from tenantkms.model.states import KeyState
from tenantkms.store.port import MAX_WRITES, DeleteAlias, DeleteKey, DeleteVersion, PutKey


def destroy_due(deps: Deps, key: Key, _now: int, request_id: str) -> None:
    """A key whose window is over goes with all its versions; of another only the material that was imported."""
    keyring = deps.keyring
    if key.state is not KeyState.PENDING_DELETION:
        keyring.commit([PutKey(without_material(key, request_id))])
        return
    if not key.destroying:
        # From this commit on a cancellation comes too late: before it nothing of the key is gone.
        key = revised(key, request_id, destroying=True)
        keyring.commit([PutKey(key)])
    last = key.primary_number
    for first in range(1, last, MAX_WRITES):
        numbers = range(first, min(first + MAX_WRITES, last))
        keyring.commit([DeleteVersion(key.id, number) for number in numbers])
    aliases = [DeleteAlias(Alias(name=name, key_id=key.id)) for name in key.aliases]
    keyring.commit([*aliases, DeleteKey(key)])


def without_material(key: Key, request_id: str) -> Key:
    """A key of origin EXTERNAL whose imported material has expired or was deleted."""
    return revised(key, request_id, primary=None, material_expires=0, state=KeyState.PENDING_IMPORT)
