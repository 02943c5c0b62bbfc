"""Which mistake yields what the client signed."""

from __future__ import annotations

import hmac
from collections.abc import Callable, Iterator

from msgspec import Struct
from msgspec.structs import replace

from tkms.explain.mistakes import MISTAKES, Mistake, made
from tkms.explain.parts import Keys, Parts, coded, compose, sign
from tkms.explain.received import Received

More = Callable[[], bool]
"""Whether to go on."""


class Named(Struct, frozen=True, omit_defaults=True):
    """A mistake or a fault. `about`: what of several things it is. `part`: where it stands in what is signed."""

    id: str
    about: str = ""
    part: str = ""


def _matches(parts: Parts, signature: bytes, keys: Keys) -> bool:
    return hmac.compare_digest(coded(sign(parts, compose(parts)[1], keys)), signature)


def _singles(parts: Parts, received: Received) -> Iterator[tuple[Mistake, Parts, str]]:
    for mistake in MISTAKES:
        for changed, about in made(mistake, parts, received):
            yield mistake, changed, about


def search(received: Received, secret: str, more: More) -> tuple[Named, ...] | None:
    """None: the signature is right. One mistake, or else two of different places while there is `more`; or ()."""
    parts, keys, signature = replace(received.parts, secret=secret), Keys(), coded(received.signature)
    if _matches(parts, signature, keys):
        return None
    once = [*_singles(parts, received)]
    for mistake, changed, about in once:
        if _matches(changed, signature, keys):
            return (Named(mistake.id, about, mistake.place),)
    order = {mistake.id + mistake.place: number for number, mistake in enumerate(MISTAKES)}
    for first, changed, about in once:
        for second in MISTAKES[order[first.id + first.place] + 1 :]:
            if second.place == first.place:
                continue
            if not more():
                return ()
            for both, also in made(second, changed, received):
                if _matches(both, signature, keys):
                    return (Named(first.id, about, first.place), Named(second.id, also, second.place))
    return ()
