"""The end of an audit log, within a bound: for who wants to see what happens now, however long the log is."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from msgspec import Struct

from tenantkms.audit.files import rotated
from tkms.audit.lines import Line, read

MOST = 8 * 1024 * 1024
"""Bytes that are read of one log."""


class Tail(Struct, frozen=True):
    """`lines` in the order of their times. Nothing of after `since`, in Unix seconds, is missing: 0 is all there is."""

    lines: list[Line]
    since: float


def _end(log: Path, most: int) -> tuple[list[bytes], bool]:
    """The last lines of a log with all its files, within `most` bytes; and whether those are all of it."""
    parts: list[bytes] = []
    left = most
    for path in reversed([*rotated(log), log]):
        with suppress(FileNotFoundError), path.open("rb") as file:  # it may be closed, or removed as old, meanwhile
            size = file.seek(0, 2)
            file.seek(max(0, size - left))
            data = file.read(left)
            if size > left:
                parts.append(data.partition(b"\n")[2])  # the first line is not whole
                return _lines(parts), False
            parts.append(data)
            left -= size
    return _lines(parts), True


def _lines(parts: list[bytes]) -> list[bytes]:
    return b"".join(reversed(parts)).split(b"\n")


def tail_of(logs: Iterable[Path], most: int = MOST) -> Tail:
    """Of some logs together, `most` bytes of each. Raises `OSError`."""
    found: list[Line] = []
    since = 0.0
    for log in logs:
        raw, whole = _end(log, most)
        lines = [line for line in map(read, raw) if line]
        found += lines
        if not whole and lines:
            since = max(since, lines[0].time)
    found.sort(key=lambda line: line.time)
    return Tail(found, since)
