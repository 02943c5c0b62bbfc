"""A file that one process holds at a time."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tenantkms.runtime.assemble import SettingsError


@contextmanager
def locked(path: Path, held: str) -> Iterator[None]:
    """Hold the file `path` for this process alone; `held` says what to tell when somebody else does."""
    file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | (fcntl.LOCK_NB if held else 0))
        except BlockingIOError:
            raise SettingsError(held) from None
        yield
    finally:
        os.close(file)
