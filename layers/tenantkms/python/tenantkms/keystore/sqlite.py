"""Both ports on one SQLite file in WAL mode: the store of one machine.

Several processes and threads may use the file at once. Keys are durable when `commit` returns
(synchronous=FULL). Nonces survive the process but not a power cut (NORMAL): fsync for each request would
cost more than it protects.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import Concatenate, ParamSpec, TypeVar, cast

import msgspec

from tenantkms.errors import AliasExists, Unavailable
from tenantkms.keystore import DeleteAlias, PutAlias, PutKey, PutVersion, RevisionConflict, Write
from tenantkms.model import Alias, Credential, Key, KeyFilter, KeyVersion

_SCHEMA_VERSION = 1
_SCHEMA = """
CREATE TABLE keys (
    id TEXT PRIMARY KEY, revision INTEGER NOT NULL, created INTEGER NOT NULL, state TEXT NOT NULL,
    spec TEXT NOT NULL, usage TEXT NOT NULL, origin TEXT NOT NULL, creator TEXT NOT NULL, doc BLOB NOT NULL
) WITHOUT ROWID;
CREATE INDEX keys_by_age ON keys (created, id);
CREATE TABLE versions (
    key_id TEXT NOT NULL, number INTEGER NOT NULL, doc BLOB NOT NULL, PRIMARY KEY (key_id, number)
) WITHOUT ROWID;
CREATE TABLE aliases (name TEXT PRIMARY KEY, key_id TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE credentials (access_key_id TEXT PRIMARY KEY, created INTEGER NOT NULL, doc BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE nonces (
    hour INTEGER NOT NULL, nonce BLOB NOT NULL, expires INTEGER NOT NULL, PRIMARY KEY (hour, nonce)
) WITHOUT ROWID;
"""
# Nonces stand by the hour of their arrival, so that old ones are found without an index. None lives longer.
_HOUR = 3600
_USE_NONCE = """
INSERT INTO nonces (hour, nonce, expires) SELECT :hour, :nonce, :expires
WHERE NOT EXISTS (SELECT 1 FROM nonces WHERE hour = :hour - 1 AND nonce = :nonce AND expires >= :now)
ON CONFLICT (hour, nonce) DO UPDATE SET expires = excluded.expires WHERE nonces.expires < :now
"""
_SWEEP_EVERY = 256

_encode = msgspec.json.encode
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


class _Connections(threading.local):
    """Each thread has its own: SQLite then needs no lock of ours."""

    def __init__(self, path: Path) -> None:
        self.durable = self._open(path, "FULL")
        self.quick = self._open(path, "NORMAL")
        self.uses = 0

    @staticmethod
    def _open(path: Path, synchronous: str) -> sqlite3.Connection:
        db = sqlite3.connect(path, timeout=10, isolation_level=None, cached_statements=64)
        db.execute("PRAGMA journal_mode=WAL")
        db.execute(f"PRAGMA synchronous={synchronous}")
        return db


@contextmanager
def _transaction(db: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
    db.execute("BEGIN IMMEDIATE")
    try:
        yield db
    except BaseException:
        db.execute("ROLLBACK")
        raise
    db.execute("COMMIT")


class SqliteStore:
    """`KeyStore` and `AccessStore` on the file `path`, which is created on first use.

    Raises `Unavailable` when the file cannot be opened or was written by a newer release.
    """

    def __init__(self, path: Path) -> None:
        try:
            self._at = _Connections(path)
            self._create()
        except sqlite3.Error as e:
            raise Unavailable(f"The key store {path} cannot be opened: {e}.") from e

    def _create(self) -> None:
        with _transaction(self._at.durable) as db:
            (version,) = db.execute("PRAGMA user_version").fetchone()
            if version > _SCHEMA_VERSION:
                raise Unavailable("The key store was written by a newer release of tenant-kms.")
            if version < _SCHEMA_VERSION:
                for statement in _SCHEMA.split(";"):
                    db.execute(statement)
                db.execute(f"PRAGMA user_version={_SCHEMA_VERSION}")

    # -- KeyStore --

    @_faults
    def get(self, key_id: str) -> Key | None:
        row = self._at.durable.execute("SELECT doc FROM keys WHERE id = ?", (key_id,)).fetchone()
        return _decode_key(row[0]) if row else None

    @_faults
    def get_version(self, key_id: str, number: int) -> KeyVersion | None:
        row = self._at.durable.execute(
            "SELECT doc FROM versions WHERE key_id = ? AND number = ?", (key_id, number)
        ).fetchone()
        return _decode_version(row[0]) if row else None

    @_faults
    def get_alias(self, name: str) -> Alias | None:
        row = self._at.durable.execute("SELECT key_id FROM aliases WHERE name = ?", (name,)).fetchone()
        return Alias(name=name, key_id=row[0]) if row else None

    @_faults
    def commit(self, writes: Sequence[Write]) -> None:
        with _transaction(self._at.durable) as db:
            for write in writes:
                _COMMITS[type(write)](db, write)

    @_faults
    def list_keys(
        self, where: KeyFilter, *, offset: int, limit: int, descending: bool = False
    ) -> tuple[int, list[Key]]:
        clause, values = _where(where)
        order = "DESC" if descending else "ASC"
        db = self._at.durable
        select = f"SELECT doc FROM keys {clause} ORDER BY created {order}, id {order}"
        if where.aliases is not None or where.alias_contains or where.tags:
            keys = [key for (doc,) in db.execute(select, values) if where.matches(key := _decode_key(doc))]
            return len(keys), keys[offset : offset + limit]
        (total,) = db.execute(f"SELECT count(*) FROM keys {clause}", values).fetchone()
        rows = db.execute(f"{select} LIMIT ? OFFSET ?", (*values, limit, offset))
        return total, [_decode_key(doc) for (doc,) in rows]

    @_faults
    def list_aliases(self, *, offset: int, limit: int) -> tuple[int, list[Alias]]:
        db = self._at.durable
        (total,) = db.execute("SELECT count(*) FROM aliases").fetchone()
        rows = db.execute("SELECT name, key_id FROM aliases ORDER BY name LIMIT ? OFFSET ?", (limit, offset))
        return total, [Alias(name=name, key_id=key_id) for name, key_id in rows]

    # -- AccessStore --

    @_faults
    def get_credential(self, access_key_id: str) -> Credential | None:
        row = self._at.durable.execute(
            "SELECT doc FROM credentials WHERE access_key_id = ?", (access_key_id,)
        ).fetchone()
        return _decode_credential(row[0]) if row else None

    @_faults
    def put_credential(self, credential: Credential, *, new: bool) -> None:
        row = (credential.created, _encode(credential), credential.access_key_id)
        statement = (
            "INSERT OR IGNORE INTO credentials (created, doc, access_key_id) VALUES (?, ?, ?)"
            if new
            else "UPDATE credentials SET created = ?, doc = ? WHERE access_key_id = ?"
        )
        if not self._at.durable.execute(statement, row).rowcount:
            raise RevisionConflict

    @_faults
    def delete_credential(self, access_key_id: str) -> bool:
        return bool(
            self._at.durable.execute("DELETE FROM credentials WHERE access_key_id = ?", (access_key_id,)).rowcount
        )

    @_faults
    def list_credentials(self) -> list[Credential]:
        rows = self._at.durable.execute("SELECT doc FROM credentials ORDER BY created, access_key_id")
        return [_decode_credential(doc) for (doc,) in rows]

    @_faults
    def use_nonce(self, nonce: bytes, *, now: int, expires: int) -> bool:
        at = self._at
        hour = now // _HOUR
        if at.uses % _SWEEP_EVERY == 0:
            at.quick.execute(
                "DELETE FROM nonces WHERE (hour, nonce) IN (SELECT hour, nonce FROM nonces WHERE hour < ? LIMIT ?)",
                (hour - 1, 2 * _SWEEP_EVERY),
            )
        at.uses += 1
        values = {"hour": hour, "nonce": nonce, "expires": expires, "now": now}
        return bool(at.quick.execute(_USE_NONCE, values).rowcount)


def _where(where: KeyFilter) -> tuple[str, list[str]]:
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
    row = (
        key.revision,
        key.created,
        key.state,
        key.spec,
        key.usage,
        key.origin,
        key.creator,
        _encode(key),
        key.id,
    )
    if key.revision == 1:
        done = db.execute(
            "INSERT OR IGNORE INTO keys (revision, created, state, spec, usage, origin, creator, doc, id)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            row,
        )
    else:
        done = db.execute(
            "UPDATE keys SET revision = ?, created = ?, state = ?, spec = ?, usage = ?, origin = ?, creator = ?,"
            " doc = ? WHERE id = ? AND revision = ?",
            (*row, key.revision - 1),
        )
    if not done.rowcount:
        raise RevisionConflict


def _put_version(db: sqlite3.Connection, write: PutVersion) -> None:
    done = db.execute(
        "INSERT OR IGNORE INTO versions (key_id, number, doc) VALUES (?, ?, ?)",
        (write.key_id, write.version.number, _encode(write.version)),
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


_COMMITS: dict[type[Write], Callable[[sqlite3.Connection, Write], None]] = {
    PutKey: _put_key,  # type: ignore[dict-item]
    PutVersion: _put_version,  # type: ignore[dict-item]
    PutAlias: _put_alias,  # type: ignore[dict-item]
    DeleteAlias: _delete_alias,  # type: ignore[dict-item]
}
