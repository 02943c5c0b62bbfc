"""ListKeys: a page of the tenant's keys, oldest first unless asked otherwise."""

from __future__ import annotations

from tenantkms.action.action import action
from tenantkms.action.call import Page, Result
from tenantkms.action.rule import NO_KEY
from tenantkms.action.scope import Scope
from tenantkms.keys.views import KeyView, view
from tenantkms.model.key import KeyFilter
from tenantkms.runtime.lambda_entry import entry


class ListKeys(Page, frozen=True, kw_only=True):
    where: KeyFilter = KeyFilter()
    descending: bool = False


class Keys(Result, frozen=True, kw_only=True):
    total: int
    offset: int
    limit: int
    keys: list[KeyView]


@action("ListKeys", refuses=NO_KEY, needs=NO_KEY)
def list_keys(params: ListKeys, scope: Scope) -> Keys:
    scope.allow()
    store = scope.store
    total, keys = store.list_keys(params.where, offset=params.start, limit=params.limit, descending=params.descending)
    return Keys(total=total, offset=params.start, limit=params.limit, keys=[view(key) for key in keys])


handler = entry(list_keys)
