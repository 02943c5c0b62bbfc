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
    page = {"offset": params.start, "limit": params.limit}
    total, keys = scope.store.list_keys(params.where, now=scope.now, descending=params.descending, **page)
    return Keys(total=total, **page, keys=[view(key, scope.now) for key in keys])


handler = entry(list_keys)
