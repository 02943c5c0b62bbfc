"""How long calls take, by Action, counted in memory that the processes of one server share.

Each process counts in a row of its own, so nothing is locked. Of two threads that count at the very same moment one may
be missed: these are figures to look at, and a lock would cost more than the rest.
"""

from __future__ import annotations

from collections.abc import Iterator

from tenantkms.names import ACTIONS
from tenantkms.store.shared import Memory

STEPS = 64
"""Step `s` begins at 2 ** (s // 2) microseconds, times 1.5 where `s` is odd."""


_CELLS = STEPS + 1
"""Of one Action: the last one has all microseconds together."""


class Timings:
    """Of `size` workers: each counts its own, from when it joins, and all read those of all."""

    def __init__(self, memory: Memory, size: int = 1) -> None:
        self._rows = [memory.numbers(len(ACTIONS) * _CELLS) for _ in range(size)]
        self._own = self._rows[0]
        self._first = {action: at * _CELLS for at, action in enumerate(ACTIONS)}

    def join(self, number: int) -> None:
        """This process is worker `number` from now on, and goes on where that one has ended."""
        self._own = self._rows[number]

    def took(self, action: str, seconds: float) -> None:
        micros = int(seconds * 1_000_000)
        bits = micros.bit_length()
        # Written out: a call for the step alone would be a third of what this costs each request.
        step = 2 * bits - 2 | micros >> bits - 2 & 1 if bits > 1 else 0
        first = self._first[action]
        self._own[first + (step if step < STEPS else STEPS - 1)] += 1
        self._own[first + STEPS] += micros

    def all(self) -> Iterator[tuple[str, list[int], int]]:
        """Of each Action that was called: how many calls are of each step, and their microseconds together."""
        for action, first in self._first.items():
            counts = [sum(row[at] for row in self._rows) for at in range(first, first + _CELLS)]
            if any(counts):
                yield action, counts[:STEPS], counts[STEPS]
