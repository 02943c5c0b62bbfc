"""ListAliases: a page of all aliases by name, or of those of one key."""

from __future__ import annotations

from tenantkms.action import Page, Result, Scope, action
from tenantkms.model import Alias
from tenantkms.settings import entry
from tenantkms.views import AliasView


class ListAliases(Page, frozen=True, kw_only=True):
    """`key_id` empty: the aliases of all keys."""

    key_id: str = ""


class Aliases(Result, frozen=True, kw_only=True):
    total: int
    offset: int
    limit: int
    aliases: list[AliasView]


@action("ListAliases")
def list_aliases(params: ListAliases, scope: Scope) -> Aliases:
    start, end = params.start, params.start + params.limit
    if params.key_id:
        key = scope.use(params.key_id)
        total = len(key.aliases)
        page = [Alias(name=name, key_id=key.id) for name in sorted(key.aliases)[start:end]]
    else:
        scope.allow()
        total, page = scope.deps.keyring.store.list_aliases(offset=start, limit=params.limit)
    aliases = [AliasView(name=alias.name, key_id=alias.key_id) for alias in page]
    return Aliases(total=total, offset=start, limit=params.limit, aliases=aliases)


handler = entry(list_aliases)
