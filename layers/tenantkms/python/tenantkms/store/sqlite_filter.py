"""A listing of the SQLite file that a filter narrows: what the filter is in SQL, and the page of what matches."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable

from tenantkms.model.key import Key, KeyFilter
from tenantkms.model.specs import Origin
from tenantkms.model.states import KeyState
from tenantkms.store.integrity import RowMac
from tenantkms.store.sqlite_layout import KEYS, decode_key


def _state_at(now: int) -> str:
    """`Key.state_at` of a row: a key whose material was imported, and that does not leave, is due when that expires."""
    expired = f"origin = '{Origin.EXTERNAL}' AND state <> '{KeyState.PENDING_DELETION}' AND due <= {now:d}"
    return f"CASE WHEN {expired} THEN '{KeyState.PENDING_IMPORT}' ELSE state END"


def _where_clause(where: KeyFilter, now: int) -> tuple[str, list[str]]:
    """The WHERE of a filter's columns, and its values; aliases and tags are for `KeyFilter.matches`."""
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
            some = [str(v) for v in allowed]
            terms.append(f"{column} IN ({','.join('?' * len(some))})")
            values += some
    return ("WHERE " + " AND ".join(terms)) if terms else "", values


def matching(
    db: sqlite3.Connection, macs: RowMac, where: KeyFilter, *, now: int, offset: int, limit: int, descending: bool
) -> tuple[int, list[Key]]:
    """(how many keys match at `now`, the page), ordered by creation. Raises `IntegrityFault`."""
    clause, values = _where_clause(where, now)
    order = "DESC" if descending else "ASC"
    by_age = f"ORDER BY created {order}, id {order}"
    if where.aliases is not None or where.alias_contains or where.tags:
        rows = db.execute(KEYS.select(f"{clause} {by_age}"), values)
        keys = [key for row in rows if where.matches(key := decode_key(KEYS.checked(macs, row)[-1]), now)]
        return len(keys), keys[offset : offset + limit]
    (total,) = db.execute(f"SELECT count(*) FROM keys {clause}", values).fetchone()
    found = f"SELECT id FROM keys {clause} {by_age} LIMIT ? OFFSET ?"
    rows = db.execute(KEYS.select(f"WHERE id IN ({found}) {by_age}"), (*values, limit, offset))
    return total, [decode_key(KEYS.checked(macs, row)[-1]) for row in rows]
