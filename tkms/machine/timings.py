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


class Timings:
    """Of worker `number` of `size`: it counts its own, and reads those of all."""

    def __init__(self, memory: Memory, size: int = 1, number: int = 0) -> None:
        self._rows = [memory.numbers(len(ACTIONS) * STEPS) for _ in range(size)]
        self._own = self._rows[number]
        self._first = {action: at * STEPS for at, action in enumerate(ACTIONS)}

    def took(self, action: str, seconds: float) -> None:
        micros = int(seconds * 1_000_000)
        bits = micros.bit_length()
        # Written out: a call for the step alone would be a third of what this costs each request.
        step = 2 * bits - 2 | micros >> bits - 2 & 1 if bits > 1 else 0
        self._own[self._first[action] + (step if step < STEPS else STEPS - 1)] += 1

    def all(self) -> Iterator[tuple[str, list[int]]]:
        """Of each Action that was called: how many calls are of each step."""
        for action, first in self._first.items():
            counts = [sum(row[at] for row in self._rows) for at in range(first, first + STEPS)]
            if any(counts):
                yield action, counts
