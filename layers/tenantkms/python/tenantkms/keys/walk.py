"""The keys that a job is to look at, in pages: from where its last run stopped to the last, and from the first again.

So a run may end after any key, by a crash too, and the next one comes to those behind it, though what failed stays due.
"""

from __future__ import annotations

from collections.abc import Iterator

from msgspec.structs import replace

from tenantkms.model.profiles import DAY
from tenantkms.model.watch import FIRST, LATEST, Due, Place
from tenantkms.store.port import KeyStore

PAGE = 100
"""Keys that are listed at a time. What a crash forgets is at most so many that were looked at."""


class Walk:
    """Ids of keys that may be due for the job `name` at `now`, of all of them from `place` on.

    `ahead`: once a day also of those that seem to have time, since a clock that was ahead may have dated them.
    """

    def __init__(self, store: KeyStore, name: str, now: int, place: Place, *, ahead: bool) -> None:
        self._store, self._name, self._now = store, name, now
        self._place = self._kept = place
        self._ahead = ahead

    def __iter__(self) -> Iterator[str]:
        yield from self._span("after", FIRST, self._now)
        # A walk that goes ahead may take many runs, each of which does first what is due.
        if self._ahead and self._place.looked // DAY != self._now // DAY:
            yield from self._span("ahead", (self._now, "~"), LATEST)
            self._place = replace(self._place, looked=self._now)

    def _span(self, what: str, first: Due, until: int) -> Iterator[str]:
        after = max(getattr(self._place, what), first)
        while page := self._store.list_due(until, limit=PAGE, after=after):
            for after in page:
                yield after[1]
                self._place = replace(self._place, **{what: after})
            if len(page) < PAGE:
                break
            self.keep()
        self._place = replace(self._place, **{what: FIRST})

    def keep(self) -> None:
        """The next walk begins behind the last id that was followed by another. Raises what the store raises."""
        if self._place == self._kept:
            return
        # Read again: another run, or an operator's word, may have begun a watch meanwhile.
        if watch := self._store.get_watch(self._name):
            self._store.put_watch(self._name, replace(watch, place=self._place))
        self._kept = self._place
