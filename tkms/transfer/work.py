"""What both directions share: several calls of a parent key at a time, and names that must be one's own."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from typing import Self, TypeVar

from tkms.each import retried
from tkms.output import Failed

EXPORT, IMPORT = "Export", "Import"
T = TypeVar("T")
R = TypeVar("R")


class Hands:
    """`count` of them at a time. What fails in passing is tried again."""

    def __init__(self, count: int) -> None:
        self._pool = ThreadPoolExecutor(count) if count > 1 else None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._pool:
            self._pool.shutdown(cancel_futures=True)

    def map(self, call: Callable[[T], R], items: Iterable[T]) -> list[R]:
        """In the order of `items`. Raises what `call` raises."""
        if self._pool is None:
            return [call(item) for item in items]
        return list(self._pool.map(lambda item: retried(lambda: call(item)), items))


class Names:
    """Names that are each given once: on disk where they are many, and none of them is a secret."""

    def __init__(self, db: sqlite3.Connection, name: str) -> None:
        self._db, self._name = db, name
        db.execute("CREATE TABLE names (what TEXT, name TEXT, PRIMARY KEY (what, name)) WITHOUT ROWID")

    def add(self, what: str, names: Iterable[str]) -> None:
        """Raises `Failed` for one that was there."""
        for name in names:
            if not self._db.execute("INSERT OR IGNORE INTO names VALUES (?, ?)", (what, name)).rowcount:
                raise Failed(f"{self._name} has {what} {name} twice.")

    def has(self, what: str, name: str) -> bool:
        found = self._db.execute("SELECT 1 FROM names WHERE what = ? AND name = ?", (what, name))
        return found.fetchone() is not None


@contextmanager
def distinct_names(name: str) -> Iterator[Names]:
    with closing(sqlite3.connect("")) as db:  # a file of its own, which nobody sees and nothing is left of
        db.execute("PRAGMA synchronous=OFF")
        db.execute("BEGIN")
        yield Names(db, name)
