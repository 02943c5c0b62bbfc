"""Caches of one process, bounded in time, number and bytes. Its threads may use them at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache, wraps
from sys import getsizeof
from threading import Lock
from typing import TYPE_CHECKING, Generic, TypeVar

from msgspec import Struct
from msgspec.structs import astuple

if TYPE_CHECKING:
    from functools import _lru_cache_wrapper

N = TypeVar("N")
V = TypeVar("V")
MOST_BYTES = 8_000_000
"""Of what callers chose the size of, in one cache."""
MOST_ASKED = 1_000_000
"""Bytes of what one function was asked about whose answers are `remembered`."""


def weight(value: object) -> int:
    """Bytes of memory of texts, bytes and numbers, and of tuples, Structs and dicts with all that they hold; nothing
    for what is empty or 0, of which there is one. A text that is not ASCII keeps its UTF-8 once it was asked for.
    """
    found, held = 0, [value]
    for each in held:  # and what comes to it meanwhile
        if not each:
            continue
        found += getsizeof(each)
        if isinstance(each, str):
            found += 0 if each.isascii() else len(each.encode("utf-8", "surrogatepass"))
        elif isinstance(each, tuple):
            held += each
        elif isinstance(each, dict):
            held += [*each, *each.values()]
        elif isinstance(each, Struct):
            held += astuple(each)
    return found


def remembered(size: int) -> Callable[[Callable[..., V]], _lru_cache_wrapper[V]]:
    """`lru_cache` of `size` answers, which forgets them all once what they were asked about has weighed `MOST_ASKED`
    since it last did: callers choose how long that is. An answer that is remembered costs what `lru_cache` costs.
    """

    def of(function: Callable[..., V]) -> _lru_cache_wrapper[V]:
        taken = 0

        @lru_cache(maxsize=size)
        @wraps(function)
        def ask(*asked: object) -> V:
            nonlocal taken
            answer, more = function(*asked), weight(asked)
            taken += more
            if taken > MOST_ASKED:
                ask.cache_clear()
                taken = more
            return answer

        return ask

    return of


class Cache(Generic[V]):
    """Values for `seconds`, at most `size` of them; the oldest goes first. `repr` shows no value.

    `sized`: what of a value has a size that callers choose. All of that weighs `MOST_BYTES` at most, unless that of
    one value alone weighs more.

    What expired is forgotten with the next value that is put, not only hidden: it may be unsealed material.
    A value that was being read while another thread dropped something is not kept: it may be what was dropped. Nor is
    any once the first number of `stamp` is another one: another process has changed something.
    """

    def __init__(
        self,
        size: int,
        seconds: float,
        clock: Callable[[], float],
        stamp: Sequence[int] = (0,),
        *,
        sized: Callable[[V], object] | None = None,
    ) -> None:
        self._size, self._seconds, self._clock, self._sized = size, seconds, clock, sized
        self._stamp, self._seen = stamp, stamp[0]
        self._rows: dict[object, tuple[float, V, int]] = {}
        self._weight = 0  # of all in `_rows`
        self._lock = Lock()  # of all that changes these two
        self._dropped = 0

    def get(self, name: object) -> V | None:
        if self._stamp[0] != self._seen:
            self.clear()
        row = self._rows.get(name)
        if row is None:
            return None
        if row[0] <= self._clock():
            with self._lock:
                self._forget(name)
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
        heavy = weight(self._sized(value)) if self._sized else 0
        self._forget(name)
        while rows and (
            len(rows) >= self._size or self._weight + heavy > MOST_BYTES or next(iter(rows.values()))[0] <= now
        ):
            self._forget(next(iter(rows)))
        rows[name] = (since + self._seconds, value, heavy)
        self._weight += heavy

    def _forget(self, name: object) -> None:
        row = self._rows.pop(name, None)
        if row:
            self._weight -= row[2]

    def clear(self) -> None:
        with self._lock:
            self._dropped += 1
            self._rows.clear()
            self._weight = 0
            self._seen = self._stamp[0]

    def drop(self, name: object) -> None:
        with self._lock:
            self._dropped += 1
            self._forget(name)
