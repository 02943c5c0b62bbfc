"""Rows of either store as somebody sees and writes them who has the store and not the parent key."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from typing import Any, Protocol

from tenantkms.store.dynamodb import DynamoAccessStore, DynamoKeyStore
from tenantkms.store.port import AccessStore, KeyStore
from tenantkms.store.sqlite import SqliteStore

Row = dict[str, Any]


class RawRows(Protocol):
    """The rows that have a MAC, of one table of DynamoDB or of a file of SQLite."""

    def rows(self) -> list[Row]: ...

    def put(self, row: Row) -> None:
        """Write a row, or over the one of its name."""

    def delete(self, row: Row) -> None: ...

    def variants(self, row: Row) -> Iterator[tuple[str, Row]]:
        """(attribute, the row with another value of it, or without it), but for what names the row or has no MAC."""


_NAMED_BY = {"keys": ("id",), "versions": ("key_id", "number"), "aliases": ("name",), "credentials": ("access_key_id",)}


class SqliteRows:
    def __init__(self, store: SqliteStore) -> None:
        self._path = store._path

    def _do(self, statement: str, *values: object) -> list[Row]:
        with closing(sqlite3.connect(self._path, isolation_level=None)) as db:
            db.row_factory = sqlite3.Row
            return [dict(row) for row in db.execute(statement, values)]

    def rows(self) -> list[Row]:
        return [{"": table, **row} for table in _NAMED_BY for row in self._do(f"SELECT * FROM {table}")]

    def put(self, row: Row) -> None:
        columns = [name for name in row if name]
        marks = ", ".join("?" * len(columns))
        names = ", ".join(columns)
        self._do(f"INSERT OR REPLACE INTO {row['']} ({names}) VALUES ({marks})", *(row[name] for name in columns))

    def delete(self, row: Row) -> None:
        named = _NAMED_BY[row[""]]
        self._do(f"DELETE FROM {row['']} WHERE {' AND '.join(f'{n} = ?' for n in named)}", *(row[n] for n in named))

    def variants(self, row: Row) -> Iterator[tuple[str, Row]]:
        for name, value in row.items():
            if name in ("", "last_used", *_NAMED_BY[row[""]]):  # when it was last used is no part of an access key
                continue
            match value:
                case None:
                    yield name, {**row, name: 1}
                case bytes():
                    yield name, {**row, name: value.replace(b"0", b"1", 1)}
                case int():
                    yield name, {**row, name: value - 1}
                case _:
                    yield name, {**row, name: value[:-1] + "~"}
            if name in ("due", "mac"):
                yield name, {**row, name: None}


class DynamoRows:
    def __init__(self, store: DynamoKeyStore | DynamoAccessStore) -> None:
        self._client, self._table = store._client, store._table

    def rows(self) -> list[Row]:
        items = self._client.scan(TableName=self._table)["Items"]
        return [dict(item) for item in items if item["pk"]["S"].startswith(("KEY#", "ALIAS#", "CREDENTIAL#"))]

    def put(self, row: Row) -> None:
        self._client.put_item(TableName=self._table, Item=row)

    def delete(self, row: Row) -> None:
        self._client.delete_item(TableName=self._table, Key={name: row[name] for name in ("pk", "sk") if name in row})

    def variants(self, row: Row) -> Iterator[tuple[str, Row]]:
        for name, typed in row.items():
            if name in ("pk", "sk"):
                continue
            ((kind, value),) = typed.items()
            other = str(int(value) - 1) if kind == "N" else value[:-1] + (b"~" if kind == "B" else "~")
            yield name, {**row, name: {kind: other}}
            if name not in ("record", "doc", "key_id"):
                yield name, {there: said for there, said in row.items() if there != name}


def raw_rows(store: KeyStore | AccessStore) -> RawRows:
    if isinstance(store, SqliteStore):
        return SqliteRows(store)
    assert isinstance(store, DynamoKeyStore | DynamoAccessStore)
    return DynamoRows(store)


def without_mac(row: Row) -> Row:
    """As a release before MACs wrote it."""
    return {name: value for name, value in row.items() if name != "mac"}


FIRST_LAYOUT = "".join(
    [
        *(f"DROP TRIGGER {table}_{when};" for table in ("keys", "aliases") for when in ("come", "go", "divide")),
        *(f"ALTER TABLE {table} DROP COLUMN mac;" for table in _NAMED_BY),
        "ALTER TABLE credentials DROP COLUMN last_used;",
        *(f"DROP TABLE {table};" for table in ("segments", "root", "watches")),
        "PRAGMA user_version=1;",
    ]
)
"""What makes of a file of SQLite one of the first layout."""
