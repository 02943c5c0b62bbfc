"""The audit log: a structured line per call, written before the answer leaves, and one before each change.

A line that cannot be written turns the answer into `Unavailable`: no success without its line. What a call is about to
change is announced first (outcome `intent`), so that nothing takes effect without a line either. The record's fields
are an allow-list (`Record`), so nothing secret has a place in it.
"""

from __future__ import annotations

import fcntl
import os
import sys
import threading
from pathlib import Path
from typing import Protocol, TextIO

import msgspec
from msgspec import Struct

from tenantkms.errors import Unavailable

INTENT = "intent"
"""The outcome of a line before a change: the line with the same request id that follows tells what came of it."""


class Record(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """`time` in Unix seconds; `outcome` is `intent`, `ok` or the name of the domain error; `keys` are CMK ids.

    `note` tells what else was done, in a word of the code's own.
    """

    time: float
    request_id: str
    tenant: str
    action: str
    profile: str
    principal: str
    outcome: str
    keys: tuple[str, ...] = ()
    source_ip: str = ""
    dry_run: bool = False
    note: str = ""


class Audit(Protocol):
    def write(self, record: Record) -> None:
        """Raises `Unavailable` when the line is not written."""


_encoder = msgspec.json.Encoder()


class StreamAudit:
    """Lines on a stream: the standard output of a Lambda function goes to CloudWatch Logs."""

    def __init__(self, stream: TextIO = sys.stdout) -> None:
        self._stream = stream

    def line(self, record: Record) -> bytes:
        """A JSON object on one line, without its end."""
        return _encoder.encode(record)

    def write(self, record: Record) -> None:
        try:
            self._stream.write(self.line(record).decode() + "\n")
            self._stream.flush()
        except (OSError, ValueError) as e:
            raise Unavailable("The audit log is not available.") from e


class FileAudit:
    """JSON lines in `path` (mode 0600), rotated at `max_bytes` to `path.1` ... `path.<keep>`, the oldest dropped.

    A line is one `write` to a file opened for append, so it is whole even if the process is killed, and
    several processes may share the file.
    """

    def __init__(self, path: Path, *, max_bytes: int = 64 * 1024 * 1024, keep: int = 9) -> None:
        self._path, self._max_bytes, self._keep = path, max_bytes, keep
        self._lock = threading.Lock()
        self._file = -1
        self._size = 0
        self._torn = False
        self._open()

    def _open(self) -> None:
        try:
            file = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            self._size = os.fstat(file).st_size
        except OSError as e:
            raise Unavailable(f"The audit log {self._path} cannot be opened: {e.strerror}.") from e
        self._file, old = file, self._file
        if old >= 0:
            os.close(old)

    def write(self, record: Record) -> None:
        with self._lock:
            try:
                line = b"\n" * self._torn + _encoder.encode(record) + b"\n"
                if self._size + len(line) > self._max_bytes:
                    self._rotate()
                written = os.write(self._file, line)
                # A full disk may cut a line: the next one then begins after its own line end.
                self._torn = written != len(line)
            except (OSError, ValueError) as e:
                raise Unavailable("The audit log is not available.") from e
            self._size += written
            if self._torn:
                raise Unavailable("The audit log is not available.")

    def _rotate(self) -> None:
        # Only who holds the lock of the file that `path` names may rename; opening another one lets go of it.
        fcntl.flock(self._file, fcntl.LOCK_EX)
        if self._is_current():
            for number in range(self._keep, 0, -1):
                source = Path(f"{self._path}.{number - 1}") if number > 1 else self._path
                if source.exists():
                    source.replace(f"{self._path}.{number}")
        self._open()

    def _is_current(self) -> bool:
        """False if another process has rotated: then only the new file is to be opened."""
        try:
            return os.path.samestat(os.fstat(self._file), self._path.stat())
        except FileNotFoundError:
            return False
