"""The time that scheduled work has watched passing. A clock may jump, and what is destroyed does not come back."""

from __future__ import annotations

import msgspec
from msgspec import Struct
from msgspec.structs import replace

STEP = 3_600
"""Seconds between two runs at most, if the clock is to be believed. They run each minute, on AWS each quarter."""


SKEW = 300
"""Seconds that clocks of two processes may differ: what is dated later than that was dated by a wrong clock."""


HELD = 1
"""When a run was last seen, of work that is to wait for an operator's word whatever the clock says, in Unix seconds."""
Due = tuple[int, str]
"""When scheduled work on a key is due, in Unix seconds, and its id: in that order keys are looked at."""
FIRST: Due = (0, "")
"""Before all of them."""


class Place(Struct, frozen=True, kw_only=True, array_like=True):
    """How far a job is in a round: with what is due as far as `after`, with what seems to have time as far as `ahead`.

    Both are `FIRST` between one round and the next. `looked` is when it last had looked at all that seem to have time,
    in Unix seconds.
    """

    after: Due = FIRST
    ahead: Due = FIRST
    looked: int = 0


class Watch(Struct, frozen=True, kw_only=True):
    """Of one job, in Unix seconds: its last run was at `seen`; since `since` no two were further apart than `STEP`.

    The next one goes on from `place`.
    """

    since: int
    seen: int
    place: Place = Place()


_LONGEST_ID = 64
"""Characters, in a store where others may write: with a longer one no store could be asked."""
LATEST = 99_999_999_999
"""Unix seconds that no clock has reached."""


def kept(since: object, seen: object, place: object) -> Watch | None:
    """The watch that rests in a store, where others may write; None for what no run can have left there.

    `place` as `place_text` writes it. Of one that says nothing the next run begins with the first key.
    """
    if isinstance(since, int) and isinstance(seen, int) and 0 <= since <= seen <= LATEST:
        return Watch(since=since, seen=seen, place=_place(place))
    return None


_decode_place = msgspec.json.Decoder(Place).decode


def place_text(place: Place) -> str:
    return msgspec.json.encode(place).decode()


def _place(text: object) -> Place:
    try:
        place = _decode_place(text) if isinstance(text, str) else Place()
    except (msgspec.DecodeError, UnicodeEncodeError):
        return Place()
    dates = (place.after[0], place.ahead[0], place.looked)
    ids = place.after[1], place.ahead[1]
    fits = all(0 <= date <= LATEST for date in dates) and all(len(id_) <= _LONGEST_ID for id_ in ids)
    return place if fits else Place()


def watched(last: Watch | None, now: int) -> Watch | None:
    """The watch after a run at `now`, or None if the clock is not where the last run left it.

    Then it jumped, ahead or back, or nothing has run for a while; which of them, an operator knows.
    """
    if last is None:
        return Watch(since=now, seen=now)
    if abs(now - last.seen) > STEP:
        return None
    return replace(last, seen=max(last.seen, now))
