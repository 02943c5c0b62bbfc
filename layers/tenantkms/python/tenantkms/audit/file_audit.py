"""The audit log of one machine, in its data directory."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from tenantkms.audit.file_log import FileLog
from tenantkms.audit.line import Record
from tenantkms.audit.refusals import Refusals
from tenantkms.audit.shared_end import SharedEnd
from tenantkms.errors import Unavailable
from tenantkms.store.file_lock import Later, at_once
from tenantkms.store.shared import Memory

_DAY = 86_400
_GIB = 1024**3
_MIB = 1024**2
_FILE_SECONDS = 30 * _DAY
"""A file is closed after that time even if it is small, so that age can be told by files."""


class FileAudit:
    """The audit log of one machine in the files of `path`, and what strangers tried in those of `refused`.

    Calls of the authenticated have a line each, and no number of refusals takes one of these away. `memory` is that of
    all processes of one server.
    """

    REFUSED_BYTES = 64 * 1024 * 1024
    """Of all files of refusals together."""

    def __init__(
        self,
        path: Path,
        refused: Path,
        key: Callable[[], bytes],
        *,
        max_bytes: int = 64 * 1024 * 1024,
        clock: Callable[[], float] = time.time,
        later: Later = at_once,
        memory: Memory | None = None,
    ) -> None:
        calls_end, refused_end = (SharedEnd(memory), SharedEnd(memory)) if memory else (None, None)
        self._calls = FileLog(path, key, max_bytes=max_bytes, clock=clock, later=later, end=calls_end)
        self._refused = FileLog(
            refused, key, max_bytes=self.REFUSED_BYTES // 4, clock=clock, later=later, end=refused_end
        )
        self._refusals = Refusals()
        self._clock = clock
        self.write = self._calls.write

    def refuse(self, record: Record) -> None:
        for line in self._refusals.add(record):
            self._refused.write(line)

    def settle(self) -> None:
        """To be called every second, and at the end: tells refusals that were counted, and seals the last lines.

        It never fails."""
        with suppress(Unavailable):
            for line in self._refusals.ended(self._clock()):
                self._refused.write(line)
        for log in (self._calls, self._refused):
            log.settle(_FILE_SECONDS)

    def note_resealed(self) -> None:
        """To be called once no process writes lines under the former key any more. Raises `Unavailable`."""
        for log in (self._calls, self._refused):
            log.note("resealed")

    def close(self) -> None:
        """To be called once, at the end, as `settle`."""
        with suppress(Unavailable):
            for line in self._refusals.all():
                self._refused.write(line)
        self.settle()

    def retain(self, days: float, total_bytes: int) -> None:
        """To be called every minute or so: removes what is older or more. `days` and `total_bytes` are the audit log's
        limits; refusals have a size of their own. Raises `Unavailable`.
        """
        self._calls.retain(days * _DAY, total_bytes)
        self._refused.retain(days * _DAY, self.REFUSED_BYTES)

    def trouble(self) -> str:
        """Why the log takes no line, or soon will not, in a sentence for the operator; empty if all is well."""
        for log in (self._calls, self._refused):
            if log.fault:
                return f"{log.path} could not be written: {log.fault}."
            if log.unclosed:
                return f"{log.path} grows, since it could not be closed: {log.unclosed}."
        return disk_trouble(self._calls.path)


def disk_trouble(path: Path) -> str:
    """Why the disk of the file `path` soon takes nothing more, as `FileAudit.trouble`."""
    try:
        disk = os.statvfs(path.parent)
    except OSError as e:
        return f"The disk of {path} cannot be asked: {e.strerror}."
    free, size = disk.f_bavail * disk.f_frsize, disk.f_blocks * disk.f_frsize
    if free < min(_GIB, size // 10):
        return f"The disk of {path} has {free // _MIB} MiB left: without room nothing is answered."
    if disk.f_files and disk.f_favail < 1_000:
        return f"The disk of {path} has room for {disk.f_favail} files only."
    return ""
