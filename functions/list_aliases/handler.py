"""ListAliases: a page of all aliases by name, or of those of one key."""

from __future__ import annotations

from tenantkms.action.action import action
from tenantkms.action.call import Page, Result
from tenantkms.action.scope import Scope
from tenantkms.keys.views import AliasView
from tenantkms.model.alias import Alias
from tenantkms.model.specs import ANY_KEY
from tenantkms.model.states import NOTHING
from tenantkms.runtime.lambda_entry import entry


class ListAliases(Page, frozen=True, kw_only=True):
    """`key_id` empty: the aliases of all keys."""

    key_id: str = ""


class Aliases(Result, frozen=True, kw_only=True):
    """`key_id`: of the one key that was asked for."""

    key_id: str
    total: int
    offset: int
    limit: int
    aliases: list[AliasView]


@action("ListAliases", refuses=NOTHING, needs=ANY_KEY)
def list_aliases(params: ListAliases, scope: Scope) -> Aliases:
    start, end = params.start, params.start + params.limit
    key_id = ""
    if params.key_id:
        key = scope.use(params.key_id)
        key_id = key.id
        total = len(key.aliases)
        page = [Alias(name=name, key_id=key.id) for name in sorted(key.aliases)[start:end]]
    else:
        scope.allow()
        total, page = scope.store.list_aliases(offset=start, limit=params.limit)
    aliases = [AliasView(name=alias.name, key_id=alias.key_id) for alias in page]
    return Aliases(key_id=key_id, total=total, offset=start, limit=params.limit, aliases=aliases)


handler = entry(list_aliases)
