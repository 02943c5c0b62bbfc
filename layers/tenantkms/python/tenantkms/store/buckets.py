"""Requests per second, counted in memory, and exactly; those of several processes are in `shared`."""

from __future__ import annotations

from collections import OrderedDict
from threading import Lock
from typing import Protocol

_SECOND = 1_000_000  # microseconds


class AnyBuckets(Protocol):
    """Token buckets of this process, or of several."""

    def __len__(self) -> int: ...

    def take(self, bucket: str, rate: int, now: float) -> bool: ...

    def give_back(self, bucket: str) -> None: ...

    def is_empty(self, bucket: str, rate: int, now: float) -> bool: ...


class Buckets:
    """Token buckets by name, each as deep as its rate is for a second; at most `size` of them, the newest ones.

    A bucket is one integer, the time at which it is full again (the generic cell rate algorithm, ITU-T I.371), in
    microseconds times the rate, so that no fraction is ever lost. One that is forgotten is a full one.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._full: OrderedDict[str, int] = OrderedDict()
        self._lock = Lock()

    def __len__(self) -> int:
        return len(self._full)

    def take(self, bucket: str, rate: int, now: float) -> bool:
        """Take one of the `rate` requests per second. False if none is left at `now`, in seconds."""
        at = int(now * _SECOND) * rate
        latest = at + _SECOND * rate
        buckets = self._full
        with self._lock:
            full = buckets.get(bucket)
            if full is None:
                full = at
                if len(buckets) >= self._size:
                    buckets.popitem(last=False)
            # What is not yet over in a second was taken by a clock that has been put back since.
            elif full < at or full > latest:
                full = at
            full += _SECOND
            if full > latest:
                return False
            buckets[bucket] = full
        return True

    def give_back(self, bucket: str) -> None:
        """One that was taken was not used."""
        with self._lock:
            if bucket in self._full:
                self._full[bucket] -= _SECOND

    def is_empty(self, bucket: str, rate: int, now: float) -> bool:
        """Whether nothing could be taken at `now`."""
        left = self._full.get(bucket, 0) - int(now * _SECOND) * rate
        return _SECOND * (rate - 1) < left <= _SECOND * rate
