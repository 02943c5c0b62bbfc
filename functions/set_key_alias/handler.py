"""SetKeyAlias: the key's first alias gets another name. Tencent Cloud's UpdateAlias and SetKeyAttributes."""

from __future__ import annotations

from collections.abc import Sequence

from tenantkms.action import Nothing, Params, Scope, action
from tenantkms.keystore import DeleteAlias, PutAlias, PutKey, Write
from tenantkms.model import Alias, Key, check_alias
from tenantkms.settings import entry


class SetKeyAlias(Params, frozen=True, kw_only=True):
    """`alias` is a name without the `alias/` prefix."""

    key_id: str
    alias: str


@action("SetKeyAlias")
def set_key_alias(params: SetKeyAlias, scope: Scope) -> Nothing:
    name = check_alias(params.alias)

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
