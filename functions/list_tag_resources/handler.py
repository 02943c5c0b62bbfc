"""ListTagResources: the tags of keys that are named, or of all keys that carry given tags, some keys at a time."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from tenantkms.action.action import action
from tenantkms.action.call import Params, Result
from tenantkms.action.scope import Scope
from tenantkms.model.key import Key, KeyFilter, distinct
from tenantkms.model.specs import ANY_KEY
from tenantkms.model.states import NOTHING
from tenantkms.runtime.lambda_entry import entry

_PAGE = 200
KEYS = 200
"""How many keys are read for one page, whatever tags they have: enough for a page of keys with one each."""


class Place(Struct, frozen=True, kw_only=True):
    """Where a page ends: behind the key `key_id`, created at that time in Unix seconds, and behind so many rows of
    those that follow it."""

    created: Annotated[int, Meta(ge=0)] = 0
    key_id: Annotated[str, Meta(max_length=36)] = ""
    rows: Annotated[int, Meta(ge=0)] = 0


class ListTagResources(Params, frozen=True, kw_only=True):
    """`tags`: (key, values) that a key must all carry. `start`: rows to pass over behind `after`, as an endpoint of a
    release before asks, and who has a token of it; `limit`: rows of a page."""

    key_ids: Annotated[list[str], Meta(max_length=50)] = []
    tags: list[tuple[str, list[str]]] = []
    after: Place = Place()
    start: Annotated[int, Meta(ge=0)] = 0
    limit: Annotated[int, Meta(ge=1, le=1000)] = _PAGE


class TagRow(Struct, frozen=True, kw_only=True):
    key_id: str
    name: str
    value: str


class Tags(Result, frozen=True, kw_only=True):
    """`next` is where to go on, None after all keys. A page may be short, or empty, and not the last one: at most
    `KEYS` keys are looked at, and one whose tags do not fit is left to the next page."""

    rows: list[TagRow]
    next: Place | None


@action("ListTagResources", refuses=NOTHING, needs=ANY_KEY)
def list_tag_resources(params: ListTagResources, scope: Scope) -> Tags:
    where = KeyFilter(tags=tuple((frozenset({name}), frozenset(values)) for name, values in params.tags))
    after = (params.after.created, params.after.key_id)
    skip, rows = params.after.rows + params.start, list[TagRow]()
    if params.key_ids:
        named = distinct(scope.use(ref) for ref in params.key_ids)
        keys, last = sorted((key for key in named if _age(key) > after), key=_age), True
    else:
        scope.allow()
        keys = scope.store.keys_after(after, limit=KEYS)
        last = len(keys) < KEYS
    for key in keys:
        tags = sorted(key.tags.items()) if where.matches(key, scope.now) else []
        shown, room = tags[skip:], params.limit - len(rows)
        if len(shown) > room and rows:
            return Tags(rows=rows, next=_behind(after))
        rows += [TagRow(key_id=key.id, name=name, value=value) for name, value in shown[:room]]
        if len(shown) > room:
            return Tags(rows=rows, next=_behind(after, skip + room))
        skip = max(0, skip - len(tags))
        after = _age(key)
    return Tags(rows=rows, next=None if last else _behind(after, skip))


def _age(key: Key) -> tuple[int, str]:
    return key.created, key.id


def _behind(after: tuple[int, str], rows: int = 0) -> Place:
    created, key_id = after
    return Place(created=created, key_id=key_id, rows=rows)


handler = entry(list_tag_resources)
