"""The SQLite file as its store opens it: private, in WAL mode, one connection for each thread."""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import wraps
from pathlib import Path
from typing import Concatenate, ParamSpec, TypeVar, cast

from tenantkms.errors import Unavailable

S = TypeVar("S")
P = ParamSpec("P")
R = TypeVar("R")

_CACHE_KB = 4_096
"""Of each connection, as far as it is used: what a page of a million keys touches fits, not in SQLite's own 2 MB."""
_PATIENCE = 10  # seconds that a writer waits for others


class _Connection(sqlite3.Connection):
    """Closes itself, too: any of what is garbage may be looked at first, and Python 3.13 warns of an open one."""

    def __del__(self) -> None:
        with suppress(sqlite3.ProgrammingError):  # it was never opened
            self.close()


class _Closing:
    """Closes a connection when it is dropped, as it is when its thread or its store ends.

    The connection itself is not freed then, but when somebody looks for garbage: its cache of statements has it, and it
    the cache.
    """

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def __del__(self) -> None:
        self._db.close()


class Connections(threading.local):
    """Each thread has its own: SQLite then needs no lock of ours."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.db = self.open()
        self._closing = _Closing(self.db)

    def open(self) -> sqlite3.Connection:
        """One more, to be closed by who asks for it."""
        # Only the thread that opened it uses it, but any may be the one that drops it.
        db = sqlite3.connect(
            self._path,
            timeout=_PATIENCE,
            isolation_level=None,
            cached_statements=64,
            check_same_thread=False,
            factory=_Connection,
        )
        try:
            _enter_wal(db)
            db.execute("PRAGMA synchronous=FULL")
            db.execute(f"PRAGMA cache_size={-_CACHE_KB}")
        except BaseException:
            db.close()
            raise
        return db


def make_private(path: Path) -> None:
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


def unavailable() -> Unavailable:
    return Unavailable("The key store is not available.")


def faults(method: Callable[Concatenate[S, P], R]) -> Callable[Concatenate[S, P], R]:
    """The method, whose faults of SQLite are `Unavailable`."""

    @wraps(method)
    def guarded(self: S, *args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return method(self, *args, **kwargs)
        except sqlite3.Error as e:
            raise unavailable() from e

    return cast("Callable[Concatenate[S, P], R]", guarded)


@contextmanager
def transaction(db: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
    db.execute("BEGIN IMMEDIATE")
    try:
        yield db
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:  # some faults have ended it already
            db.execute("ROLLBACK")
        raise


def lenient(text: bytes) -> str:
    """Of a row that somebody else wrote, text may be no UTF-8: no MAC fits it then."""
    return text.decode("utf-8", "backslashreplace")


def statements(script: str) -> Iterator[str]:
    """The statements of a script, each of which ends at the end of a line. A trigger has some within."""
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""
    if statement.strip():
        yield statement
