"""DeleteKeyMaterial: imported material stops working now; the sweeper destroys it."""

from __future__ import annotations

from collections.abc import Sequence

from tenantkms.action.action import action
from tenantkms.action.call import Nothing, Params
from tenantkms.action.scope import Scope
from tenantkms.errors import NotExternal
from tenantkms.model.key import Key
from tenantkms.model.specs import ANY_KEY, Origin
from tenantkms.model.states import NOTHING, KeyState
from tenantkms.runtime.lambda_entry import entry
from tenantkms.store.port import PutKey, Write


class DeleteKeyMaterial(Params, frozen=True, kw_only=True):
    key_id: str


@action("DeleteKeyMaterial", refuses=NOTHING, needs=ANY_KEY)
def delete_key_material(params: DeleteKeyMaterial, scope: Scope) -> Nothing:
    def change(keys: Sequence[Key]) -> list[Write]:
        (key,) = keys
        if key.origin is not Origin.EXTERNAL:
            raise NotExternal(key=key.id)
        if key.primary is None:
            return []
        state = key.state if key.state is KeyState.PENDING_DELETION else KeyState.PENDING_IMPORT
        return [PutKey(scope.revise(key, state=state, material_expires=scope.now))]

    scope.update([params.key_id], change)
    return Nothing()


handler = entry(delete_key_material)
