"""DeleteAlias: the name goes, the key stays."""

from __future__ import annotations

from collections.abc import Sequence

from tenantkms.action import Nothing, Params, Scope, action
from tenantkms.errors import AliasNotFound
from tenantkms.keystore import DeleteAlias, PutKey, Write
from tenantkms.model import ALIAS_PREFIX, Alias, Key, check_alias
from tenantkms.settings import entry


class DeleteAliasParams(Params, frozen=True, kw_only=True):
    """`alias` is a name without the `alias/` prefix."""

    alias: str


@action("DeleteAlias")
def delete_alias(params: DeleteAliasParams, scope: Scope) -> Nothing:
    name = check_alias(params.alias)

    def change(keys: Sequence[Key]) -> list[Write]:
        (key,) = keys
        if name not in key.aliases:
            raise AliasNotFound
        rest = tuple(alias for alias in key.aliases if alias != name)
        return [DeleteAlias(Alias(name=name, key_id=key.id)), PutKey(scope.revise(key, aliases=rest))]

    scope.update([ALIAS_PREFIX + name], change)
    return Nothing()


handler = entry(delete_alias)
