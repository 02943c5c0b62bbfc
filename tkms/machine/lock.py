"""A file that one process holds at a time."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tenantkms.runtime.assemble import SettingsError


@contextmanager
def closing(file: int) -> Iterator[int]:
    """The open `file`, until the block ends."""
    try:
        yield file
    finally:
        os.close(file)


@contextmanager
def locked(path: Path, held: str) -> Iterator[int]:
    """Hold the file `path` for this process and its children; `held` says what to tell when somebody else does."""
    with closing(os.open(path, os.O_RDWR | os.O_CREAT, 0o600)) as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | (fcntl.LOCK_NB if held else 0))
        except BlockingIOError:
            raise SettingsError(held) from None
        yield file


def hold(file: int) -> bool:
    """Whether the open `file` is this process's, until it ends: then nobody else has it, however this one ends."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def is_held(path: Path) -> bool:
    """Whether a process holds it now."""
    try:
        file = os.open(path, os.O_RDWR)
    except FileNotFoundError:
        return False
    with closing(file):
        return not hold(file)
