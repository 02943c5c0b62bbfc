"""ListTagResources: the tags of keys that are named, or of all keys that carry given tags."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
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
_KEYS = 100
"""That are read at a time."""


class ListTagResources(Params, frozen=True, kw_only=True):
    """`tags`: (key, values) that a key must all carry. `start`: rows to pass over; `limit`: of a page."""

    key_ids: Annotated[list[str], Meta(max_length=50)] = []
    tags: list[tuple[str, list[str]]] = []
    start: Annotated[int, Meta(ge=0)] = 0
    limit: Annotated[int, Meta(ge=1, le=1000)] = _PAGE


class TagRow(Struct, frozen=True, kw_only=True):
    key_id: str
    name: str
    value: str


class Tags(Result, frozen=True, kw_only=True):
    """`next` is the `start` of the next page, 0 on the last one."""

    rows: list[TagRow]
    next: int


@action("ListTagResources", refuses=NOTHING, needs=ANY_KEY)
def list_tag_resources(params: ListTagResources, scope: Scope) -> Tags:
    where = KeyFilter(tags=tuple((frozenset({name}), frozenset(values)) for name, values in params.tags))
    if params.key_ids:
        named = distinct(scope.use(ref) for ref in params.key_ids)
        keys = (key for key in named if where.matches(key, scope.now))
    else:
        scope.allow()
        keys = (key for key in _all(scope) if where.matches(key, scope.now))
    rows = (TagRow(key_id=key.id, name=name, value=value) for key in keys for name, value in sorted(key.tags.items()))
    end = params.start + params.limit
    page = list(islice(rows, params.start, end + 1))
    return Tags(rows=page[: params.limit], next=end if len(page) > params.limit else 0)


def _all(scope: Scope) -> Iterator[Key]:
    """All keys, some at a time: no more are read than it takes to fill the page."""
    after = (0, "")
    while page := scope.store.keys_after(after, limit=_KEYS):
        yield from page
        after = (page[-1].created, page[-1].id)


handler = entry(list_tag_resources)
