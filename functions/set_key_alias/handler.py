"""SetKeyAlias: the key's first alias gets another name. Tencent Cloud's UpdateAlias and SetKeyAttributes."""

from __future__ import annotations

from collections.abc import Sequence

from tenantkms.action.action import action
from tenantkms.action.call import Nothing, Params
from tenantkms.action.scope import Scope
from tenantkms.model.alias import Alias
from tenantkms.model.key import Key
from tenantkms.model.specs import ANY_KEY
from tenantkms.model.states import EDIT
from tenantkms.runtime.lambda_entry import entry
from tenantkms.store.port import DeleteAlias, PutAlias, PutKey, Write


class SetKeyAlias(Params, frozen=True, kw_only=True):
    """`alias` is a name without the `alias/` prefix."""

    key_id: str
    alias: str


@action("SetKeyAlias", refuses=EDIT, needs=ANY_KEY)
def set_key_alias(params: SetKeyAlias, scope: Scope) -> Nothing:
    name = scope.alias(params.alias)

    def change(keys: Sequence[Key]) -> list[Write]:
        (key,) = keys
        if key.aliases[:1] == (name,):
            return []
        if name in key.aliases:
            rest = tuple(alias for alias in key.aliases if alias != name)
            return [PutKey(scope.revise(key, aliases=(name, *rest)))]
        writes: list[Write] = [PutAlias(Alias(name=name, key_id=key.id), expect=None)]
        if key.aliases:
            writes.append(DeleteAlias(Alias(name=key.aliases[0], key_id=key.id)))
        writes.append(PutKey(scope.revise(key, aliases=(name, *key.aliases[1:]))))
        return writes

    scope.update([params.key_id], change)
    return Nothing()


handler = entry(set_key_alias)
