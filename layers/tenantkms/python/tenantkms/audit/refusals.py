"""Refusals of callers who proved to be nobody, counted: strangers choose how many calls they make, not how many lines.

In each slot of time the first refusal of a kind (its reason and source address) is told at once, with all that is
known of it, and those that follow in one line at the slot's end, by their number.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable

from msgspec.structs import replace

from tenantkms.audit.line import Record

_Kind = tuple[str, str]


class Refusals:
    """`most` kinds are told apart in `seconds`; what is beyond is told by its reason alone. Any thread may call."""

    def __init__(self, *, seconds: float = 60, most: int = 256) -> None:
        self._seconds, self._most = seconds, most
        self._lock = threading.Lock()
        self._began = 0.0
        self._told: set[_Kind] = set()
        self._more: dict[_Kind, Record] = {}

    def add(self, record: Record) -> list[Record]:
        """What is to be written now. `record` itself is in it, or has been counted."""
        with self._lock:
            lines = self._ended(record.time)
            if not self._told and not self._more:
                self._began = record.time
            kind = (record.outcome, record.source_ip)
            if kind not in self._told:
                if len(self._told) < self._most:
                    self._told.add(kind)
                    return [*lines, record]
                kind = (record.outcome, "")
                record = replace(record, source_ip="", principal="", trace="")
            before = self._more.get(kind)
            since, count = (before.since, before.count + 1) if before else (record.time, 1)
            self._more[kind] = replace(record, since=since, count=count)
            return lines

    def ended(self, now: float) -> list[Record]:
        """What is to be written of a slot that is over."""
        with self._lock:
            return self._ended(now)

    def all(self) -> list[Record]:
        """What is to be written if nothing follows."""
        with self._lock:
            return self._take()

    def _ended(self, now: float) -> list[Record]:
        # A clock that was put back ends the slot, too.
        return [] if self._began <= now < self._began + self._seconds else self._take()

    def _take(self) -> list[Record]:
        lines: Iterable[Record] = self._more.values()
        self._told, self._more = set(), {}
        return list(lines)
