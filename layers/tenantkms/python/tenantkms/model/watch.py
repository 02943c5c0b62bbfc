"""The time that scheduled work has watched passing. A clock may jump, and what is destroyed does not come back."""

from __future__ import annotations

from msgspec import Struct
from msgspec.structs import replace

STEP = 3_600
"""Seconds between two runs at most, if the clock is to be believed. They run each minute, on AWS each quarter."""


SKEW = 300
"""Seconds that clocks of two processes may differ: what is dated later than that was dated by a wrong clock."""


class Watch(Struct, frozen=True, kw_only=True):
    """Of one job, in Unix seconds: its last run was at `seen`; since `since` no two were further apart than `STEP`."""

    since: int
    seen: int


LATEST = 99_999_999_999
"""Unix seconds that no clock has reached."""


def kept(since: object, seen: object) -> Watch | None:
    """The watch that rests in a store, where others may write; None for what no run can have left there."""
    if isinstance(since, int) and isinstance(seen, int) and 0 <= since <= seen <= LATEST:
        return Watch(since=since, seen=seen)
    return None


def watched(last: Watch | None, now: int) -> Watch | None:
    """The watch after a run at `now`, or None if the clock is not where the last run left it.

    Then it jumped, ahead or back, or nothing has run for a while; which of them, an operator knows.
    """
    if last is None:
        return Watch(since=now, seen=now)
    if abs(now - last.seen) > STEP:
        return None
    return replace(last, seen=max(last.seen, now))
