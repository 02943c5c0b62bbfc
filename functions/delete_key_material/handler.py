"""DeleteKeyMaterial: imported material stops working now; the sweeper destroys it."""

from __future__ import annotations

from collections.abc import Sequence

from tenantkms.action.action import action
from tenantkms.action.call import Params, Result
from tenantkms.action.scope import Scope
from tenantkms.errors import NotExternal
from tenantkms.model.key import Key
from tenantkms.model.specs import ANY_KEY, KeySpec, Origin
from tenantkms.model.states import NOTHING, KeyState
from tenantkms.model.version import version_id
from tenantkms.runtime.lambda_entry import entry
from tenantkms.store.port import PutKey, Write


class DeleteKeyMaterial(Params, frozen=True, kw_only=True):
    key_id: str


class Deleted(Result, frozen=True, kw_only=True):
    """`key_version_id` is empty where there never was material."""

    key_id: str
    key_version_id: str
    spec: KeySpec


@action("DeleteKeyMaterial", refuses=NOTHING, needs=ANY_KEY)
def delete_key_material(params: DeleteKeyMaterial, scope: Scope) -> Deleted:
    def change(keys: Sequence[Key]) -> list[Write]:
        (key,) = keys
        if key.origin is not Origin.EXTERNAL:
            raise NotExternal(key=key.id)
        if key.primary is None or key.expired(scope.now):
            return []
        leaves = key.state_at(scope.now) is KeyState.PENDING_DELETION
        state = KeyState.PENDING_DELETION if leaves else KeyState.PENDING_IMPORT
        return [PutKey(scope.revise(key, state=state, material_expires=scope.now))]

    (key,) = scope.update([params.key_id], change)
    newest = version_id(key.id, key.newest.number) if key.newest else ""
    return Deleted(key_id=key.id, key_version_id=newest, spec=key.spec)


handler = entry(delete_key_material)
