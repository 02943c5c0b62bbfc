"""The layout of the SQLite file, and what each write and filter of the port is in SQL."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from typing import Any

import msgspec
from msgspec import Struct

from tenantkms.errors import AliasExists
from tenantkms.model.credential import Credential
from tenantkms.model.key import Key
from tenantkms.model.version import KeyVersion
from tenantkms.store.integrity import IntegrityFault, RowMac
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
from tenantkms.store.sqlite_segments import SCHEMA as SEGMENTS

SCHEMAS = (
    """
CREATE TABLE keys (
    id TEXT PRIMARY KEY, revision INTEGER NOT NULL, created INTEGER NOT NULL, state TEXT NOT NULL,
    spec TEXT NOT NULL, usage TEXT NOT NULL, origin TEXT NOT NULL, creator TEXT NOT NULL, due INTEGER, doc BLOB NOT NULL
) WITHOUT ROWID;
CREATE INDEX keys_due ON keys (due, id) WHERE due IS NOT NULL;
CREATE TABLE versions (
    key_id TEXT NOT NULL, number INTEGER NOT NULL, doc BLOB NOT NULL, PRIMARY KEY (key_id, number)
) WITHOUT ROWID;
CREATE TABLE aliases (name TEXT PRIMARY KEY, key_id TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE credentials (access_key_id TEXT PRIMARY KEY, created INTEGER NOT NULL, doc BLOB NOT NULL) WITHOUT ROWID;
""",
    """
CREATE TABLE root (only INTEGER PRIMARY KEY CHECK (only = 1), sealed BLOB NOT NULL);
ALTER TABLE keys ADD COLUMN mac TEXT;
ALTER TABLE versions ADD COLUMN mac TEXT;
ALTER TABLE aliases ADD COLUMN mac TEXT;
ALTER TABLE credentials ADD COLUMN mac TEXT;
ALTER TABLE credentials ADD COLUMN last_used INTEGER NOT NULL DEFAULT 0;
CREATE TABLE watches (job TEXT PRIMARY KEY, since INTEGER NOT NULL, seen INTEGER NOT NULL) WITHOUT ROWID;
""",
    "ALTER TABLE watches ADD COLUMN place TEXT",
    SEGMENTS,
)
"""What brings a file from each version of the layout to the next one; the first is of an empty file."""
_NAME = "CASE WHEN json_valid(CAST(doc AS TEXT)) THEN json_extract(CAST(doc AS TEXT), '$.name') END"
INDEXES = (
    f"CREATE INDEX IF NOT EXISTS credentials_by_name ON credentials ({_NAME}, created, access_key_id)",
    "CREATE INDEX IF NOT EXISTS keys_by_facts ON keys (created, id, state, spec, usage, origin, creator, due)",
    "DROP INDEX IF EXISTS keys_by_age",  # of files from before: the same without the facts
)
"""Made in each file that is opened, and no version of the layout: a release that does not know them writes and reads
them too, since SQLite does."""

encode = msgspec.json.encode
decode_key = msgspec.json.Decoder(Key).decode


class Table(Struct, frozen=True, kw_only=True):
    """A table whose rows have MACs. The first `named_by` of its columns are the row's name.

    A row is a tuple of the columns' values, and in the file the MAC is behind them. What queries use is covered by it
    as the document is: a column that lies is noticed as soon as the row is read.
    """

    name: str
    columns: tuple[str, ...]
    named_by: int = 1

    def select(self, rest: str) -> str:
        return f"SELECT {', '.join(self.columns)}, mac FROM {self.name} {rest}"

    @property
    def insert(self) -> str:
        """Of a new row, unless there is one of that name."""
        return (
            f"INSERT OR IGNORE INTO {self.name} ({', '.join(self.columns)}, mac) VALUES ({'?, ' * len(self.columns)}?)"
        )

    def update(self, where: str) -> str:
        """Of all columns, then come the values of `where`."""
        return f"UPDATE {self.name} SET {' = ?, '.join(self.columns)} = ?, mac = ? WHERE {where}"

    @property
    def this(self) -> str:
        """The condition of a row by its name."""
        return " AND ".join(f"{column} = ?" for column in self.columns[: self.named_by])

    @property
    def order(self) -> str:
        """The columns of a row's name."""
        return ", ".join(self.columns[: self.named_by])

    @property
    def beyond(self) -> str:
        """The condition of the rows that follow one of a name, in the order of their names."""
        return f"({self.order}) > ({', '.join('?' * self.named_by)})"

    def with_mac(self, macs: RowMac, row: tuple[Any, ...]) -> tuple[Any, ...]:
        return (*row, macs.make((self.name, row)))

    def fault(self, macs: RowMac, found: tuple[Any, ...]) -> IntegrityFault | None:
        """What is wrong with a row as `select` found it."""
        row = found[:-1]
        return macs.fault((self.name, row), found[-1], self.name, *row[: self.named_by])

    def checked(self, macs: RowMac, found: tuple[Any, ...]) -> tuple[Any, ...]:
        """The row as `select` found it, if it is believed. Raises `IntegrityFault`."""
        row = found[:-1]
        macs.check((self.name, row), found[-1], self.name, *row[: self.named_by])
        return row

    def called(self, macs: RowMac, found: tuple[Any, ...], *name: object) -> tuple[Any, ...]:
        """`checked`, of the row of that name: what finds rows rests in the file too, and may take others for it."""
        return self.checked(macs, (*name, *found[self.named_by :]))


KEYS = Table(
    name="keys", columns=("id", "revision", "created", "state", "spec", "usage", "origin", "creator", "due", "doc")
)
VERSIONS = Table(name="versions", columns=("key_id", "number", "doc"), named_by=2)
ALIASES = Table(name="aliases", columns=("name", "key_id"))
CREDENTIALS = Table(name="credentials", columns=("access_key_id", "created", "doc"))
TABLES = (KEYS, VERSIONS, ALIASES, CREDENTIALS)


def key_row(key: Key) -> tuple[Any, ...]:
    about = (key.state, key.spec, key.usage, key.origin, key.creator, key.due or None)
    return (key.id, key.revision, key.created, *about, encode(key))


def version_row(key_id: str, version: KeyVersion) -> tuple[Any, ...]:
    return (key_id, version.number, encode(version))


def credential_row(credential: Credential) -> tuple[Any, ...]:
    return (credential.access_key_id, credential.created, encode(credential))


CREDENTIALS_NAMED = CREDENTIALS.select(f"WHERE {_NAME} IN (?, ?) ORDER BY created, access_key_id")


def indexed_names(name: str) -> tuple[str, str]:
    """What the index of names may have for `name`: some releases of SQLite see the end of a text in a NUL."""
    return name, name.partition("\0")[0]


_INSERT_KEY, _UPDATE_KEY = KEYS.insert, KEYS.update("id = ? AND revision = ?")
_INSERT_ALIAS, _UPDATE_ALIAS = ALIASES.insert, ALIASES.update("name = ? AND key_id = ?")


def _put_key(db: sqlite3.Connection, macs: RowMac, write: PutKey) -> None:
    key = write.key
    row = KEYS.with_mac(macs, key_row(key))
    if key.revision == 1:
        done = db.execute(_INSERT_KEY, row)
    else:
        done = db.execute(_UPDATE_KEY, (*row, key.id, key.revision - 1))
    if not done.rowcount:
        raise RevisionConflict


def _put_version(db: sqlite3.Connection, macs: RowMac, write: PutVersion) -> None:
    row = version_row(write.key_id, write.version)
    if not db.execute(VERSIONS.insert, VERSIONS.with_mac(macs, row)).rowcount:
        raise RevisionConflict


def _put_alias(db: sqlite3.Connection, macs: RowMac, write: PutAlias) -> None:
    alias = write.alias
    row = ALIASES.with_mac(macs, (alias.name, alias.key_id))
    if write.expect is None:
        if not db.execute(_INSERT_ALIAS, row).rowcount:
            raise AliasExists
    elif not db.execute(_UPDATE_ALIAS, (*row, alias.name, write.expect)).rowcount:
        raise RevisionConflict


def _delete_alias(db: sqlite3.Connection, _macs: RowMac, write: DeleteAlias) -> None:
    alias = write.alias
    if not db.execute("DELETE FROM aliases WHERE name = ? AND key_id = ?", (alias.name, alias.key_id)).rowcount:
        raise RevisionConflict


def _delete_key(db: sqlite3.Connection, _macs: RowMac, write: DeleteKey) -> None:
    key = write.key
    if not db.execute("DELETE FROM keys WHERE id = ? AND revision = ?", (key.id, key.revision)).rowcount:
        raise RevisionConflict


def _delete_version(db: sqlite3.Connection, _macs: RowMac, write: DeleteVersion) -> None:
    db.execute("DELETE FROM versions WHERE key_id = ? AND number = ?", (write.key_id, write.number))


COMMITS: dict[type[Write], Callable[[sqlite3.Connection, RowMac, Any], None]] = {
    PutKey: _put_key,
    PutVersion: _put_version,
    PutAlias: _put_alias,
    DeleteAlias: _delete_alias,
    DeleteKey: _delete_key,
    DeleteVersion: _delete_version,
}
