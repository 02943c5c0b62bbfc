"""The layout of the SQLite file, and what each write and filter of the port is in SQL."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from tenantkms.errors import AliasExists
from tenantkms.model.key import KeyFilter
from tenantkms.store.port import (
    DeleteAlias,
    DeleteKey,
    DeleteVersion,
    PutAlias,
    PutKey,
    PutVersion,
    RevisionConflict,
    Write,
)

SCHEMAS = (
    """
CREATE TABLE keys (
    id TEXT PRIMARY KEY, revision INTEGER NOT NULL, created INTEGER NOT NULL, state TEXT NOT NULL,
    spec TEXT NOT NULL, usage TEXT NOT NULL, origin TEXT NOT NULL, creator TEXT NOT NULL, due INTEGER, doc BLOB NOT NULL
) WITHOUT ROWID;
CREATE INDEX keys_by_age ON keys (created, id);
CREATE INDEX keys_due ON keys (due, id) WHERE due IS NOT NULL;
CREATE TABLE versions (
    key_id TEXT NOT NULL, number INTEGER NOT NULL, doc BLOB NOT NULL, PRIMARY KEY (key_id, number)
) WITHOUT ROWID;
CREATE TABLE aliases (name TEXT PRIMARY KEY, key_id TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE credentials (access_key_id TEXT PRIMARY KEY, created INTEGER NOT NULL, doc BLOB NOT NULL) WITHOUT ROWID;
""",
    """
CREATE TABLE root (only INTEGER PRIMARY KEY CHECK (only = 1), sealed BLOB NOT NULL);
""",
    """
CREATE TABLE watches (job TEXT PRIMARY KEY, since INTEGER NOT NULL, seen INTEGER NOT NULL) WITHOUT ROWID;
""",
)
"""What brings a file from each version of the layout to the next one; the first is of an empty file."""

encode = msgspec.json.encode


def where_clause(where: KeyFilter) -> tuple[str, list[str]]:
    """The WHERE of a filter's columns, and its values; aliases and tags are for `KeyFilter.matches`."""
    columns: dict[str, Iterable[str] | None] = {
        "state": where.states,
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


def _put_key(db: sqlite3.Connection, write: PutKey) -> None:
    key = write.key
    about = (key.state, key.spec, key.usage, key.origin, key.creator, key.due or None)
    row = (key.revision, key.created, *about, encode(key), key.id)
    if key.revision == 1:
        done = db.execute(
            "INSERT OR IGNORE INTO keys (revision, created, state, spec, usage, origin, creator, due, doc, id)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            row,
        )
    else:
        done = db.execute(
            "UPDATE keys SET revision = ?, created = ?, state = ?, spec = ?, usage = ?, origin = ?, creator = ?,"
            " due = ?, doc = ? WHERE id = ? AND revision = ?",
            (*row, key.revision - 1),
        )
    if not done.rowcount:
        raise RevisionConflict


def _put_version(db: sqlite3.Connection, write: PutVersion) -> None:
    done = db.execute(
        "INSERT OR IGNORE INTO versions (key_id, number, doc) VALUES (?, ?, ?)",
        (write.key_id, write.version.number, encode(write.version)),
    )
    if not done.rowcount:
        raise RevisionConflict


def _put_alias(db: sqlite3.Connection, write: PutAlias) -> None:
    alias = write.alias
    if write.expect is None:
        done = db.execute("INSERT OR IGNORE INTO aliases (name, key_id) VALUES (?, ?)", (alias.name, alias.key_id))
        if not done.rowcount:
            raise AliasExists
    else:
        done = db.execute(
            "UPDATE aliases SET key_id = ? WHERE name = ? AND key_id = ?", (alias.key_id, alias.name, write.expect)
        )
        if not done.rowcount:
            raise RevisionConflict


def _delete_alias(db: sqlite3.Connection, write: DeleteAlias) -> None:
    alias = write.alias
    if not db.execute("DELETE FROM aliases WHERE name = ? AND key_id = ?", (alias.name, alias.key_id)).rowcount:
        raise RevisionConflict


def _delete_key(db: sqlite3.Connection, write: DeleteKey) -> None:
    key = write.key
    if not db.execute("DELETE FROM keys WHERE id = ? AND revision = ?", (key.id, key.revision)).rowcount:
        raise RevisionConflict


def _delete_version(db: sqlite3.Connection, write: DeleteVersion) -> None:
    db.execute("DELETE FROM versions WHERE key_id = ? AND number = ?", (write.key_id, write.number))


COMMITS: dict[type[Write], Callable[[sqlite3.Connection, Any], None]] = {
    PutKey: _put_key,
    PutVersion: _put_version,
    PutAlias: _put_alias,
    DeleteAlias: _delete_alias,
    DeleteKey: _delete_key,
    DeleteVersion: _delete_version,
}
