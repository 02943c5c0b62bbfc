"""Used nonces of one machine, in files that are mapped into memory: an append to SQLite costs ten times as much.

A nonce is 16 bytes of a digest. It stands in the files of the half hour in which it expires, `<half hour>.<number>`.
Each file is a hash table of buckets; a nonce goes to the first file of its half hour whose bucket for it has room,
and each file is four times as large as the one before. Nothing is ever moved or removed but whole files, so the files
are right at every moment: whatever a killed process wrote is there, and no order of writes matters.
Several processes and threads may use one directory at once: who looks and writes holds the lock of the file `lock`.
After a power cut some nonces may be missing, and every content of the files is a valid one.
"""

from __future__ import annotations

import fcntl
import itertools
import mmap
import os
import threading
from pathlib import Path

from tenantkms.errors import Unavailable

_SECONDS = 1800
_ENTRY = 16
_BUCKET = 32 * _ENTRY
_FIRST = 1024 * 1024
_EMPTY = bytes(_ENTRY)
_CHUNK = 1024 * 1024


class _HalfHour:
    """The nonces that expire in one half hour. Only who holds the lock of the directory may use it."""

    def __init__(self, directory: Path, number: int) -> None:
        self._path = directory / str(number)
        self._tables: list[mmap.mmap] = []

    def put(self, nonce: bytes, *, keep: bool) -> bool:
        """False if the nonce is here; else True, and from now on it is if `keep`."""
        place = int.from_bytes(nonce[:8], "big")
        for number in itertools.count():
            table = self._tables[number] if number < len(self._tables) else self._open(number, make=keep or not number)
            if table is None:
                return True
            start = place % (len(table) // _BUCKET) * _BUCKET
            bucket = table[start : start + _BUCKET]
            if nonce in bucket:
                return False
            room = bucket.find(_EMPTY)
            if room >= 0:
                if keep:
                    start += -(-room // _ENTRY) * _ENTRY  # the entry before may end in zeros
                    table[start : start + _ENTRY] = nonce
                return True
        raise AssertionError

    def _open(self, number: int, *, make: bool) -> mmap.mmap | None:
        path = f"{self._path}.{number}"
        size = _FIRST * 4**number
        try:
            file = os.open(path, os.O_RDWR | (os.O_CREAT if make else 0), 0o600)
        except FileNotFoundError:
            return None
        try:
            # Writing to a part of the mapping that has no place on a full disk would end the process.
            while (missing := size - os.lseek(file, 0, os.SEEK_END)) > 0:
                os.write(file, bytes(min(missing, _CHUNK)))
            table = mmap.mmap(file, size)
        finally:
            os.close(file)
        self._tables.append(table)
        return table


class NonceFiles:
    """The nonces in `directory`, which is made on first use."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._threads = threading.Lock()
        self._lock = -1
        self._half_hours: dict[int, _HalfHour] = {}

    def __del__(self) -> None:
        if self._lock >= 0:
            os.close(self._lock)

    def use(self, nonce: bytes, *, now: int, expires: int) -> bool:
        """`AccessStore.use_nonce`: `nonce` is 16 bytes, and remembered for at most half an hour too long."""
        try:
            with self._threads:
                if self._lock < 0:
                    self._directory.mkdir(mode=0o700, exist_ok=True)
                    self._lock = os.open(self._directory / "lock", os.O_RDWR | os.O_CREAT, 0o600)
                fcntl.flock(self._lock, fcntl.LOCK_EX)
                try:
                    return self._put(nonce, now // _SECONDS, expires // _SECONDS)
                finally:
                    fcntl.flock(self._lock, fcntl.LOCK_UN)
        except (OSError, ValueError) as e:
            raise Unavailable("The store of used nonces is not available.") from e

    def _put(self, nonce: bytes, first: int, last: int) -> bool:
        for number in range(first, last + 1):
            if number not in self._half_hours:
                self._begin(number, first)
        # Later ones than the last are there when the clock was put back.
        for number, half_hour in self._half_hours.items():
            if number >= first and number != last and not half_hour.put(nonce, keep=False):
                return False
        return self._half_hours[last].put(nonce, keep=True)

    def _begin(self, number: int, first: int) -> None:
        """Open a half hour and what others have begun, and remove those that nobody asks for any more."""
        found = {int(path.stem) for path in self._directory.glob("*.0") if path.stem.isdecimal()}
        for known in {number, *found, *self._half_hours}:
            if known >= first:
                self._half_hours.setdefault(known, _HalfHour(self._directory, known))
            elif known < first - 1:  # another process's clock may be a little behind
                self._half_hours.pop(known, None)
                for path in self._directory.glob(f"{known}.*"):
                    path.unlink(missing_ok=True)
