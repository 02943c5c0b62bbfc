"""Which mistake yields what the client signed."""

from __future__ import annotations

import hmac
from collections.abc import Callable
from time import perf_counter, sleep

from msgspec import Struct
from msgspec.structs import replace

from tkms.explain.mistakes import MISTAKES, Mistake, made
from tkms.explain.parts import Keys, Parts, coded, compose, sign
from tkms.explain.received import Received

ONE_SECONDS, TWO_SECONDS = 0.3, 2.0
"""How long one mistake is looked for at most, and two at once."""
_SLICE_SECONDS = 0.001


class Named(Struct, frozen=True, omit_defaults=True):
    """A mistake or a fault. `about`: what of several things it is. `place`: where it stands in what is signed."""

    id: str
    about: str = ""
    place: str = ""


class Tried(Struct, frozen=True):
    """What came of the search for one mistake: `found` is None where the signature is right."""

    found: tuple[Named, ...] | None
    once: list[tuple[int, Parts, str]]
    matches: Callable[[Parts], bool]


class _Pace:
    """Lets a search rest as often as it works, for others share the interpreter with it."""

    def __init__(self, seconds: float) -> None:
        self._end = perf_counter() + seconds
        self._pause = perf_counter() + _SLICE_SECONDS

    def over(self) -> bool:
        """Whether the time is up. To be asked often."""
        if perf_counter() > self._pause:
            sleep(_SLICE_SECONDS)
            self._pause = perf_counter() + _SLICE_SECONDS
        return self._pause > self._end


def _named(mistake: Mistake, about: str) -> Named:
    return Named(mistake.id, about, mistake.place)


def search_singles(received: Received, secret: str) -> Tried:
    parts, keys, signature = replace(received.parts, secret=secret), Keys(), coded(received.signature)

    def matches(changed: Parts) -> bool:
        return hmac.compare_digest(coded(sign(changed, compose(changed)[1], keys)), signature)

    if matches(parts):
        return Tried(None, [], matches)
    once: list[tuple[int, Parts, str]] = []
    pace = _Pace(ONE_SECONDS)
    for number, mistake in enumerate(MISTAKES):
        for changed, about in made(mistake, parts, received):
            if matches(changed):
                return Tried((_named(mistake, about),), [], matches)
            if pace.over():
                return Tried((), [], matches)
            once.append((number, changed, about))
    return Tried((), once, matches)


def search_pairs(received: Received, tried: Tried) -> tuple[Named, ...]:
    """Two mistakes at different places, or ()."""
    pace = _Pace(TWO_SECONDS)
    for number, changed, about in tried.once:
        first = MISTAKES[number]
        for second in MISTAKES[number + 1 :]:
            if second.place == first.place:
                continue
            for both, also in made(second, changed, received):
                if tried.matches(both):
                    return _named(first, about), _named(second, also)
                if pace.over():
                    return ()
    return ()
