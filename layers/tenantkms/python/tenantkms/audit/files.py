"""What is read of the files of a log: which there are, where its chain ends, how old they are."""

from __future__ import annotations

import os
import struct
from pathlib import Path

import msgspec
from msgspec import Struct

from tenantkms.audit.chain import SHOWN, START, Head, Link, link

_HEAD = struct.Struct(f">4sq{SHOWN}s{SHOWN}s")
_MAGIC = b"TKA1"
_BLOCK = 64 * 1024
EMPTY = Head(-1, START, START)
"""Of a log that has no line yet."""


class Event(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A line that a log writes about itself.

    `began`    the chain begins here, after `bytes` bytes that have the digest `sha256`: lines of an earlier release
    `closed`   the file ends here
    `torn`     between this line and the one before it stand `bytes` bytes of lines that could not be written whole
    `lost`     the lines from `last` to this one had been written and were not there any more
    `unmarked` the head of the chain was not there any more
    `resealed` lines under the key from before end here: what a reseal puts under another parent key has another one
    `dropped`  the file whose last line is `last`, which showed `shown`, was removed: it was old, or there was too much
    """

    time: float
    event: str
    bytes: int = 0
    sha256: str = ""
    last: int = -1
    shown: str = ""


def rotated(path: Path) -> list[Path]:
    """The files of the log at `path` that are not written to any more, the oldest first."""
    before = [file for file in path.parent.glob(f"{path.name}.*") if file.suffix[1:].isdecimal()]
    chained = [file for file in path.parent.glob(f"{path.stem}-*{path.suffix}") if number(file) >= 0 and file.is_file()]
    return sorted(before, key=lambda file: -int(file.suffix[1:])) + sorted(chained, key=number)


def number(file: Path) -> int:
    """Of the last line of a file that was closed; -1 for one of an earlier release, which numbered no lines."""
    digits = file.stem.rpartition("-")[2]
    return int(digits) if digits.isdecimal() and len(digits) == 12 else -1


def read_head(file: int) -> Head | None:
    """The head of a chain as it stands in the open `file`; None if it says nothing."""
    data = os.pread(file, _HEAD.size, 0)
    if len(data) != _HEAD.size or data[:4] != _MAGIC:
        return None
    return Head(*_HEAD.unpack(data)[1:])


def write_head(file: int, head: Head) -> None:
    os.pwrite(file, _HEAD.pack(_MAGIC, head.seq, head.shown, head.hidden), 0)


def end(file: int) -> tuple[Link | None, bytes]:
    """The last line of a chain in an open file, and what stands behind it."""
    size = os.lseek(file, 0, os.SEEK_END)
    data = b""
    for block in (_BLOCK, 16 * _BLOCK, size):
        data = os.pread(file, block, max(0, size - block))
        cut = data.rfind(b"\n")
        while cut >= 0:
            before = data.rfind(b"\n", 0, cut)
            if before < 0 and block < size:
                break  # where this line begins is not read
            if found := link(data[before + 1 : cut]):
                return found, data[cut + 1 :]
            cut = before
        if block >= size:
            break
    return None, data


def end_of(path: Path) -> tuple[Link | None, bytes]:
    with path.open("rb") as file:
        return end(file.fileno())


class _Timed(Struct):
    time: float


def _time(line: bytes) -> float:
    """Of any line, of earlier releases, too; 0 if it has none."""
    try:
        return msgspec.json.decode(line, type=_Timed).time
    except (msgspec.DecodeError, UnicodeDecodeError):
        return 0


def first_time(file: int) -> float:
    return _time(os.pread(file, _BLOCK, 0).partition(b"\n")[0])


def last_time(path: Path) -> float:
    with path.open("rb") as file:
        size = os.lseek(file.fileno(), 0, os.SEEK_END)
        return _time(os.pread(file.fileno(), _BLOCK, max(0, size - _BLOCK)).rstrip(b"\n").rpartition(b"\n")[2])


def began(path: Path) -> float:
    with path.open("rb") as file:
        return min(first_time(file.fileno()), last_time(path))
