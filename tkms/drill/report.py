"""What a drill tells: each step as it is done, a table at the end, and a report for programs."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from msgspec import Struct

from tkms.drill.play import BY_HAND, DONE, FAILED, NOT_RUN, Row, Teller
from tkms.output import painted, printable, say, table

INTERRUPTED = "interrupted"


class Report(Struct, frozen=True, kw_only=True):
    """`state` is `failed` if a row is, and `interrupted` of a drill that was: its last row is the last that ended.
    `kept`: the stack is there, or may be. `release` is what was gone back to; empty: the same sources."""

    stack: str
    account: str
    region: str
    emulator: bool
    release: str
    kept: bool
    state: str
    rows: list[Row]


class Lines:
    """Each step to people: what is done before it is done, then how it went."""

    def begun(self, row: Row) -> None:
        say(f"{row.drill} {row.step}/{row.steps}  {row.kind}: {row.title}")
        for line in row.command.splitlines():
            say(f"    {printable(line)}")

    def ended(self, row: Row) -> None:
        say(f"    -> {painted(row.state)}{f', {row.seconds} s' if row.seconds else ''}{_why(row)}")
        for line in row.said.splitlines():
            say(f"    !! {printable(line)}")


class Kept:
    """The rows that have ended, beside what `teller` tells of them."""

    def __init__(self, teller: Teller) -> None:
        self._ended, self.begun = teller.ended, teller.begun
        self.rows: list[Row] = []

    def ended(self, row: Row) -> None:
        self.rows.append(row)
        self._ended(row)


class Short:
    """To standard error, beside what programs read."""

    def begun(self, row: Row) -> None:
        """Nothing: one line for each."""

    def ended(self, row: Row) -> None:
        say(f"{row.drill} {row.step}/{row.steps} {row.title}: {row.state}{_why(row)}", sys.stderr)


def _why(row: Row) -> str:
    return f": {row.reason}" if row.reason else ""


def show(report: Report) -> None:
    """The table of the drills, and what did not go by itself."""
    drills = list(dict.fromkeys(row.drill for row in report.rows))
    cells: list[Sequence[str]] = [("DRILL", "STATE", "STEPS", "OK", "FAILED", "BY HAND", "NOT RUN", "SECONDS")]
    for drill in drills:
        some = [row for row in report.rows if row.drill == drill]
        cells.append((drill, state(some), *_counts(some), f"{sum(row.seconds for row in some):.0f}"))
    table(cells)
    for row in report.rows:
        if row.state in (FAILED, BY_HAND):
            say(f"{row.drill} {row.step}, {row.state}: {row.title}{_why(row)}")


def _counts(some: Sequence[Row]) -> tuple[str, ...]:
    counts = [sum(row.state == state for row in some) for state in (DONE, FAILED, BY_HAND, NOT_RUN)]
    return tuple(map(str, (len(some), *counts)))


def state(some: Sequence[Row]) -> str:
    return DONE if all(row.state in (DONE, BY_HAND) for row in some) else FAILED
