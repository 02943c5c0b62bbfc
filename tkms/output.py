"""What commands share: how they are called, what is wrong with a command line, and how results are printed."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence

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
