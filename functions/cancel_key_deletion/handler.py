"""CancelKeyDeletion: the key stays, in the state that the provider says, or waiting for its material."""

from __future__ import annotations

from collections.abc import Sequence

from tenantkms.action import Params, Result, Scope, action
from tenantkms.errors import KeyNotPendingDeletion
from tenantkms.keystore import PutKey, Write
from tenantkms.model import Key, KeyState
from tenantkms.settings import entry


class CancelKeyDeletion(Params, frozen=True, kw_only=True):
    key_id: str


class Cancelled(Result, frozen=True, kw_only=True):
    key_id: str


@action("CancelKeyDeletion")
def cancel_key_deletion(params: CancelKeyDeletion, scope: Scope) -> Cancelled:
    def change(keys: Sequence[Key]) -> list[Write]:
        (key,) = keys
        if key.destroying:
            raise KeyNotPendingDeletion("The key is being destroyed: its window is over.")
        expired = key.material_expires and scope.now >= key.material_expires
        usable = key.primary is not None and not expired
        state = scope.profile.cancel_deletion_to if usable else KeyState.PENDING_IMPORT
        return [PutKey(scope.revise(key, state=state, deletion_date=0))]

    (key,) = scope.update([params.key_id], change)
    return Cancelled(key_id=key.id)


handler = entry(cancel_key_deletion)
