"""Both ports on one SQLite file in WAL mode, and used nonces beside it: the store of one machine.

Several processes and threads may use it at once. Keys are durable when `commit` returns (synchronous=FULL).
Nonces survive the process but not a power cut: fsync for each request would cost more than it protects.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import wraps
from pathlib import Path
from typing import Concatenate, ParamSpec, TypeVar, cast

import msgspec

from tenantkms.errors import Unavailable
from tenantkms.model.alias import Alias
from tenantkms.model.credential import Credential
from tenantkms.model.key import Key, KeyFilter
from tenantkms.model.states import KeyState
from tenantkms.model.version import KeyVersion
from tenantkms.store.nonces import NonceFiles
from tenantkms.store.port import RevisionConflict, Write
from tenantkms.store.sqlite_layout import COMMITS, SCHEMAS, encode, where_clause

_PATIENCE = 10  # seconds that a writer waits for others

_decode_key = msgspec.json.Decoder(Key).decode
_decode_version = msgspec.json.Decoder(KeyVersion).decode
_decode_credential = msgspec.json.Decoder(Credential).decode

S = TypeVar("S")
P = ParamSpec("P")
R = TypeVar("R")


def _faults(method: Callable[Concatenate[S, P], R]) -> Callable[Concatenate[S, P], R]:
    @wraps(method)
    def guarded(self: S, *args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return method(self, *args, **kwargs)
        except sqlite3.Error as e:
            raise Unavailable("The key store is not available.") from e

    return cast("Callable[Concatenate[S, P], R]", guarded)


class _Connection(sqlite3.Connection):
    """Closes itself when it is dropped, as it is when its thread or its store ends."""

    def __del__(self) -> None:
        with suppress(sqlite3.ProgrammingError):  # it was never opened
            self.close()


class _Connections(threading.local):
    """Each thread has its own: SQLite then needs no lock of ours."""

    def __init__(self, path: Path) -> None:
        self.db = self._open(path)

    @staticmethod
    def _open(path: Path) -> sqlite3.Connection:
        # Only the thread that opened it uses it, but any may be the one that drops it.
        db = sqlite3.connect(
            path,
            timeout=_PATIENCE,
            isolation_level=None,
            cached_statements=64,
            check_same_thread=False,
            factory=_Connection,
        )
        _enter_wal(db)
        db.execute("PRAGMA synchronous=FULL")
        return db


def _make_private(path: Path) -> None:
    """A new file for its owner alone: SQLite gives the files beside it the same mode.

    One that is there is not opened, since to close it would let go of all locks that this process has on it.
    """
    with suppress(FileExistsError):
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))


def _enter_wal(db: sqlite3.Connection) -> None:
    """SQLite does not wait for others who open a new file at the same time, so this does."""
    deadline = time.monotonic() + _PATIENCE
    while True:
        try:
            db.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError as e:
            if e.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(0.01)
        else:
            return


@contextmanager
def _transaction(db: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
    db.execute("BEGIN IMMEDIATE")
    try:
        yield db
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:  # some faults have ended it already
            db.execute("ROLLBACK")
        raise


class SqliteStore:
    """`KeyStore` and `AccessStore` on the file `path` and the directory `<path>-nonces`, created on first use.

    Raises `Unavailable` when the file cannot be opened or was written by a newer release.
    """

    def __init__(self, path: Path) -> None:
        try:
            _make_private(path)
            self._at = _Connections(path)
            self._create()
        except (OSError, sqlite3.Error) as e:
            raise Unavailable(f"The key store {path} cannot be opened: {e}.") from e
        self._nonces = NonceFiles(Path(f"{path}-nonces"))

    def _create(self) -> None:
        with _transaction(self._at.db) as db:
            (version,) = db.execute("PRAGMA user_version").fetchone()
            if version > len(SCHEMAS):
                raise Unavailable("The key store was written by a newer release of tenant-kms.")
            for schema in SCHEMAS[version:]:
                for statement in schema.split(";"):
                    db.execute(statement)
            db.execute(f"PRAGMA user_version={len(SCHEMAS)}")

    # -- KeyStore --

    @_faults
    def get(self, key_id: str) -> Key | None:
        row = self._at.db.execute("SELECT doc FROM keys WHERE id = ?", (key_id,)).fetchone()
        return _decode_key(row[0]) if row else None

    @_faults
    def get_version(self, key_id: str, number: int) -> KeyVersion | None:
        select = "SELECT doc FROM versions WHERE key_id = ? AND number = ?"
        row = self._at.db.execute(select, (key_id, number)).fetchone()
        return _decode_version(row[0]) if row else None

    @_faults
    def list_versions(self, key_id: str, first: int, last: int) -> list[KeyVersion]:
        rows = self._at.db.execute(
            "SELECT doc FROM versions WHERE key_id = ? AND number BETWEEN ? AND ? ORDER BY number",
            (key_id, first, last),
        )
        return [_decode_version(doc) for (doc,) in rows]

    @_faults
    def list_due(self, before: int, *, limit: int, after: tuple[int, str] = (0, "")) -> list[Key]:
        rows = self._at.db.execute(
            "SELECT doc FROM keys WHERE due IS NOT NULL AND due <= ? AND (due, id) > (?, ?) ORDER BY due, id LIMIT ?",
            (before, *after, limit),
        )
        return [_decode_key(doc) for (doc,) in rows]

    @_faults
    def count_waiting(self, state: KeyState) -> int:
        select = "SELECT count(*) FROM keys WHERE due IS NOT NULL AND state = ?"
        (count,) = self._at.db.execute(select, (state,)).fetchone()
        return int(count)

    @_faults
    def get_alias(self, name: str) -> Alias | None:
        row = self._at.db.execute("SELECT key_id FROM aliases WHERE name = ?", (name,)).fetchone()
        return Alias(name=name, key_id=row[0]) if row else None

    @_faults
    def commit(self, writes: Sequence[Write]) -> None:
        with _transaction(self._at.db) as db:
            for write in writes:
                COMMITS[type(write)](db, write)

    @_faults
    def list_keys(
        self, where: KeyFilter, *, offset: int, limit: int, descending: bool = False
    ) -> tuple[int, list[Key]]:
        clause, values = where_clause(where)
        order = "DESC" if descending else "ASC"
        db = self._at.db
        by_age = f"ORDER BY created {order}, id {order}"
        if where.aliases is not None or where.alias_contains or where.tags:
            docs = db.execute(f"SELECT doc FROM keys {clause} {by_age}", values)
            keys = [key for (doc,) in docs if where.matches(key := _decode_key(doc))]
            return len(keys), keys[offset : offset + limit]
        (total,) = db.execute(f"SELECT count(*) FROM keys {clause}", values).fetchone()
        # The rows before the page are passed over in the index, without a look at the keys themselves.
        page = f"SELECT id FROM keys {clause} {by_age} LIMIT ? OFFSET ?"
        rows = db.execute(f"SELECT doc FROM keys WHERE id IN ({page}) {by_age}", (*values, limit, offset))
        return total, [_decode_key(doc) for (doc,) in rows]

    @_faults
    def list_aliases(self, *, offset: int, limit: int) -> tuple[int, list[Alias]]:
        db = self._at.db
        (total,) = db.execute("SELECT count(*) FROM aliases").fetchone()
        rows = db.execute("SELECT name, key_id FROM aliases ORDER BY name LIMIT ? OFFSET ?", (limit, offset))
        return total, [Alias(name=name, key_id=key_id) for name, key_id in rows]

    @_faults
    def get_root(self) -> bytes | None:
        row = self._at.db.execute("SELECT sealed FROM root").fetchone()
        return row[0] if row else None

    @_faults
    def put_root(self, sealed: bytes) -> None:
        self._at.db.execute("INSERT OR IGNORE INTO root (only, sealed) VALUES (1, ?)", (sealed,))

    # -- AccessStore --

    @_faults
    def get_credential(self, access_key_id: str) -> Credential | None:
        select = "SELECT doc FROM credentials WHERE access_key_id = ?"
        row = self._at.db.execute(select, (access_key_id,)).fetchone()
        return _decode_credential(row[0]) if row else None

    @_faults
    def put_credential(self, credential: Credential, *, new: bool) -> None:
        row = (credential.created, encode(credential), credential.access_key_id)
        statement = (
            "INSERT OR IGNORE INTO credentials (created, doc, access_key_id) VALUES (?, ?, ?)"
            if new
            else "UPDATE credentials SET created = ?, doc = ? WHERE access_key_id = ?"
        )
        if not self._at.db.execute(statement, row).rowcount:
            raise RevisionConflict

    @_faults
    def delete_credential(self, access_key_id: str) -> bool:
        delete = "DELETE FROM credentials WHERE access_key_id = ?"
        return bool(self._at.db.execute(delete, (access_key_id,)).rowcount)

    @_faults
    def list_credentials(self) -> list[Credential]:
        rows = self._at.db.execute("SELECT doc FROM credentials ORDER BY created, access_key_id")
        return [_decode_credential(doc) for (doc,) in rows]

    @_faults
    def has_credentials(self) -> bool:
        return self._at.db.execute("SELECT 1 FROM credentials LIMIT 1").fetchone() is not None

    def use_nonce(self, nonce: bytes, *, now: int, expires: int) -> bool:
        return self._nonces.use(nonce, now=now, expires=expires)
