"""Used nonces of one machine, in files beside the database: an append to SQLite costs ten times as much.

A nonce stands in the tables of the half hour in which it expires, `<half hour>-<level>`. A table is a header of 512
bytes and buckets of 32 entries. A nonce goes to the bucket that a hash of it under the directory's own `key` names, so
that nobody can choose nonces that meet, or to the next one with room. Once one bucket in eight is full, the half hour
gets a table four times as large beside it. Nothing is ever moved or removed but whole files, so the files are right at
every moment: whatever a killed process wrote is there, and no order of writes matters.

The first ten bytes of an entry say which nonce it is, two when it expires, and four by whom it was first used, where
that counts: of an attacker's addresses one in four billion has the same four.

Several processes and threads may use one directory at once: who looks and writes holds the lock of the file `lock`,
whose length also says whether others have added or removed files. Tables are read and written by
calls: mapped into memory, what somebody cuts off would end the process that touches it. After a power cut some nonces
may be missing, and every content of the tables is a valid one. What was decided: docs/decisions/0007-nonces.md.
"""

from __future__ import annotations

import os
import re
import struct
from collections.abc import Iterator
from hashlib import blake2b
from pathlib import Path
from threading import Lock

from tenantkms.errors import Unavailable
from tenantkms.store.file_lock import FileLock, Later, at_once
from tenantkms.store.nonces_before import OldNonces
from tenantkms.store.port import nonce_digest

SECONDS = 1800
LIMIT = 1024 * 1024 * 1024
"""Bytes that all tables may have, written or not: 50 million nonces."""
_ENTRY, _HEAD = 16, 10
_SLOTS = 32
_BUCKET = _SLOTS * _ENTRY
_EMPTY, _NOBODY = bytes(_ENTRY), bytes(4)
_FIRST = 2048
"""Buckets of a half hour's first table."""
_PROBES = 64
"""Buckets that are looked at before a table is full."""
_KEPT = 8
"""Half hours that stay at least, for a clock that jumped ahead and is put back."""
_lseek, _pread, _END = os.lseek, os.pread, os.SEEK_END
_NUMBER = struct.Struct("<Q")
_NAME = re.compile(r"(\d{1,9})-(\d)")


