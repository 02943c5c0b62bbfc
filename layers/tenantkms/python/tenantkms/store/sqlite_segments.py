"""Segments of the SQLite file: triggers keep them, in the transaction of the rows that they count.

The row of a segment has the place where it begins. The first one begins before all rows, and those that follow at a
row which is or was there. One that has grown to `_FULL` rows is divided.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tenantkms.store.segments import ascending, place_of

_FULL = 4_000
_HALF = _FULL // 2
_FIRST = -(2**63)


def _schema(table: str, created: str, name: str) -> str:
    """Triggers of a table that is ordered by `created` and `name`, and the segments of the rows that it has.

    `created` may be a constant.
    """

    def placed(row: str) -> str:
        """Values of what stands in a row."""
        return f"{created if created.isdigit() else f'{row}.{created}'}, {row}.{name}"

    def count(row: str, more: str) -> str:
        return f"""
    UPDATE segments SET rows = rows {more} WHERE listing = '{table}' AND (created, name) = (
        SELECT created, name FROM segments
        WHERE listing = '{table}' AND (created, name) <= ({placed(row)})
        ORDER BY created DESC, name DESC LIMIT 1
    );"""

    order, start = (name, "new.name") if created.isdigit() else (f"{created}, {name}", "new.created, new.name")
    return f"""
CREATE TRIGGER {table}_come AFTER INSERT ON {table} BEGIN {count("new", "+ 1")}
END;
CREATE TRIGGER {table}_go AFTER DELETE ON {table} BEGIN {count("old", "- 1")}
END;
CREATE TRIGGER {table}_divide AFTER UPDATE OF rows ON segments
WHEN new.rows >= {_FULL} AND new.listing = '{table}' BEGIN
    INSERT INTO segments (listing, created, name, rows)
        SELECT '{table}', {created}, {name}, new.rows - {_HALF} FROM {table}
        WHERE ({order}) >= ({start}) ORDER BY {order} LIMIT 1 OFFSET {_HALF};
    UPDATE segments SET rows = {_HALF}
        WHERE listing = new.listing AND created = new.created AND name = new.name;
END;
INSERT INTO segments (listing, created, name, rows)
    WITH numbered AS (SELECT {created} AS created, {name} AS name, row_number() OVER (ORDER BY {order}) - 1 AS at
        FROM {table})
    SELECT '{table}', iif(at = 0, {_FIRST}, created), iif(at = 0, '', name),
        min({_HALF}, (SELECT count(*) FROM {table}) - at)
    FROM numbered WHERE at % {_HALF} = 0;
INSERT OR IGNORE INTO segments (listing, created, name, rows) VALUES ('{table}', {_FIRST}, '', 0);
"""


SCHEMA = f"""
CREATE TABLE segments (
    listing TEXT NOT NULL, created INTEGER NOT NULL, name TEXT NOT NULL, rows INTEGER NOT NULL,
    PRIMARY KEY (listing, created, name)
) WITHOUT ROWID;
{_schema("keys", "created", "id")}
{_schema("aliases", "0", "name")}
"""

_SEGMENTS = "SELECT rows, created, name FROM segments WHERE listing = ? ORDER BY created, name"


@contextmanager
def snapshot(db: sqlite3.Connection) -> Iterator[None]:
    """What is read within is of one moment."""
    db.execute("BEGIN")
    try:
        yield
    finally:
        if db.in_transaction:
            db.execute("COMMIT")


def count_rows(db: sqlite3.Connection, listing: str) -> int:
    return int(db.execute("SELECT total(rows) FROM segments WHERE listing = ?", (listing,)).fetchone()[0])


def page(
    db: sqlite3.Connection, listing: str, offset: int, limit: int, *, descending: bool = False
) -> tuple[int, tuple[Any, str, int, int]]:
    """(how many rows there are, (created and name that the page begins at or behind, how many rows to pass over there,
    how many it has)), all in ascending order. To be asked in a `snapshot`."""
    segments = db.execute(_SEGMENTS, (listing,)).fetchall()
    counts = [row[0] for row in segments]
    total = sum(counts)
    start, size = ascending(total, offset, limit, descending=descending)
    segment, skip = place_of(counts, start)
    _, created, name = segments[segment] if segment < len(segments) else (0, 2**63 - 1, "")
    return total, (created, name, skip, size)
