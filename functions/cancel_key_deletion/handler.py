"""CancelKeyDeletion: the key stays, in the state that the provider says, or waiting for its material."""

from __future__ import annotations

from collections.abc import Sequence

from tenantkms.action.action import action
from tenantkms.action.call import Params, Result
from tenantkms.action.scope import Scope
from tenantkms.errors import KeyNotPendingDeletion
from tenantkms.model.key import Key
from tenantkms.model.specs import ANY_KEY
from tenantkms.model.states import CANCEL_DELETION, KeyState
from tenantkms.runtime.lambda_entry import entry
from tenantkms.store.port import PutKey, Write


class CancelKeyDeletion(Params, frozen=True, kw_only=True):
    key_id: str


class Cancelled(Result, frozen=True, kw_only=True):
    key_id: str


@action("CancelKeyDeletion", refuses=CANCEL_DELETION, needs=ANY_KEY)
def cancel_key_deletion(params: CancelKeyDeletion, scope: Scope) -> Cancelled:
    def change(keys: Sequence[Key]) -> list[Write]:
        (key,) = keys
        if key.destroying:
            raise KeyNotPendingDeletion("The key is being destroyed: its window is over.")
        usable = key.primary is not None and not key.expired(scope.now)
        state = scope.profile.cancel_deletion_to if usable else KeyState.PENDING_IMPORT
        return [PutKey(scope.revise(key, state=state, deletion_date=0))]

    (key,) = scope.update([params.key_id], change)
    return Cancelled(key_id=key.id)


handler = entry(cancel_key_deletion)
