"""Pages by position: a listing is divided into segments in its order, and how many rows each has is kept.

So the n-th row is found by adding numbers up, and by passing over the rows of one segment at most; and how many rows
there are is a sum.
"""

from __future__ import annotations

from collections.abc import Sequence


def place_of(counts: Sequence[int], position: int) -> tuple[int, int]:
    """(segment, rows of it to pass over) where the row at `position`, from 0, stands; behind all: (their number, 0)."""
    for segment, count in enumerate(counts):
        if position < count:
            return segment, position
        position -= count
    return len(counts), 0


def ascending(total: int, offset: int, limit: int, *, descending: bool) -> tuple[int, int]:
    """(position of the first row, number of rows) in ascending order of a page of `total` rows."""
    end = min(offset + limit, total)
    start = min(offset, end)
    return (total - end if descending else start), end - start
