"""A cache of one process, bounded in time and number."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

V = TypeVar("V")


class Cache(Generic[V]):
    """Values for `seconds`, at most `size` of them; the oldest goes first. `repr` shows no value.

    What expired is forgotten with the next value that is put, not only hidden: it may be unsealed material.
    """

    def __init__(self, size: int, seconds: float, clock: Callable[[], float]) -> None:
        self._size, self._seconds, self._clock = size, seconds, clock
        self._rows: dict[object, tuple[float, V]] = {}

    def get(self, name: object) -> V | None:
        row = self._rows.get(name)
        if row is None:
            return None
        if row[0] <= self._clock():
            self._rows.pop(name, None)
            return None
        return row[1]

    def fetch(self, name: object, read: Callable[[], V | None], *, fresh: bool = False) -> V | None:
        """The value, or what `read` answers; its time runs from when it was asked, however long that took."""
        value = None if fresh else self.get(name)
        if value is None:
            asked = self._clock()
            value = read()
            if value is not None:
                self.put(name, value, asked)
        return value

    def put(self, name: object, value: V, since: float | None = None) -> None:
        if self._seconds <= 0:
            return
        rows, now = self._rows, self._clock()
        rows.pop(name, None)
        try:
            while len(rows) >= self._size or (rows and next(iter(rows.values()))[0] <= now):
                del rows[next(iter(rows))]
        except (KeyError, StopIteration, RuntimeError):  # another thread took it first
            pass
        rows[name] = ((now if since is None else since) + self._seconds, value)

    def drop(self, name: object) -> None:
        self._rows.pop(name, None)
