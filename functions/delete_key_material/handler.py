"""DeleteKeyMaterial: imported material stops working now; the sweeper destroys it."""

from __future__ import annotations

from collections.abc import Sequence

from tenantkms.action import Nothing, Params, Scope, action
from tenantkms.errors import NotExternal
from tenantkms.keystore import PutKey, Write
from tenantkms.model import Key, KeyState, Origin
from tenantkms.settings import entry


class DeleteKeyMaterial(Params, frozen=True, kw_only=True):
    key_id: str


@action("DeleteKeyMaterial")
def delete_key_material(params: DeleteKeyMaterial, scope: Scope) -> Nothing:
    def change(keys: Sequence[Key]) -> list[Write]:
        (key,) = keys
        if key.origin is not Origin.EXTERNAL:
            raise NotExternal
        if key.primary is None:
            return []
        state = key.state if key.state is KeyState.PENDING_DELETION else KeyState.PENDING_IMPORT
        return [PutKey(scope.revise(key, state=state, material_expires=scope.now))]

    scope.update([params.key_id], change)
    return Nothing()


handler = entry(delete_key_material)
