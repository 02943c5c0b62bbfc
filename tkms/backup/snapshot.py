"""The store as it is at one moment, to be read whole, while servers and commands go on changing it.

Mostly it is read where it lies. A reader that began when nothing was in the write-ahead log needs the database file
alone, and as long as it reads nobody writes to that: what is committed meanwhile stays in the log. Where the log does
not get empty, since others read, SQLite makes a copy. Field standard: "WAL-mode File Format" of sqlite.org, on
WAL_READ_LOCK(0).
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import IO

from msgspec import Struct

from tkms.backup.contents import STORE
from tkms.output import Failed

_COPY = "backup.sqlite3"
"""In the data directory: what is copied lies beside what it is a copy of. A killed process leaves it to the next."""
_PAGES = 4096
"""Of the store, copied at a time."""
_TABLES = {"keys": "keys", "versions": "older_versions", "aliases": "aliases", "credentials": "credentials"}
"""Tables -> what `About` calls the number of their rows."""
_TRIES, _MILLISECONDS = 4, 100
"""How often the log is emptied for a reader that begins with none, and how long writers may have to wait each time."""

Counts = dict[str, int]


class Snapshot(Struct, frozen=True):
    """A store to be read, and how many rows its tables have. `check` is to be called once it was: it raises `Failed`
    if that was not one state.
    """

    file: IO[bytes]
    counts: Counts
    check: Callable[[], None] = lambda: None


@contextmanager
def snapshot(data: Path) -> Iterator[Snapshot]:
    """The store of a data directory. Raises `Failed` if it cannot be read.

    The process has no other use of the store: who closes a file lets go of all locks that this process has on it.
    """
    _remove(data / _COPY)
    try:
        # The file is closed last, when SQLite has let go of it.
        with (data / STORE).open("rb") as file, closing(_opened(data / STORE)) as store:
            if (counts := _frozen(store, data / STORE)) is not None:
                yield Snapshot(file, counts, partial(_check, data / STORE, os.fstat(file.fileno()).st_mtime_ns))
                return
        with closing(_opened(data / STORE)) as store:
            counts = _begun(store)
            copy = _copied(store, data / _COPY)
        with copy:
            yield Snapshot(copy, counts)
    except sqlite3.Error as e:
        raise Failed(f"{data / STORE} cannot be copied: {e}.") from e
    finally:
        _remove(data / _COPY)


def _check(path: Path, modified: int) -> None:
    """Nobody is to have written to it meanwhile; SQLite does not."""
    if path.stat().st_mtime_ns != modified:
        raise Failed(f"{path} was changed while it was read, and not by SQLite.")


def _opened(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(path, isolation_level=None)


def _begun(store: sqlite3.Connection) -> Counts:
    """From the first read on it sees one state, whatever others write."""
    store.execute("BEGIN")
    return {what: int(store.execute(f"SELECT count(*) FROM {name}").fetchone()[0]) for name, what in _TABLES.items()}


def _frozen(store: sqlite3.Connection, path: Path) -> Counts | None:
    """The counts, if `store` now reads, and `path` alone is all that it reads."""
    log = path.with_name(f"{path.name}-wal")
    (patience,) = store.execute("PRAGMA busy_timeout").fetchone()
    for _ in range(_TRIES):
        store.execute(f"PRAGMA busy_timeout={_MILLISECONDS}")
        with suppress(sqlite3.OperationalError):  # without room for it, the copy says so
            store.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        store.execute(f"PRAGMA busy_timeout={patience}")
        counts = _begun(store)
        with suppress(FileNotFoundError):  # it is in no WAL mode
            if log.stat().st_size == 0 and path.stat().st_size == _size(store):
                return counts
        store.execute("ROLLBACK")
    return None


def _size(store: sqlite3.Connection) -> int:
    """Bytes of all pages."""
    count, size = (store.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "page_size"))
    return int(count) * int(size)


def _copied(store: sqlite3.Connection, path: Path) -> IO[bytes]:
    path.touch(mode=0o600, exist_ok=False)
    with closing(_opened(path)) as copy:
        copy.execute("PRAGMA synchronous=OFF")  # it is read and removed
        store.backup(copy, pages=_PAGES)
    file = path.open("rb")
    _remove(path)
    return file


def _remove(path: Path) -> None:
    for end in ("", "-wal", "-shm", "-journal"):
        path.with_name(path.name + end).unlink(missing_ok=True)
