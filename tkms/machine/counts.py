"""What one server does, counted as a deployment counts it (`tenantkms.audit.metrics`), in memory of all its processes.

Each worker counts in a row of its own, so nothing is locked; of two threads that count at the very same moment one
may be missed, as of `Timings`. What a worker that ended has counted stays: the next one of its number goes on.
"""

from __future__ import annotations

from collections.abc import Container, Mapping

from tenantkms.audit import metrics
from tenantkms.audit.line import INTENT, Audit, Record
from tenantkms.keys.maintenance import JOBS
from tenantkms.names import ACTIONS
from tenantkms.store.shared import Memory

REQUESTS = "Requests"
"""Calls by Action, whatever became of them: on AWS the sample count of `Latency`."""
AUDIT_TROUBLE = "AuditTrouble"
"""1 while the audit log takes no line, or soon will not."""
OTHER = "other"
"""Stands for what callers named that is no Action."""
BY_ACTION = (REQUESTS, metrics.ERRORS, metrics.REFUSED, metrics.THROTTLED)
TOTALS = (
    metrics.AUTHENTICATION_FAILURES,
    metrics.INTEGRITY_FAULTS,
    metrics.PARENT_KEY_CALLS,
    metrics.PARENT_KEY_LATENCY,
    metrics.COLD_START,
    *(job.metric(outcome) for job in JOBS.values() for outcome in ("Done", "Failed")),
)
STANDS = (AUDIT_TROUBLE, *(job.metric(outcome) for job in JOBS.values() for outcome in ("Due", "Held")))
"""What is as it was told last; all others are sums."""

_LABELS = (*ACTIONS, OTHER)
_PLACES: Mapping[str, int] = {name: at for at, name in enumerate((*TOTALS, *STANDS))}
_FIRST: Mapping[str, int] = {action: len(_PLACES) + at * len(BY_ACTION) for at, action in enumerate(_LABELS)}
_OTHER = _FIRST[OTHER]
_SIZE = len(_PLACES) + len(_LABELS) * len(BY_ACTION)
_COLUMNS: Mapping[str, int] = {name: at for at, name in enumerate(BY_ACTION)}


class Counts:
    """`Metrics` of the workers of a server, `size` of them. It is made before the fork; then each worker joins."""

    def __init__(self, memory: Memory, size: int = 1) -> None:
        self._rows = [memory.numbers(_SIZE) for _ in range(size)]
        self._own = self._rows[0]
        self._kinds = metrics.Kinds()

    def join(self, number: int) -> None:
        """This process is worker `number` from now on."""
        self._own = self._rows[number]
        self.put(**dict.fromkeys(STANDS, 0), **{metrics.COLD_START: 1})

    def begin(self, known: Container[str]) -> None:
        """Calls are told from each other by their audit lines."""

    def put(self, **values: float | list[float]) -> None:
        """Milliseconds are kept as microseconds."""
        for name, value in values.items():
            assert not isinstance(value, list)  # noqa: S101 - what is told together is for AWS alone
            at, number = _PLACES[name], round(value * (1000 if name == metrics.PARENT_KEY_LATENCY else 1))
            self._own[at] = number if name in STANDS else self._own[at] + number

    def count(self, record: Record) -> None:
        """An audit line: that of a call's end counts the call. Scheduled work tells what it did itself."""
        if record.outcome == INTENT or record.profile == "maintenance":
            return
        own, first = self._own, _FIRST.get(record.action, _OTHER)
        own[first] += 1
        if record.outcome != "ok":
            for name in self._kinds(record.outcome):
                own[_PLACES[name] if name in _PLACES else first + _COLUMNS[name]] += 1

    def total(self, name: str) -> int:
        return sum(row[_PLACES[name]] for row in self._rows)

    def by_action(self, name: str) -> dict[str, int]:
        """Of the Actions that were called."""
        found = {
            action: [sum(row[first + column] for row in self._rows) for column in (0, _COLUMNS[name])]
            for action, first in _FIRST.items()
        }
        return {action: count for action, (called, count) in found.items() if called}


class CountedAudit:
    """An audit log whose lines are counted, each when it is written."""

    def __init__(self, audit: Audit, counts: Counts) -> None:
        self._write, self._refuse, self._count = audit.write, audit.refuse, counts.count

    def write(self, record: Record, *more: Record) -> None:
        self._write(record, *more)
        self._count(record)
        for each in more:
            self._count(each)

    def refuse(self, record: Record) -> None:
        self._count(record)
        self._refuse(record)
