"""Lines in files of one machine: one chain through all of them, whichever process writes.

`audit.jsonl` is written to; at its limit it becomes `audit-<number of its last line>.jsonl`. `audit.head` is the lock
of who writes, and says which line is the last, so that lines that are cut off at the end are missed.
"""

from __future__ import annotations

import errno
import hashlib
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from os import SEEK_END, lseek
from pathlib import Path
from time import monotonic

from msgspec import Struct

from tenantkms.audit.chain import START, Chain, link
from tenantkms.audit.files import (
    EMPTY,
    Event,
    began,
    end,
    end_of,
    first_time,
    last_time,
    number,
    read_head,
    rotated,
    write_head,
)
from tenantkms.audit.line import NOT_WRITTEN, encode
from tenantkms.audit.shared_end import SharedEnd
from tenantkms.crypto.hmacs import Hmac
from tenantkms.errors import Unavailable
from tenantkms.store.file_lock import FileLock, Later, at_once

_MARK_SECONDS = 1.0
_KEY_SECONDS = 1.0
"""How long a process goes on with a key after a reseal has given the log another one."""
_CLOSING = 256
"""Bytes that are left for the line that closes a file."""


class FileLog:
    """Lines of one chain in the files of `path` (mode 0600), each of `max_bytes` at most.

    Lines are written as they come, or some together. Whoever writes holds the lock of the head, so any number of
    processes and threads may;
    `later` gives it back (`FileLock`), and `end` is what processes share that write by turns. `key` answers the
    chain's key; it is asked for with the first line, and again every second in which there is one.
    """

    def __init__(
        self,
        path: Path,
        key: Callable[[], bytes],
        *,
        max_bytes: int = 64 * 1024 * 1024,
        clock: Callable[[], float] = time.time,
        later: Later = at_once,
        end: SharedEnd | None = None,
    ) -> None:
        self.path, self._key, self._max_bytes, self._clock = path, key, max_bytes, clock
        self._limit, self._end = 0, end
        self._secret = b""
        self._key_at = 0.0
        self._chain: Chain | None = None
        self._file = self._head = -1
        self._size = -1
        self._unlooked = True
        self._since = 0.0
        self._mark_at = 0.0
        self._sealed = -1
        self.fault = self.unclosed = ""
        """Why the last line was not written; why the file that has reached its limit is still written to."""
        try:
            self._head = os.open(path.with_suffix(".head"), os.O_RDWR | os.O_CREAT, 0o600)
            self._lock = FileLock(self._head, later)
            self._reopen()
        except OSError as e:
            raise Unavailable(f"The audit log {path} cannot be opened: {e.strerror}.") from e

    def __del__(self) -> None:
        if self._file >= 0:
            os.close(self._file)

    def _reopen(self) -> None:
        file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        self._file, old = file, self._file
        self._size, self._limit = -1, self._max_bytes - _CLOSING
        if old >= 0:
            os.close(old)

    # -- writing --

    def write(self, record: Struct, *more: Struct) -> None:
        """Raises `Unavailable` when the lines are not written, of which there may be some then."""
        try:
            contents = [*map(encode, (record, *more))] if more else [encode(record)]
            with self._lock as taken:
                now = monotonic()
                if now >= self._key_at:
                    self._renew_key()
                chain, lines = self._ready(taken), b""
                for content in contents:
                    line, size = chain.line(content), self._size + len(lines)
                    if size and size + len(line) > self._limit:
                        self._put(chain, lines)
                        self._rotate(chain)
                        chain, lines = self._ready(taken=False), b""
                        line = chain.line(content)
                    chain.taken()
                    lines += line
                self._put(chain, lines)
                if now >= self._mark_at:
                    self._mark(chain)
        except (OSError, ValueError) as e:
            self.fault = getattr(e, "strerror", "") or type(e).__name__
            raise Unavailable(NOT_WRITTEN) from e

    @contextmanager
    def _turn(self) -> Iterator[None]:
        """The lock, for what happens rarely. Faults of files are `Unavailable`."""
        try:
            with self._lock as taken:
                self._unlooked = self._unlooked or taken
                yield
        except (OSError, ValueError) as e:
            raise Unavailable(NOT_WRITTEN) from e

    def _ready(self, taken: bool = True) -> Chain:
        """The chain, if the file is as it was left; else as it goes on from what is there.

        `taken`: others may have written. That is so until it was looked at, though the lock is kept meanwhile.
        """
        chain, shared = self._chain, self._end
        taken = self._unlooked = taken or self._unlooked
        if taken and shared:
            self._size = shared.recall(chain)
            if self._size < 0:  # another process knows why, or it is the first time
                chain = self._chain = self._resume()
        if chain is None or self._size < 0 or (taken and lseek(self._file, 0, SEEK_END) != self._size):
            if shared:
                shared.turned()
            chain = self._chain = self._resume()
        self._unlooked = False
        return chain

    def _renew_key(self) -> None:
        self._key_at = monotonic() + _KEY_SECONDS
        if self._chain and (secret := self._key()) != self._secret:
            self._secret = secret
            self._chain.rekey(Hmac(secret))

    def _put(self, chain: Chain, lines: bytes) -> None:
        """Write `lines`, behind which `chain` is."""
        size, self._size = self._size, -1  # whatever ends this, the next one looks at what is there
        written = os.write(self._file, lines)
        if written != len(lines):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self._size = size + written
        if self._end:
            self._end.note(chain, self._size)
        self.fault = ""

    def _tell(self, chain: Chain, event: Event, before: bytes = b"") -> None:
        line = chain.line(encode(event))
        chain.taken()
        self._put(chain, before + line)

    def _mark(self, chain: Chain) -> None:
        head = chain.head
        if head and head.seq != self._sealed:
            write_head(self._head, head)
            self._sealed = head.seq
        self._mark_at = monotonic() + _MARK_SECONDS

    # -- going on --

    def _resume(self) -> Chain:
        """Others have written, or a process ended, or something was done to the files: the chain goes on behind the
        last line that is there, and says what is not as it should be."""
        self._reopen()
        self._secret = self._secret or self._key()
        found, stray = end(self._file)
        if link(stray.rpartition(b"\n")[2]):  # of a line nothing but its end was cut off: it is one
            os.write(self._file, b"\n")
            found, stray = end(self._file)
        if found is None:
            older = [file for file in rotated(self.path) if number(file) >= 0]
            found = end_of(older[-1])[0] if older else None
        head = read_head(self._head)
        last = found.seq if found else -1
        missed = max(last, head.seq if head else -1)
        name = found.chain if found else f"{self.path.stem}-{os.urandom(8).hex()}"
        chain = Chain(Hmac(self._secret), name, missed + 1, found.shown if found else START)
        self._size = lseek(self._file, 0, SEEK_END)
        self._since = first_time(self._file) or self._clock()
        if found is None and missed < 0:
            write_head(self._head, EMPTY)
            events = [self._event("began", stray)]
        else:
            unmarked = head is None or (head.seq < 0 and last > 0)  # a process may end between two writes
            events = [self._event("torn", stray)] if stray else []
            events += [self._event("unmarked")] if unmarked else []
            events += [self._event("lost", last=last)] if missed > last else []
        for event in events:
            self._tell(chain, event, b"\n" if event.bytes and not stray.endswith(b"\n") else b"")
        if events:
            self._mark(chain)
        return chain

    def _event(self, event: str, stray: bytes = b"", *, last: int = -1, shown: str = "") -> Event:
        digest = hashlib.sha256(stray).hexdigest() if stray else ""
        return Event(time=self._clock(), event=event, bytes=len(stray), sha256=digest, last=last, shown=shown)

    def _rotate(self, chain: Chain) -> None:
        """A file that cannot be closed is written to further, and tried again later: no line is lost for it."""
        if not self._is_current():
            self._size = -1
            return
        self._tell(chain, self._event("closed"))  # tells other processes, too, that theirs is not the file any more
        self._mark(chain)
        if self._end:
            self._end.turned()  # before: who is killed in between leaves nobody in the file that is closed
        target = self.path.with_name(f"{self.path.stem}-{chain.seq - 1:012d}{self.path.suffix}")
        try:
            if target.exists():
                raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST))
            self.path.rename(target)
        except OSError as e:
            self.unclosed = e.strerror or type(e).__name__
            self._limit = self._size + self._max_bytes // 8
            return
        self._size, self.unclosed = -1, ""  # what is open is closed for good
        self._reopen()
        self._size, self._since = 0, self._clock()

    def _is_current(self) -> bool:
        """False if somebody has taken the file away."""
        try:
            return os.path.samestat(os.fstat(self._file), self.path.stat())
        except FileNotFoundError:
            return False

    # -- keeping --

    def note(self, event: str) -> None:
        """A line about the log itself, under the key as it is now. Raises `Unavailable`."""
        with self._turn():
            self._renew_key()
            chain = self._ready()
            self._tell(chain, self._event(event))
            self._mark(chain)

    def settle(self, seconds: float = float("inf")) -> None:
        """Bring the head up to the last line, and close a file that was begun `seconds` ago. Never fails.

        A file that somebody took away is not written to any more: lines that it takes are lost with it.
        """
        with suppress(Unavailable), self._turn():
            if not self._is_current():
                self._size = -1
            if self._chain is not None and self._size > 0:
                chain = self._ready()
                self._mark(chain)
                if self._clock() - self._since > seconds:
                    self._rotate(chain)

    def retain(self, seconds: float, total_bytes: int) -> None:
        """Remove the oldest files while all of them have more than `total_bytes`, and those whose last line is older
        than `seconds`; first a line for each says so. Raises `Unavailable`.

        Age is counted to when the newest closed file was begun and closed, whichever is earlier: a clock that jumps
        ahead removes nothing before a whole file was written by it.
        """
        gone: list[Path] = []
        with self._turn():
            files = rotated(self.path)
            if not files:
                return
            chain = self._ready()
            sizes = {file: file.stat().st_size for file in files}
            excess = sum(sizes.values()) + max(self._size, 0) - total_bytes
            oldest = began(files[-1]) - seconds
            for file in files:
                if excess <= 0 and last_time(file) >= oldest:
                    break
                gone.append(file)
                excess -= sizes[file]
            links = [found for file in gone if (found := end_of(file)[0])]
            for found in links:  # this may end before all are gone, and then another file is the first
                self._tell(chain, self._event("dropped", last=found.seq, shown=found.mac))
            if links:
                self._mark(chain)
        try:
            for file in gone:
                file.unlink(missing_ok=True)
        except OSError as e:
            raise Unavailable(f"{e.filename} cannot be removed: {e.strerror}.") from e
