"""The lock of a file among the threads and processes of one machine, kept for a moment by who needs it often.

To take `flock` and to give it back costs five microseconds in the midst of a request, a tenth of it, and most requests
need two of them, each for a few microseconds only.

Who keeps one and waits for another could wait for ever for somebody who does the same, since what gives locks back
waits too. So before a process waits, it gives back all that it only keeps.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from fcntl import LOCK_EX, LOCK_NB, LOCK_UN, flock
from threading import Lock
from types import TracebackType

Later = Callable[[Callable[[], None]], None]
"""Calls what it is given, soon, in whatever thread: until then other processes wait for the lock."""


_kept: set[FileLock] = set()
"""Locks that `later` gives back."""
_waiting: list[FileLock] = []
"""Locks that a thread of this process waits for."""


def _forked() -> None:
    _kept.clear()
    _waiting.clear()


os.register_at_fork(after_in_child=_forked)


def at_once(release: Callable[[], None]) -> None:
    release()


class FileLock:
    """`with lock as taken:` holds `file`; `taken` is False where no other process can have had it since the last time.

    Threads wait for each other in any case. Raises `OSError` as `flock` does. The file is closed with its last use.
    """

    def __init__(self, file: int, later: Later) -> None:
        self.file, self._later = file, later
        self._threads = Lock()
        self._held = False  # by this process
        self._told = False  # `later` has been, and has not called yet

    def __del__(self) -> None:
        os.close(self.file)

    def __enter__(self) -> bool:
        self._threads.acquire()
        if self._held:
            return False
        try:
            self._take()
        except BaseException:
            self._threads.release()
            raise
        self._held = True
        return True

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _at: TracebackType | None
    ) -> None:
        told, self._told = self._told, True
        self._threads.release()
        if _waiting:
            self._release()
        elif not told:
            _kept.add(self)
            self._later(self._release)

    def _take(self) -> None:
        try:
            flock(self.file, LOCK_EX | LOCK_NB)
        except BlockingIOError:
            _waiting.append(self)
            try:
                for lock in tuple(_kept):
                    lock.release_kept()
                flock(self.file, LOCK_EX)
            finally:
                _waiting.remove(self)

    def release_kept(self) -> None:
        """At once, unless a thread uses it: that gives it back as long as one waits."""
        if self._threads.acquire(blocking=False):
            try:
                self._unlock()
            finally:
                self._threads.release()

    def _release(self) -> None:
        with self._threads:
            self._unlock()

    def _unlock(self) -> None:
        _kept.discard(self)
        self._held = self._told = False
        flock(self.file, LOCK_UN)
