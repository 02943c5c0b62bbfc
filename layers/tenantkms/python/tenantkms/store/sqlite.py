"""Both ports on one SQLite file in WAL mode, and used nonces beside it: the store of one machine.

Several processes and threads may use it at once. Keys are durable when `commit` returns (synchronous=FULL).
Nonces survive the process but not a power cut: fsync for each request would cost more than it protects. Requests per
second are counted in memory: nobody but the one server takes of them.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, closing
from copy import copy
from itertools import repeat
from pathlib import Path
from typing import Any, Self

import msgspec

from tenantkms.errors import Unavailable
from tenantkms.model.alias import Alias
from tenantkms.model.credential import Credential, by_age
from tenantkms.model.key import Key, KeyFilter
from tenantkms.model.states import KeyState
from tenantkms.model.version import KeyVersion
from tenantkms.model.watch import LATEST, Watch, kept, place_text
from tenantkms.store.buckets import AnyBuckets, Buckets
from tenantkms.store.file_lock import Later, at_once
from tenantkms.store.integrity import UNCHECKED, IntegrityFault, RowMac
from tenantkms.store.nonces import NonceFiles
from tenantkms.store.port import MAX_BUCKETS, Renewal, RevisionConflict, Seen, Write
from tenantkms.store.sqlite_file import (
    Connections,
    faults,
    lenient,
    make_private,
    statements,
    transaction,
    unavailable,
)
from tenantkms.store.sqlite_filter import matching
from tenantkms.store.sqlite_layout import (
    ALIASES,
    COMMITS,
    CREDENTIALS,
    CREDENTIALS_NAMED,
    INDEXES,
    KEYS,
    SCHEMAS,
    TABLES,
    VERSIONS,
    Table,
    credential_row,
    decode_key,
    indexed_names,
)
from tenantkms.store.sqlite_reseal import Resealing, replace_root
from tenantkms.store.sqlite_segments import count_rows, page, snapshot

_decode_version = msgspec.json.Decoder(KeyVersion).decode
_decode_credential = msgspec.json.Decoder(Credential).decode

_GET_KEY = KEYS.select("WHERE id = ?")
_GET_VERSION = VERSIONS.select("WHERE key_id = ? AND number = ?")
_LIST_VERSIONS = VERSIONS.select("WHERE key_id = ? AND number BETWEEN ? AND ? ORDER BY number")
_GET_ALIAS = ALIASES.select("WHERE name = ?")
_LIST_ALIASES = ALIASES.select("WHERE name >= ? ORDER BY name LIMIT ? OFFSET ?")
_LIST_KEYS = KEYS.select(
    "WHERE id IN (SELECT id FROM keys WHERE (created, id) >= (?, ?) ORDER BY created, id LIMIT ? OFFSET ?)"
    " ORDER BY created, id"
)
"""The rows before the page are passed over in the index, without a look at the keys themselves."""
_GET_CREDENTIAL = CREDENTIALS.select("WHERE access_key_id = ?")
_UPDATE_CREDENTIAL = CREDENTIALS.update("access_key_id = ?")
_BATCH = 1000
"""Rows of one transaction where all of them are written, and of a page where all are read."""
_NEXT_CREDENTIALS = CREDENTIALS.select(f"WHERE {CREDENTIALS.beyond} ORDER BY {CREDENTIALS.order} LIMIT {_BATCH}")


class SqliteStore:
    """`KeyStore` and `AccessStore` on the file `path` and the directory `<path>-nonces`, created on first use.

    `later` gives back the lock of the nonces (`FileLock`); `buckets` has `MAX_BUCKETS`, of requests per second. Raises
    `Unavailable` when the file cannot be opened or was written by a newer release.
    """

    def __init__(self, path: Path, macs: RowMac, later: Later = at_once, buckets: AnyBuckets | None = None) -> None:
        try:
            make_private(path)
            self._at = Connections(path)
            self._create()
        except (OSError, sqlite3.Error) as e:
            raise Unavailable(f"The key store {path} cannot be opened: {e}.") from e
        self._path, self._macs = path, macs
        self._nonces = NonceFiles(Path(f"{path}-nonces"), later=later)
        buckets = Buckets(MAX_BUCKETS) if buckets is None else buckets
        self.take, self.give_back = buckets.take, buckets.give_back

    def _create(self) -> None:
        with transaction(self._at.db) as db:
            (version,) = db.execute("PRAGMA user_version").fetchone()
            if version > len(SCHEMAS):
                raise Unavailable("The key store was written by a newer release of tenant-kms.")
            for schema in SCHEMAS[version:]:
                for statement in statements(schema):
                    db.execute(statement)
            for index in INDEXES:
                db.execute(index)
            db.execute(f"PRAGMA user_version={len(SCHEMAS)}")

    def _rows(self, table: Table, select: str, values: Sequence[object] = ()) -> Iterator[tuple[Any, ...]]:
        """What `select` of the table finds, if it is believed; the document, where there is one, is the last column."""
        for found in self._at.db.execute(select, values):
            yield table.checked(self._macs, found)

    # -- KeyStore --

    @faults
    def get(self, key_id: str) -> Key | None:
        row = self._at.db.execute(_GET_KEY, (key_id,)).fetchone()
        return decode_key(KEYS.called(self._macs, row, key_id)[-1]) if row else None

    @faults
    def get_version(self, key_id: str, number: int) -> KeyVersion | None:
        row = self._at.db.execute(_GET_VERSION, (key_id, number)).fetchone()
        return _decode_version(VERSIONS.called(self._macs, row, key_id, number)[-1]) if row else None

    @faults
    def list_versions(self, key_id: str, first: int, last: int) -> list[KeyVersion]:
        return [_decode_version(row[-1]) for row in self._rows(VERSIONS, _LIST_VERSIONS, (key_id, first, last))]

    @faults
    def list_due(self, before: int, *, limit: int, after: tuple[int, str] = (0, "")) -> list[tuple[int, str]]:
        rows = self._at.db.execute(
            # An id that is no text would end the list for all that follow it.
            "SELECT due, id FROM keys WHERE due IS NOT NULL AND due <= ? AND (due, id) > (?, ?)"
            " AND id NOT GLOB '*[^0-9a-f-]*' ORDER BY due, id LIMIT ?",
            (before, *after, limit),
        )
        return list(rows)

    @faults
    def count_waiting(self, state: KeyState) -> int:
        select = "SELECT count(*) FROM keys WHERE due IS NOT NULL AND state = ?"
        (count,) = self._at.db.execute(select, (state,)).fetchone()
        return int(count)

    @faults
    def count_keys(self) -> int:
        return count_rows(self._at.db, KEYS.name)

    @faults
    def count_aliases(self) -> int:
        return count_rows(self._at.db, ALIASES.name)

    @faults
    def get_alias(self, name: str) -> Alias | None:
        row = self._at.db.execute(_GET_ALIAS, (name,)).fetchone()
        return Alias(name=name, key_id=ALIASES.called(self._macs, row, name)[1]) if row else None

    @faults
    def commit(self, writes: Sequence[Write]) -> None:
        with transaction(self._at.db) as db:
            self._macs.renew()  # in the transaction, so that nothing under a former key comes behind a reseal
            for write in writes:
                COMMITS[type(write)](db, self._macs, write)

    @faults
    def list_keys(
        self, where: KeyFilter, *, now: int, offset: int, limit: int, descending: bool = False
    ) -> tuple[int, list[Key]]:
        with snapshot(db := self._at.db):
            if where != KeyFilter():
                return matching(db, self._macs, where, now=now, offset=offset, limit=limit, descending=descending)
            total, (*first, skip, size) = page(db, KEYS.name, offset, limit, descending=descending)
            keys = [decode_key(row[-1]) for row in self._rows(KEYS, _LIST_KEYS, (*first, size, skip))]
        return total, keys[::-1] if descending else keys

    def settle(self, now: int, more: Callable[[], bool]) -> None:
        """Triggers count."""

    @faults
    def keys_after(self, after: tuple[int, str], *, limit: int) -> list[Key]:
        beyond = "WHERE (created, id) > (?, ?) ORDER BY created, id LIMIT ?"
        return [decode_key(row[-1]) for row in self._rows(KEYS, KEYS.select(beyond), (*after, limit))]

    @faults
    def list_aliases(self, *, offset: int, limit: int) -> tuple[int, list[Alias]]:
        with snapshot(db := self._at.db):
            total, (_, first, skip, size) = page(db, ALIASES.name, offset, limit)
            rows = self._rows(ALIASES, _LIST_ALIASES, (first, size, skip))
            return total, [Alias(name=name, key_id=key_id) for name, key_id in rows]

    @faults
    def get_root(self) -> bytes | None:
        row = self._at.db.execute("SELECT CAST(sealed AS BLOB) FROM root").fetchone()
        return row[0] if row else None

    @faults
    def put_root(self, sealed: bytes) -> None:
        self._at.db.execute("INSERT OR IGNORE INTO root (only, sealed) VALUES (1, ?)", (sealed,))

    @faults
    def replace_root(self, before: bytes, after: bytes) -> None:
        replace_root(self._at.db, before, after)

    @faults
    def get_watch(self, job: str) -> Watch | None:
        row = self._at.db.execute("SELECT since, seen, place FROM watches WHERE job = ?", (job,)).fetchone()
        return kept(*row) if row else None

    @faults
    def put_watch(self, job: str, watch: Watch) -> None:
        row = (job, watch.since, watch.seen, place_text(watch.place))
        self._at.db.execute("INSERT OR REPLACE INTO watches (job, since, seen, place) VALUES (?, ?, ?, ?)", row)

    # -- AccessStore --

    @faults
    def get_credential(self, access_key_id: str) -> Credential | None:
        row = self._at.db.execute(_GET_CREDENTIAL, (access_key_id,)).fetchone()
        return _decode_credential(CREDENTIALS.called(self._macs, row, access_key_id)[-1]) if row else None

    @faults
    def put_credential(self, credential: Credential, *, new: bool) -> None:
        self._macs.renew()
        row = CREDENTIALS.with_mac(self._macs, credential_row(credential))
        statement, values = (CREDENTIALS.insert, row) if new else (_UPDATE_CREDENTIAL, (*row, row[0]))
        if not self._at.db.execute(statement, values).rowcount:
            raise RevisionConflict

    @faults
    def delete_credential(self, access_key_id: str) -> bool:
        delete = "DELETE FROM credentials WHERE access_key_id = ?"
        return bool(self._at.db.execute(delete, (access_key_id,)).rowcount)

    def credentials(self) -> Iterator[Credential]:
        after: object = ""
        try:
            while page := list(self._rows(CREDENTIALS, _NEXT_CREDENTIALS, (after,))):
                yield from (_decode_credential(row[-1]) for row in page)
                after = page[-1][0]  # of the row: a document that is not checked may have another one
        except sqlite3.Error as e:
            raise unavailable() from e

    def list_credentials(self) -> list[Credential]:
        return sorted(self.credentials(), key=by_age)

    @faults
    def credentials_named(self, name: str) -> list[Credential]:
        rows = self._rows(CREDENTIALS, CREDENTIALS_NAMED, indexed_names(name))
        return [c for c in (_decode_credential(row[-1]) for row in rows) if c.name == name]

    @faults
    def note_use(self, access_key_id: str, when: int) -> None:
        update = "UPDATE credentials SET last_used = max(last_used, ?) WHERE access_key_id = ?"
        self._at.db.execute(update, (when, access_key_id))

    @faults
    def last_uses(self) -> dict[str, int]:
        select = "SELECT access_key_id, last_used FROM credentials WHERE last_used > 0"
        return {name: used for name, used in self._at.db.execute(select) if isinstance(used, int) and used <= LATEST}

    @faults
    def has_credentials(self) -> bool:
        return self._at.db.execute("SELECT 1 FROM credentials LIMIT 1").fetchone() is not None

    def use_nonce(self, nonce: bytes, *, now: int, expires: int, source: str | None = None, again: int = 0) -> bool:
        return self._nonces.use(nonce, now=now, expires=expires, source=source, again=again)

    # -- both --

    def snapshot(self) -> AbstractContextManager[None]:
        """What this thread reads within is of one moment. Listings by position have one of their own."""
        return snapshot(self._at.db)

    def authenticated(self, macs: RowMac) -> Self:
        """The same store, open once, whose rows have these MACs."""
        other = copy(self)
        other._macs = macs  # noqa: SLF001 - it is one of this class
        return other

    def unauthenticated(self) -> Self:
        return self.authenticated(UNCHECKED)

    def check_rows(self) -> Iterator[IntegrityFault | None]:
        try:
            with closing(self._at.open()) as db:  # one of its own, since no other reads so leniently
                db.text_factory = lenient
                for table in TABLES:
                    for found in db.execute(table.select("")):
                        yield table.fault(self._macs, found)
        except sqlite3.Error as e:
            raise unavailable() from e

    def take_over(self) -> Iterator[None]:
        for table in TABLES:
            page = self._take_over(table, "")
            while page:
                yield from repeat(None, len(page))
                page = self._take_over(table, table.beyond, page[-1])

    def reseal(self, renewal: Renewal) -> Iterator[Seen]:
        try:
            yield from Resealing(self._at.db, self._macs, self.get, renewal)
        except sqlite3.Error as e:
            raise unavailable() from e

    @faults
    def _take_over(self, table: Table, beyond: str, last: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
        """The names of the next rows, in their order, which have their MACs now: none is looked at a second time."""
        with transaction(self._at.db) as db:
            where = " AND ".join(filter(None, ("mac IS NULL", beyond)))
            rows = db.execute(table.select(f"WHERE {where} ORDER BY {table.order} LIMIT {_BATCH}"), last).fetchall()
            statement = table.update(table.this)
            for found in rows:
                row = found[:-1]
                db.execute(statement, (*table.with_mac(self._macs, row), *row[: table.named_by]))
        return [found[: table.named_by] for found in rows]
