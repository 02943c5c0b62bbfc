"""Requests per second, counted by many processes in one store, which each of them asks once a second."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from threading import Lock

Lease = Callable[[str, int, int, int], int]
"""(bucket, second, how many are wanted, how many there are in that second) -> how many of them are granted."""


class _Share:
    """What this process has of a bucket in one `second` of the clock."""

    __slots__ = ("left", "second", "spent", "used", "used_before")

    def __init__(self, second: int, used_before: int) -> None:
        self.second, self.used_before = second, used_before
        self.left = self.used = 0
        self.spent = False


class Leases:
    """Shares of buckets, each for a second, and what is left of them then is lost; at most `size`, the last used ones.

    A process takes as many as it used in the second before, and when these do not suffice as many again, and so on. So
    under an even load it asks once a second, and in a rising one some times more. All processes together never get
    more than there are.
    """

    def __init__(self, lease: Lease, size: int) -> None:
        self._lease, self._size = lease, size
        self._shares: OrderedDict[str, _Share] = OrderedDict()
        self._lock = Lock()

    def take(self, bucket: str, rate: int, now: float) -> bool:
        """Take one of the `rate` requests per second. False if none is left. Raises what the store raises."""
        with self._lock:
            share = self._share(bucket, int(now))
            if not share.left and not share.spent:
                wanted = max(1, share.used or share.used_before)
                share.left = self._lease(bucket, share.second, wanted, rate)
                share.spent = share.left < wanted
            if not share.left:
                return False
            share.left -= 1
            share.used += 1
        return True

    def give_back(self, bucket: str) -> None:
        """One that was taken was not used."""
        with self._lock:
            share = self._shares.get(bucket)
            if share and share.used:
                share.left += 1
                share.used -= 1

    def _share(self, bucket: str, second: int) -> _Share:
        share = self._shares.get(bucket)
        if share is None or share.second != second:
            used_before = share.used if share and share.second == second - 1 else 0
            share = self._shares[bucket] = _Share(second, used_before)
            if len(self._shares) > self._size:
                self._shares.popitem(last=False)
        self._shares.move_to_end(bucket)
        return share
