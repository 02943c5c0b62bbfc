"""ListKeys: a page of the tenant's keys, oldest first unless asked otherwise."""

from __future__ import annotations

from tenantkms.action import Page, Result, Scope, action
from tenantkms.model import KeyFilter
from tenantkms.settings import entry
from tenantkms.views import KeyView, view


class ListKeys(Page, frozen=True, kw_only=True):
    where: KeyFilter = KeyFilter()
    descending: bool = False


class Keys(Result, frozen=True, kw_only=True):
    total: int
    offset: int
    limit: int
    keys: list[KeyView]


@action("ListKeys")
def list_keys(params: ListKeys, scope: Scope) -> Keys:
    scope.allow()
    store = scope.deps.keyring.store
    total, keys = store.list_keys(params.where, offset=params.start, limit=params.limit, descending=params.descending)
    return Keys(total=total, offset=params.start, limit=params.limit, keys=[view(key) for key in keys])


handler = entry(list_keys)
