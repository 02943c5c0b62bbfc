"""The lock of a file among the threads and processes of one machine, kept for a moment by who needs it often.

To take `flock` and to give it back costs five microseconds in the midst of a request, a tenth of it, and most requests
need two of them, each for a few microseconds only.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from fcntl import LOCK_EX, LOCK_UN, flock
from threading import Lock
from types import TracebackType

Later = Callable[[Callable[[], None]], None]
"""Calls what it is given, soon, in whatever thread: until then other processes wait for the lock."""


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
            flock(self.file, LOCK_EX)
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
        if not told:
            self._later(self._release)

    def _release(self) -> None:
        with self._threads:
            self._held = self._told = False
            flock(self.file, LOCK_UN)
