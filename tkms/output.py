"""What commands share: how they are called, what is wrong with a command line, and how results are printed."""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

import msgspec

Run = Callable[[argparse.Namespace], int]


class UsageError(Exception):
    """The command line, or what came with it, is not right."""


def print_json(value: object) -> None:
    print(msgspec.json.format(msgspec.json.encode(value), indent=2).decode())


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