class _Table:
    """One file. Only who holds the lock of the directory may use it."""

    __slots__ = ("_file", "_first", "buckets", "level", "path", "size")

    def __init__(self, path: Path, level: int) -> None:
        self.path, self.level = path, level
        self.buckets = _FIRST * 4**level
        self.size = (1 + self.buckets) * _BUCKET
        self._first = 0, b""  # the bucket that was read first for a nonce, and where it stands
        file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            os.posix_fallocate(file, 0, self.size)
        except BaseException:
            os.close(file)
            raise
        self._file = file

    def __del__(self) -> None:
        if hasattr(self, "_file"):
            os.close(self._file)

    def _read(self, at: int) -> bytes:
        """A bucket. What somebody cut off the file is empty again."""
        bucket = _pread(self._file, _BUCKET, at)
        if len(bucket) < _BUCKET:
            os.posix_fallocate(self._file, 0, self.size)
            bucket = bucket.ljust(_BUCKET, b"\0")
        return bucket

    def find(self, head: bytes, place: int) -> bytes:
        """The entry that begins with `head`, or b"". Only after this `add` may be called, in the same lock."""
        start = _BUCKET + place % self.buckets * _BUCKET
        bucket = self._read(start)
        self._first = start, bucket
        if head not in bucket and bucket.endswith(_EMPTY):
            return b""
        for at in self._buckets(place):
            bucket = self._read(at)
            found = bucket.find(head)
            while found % _ENTRY and found > 0:  # over the end of one entry and the beginning of the next
                found = bucket.find(head, found + 1)
            if found >= 0:
                return bucket[found : found + _ENTRY]
            if _EMPTY in bucket:
                break
        return b""

    def _buckets(self, place: int) -> Iterator[int]:
        """Where an entry may stand, in turn: after the first bucket with room it is not."""
        return (_BUCKET + (place + n) % self.buckets * _BUCKET for n in range(_PROBES))

    def add(self, entry: bytes, place: int) -> int | None:
        """Write an entry; how much of its bucket is filled, None if there is no room."""
        at = _BUCKET + place % self.buckets * _BUCKET
        room = (self._first[1] if self._first[0] == at else self._read(at)).find(_EMPTY)
        if room < 0:
            for at in self._buckets(place):
                room = self._read(at).find(_EMPTY)
                if room >= 0:
                    break
            else:
                return None
        filled = room + -room % _ENTRY + _ENTRY  # the entry before may end in zeros
        _write(self._file, entry, at + filled - _ENTRY)
        return filled

    def crowded(self) -> bool:
        """Count one more full bucket; whether there are many by now."""
        count = min(_NUMBER.unpack(self._read(0)[:8])[0] + 1, self.buckets)
        _write(self._file, _NUMBER.pack(count), 0)
        return bool(count > self.buckets // 8)


def _write(file: int, data: bytes, offset: int) -> None:
    if os.pwrite(file, data, offset) != len(data):
        raise OSError("The disk is full.")


class NonceFiles:
    """The nonces in `directory`, which is made on first use. `limit`: bytes that its tables may have."""

    def __init__(self, directory: Path, limit: int = LIMIT, later: Later = at_once) -> None:
        self._directory = directory
        self._limit, self._later = limit, later
        self._opening = Lock()
        self._lock = -1
        self._state = -1  # the length of the file `lock` when the files were looked at
        self._forgotten = 0  # the first half hour of which nothing was removed
        self._half_hours: dict[int, list[_Table]] = {}
        self._old = OldNonces(directory)

    def use(self, nonce: bytes, *, now: int, expires: int, source: str | None = None, again: int = 0) -> bool:
        """`AccessStore.use_nonce`: a nonce is remembered for at most half an hour too long."""
        try:
            if self._lock < 0:
                self._open()
            with self._turn as taken:
                if (taken or self._state < 0) and (state := _lseek(self._lock, 0, _END)) != self._state:
                    self._state = -1  # until all of it was looked at
                    self._scan(state)
                user = _NOBODY if source is None else self._keyed_hash(source.encode("utf-8", "replace"))[:4]
                return self._put(nonce, now // SECONDS, expires, user, again)
        except (OSError, ValueError) as e:
            raise Unavailable("The store of used nonces is not available.") from e

    def _put(self, nonce: bytes, first: int, expires: int, user: bytes, again: int) -> bool:
        if first < self._forgotten:
            raise OSError("The clock is so far behind what it was that used nonces are forgotten already.")
        keyed = self._keyed.copy()
        keyed.update(nonce)
        digest = keyed.digest()
        head, place = digest[:_HEAD], int.from_bytes(digest[:8], "big")
        # Later ones than the last are there when the clock was put back.
        for number, tables in self._half_hours.items():
            if number >= first:
                for table in tables:
                    if found := table.find(head, place):
                        until = number * SECONDS + int.from_bytes(found[_HEAD:12], "big")
                        return user != _NOBODY and found[12:] == user and abs(expires - until) <= again
        if self._old.half_hours and self._old.has(nonce_digest(nonce), first):
            return False
        last, second = divmod(expires, SECONDS)
        entry = head + second.to_bytes(2, "big") + user
        tables = self._half_hours.get(last) or [self._grow(last, first)]
        filled = tables[-1].add(entry, place)
        if filled is None:
            self._grow(last, first).add(entry, place)
        elif filled == _BUCKET and tables[-1].crowded():
            self._grow(last, first, optional=True)
        return True

    # -- files --

    def _open(self) -> None:
        with self._opening:
            if self._lock >= 0:
                return
            self._directory.mkdir(mode=0o700, exist_ok=True)
            turn = FileLock(os.open(self._directory / "lock", os.O_RDWR | os.O_CREAT, 0o600), self._later)
            with turn:
                self._keyed = blake2b(key=_key(self._directory / "key"), digest_size=_ENTRY)
            self._turn, self._lock = turn, turn.file

    def _keyed_hash(self, text: bytes) -> bytes:
        keyed = self._keyed.copy()
        keyed.update(text)
        return keyed.digest()

    def _scan(self, state: int) -> None:
        """Open what others have added, and let go of what they removed."""
        known = {table.path: table for tables in self._half_hours.values() for table in tables}
        found: dict[int, list[_Table]] = {}
        for path in sorted(self._directory.iterdir()):
            if match := _NAME.fullmatch(path.name):
                found.setdefault(int(match[1]), []).append(known.get(path) or _Table(path, int(match[2])))
        self._half_hours = found
        self._old.scan()
        told = os.pread(self._lock, _NUMBER.size + _ENTRY, 0)
        number = told[: _NUMBER.size]
        self._forgotten = _NUMBER.unpack(number)[0] if told == number + self._keyed_hash(number) else 0
        self._state = state

    def _grow(self, number: int, first: int, *, optional: bool = False) -> _Table:
        """A further table of a half hour, the last one of it. Raises `OSError` if there is no room, or keeps it."""
        tables = self._half_hours.get(number, [])
        level = tables[-1].level + 1 if tables else 0
        new = (1 + _FIRST * 4**level) * _BUCKET
        forgotten = self._remove(number, first, new)
        if sum(table.size for each in self._half_hours.values() for table in each) + new > self._limit:
            if optional:
                return tables[-1]
            raise OSError(f"The tables of used nonces have {self._limit} bytes, the most that they may have.")
        tables = [*tables, _Table(self._directory / f"{number}-{level}", level)]
        self._half_hours[number] = tables
        self._changed(forgotten)
        return tables[-1]

    def _changed(self, forgotten: int) -> None:
        """Tell others, by what `lock` holds and by its length, which is never the same again."""
        number = _NUMBER.pack(forgotten)
        told = number + self._keyed_hash(number)  # a power cut may leave anything
        _write(self._lock, told, 0)
        length = max(self._state, len(told))
        _write(self._lock, b"\0", length)
        self._forgotten, self._state = forgotten, length + 1

    def _remove(self, number: int, first: int, new: int) -> int:
        """Remove what nobody asks for any more, if it is much or in the way; the first half hour that is whole."""
        forgotten = self._forgotten
        size = sum(table.size for each in self._half_hours.values() for table in each) + new
        stale = [n for n in sorted(self._half_hours) if n < first - 1 and n != number]  # other clocks may be behind
        while stale and (len(self._half_hours) >= _KEPT or size > self._limit):
            gone = stale.pop(0)
            forgotten = max(forgotten, gone + 1)
            self._changed(forgotten)  # before it is so
            for table in self._half_hours.pop(gone):
                size -= table.size
                table.path.unlink(missing_ok=True)
        return max(forgotten, self._old.remove(first - _KEPT))


def _key(path: Path) -> bytes:
    """The directory's own key, made at first use: 32 random bytes that only its owner can read."""
    try:
        key = path.read_bytes()
    except FileNotFoundError:
        key = os.urandom(32)
        new = path.with_suffix(".new")
        file = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        try:
            _write(file, key, 0)
            os.fsync(file)
        finally:
            os.close(file)
        new.replace(path)
    if len(key) != 32:
        raise ValueError("The key of the used nonces does not have 32 bytes.")
    return key
