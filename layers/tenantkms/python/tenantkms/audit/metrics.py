"""Metrics of a deployment, in the log lines that its functions write anyway (CloudWatch's embedded metric format).

Field standard: "Specification: Embedded metric format" in the CloudWatch user guide. Dimensions are the tenant and
the Action, and nothing that callers choose: each value of a dimension is a metric of its own, which is paid for.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Container
from contextlib import suppress
from functools import lru_cache
from math import inf
from typing import Protocol, TextIO

import msgspec

from tenantkms.audit.line import INTENT, Record, StreamAudit
from tenantkms.audit.refusals import Refusals
from tenantkms.errors import KmsError, Throttled
from tenantkms.parent.port import Binding, ParentKey

NAMESPACE = "TenantKms/{}"
"""Of a tenant."""
LATENCY, ERRORS, REFUSED = "Latency", "Errors", "Refused"
"""Of each call, by Action and for all: milliseconds since the event came in; 1 for a fault of ours or of what we depend
on; 1 for what the caller did wrong. The number of calls is the sample count of `Latency`."""
THROTTLED = "Throttled"
"""1 for a call beyond a limit of the tenant's: neither of both."""
AUTHENTICATION_FAILURES = "AuthenticationFailures"
PARENT_KEY_CALLS, PARENT_KEY_LATENCY, COLD_START = "ParentKeyCalls", "ParentKeyLatency", "ColdStart"
KEYS_PENDING_DELETION = "KeysPendingDeletion"
INTEGRITY_FAULTS = "IntegrityFaults"
"""Rows that were read and not believed."""

_MILLISECONDS = frozenset({LATENCY, PARENT_KEY_LATENCY})
_FOR_ALL = ("tenant",)
_NO_REFUSAL = frozenset({"ok", "DryRunSucceeded"})
_UNAUTHENTICATED = frozenset(
    {"UnknownAccessKey", "SignatureMismatch", "CredentialDisabled", "NonceReused", "RequestExpired"}
)

_KEEP, _KEEP_SECONDS = 100, 10
"""How many metrics wait to be told together, and for how long. An array of the format has 100 values at most."""
_TOGETHER = 10
"""Successes of one Action that one line tells: what makes a line metrics is half as long as all the rest of it."""
_KINDS = 16
"""Of refusals, which a process tells apart in a minute."""

_encode = msgspec.json.Encoder().encode
_Values = dict[str, float | list[float]]


class Metrics(Protocol):
    """Where a process tells what it did, besides the audit log."""

    def begin(self, known: Container[str]) -> None:
        """A call has come in. It is counted by Action only if that is one of `known`, which callers do not choose."""

    def put(self, **values: float | list[float]) -> None:
        """Metrics of the tenant that belong to no call. Never fails."""


class NoMetrics:
    """Where nobody asks for them. The audit log has everything they are counted from."""

    def begin(self, known: Container[str]) -> None: ...

    def put(self, **values: float | list[float]) -> None: ...


class _Successes:
    """Of one Action, since its metrics were told last."""

    __slots__ = ("kept", "told")

    def __init__(self) -> None:
        self.kept: list[_Values] = []
        self.told = -inf

    def take(self, now: float) -> _Values:
        kept, self.kept, self.told = self.kept, [], now
        return _together(kept)


