"""What commands share: how they are called, what is wrong with a command line, and how results are printed."""

from __future__ import annotations

import argparse
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


def at(seconds: int) -> str:
    """A time in UTC."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def held_text(last: int) -> str:
    """Why keys that are due are not destroyed, and what to do; `last` is the time of the last run."""
    return (
        f"nothing is destroyed: the last run was at {at(last)}, so the clock has jumped or nothing has run for an hour."
        " If the clock is right: tkms maintain --trust-clock"
    )
