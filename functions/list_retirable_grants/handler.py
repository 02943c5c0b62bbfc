"""ListRetirableGrants: the grants of all keys that one principal may retire, some keys at a time."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from tenantkms.action.action import action
from tenantkms.action.call import Params, Place, Result
from tenantkms.action.rule import NO_KEY
from tenantkms.action.scope import Scope
from tenantkms.keys.views import GrantView, grant_view
from tenantkms.runtime.lambda_entry import entry

KEYS = 100
"""How many keys are read for one page, whatever is found on them."""


class ListRetirableGrants(Params, frozen=True, kw_only=True):
    retiring: str
    after: Place = Place()
    limit: Annotated[int, Meta(ge=1, le=1000)] = 50


class Retirable(Result, frozen=True, kw_only=True):
    """`next` is where to go on, None after all keys. A page may be empty and not the last one."""

    grants: list[GrantView]
    next: Place | None


@action("ListRetirableGrants", refuses=NO_KEY, needs=NO_KEY)
def list_retirable_grants(params: ListRetirableGrants, scope: Scope) -> Retirable:
    scope.allow()
    after, found = params.after, list[GrantView]()
    keys = scope.store.keys_after((after.created, after.key_id), limit=KEYS)
    for key in keys:
        for number, grant in enumerate(key.grants[after.rows :], after.rows):
            if grant.retiring == params.retiring:
                if len(found) == params.limit:
                    rest = Place(created=after.created, key_id=after.key_id, rows=number)
                    return Retirable(grants=found, next=rest)
                found.append(grant_view(key.id, grant))
        after = Place(created=key.created, key_id=key.id)
    return Retirable(grants=found, next=after if len(keys) == KEYS else None)


handler = entry(list_retirable_grants)