class EmbeddedMetrics(StreamAudit):
    """`Metrics`, and the audit log whose lines are metrics too. One call at a time, as in a Lambda function.

    What is no success is told by its own line. Successes of an Action that follow each other within ten seconds are
    told together: by the line of the tenth, of the first that comes ten seconds after the last telling, or of what is
    none.

    Strangers' refusals have few lines (`Refusals`). Metrics of those that have none are told together, a hundred at a
    time, or with the first call that comes ten seconds after the first of them.
    """

    def __init__(
        self,
        tenant: str,
        key: Callable[[], bytes],
        stream: TextIO | None = None,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        super().__init__(key, stream)
        self._tenant = tenant
        self._clock = clock
        self._began: float | None = None
        self._known: Container[str] = ()
        self._kinds = Kinds()
        self._refusals = Refusals(most=_KINDS)
        self._kept: list[_Values] = []
        self._kept_since = 0.0
        self._successes: dict[str, _Successes] = {}

    def begin(self, known: Container[str]) -> None:
        self._began, self._known = self._clock(), known
        if self._kept and self._began >= self._kept_since + _KEEP_SECONDS:
            self._tell_kept()
        for action, successes in self._successes.items():
            # Most are told by a call of their Action.
            if successes.kept and self._began >= successes.told + 2 * _KEEP_SECONDS:
                self._tell(successes.take(self._began), action)

    def content(self, record: Record) -> bytes:
        """The audit line; with metrics, if it is the one of a call's end (scheduled work has none)."""
        line = super().content(record)
        if self._began is None or record.outcome == INTENT or record.since:
            return line
        values = self._values(record)
        by_action = record.action in self._known
        if by_action:
            successes = self._successes.setdefault(record.action, _Successes())
            successes.kept.append(values)
            now = self._clock()
            if len(values) == 1 and len(successes.kept) < _TOGETHER and now < successes.told + _KEEP_SECONDS:
                return line
            values = successes.take(now)
        return line[:-1] + b"," + _tail(self._tenant, record.time, values, by_action=by_action)

    def _values(self, record: Record) -> _Values:
        took: _Values = {LATENCY: round((self._clock() - (self._began or 0)) * 1000, 3)}
        return took | dict.fromkeys(self._kinds(record.outcome), 1)

    def refuse(self, record: Record) -> None:
        lines = self._refusals.add(record)
        if record not in lines:
            if not self._kept:
                self._kept_since = self._clock()
            self._kept.append(self._values(record))
            if len(self._kept) == _KEEP:
                self._tell_kept()
        for line in lines:
            super().refuse(line)

    def _tell_kept(self) -> None:
        kept, self._kept = self._kept, []
        self._tell(_together(kept))

    def put(self, **values: float | list[float]) -> None:
        self._tell(values)

    def _tell(self, values: _Values, action: str = "") -> None:
        """A line that is metrics alone."""
        dimensions = {"tenant": self._tenant, "action": action} if action else {"tenant": self._tenant}
        tail = _tail(self._tenant, time.time(), values, by_action=bool(action))
        with suppress(OSError, ValueError):
            self._send(_encode(dimensions)[:-1] + b"," + tail + b"\n")


def _together(kept: list[_Values]) -> _Values:
    """Latencies one by one, of which CloudWatch makes percentiles and the number of calls; counts as sums."""
    if len(kept) == 1:
        return kept[0]
    names = {name: None for values in kept for name in values}
    lists = {name: [v for values in kept if isinstance(v := values.get(name, 0), int | float)] for name in names}
    return {name: found if name == LATENCY else sum(found) for name, found in lists.items()}


def _tail(tenant: str, now: float, values: _Values, *, by_action: bool = False) -> bytes:
    """The rest of a JSON object: the values, and the member that makes them metrics."""
    directives = _directives(tenant, tuple(values), by_action)
    head = b'"_aws":{"Timestamp":%d,"CloudWatchMetrics":%b},' % (int(now * 1000), directives)
    return head + _encode(values)[1:]


@lru_cache(maxsize=256)
def _directives(tenant: str, names: tuple[str, ...], by_action: bool) -> bytes:
    """Written once for each set of metrics; there are a dozen."""
    dimensions = [_FOR_ALL, ("action",)] if by_action else [_FOR_ALL]
    metrics = [{"Name": name, "Unit": "Milliseconds" if name in _MILLISECONDS else "Count"} for name in names]
    return _encode([{"Namespace": NAMESPACE.format(tenant), "Dimensions": dimensions, "Metrics": metrics}])


class Kinds:
    """What an outcome is counted as, besides the call itself: by the names of metrics, one or two or none."""

    def __init__(self) -> None:
        self._faults = _faults()

    def __call__(self, outcome: str) -> tuple[str, ...]:
        if outcome == Throttled.__name__:
            return (THROTTLED,)
        if outcome in self._faults:
            return (ERRORS,)
        if outcome in _NO_REFUSAL:
            return ()
        return (REFUSED, AUTHENTICATION_FAILURES) if outcome in _UNAUTHENTICATED else (REFUSED,)


def _faults() -> frozenset[str]:
    """Outcomes that are faults: the names of all retryable errors, those that refine one included."""
    found: list[type[KmsError]] = [KmsError]
    for kind in found:
        found += kind.__subclasses__()
    return frozenset(kind.__name__ for kind in found if kind.retryable)


class MeteredParentKey:
    """A parent key each of whose calls is told: they are rare, behind the caches, and each costs."""

    def __init__(self, parent: ParentKey, metrics: Metrics) -> None:
        self._parent = parent
        self._metrics = metrics

    def seal(self, secret: bytes, binding: Binding) -> bytes:
        return self._timed(self._parent.seal, secret, binding)

    def unseal(self, sealed: bytes, binding: Binding) -> bytes:
        return self._timed(self._parent.unseal, sealed, binding)

    def _timed(self, call: Callable[[bytes, Binding], bytes], data: bytes, binding: Binding) -> bytes:
        asked = time.perf_counter()
        try:
            return call(data, binding)
        finally:
            took = round((time.perf_counter() - asked) * 1000, 3)
            self._metrics.put(**{PARENT_KEY_CALLS: 1, PARENT_KEY_LATENCY: took})
