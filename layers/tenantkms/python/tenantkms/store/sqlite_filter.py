"""A listing of the SQLite file that a filter narrows: what the filter is in SQL, and the page of what matches.

The index `keys_by_facts` has all that SQL asks for, in the order of the listing: neither what is counted nor what
stands before a page is read. Tags alone stand in the documents, all of which are read for them, and no page but the
one that is asked for is kept.
"""

from __future__ import annotations

import heapq
import sqlite3
from collections.abc import Iterable, Iterator

import msgspec
from msgspec import Struct

from tenantkms.model.key import Key, KeyFilter, tagged
from tenantkms.model.specs import Origin
from tenantkms.model.states import KeyState
from tenantkms.store.integrity import RowMac
from tenantkms.store.sqlite_layout import KEYS, decode_key


class _Tagged(Struct, frozen=True):
    """The part of a key's document that is told by nothing else."""

    tags: dict[str, str] = {}


_decode_tags = msgspec.json.Decoder(_Tagged).decode


def _state_at(now: int) -> str:
    """`Key.state_at` of a row: a key whose material was imported, and that does not leave, is due when that expires."""
    expired = f"origin = '{Origin.EXTERNAL}' AND state <> '{KeyState.PENDING_DELETION}' AND due <= {now:d}"
    return f"CASE WHEN {expired} THEN '{KeyState.PENDING_IMPORT}' ELSE state END"


def _where_clause(where: KeyFilter, now: int) -> tuple[str, list[str]]:
    """The WHERE of a filter, and its values; tags are for `_tagged`."""
    columns: dict[str, Iterable[str] | None] = {
        _state_at(now): where.states,
        "spec": where.specs,
        "usage": where.usages,
        "origin": where.origins,
        "creator": where.creators,
        "id": where.ids,
    }
    terms: list[str] = []
    values: list[str] = []
    for column, allowed in columns.items():
        if allowed is not None:
            terms.append(f"{column} IN ({_marks(allowed)})")
            values += map(str, allowed)
    if where.aliases is not None:
        terms.append(f"id IN (SELECT key_id FROM aliases WHERE name IN ({_marks(where.aliases)}))")
        values += where.aliases
    if where.alias_contains:
        terms.append("id IN (SELECT key_id FROM aliases WHERE instr(name, ?))")
        values.append(where.alias_contains)
    return ("WHERE " + " AND ".join(terms)) if terms else "", values


def _marks(values: Iterable[object]) -> str:
    return ",".join("?" for _ in values)


def _tagged(
    db: sqlite3.Connection, macs: RowMac, where: KeyFilter, clause: str, values: list[str]
) -> Iterator[tuple[int, str]]:
    """(created, id) of the keys that have the tags, in no order. Raises `IntegrityFault` for any that it looks at."""
    for found in db.execute(KEYS.select(clause), values):
        id_, _, created, *_, doc = KEYS.checked(macs, found)
        if tagged(_decode_tags(doc).tags, where.tags):
            yield created, id_


def matching(
    db: sqlite3.Connection, macs: RowMac, where: KeyFilter, *, now: int, offset: int, limit: int, descending: bool
) -> tuple[int, list[Key]]:
    """(how many keys match at `now`, the page), ordered by creation; to be asked in a snapshot. Raises
    `IntegrityFault`."""
    clause, values = _where_clause(where, now)
    order = "DESC" if descending else "ASC"
    by_age = f"ORDER BY created {order}, id {order}"
    if where.tags:
        counted = _Counted(_tagged(db, macs, where, clause, values))
        some = (heapq.nlargest if descending else heapq.nsmallest)(offset + limit, counted)
        total, ids = counted.count, [id_ for _, id_ in some[offset:]]
        found, values = _marks(ids), ids
    else:
        (total,) = db.execute(f"SELECT count(*) FROM keys {clause}", values).fetchone()
        found = f"SELECT id FROM keys {clause} {by_age} LIMIT {limit:d} OFFSET {offset:d}"
    rows = db.execute(KEYS.select(f"WHERE id IN ({found}) {by_age}"), values)
    keys = [decode_key(KEYS.checked(macs, row)[-1]) for row in rows]
    return total, [key for key in keys if where.matches(key, now)]


class _Counted:
    """Items, and how many of them have been taken."""

    def __init__(self, items: Iterable[tuple[int, str]]) -> None:
        self._items = items
        self.count = 0

    def __iter__(self) -> Iterator[tuple[int, str]]:
        for item in self._items:
            self.count += 1
            yield item
