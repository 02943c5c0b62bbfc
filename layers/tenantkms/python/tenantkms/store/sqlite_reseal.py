"""What a reseal does with the rows of the SQLite file, and how a root secret takes another's place."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from tenantkms.model.credential import Credential
from tenantkms.model.key import Key
from tenantkms.model.version import KeyVersion
from tenantkms.parent.port import SealBroken
from tenantkms.store.integrity import IntegrityFault, RowMac
from tenantkms.store.port import Renewal, RevisionConflict, Seen
from tenantkms.store.sqlite_file import transaction
from tenantkms.store.sqlite_layout import (
    ALIASES,
    CREDENTIALS,
    KEYS,
    TABLES,
    VERSIONS,
    Table,
    credential_row,
    key_row,
    version_row,
)

Row = tuple[Any, ...]
_PAGE = 200
"""Rows of one transaction: others wait for it to end."""
_decode_key = msgspec.json.Decoder(Key).decode
_decode_version = msgspec.json.Decoder(KeyVersion).decode
_decode_credential = msgspec.json.Decoder(Credential).decode


class Resealing:
    """`read` answers the key of that id, of a row that is believed."""

    def __init__(
        self, db: sqlite3.Connection, macs: RowMac, read: Callable[[str], Key | None], renewal: Renewal
    ) -> None:
        self._db, self._macs, self._read, self._renewal = db, macs, read, renewal
        self._last: Key | None = None

    def __iter__(self) -> Iterator[Seen]:
        by_table: dict[Table, Callable[[Row], Row]] = {
            KEYS: self._key,
            VERSIONS: self._version,
            ALIASES: lambda row: row,
            CREDENTIALS: self._credential,
        }
        for table in TABLES:
            page = self._page(table, "", ())
            while page:
                yield from self._renewed(table, by_table[table], page)
                page = self._page(table, f"WHERE {table.beyond}", page[-1][: table.named_by])

    def _page(self, table: Table, where: str, values: Row) -> list[Row]:
        return self._db.execute(table.select(f"{where} ORDER BY {table.order} LIMIT {_PAGE}"), values).fetchall()

    def _renewed(self, table: Table, renew: Callable[[Row], Row], page: list[Row]) -> list[Seen]:
        """The parent key is asked before anything is locked; who changes a row meanwhile has another MAC."""
        seen, changes = list[Seen](), list[Row]()
        for found in page:
            try:
                row = table.checked(self._macs, found)
                new = renew(row)
            except (IntegrityFault, SealBroken) as e:
                seen.append(Seen(renewed=False, trouble=_trouble(table, found, e)))
                continue
            if new != row or not self._macs.is_newest((table.name, row), found[-1]):
                changes.append((*table.with_mac(self._macs, new), *row[: table.named_by], found[-1]))
            else:
                seen.append(Seen(renewed=False))
        if changes:
            with transaction(self._db) as db:
                update = table.update(f"{table.this} AND mac = ?")
                for change in changes:
                    db.execute(update, change)
        return seen + [Seen(renewed=True)] * len(changes)

    def _key(self, row: Row) -> Row:
        key = _decode_key(row[-1])
        new = self._renewal.key(key)
        return row if new is key else key_row(new)

    def _version(self, row: Row) -> Row:
        key_id, _, doc = row
        key = self._last if self._last and self._last.id == key_id else self._read(key_id)
        if key is None:  # it was destroyed, and this is what a process that ended has left of it
            return row
        self._last, version = key, _decode_version(doc)
        new = self._renewal.version(key, version)
        return row if new is version else version_row(key_id, new)

    def _credential(self, row: Row) -> Row:
        credential = _decode_credential(row[-1])
        new = self._renewal.credential(credential)
        return row if new is credential else credential_row(new)


def _trouble(table: Table, found: Row, fault: IntegrityFault | SealBroken) -> str:
    if isinstance(fault, IntegrityFault):
        return fault.details
    name = " ".join(str(part) for part in found[: table.named_by])
    return f"{table.name} {name}: {fault}"


def replace_root(db: sqlite3.Connection, before: bytes, after: bytes) -> None:
    done = db.execute("UPDATE root SET sealed = ? WHERE sealed IN (?, ?)", (after, before, after))
    if not done.rowcount:
        raise RevisionConflict
