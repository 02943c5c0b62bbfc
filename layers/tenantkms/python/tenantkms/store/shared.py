"""What the processes of one server share: memory that was there before they were forked, and what stands in it."""

from __future__ import annotations

import os
import struct
from hashlib import blake2b
from mmap import mmap

from tenantkms.store.buckets import spend
from tenantkms.store.changes import Changes
from tenantkms.store.file_lock import FileLock

_LINE = 64
_SIZE = 16 * 1024 * 1024
"""Bytes of which only what is written to is there."""
_SECOND = 1_000_000  # microseconds

_SLOT = struct.Struct("<8sQ16s")
"""Which bucket it is, and when it is full again: in microseconds, and in microseconds times its rate."""
_WAYS = 8
_SET = _WAYS * _SLOT.size
_FREE = bytes(8)


class Memory:
    """Processes that ask for the same parts in the same order after the fork have the same bytes."""

    def __init__(self) -> None:
        self._bytes = memoryview(mmap(-1, _SIZE))
        self._used = 0
        self._keyed = blake2b(key=os.urandom(32), digest_size=16)

    def part(self, size: int) -> memoryview:
        """The next `size` bytes, zeros at first. Raises `MemoryError`."""
        start, self._used = self._used, self._used + size + -size % _LINE
        if self._used > _SIZE:
            raise MemoryError
        return self._bytes[start : start + size]

    def numbers(self, count: int) -> memoryview:
        """`count` integers, each of which is read and written whole."""
        return self.part(8 * count).cast("q")

    def name(self, text: str) -> bytes:
        """16 bytes that stand for `text` here: nobody can choose texts whose names are alike."""
        keyed = self._keyed.copy()
        keyed.update(text.encode("utf-8", "surrogateescape"))
        return keyed.digest()


class SharedChanges(Changes):
    """Of all processes: the stamp is another one after each, and was never the same before."""

    def __init__(self, memory: Memory) -> None:
        self.stamp: memoryview = memory.numbers(1)

    def made(self) -> None:
        # No count: two that change something at the same time would make one number of two.
        self.stamp[0] = int.from_bytes(os.urandom(8)) >> 1


class SharedBuckets:
    """`Buckets` of all processes together, counted exactly: who takes holds `lock`.

    A bucket stands in one of the eight slots of a set that its name in the memory says. Where all are taken, the one
    that is full again first makes room: one that is forgotten is a full one.
    """

    def __init__(self, memory: Memory, size: int, lock: FileLock) -> None:
        self._any = memory.numbers(1)
        self._name = memory.name
        self._sets = max(1, size // _WAYS)
        self._slots = memory.part(self._sets * _SET)
        self._lock = lock

    def __len__(self) -> int:
        """Not 0 once something was taken."""
        return int(self._any[0])

    def _find(self, bucket: str) -> tuple[bytes, int, int]:
        """(what it is known by, where its set begins, where it stands in the set: -1 if it does not)."""
        digest = self._name(bucket)
        tag, start = digest[:8], int.from_bytes(digest[8:], "big") % self._sets * _SET
        held = bytes(self._slots[start : start + _SET])
        at = held.find(tag)
        while at % _SLOT.size and at > 0:  # the middle of another one's figures
            at = held.find(tag, at + 1)
        return tag, start, at

    def _victim(self, start: int) -> int:
        """Where the next one goes in the set: a free slot, or that of the bucket that is full again first."""
        slots = range(start, start + _SET, _SLOT.size)
        return min(slots, key=lambda at: int(_SLOT.unpack_from(self._slots, at)[1]))

    def _full(self, at: int) -> int:
        return int.from_bytes(_SLOT.unpack_from(self._slots, at)[2], "little")

    def take(self, bucket: str, rate: int, now: float) -> bool:
        """As `Buckets.take`."""
        with self._lock:
            tag, start, found = self._find(bucket)
            found += start if found >= 0 else 0
            full = spend(self._full(found) if found >= 0 else None, rate, now)
            if full is None:
                return False
            _SLOT.pack_into(
                self._slots,
                found if found >= 0 else self._victim(start),
                tag,
                full // rate,
                full.to_bytes(16, "little"),
            )
            self._any[0] = 1
            return True

    def give_back(self, bucket: str) -> None:
        """As `Buckets.give_back`."""
        with self._lock:
            tag, start, found = self._find(bucket)
            if found >= 0:
                _, until, full = _SLOT.unpack_from(self._slots, start + found)
                less = max(0, int.from_bytes(full, "little") - _SECOND)
                _SLOT.pack_into(self._slots, start + found, tag, until, less.to_bytes(16, "little"))

    def is_empty(self, bucket: str, rate: int, now: float) -> bool:
        """As `Buckets.is_empty`. It holds no lock: what another process just takes may be missed."""
        _, start, found = self._find(bucket)
        if found < 0:
            return False
        return spend(self._full(start + found), rate, now) is None
