"""DeleteAlias: the name goes, the key stays."""

from __future__ import annotations

from collections.abc import Sequence

from tenantkms.action.action import action
from tenantkms.action.call import Nothing, Params
from tenantkms.action.scope import Scope
from tenantkms.errors import AliasNotFound
from tenantkms.model.alias import ALIAS_PREFIX, Alias
from tenantkms.model.key import Key
from tenantkms.model.specs import ANY_KEY
from tenantkms.model.states import NOTHING
from tenantkms.runtime.lambda_entry import entry
from tenantkms.store.port import DeleteAlias, PutKey, Write


class DeleteAliasParams(Params, frozen=True, kw_only=True):
    """`alias` is a name without the `alias/` prefix."""

    alias: str


@action("DeleteAlias", refuses=NOTHING, needs=ANY_KEY)
def delete_alias(params: DeleteAliasParams, scope: Scope) -> Nothing:
    name = scope.alias(params.alias)

    def change(keys: Sequence[Key]) -> list[Write]:
        (key,) = keys
        if name not in key.aliases:
            raise AliasNotFound
        rest = tuple(alias for alias in key.aliases if alias != name)
        return [DeleteAlias(Alias(name=name, key_id=key.id)), PutKey(scope.revise(key, aliases=rest))]

    scope.update([ALIAS_PREFIX + name], change)
    return Nothing()


handler = entry(delete_alias)
