"""The keys that a job is to look at, in pages: a round is all that are due, and once a day also all others.

A run may end after any key, by a crash too, and the next one goes on behind it, in the same round: what failed stays
due, and has its turn again in the next round, once each of the others had its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, zip_longest

from msgspec.structs import replace

from tenantkms.model.profiles import DAY
from tenantkms.model.watch import FIRST, LATEST, Due, Place
from tenantkms.store.port import KeyStore

PAGE = 100
"""Keys that are listed at a time. What a crash forgets is at most so many of each kind that were looked at."""


class Walk:
    """Ids of keys that may be due for the job `name` at `now`: from `place` on, until the round is complete.

    `ahead`: once a day also of those that seem to have time, since a clock that was ahead may have dated them.
    """

    def __init__(self, store: KeyStore, name: str, now: int, place: Place, *, ahead: bool) -> None:
        self._store, self._name, self._now = store, name, now
        self._place = self._kept = place
        self._ahead = ahead and place.looked // DAY != now // DAY
        self.resumed = place != Place(looked=place.looked)
        """Whether another one began this round."""

    def __iter__(self) -> Iterator[str]:
        # A page of one kind, then one of the other: neither waits for many of the other that fail slowly. To look at
        # keys that have time takes none, so theirs is the first.
        ahead = self._pages("ahead", (self._now, "~"), LATEST) if self._ahead else ()
        turns = zip_longest(ahead, self._pages("after", FIRST, self._now), fillvalue=())
        yield from chain.from_iterable(chain.from_iterable(turns))
        # Only now: within a round only those that have become due meanwhile are behind the last one that was due.
        self._place = replace(self._place, after=FIRST)

    def _pages(self, what: str, first: Due, until: int) -> Iterator[Iterator[str]]:
        more = True
        while more:
            page = self._store.list_due(until, limit=PAGE, after=max(getattr(self._place, what), first))
            more = len(page) == PAGE
            yield self._looked(what, page, more=more)

    def _looked(self, what: str, page: list[Due], *, more: bool) -> Iterator[str]:
        for due in page:
            yield due[1]
            self._place = replace(self._place, **{what: due})
        if more:
            self.keep()
        elif what == "ahead":
            self._place = replace(self._place, ahead=FIRST, looked=self._now)

    def keep(self) -> None:
        """The next walk begins behind the last ids that were followed by another. Raises what the store raises."""
        if self._place == self._kept:
            return
        # Read again: another run, or an operator's word, may have begun a watch meanwhile.
        if watch := self._store.get_watch(self._name):
            self._store.put_watch(self._name, replace(watch, place=self._place))
        self._kept = self._place
