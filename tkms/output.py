"""What commands share: how they are called, what is wrong with a command line, and how results are printed."""

from __future__ import annotations

import argparse
import codecs
import os
import re
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic
from typing import TextIO

import msgspec

Run = Callable[[argparse.Namespace], int]


class UsageError(Exception):
    """The command line, or what came with it, is not right."""


class NotDone(Exception):
    """One of many things is left as it is, and the others are gone on with; the message says why."""


def say(text: str, stream: TextIO | None = None) -> None:
    """Print a line at once. A server goes on where nobody reads its lines any more."""
    stream = stream or sys.stdout
    try:
        print(text, file=stream, flush=True)
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def called(file: str) -> str:
    return "The standard input" if file == "-" else path_text(file)


def read_bytes(file: str) -> bytes:
    """Of a file; `-` is standard input. Raises `UsageError`."""
    try:
        return sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
    except OSError as e:
        raise UsageError(f"{called(file)} cannot be read: {e.strerror}.") from e


def decode(data: bytes) -> str:
    """Text as editors and shells save it: UTF-8, or UTF-16 with the mark that PowerShell begins it with.

    Raises `UnicodeDecodeError`.
    """
    utf16 = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    return data.decode("utf-16" if utf16 else "utf-8-sig")


def read_text(file: str) -> str:
    """Of a file; `-` is standard input. Raises `UsageError`."""
    try:
        return decode(read_bytes(file))
    except UnicodeDecodeError:
        raise UsageError(f"{called(file)} cannot be read: it is not text in UTF-8.") from None


def print_json(value: object) -> None:
    print(msgspec.json.format(msgspec.json.encode(value), indent=2).decode())


def path_text(path: str | os.PathLike[str]) -> str:
    """A path as text that can be written anywhere: a byte of its name that is no UTF-8 is `\\xe9`."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def printable(text: str) -> str:
    """On one line, and with nothing that a terminal obeys: names come from others."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def table(rows: Sequence[Sequence[str]]) -> None:
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def time_text(seconds: int) -> str:
    """Unix seconds in UTC; 0 is never."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if seconds else "never"


_DURATION = re.compile(r"([1-9][0-9]{0,5})([smhd])")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
LONGEST = 3650 * 86_400
"""Seconds: what is to last longer is to last for ever."""


def duration(text: str) -> int:
    """Seconds of `90d`, `12h`, `15m` or `30s`. For argparse."""
    match = _DURATION.fullmatch(text)
    seconds = int(match[1]) * _SECONDS[match[2]] if match else 0
    if not 0 < seconds <= LONGEST:
        raise argparse.ArgumentTypeError(f"{text!r} is no duration such as 90d, 12h, 15m or 30s, of 3650d at most")
    return seconds


def held_text(last: int) -> str:
    """Why keys that are due are not destroyed, and what to do; `last` is the time of the last run."""
    return (
        f"nothing is destroyed: the last run was at {time_text(last)}, so the clock has jumped or nothing has"
        " run for an hour. If the clock is right: tkms maintain --trust-clock"
    )


def shown(args: argparse.Namespace) -> bool:
    """Whether somebody looks at a bar."""
    return not args.json and sys.stderr.isatty()


def clear() -> None:
    """Take a bar away."""
    print("\r\033[K", end="", file=sys.stderr, flush=True)


class Bar:
    """On standard error, how far long work is, and how fast. A `total` of 0 is not known."""

    _SECONDS = 0.1

    def __init__(self, name: str, total: int = 0, unit: str = "") -> None:
        self._name, self._total, self._unit = name, total, unit
        self._began = monotonic()
        self._told = self._began - self._SECONDS

    def __call__(self, count: int) -> None:
        now = monotonic()
        if now - self._told < self._SECONDS and count != self._total:
            return
        self._told = now
        line = f"{self._name} "
        if self._total:
            filled = 30 * count // max(count, self._total)
            line += f"[{'#' * filled}{'.' * (30 - filled)}] "
        line += f"{count:,}" + (f"/{self._total:,}" if self._total else "") + self._unit
        if now > self._began:
            line += f", {count / (now - self._began):,.0f}{self._unit}/s"
        print(f"\r{line}\033[K", end="", file=sys.stderr, flush=True)
