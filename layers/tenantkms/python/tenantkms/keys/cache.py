"""A cache of one process, bounded in time and number. Its threads may use it at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from threading import Lock
from typing import Generic, TypeVar

N = TypeVar("N")
V = TypeVar("V")


class Cache(Generic[V]):
    """Values for `seconds`, at most `size` of them; the oldest goes first. `repr` shows no value.

    What expired is forgotten with the next value that is put, not only hidden: it may be unsealed material.
    A value that was being read while another thread dropped something is not kept: it may be what was dropped. Nor is
    any once the first number of `stamp` is another one: another process has changed something.
    """

    def __init__(self, size: int, seconds: float, clock: Callable[[], float], stamp: Sequence[int] = (0,)) -> None:
        self._size, self._seconds, self._clock = size, seconds, clock
        self._stamp, self._seen = stamp, stamp[0]
        self._rows: dict[object, tuple[float, V]] = {}
        self._lock = Lock()  # of all that changes `_rows`
        self._dropped = 0

    def get(self, name: object) -> V | None:
        if self._stamp[0] != self._seen:
            self.clear()
        row = self._rows.get(name)
        if row is None:
            return None
        if row[0] <= self._clock():
            with self._lock:
                self._rows.pop(name, None)
            return None
        return row[1]

    def fetch(self, name: N, read: Callable[[N], V | None], *, fresh: bool = False) -> V | None:
        """The value, or what `read` says of its name; its time runs from when it was asked, however long that took."""
        row = None if fresh else self._rows.get(name)
        if row and self._stamp[0] == self._seen and row[0] > self._clock():  # as `get`, at three places of each request
            return row[1]
        value = None if fresh else self.get(name)
        if value is None:
            asked, dropped = self._clock(), self._dropped
            value = read(name)
            if value is not None:
                with self._lock:
                    if dropped == self._dropped and self._stamp[0] == self._seen:
                        self._put(name, value, asked)
        return value

    def put(self, name: object, value: V, since: float | None = None) -> None:
        with self._lock:
            self._put(name, value, self._clock() if since is None else since)

    def _put(self, name: object, value: V, since: float) -> None:
        if self._seconds <= 0:
            return
        rows, now = self._rows, self._clock()
        rows.pop(name, None)
        while len(rows) >= self._size or (rows and next(iter(rows.values()))[0] <= now):
            del rows[next(iter(rows))]
        rows[name] = (since + self._seconds, value)

    def clear(self) -> None:
        with self._lock:
            self._dropped += 1
            self._rows.clear()
            self._seen = self._stamp[0]

    def drop(self, name: object) -> None:
        with self._lock:
            self._dropped += 1
            self._rows.pop(name, None)
