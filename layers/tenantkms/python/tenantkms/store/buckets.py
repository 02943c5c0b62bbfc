"""Requests per second, counted in memory, and exactly; those of several processes are in `shared`."""

from __future__ import annotations

from collections import OrderedDict
from threading import Lock
from typing import Protocol

_SECOND = 1_000_000  # microseconds


def spend(full: int | None, rate: int, now: float) -> int | None:
    """When a bucket that is full at `full` is full again if one more is taken at `now`; None if none is left.

    Both in microseconds times the rate: the generic cell rate algorithm (ITU-T I.371), without a fraction that is lost.
    """
    at = int(now * _SECOND) * rate
    latest = at + _SECOND * rate
    # A request that waited has an older time than one before it. Only what a second more does not explain was taken by
    # a clock that has been put back since.
    if full is None or full < at or full > latest + _SECOND * rate:
        full = at
    full += _SECOND
    return full if full <= latest else None


class AnyBuckets(Protocol):
    """Token buckets of this process, or of several."""

    def __len__(self) -> int: ...

    def take(self, bucket: str, rate: int, now: float) -> bool: ...

    def give_back(self, bucket: str) -> None: ...

    def is_empty(self, bucket: str, rate: int, now: float) -> bool: ...


class Buckets:
    """Token buckets by name, each as deep as its rate is for a second; at most `size` of them, the newest ones.

    A bucket is one integer, as `spend` has it. One that is forgotten is a full one.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._full: OrderedDict[str, int] = OrderedDict()
        self._lock = Lock()

    def __len__(self) -> int:
        return len(self._full)

    def take(self, bucket: str, rate: int, now: float) -> bool:
        """Take one of the `rate` requests per second. False if none is left at `now`, in seconds."""
        buckets = self._full
        with self._lock:
            before = buckets.get(bucket)
            full = spend(before, rate, now)
            if full is None:
                return False
            if before is None and len(buckets) >= self._size:
                buckets.popitem(last=False)
            buckets[bucket] = full
        return True

    def give_back(self, bucket: str) -> None:
        """One that was taken was not used."""
        with self._lock:
            if bucket in self._full:
                self._full[bucket] -= _SECOND

    def is_empty(self, bucket: str, rate: int, now: float) -> bool:
        """Whether nothing could be taken at `now`."""
        full = self._full.get(bucket)
        return full is not None and spend(full, rate, now) is None
