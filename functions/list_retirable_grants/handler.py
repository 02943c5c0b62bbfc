"""ListRetirableGrants: the grants of all keys that one principal may retire, some keys at a time."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from tenantkms.action.action import action
from tenantkms.action.call import Params, Result
from tenantkms.action.rule import NO_KEY
from tenantkms.action.scope import Scope
from tenantkms.keys.views import GrantView, grant_view
from tenantkms.runtime.lambda_entry import entry

KEYS = 100
"""How many keys are read for one page, whatever is found on them."""


class Place(Struct, frozen=True, kw_only=True):
    """Where a page ends: behind the key `key_id`, created at that time in Unix seconds, and behind so many grants of
    the next one."""

    created: Annotated[int, Meta(ge=0)] = 0
    key_id: Annotated[str, Meta(max_length=36)] = ""
    grants: Annotated[int, Meta(ge=0)] = 0


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
        for number, grant in enumerate(key.grants[after.grants :], after.grants):
            if grant.retiring == params.retiring:
                if len(found) == params.limit:
                    rest = Place(created=after.created, key_id=after.key_id, grants=number)
                    return Retirable(grants=found, next=rest)
                found.append(grant_view(key.id, grant))
        after = Place(created=key.created, key_id=key.id)
    return Retirable(grants=found, next=after if len(keys) == KEYS else None)


handler = entry(list_retirable_grants)
