"""Destroying key material: nothing else does."""

from __future__ import annotations

from msgspec.structs import replace

from tenantkms.keys.deps import Deps
from tenantkms.model.alias import Alias
from tenantkms.model.key import Key, revised
from tenantkms.model.profiles import DAY
from tenantkms.model.states import KeyState
from tenantkms.store.port import MAX_WRITES, DeleteAlias, DeleteKey, DeleteVersion, PutKey

_WITHDRAWN = frozenset({KeyState.PENDING_DELETION, KeyState.PENDING_IMPORT})


def destroys(key: Key, now: int, since: int) -> bool:
    """Whether the next of two steps is due: material that expired is withdrawn, what is of no use is destroyed.

    Between the two there is a day of watched time, which is counted from the date or, if that is later, from `since`.
    """
    first = key.destroys_at
    return 0 < first <= now and (key.state not in _WITHDRAWN or max(first, since) + DAY <= now)


def destroy_due(deps: Deps, key: Key, _now: int, request_id: str) -> None:
    """A key whose window is over goes with all its versions; of another only the material that was imported."""
    keyring = deps.keyring
    if key.state not in _WITHDRAWN:
        keyring.commit([PutKey(revised(key, request_id, state=KeyState.PENDING_IMPORT))])
        return
    if key.state is not KeyState.PENDING_DELETION:
        keyring.commit([PutKey(without_material(key, request_id))])
        return
    if not key.destroying:
        # From this commit on a cancellation comes too late: before it nothing of the key is gone.
        key = revised(key, request_id, destroying=True)
        keyring.commit([PutKey(key)])
        if deps.fence.replicated:
            return  # nothing of the key goes in any region before all of them had until the next run to know
    last = key.newest.number if key.newest else 0
    for first in range(1, last, MAX_WRITES):
        numbers = range(first, min(first + MAX_WRITES, last))
        keyring.commit([DeleteVersion(key.id, number) for number in numbers])
    aliases = [DeleteAlias(Alias(name=name, key_id=key.id)) for name in key.aliases]
    keyring.commit([*aliases, DeleteKey(key)])


def without_material(key: Key, request_id: str) -> Key:
    """A key of origin EXTERNAL whose imported material has expired or was deleted."""
    spent = replace(key.primary, sealed=b"") if key.primary else key.spent
    return revised(key, request_id, primary=None, spent=spent, material_expires=0, state=KeyState.PENDING_IMPORT)
