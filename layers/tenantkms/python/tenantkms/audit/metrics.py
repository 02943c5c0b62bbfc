"""Metrics of a deployment, in the log lines that its functions write anyway (CloudWatch's embedded metric format).

Field standard: "Specification: Embedded metric format" in the CloudWatch user guide. Dimensions are the tenant and
the Action, and nothing that callers choose: each value of a dimension is a metric of its own, which is paid for.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Container
from contextlib import suppress
from functools import lru_cache
from typing import Protocol, TextIO

import msgspec

from tenantkms.audit.line import INTENT, Record, StreamAudit
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

_MILLISECONDS = frozenset({LATENCY, PARENT_KEY_LATENCY})
_FOR_ALL = ("tenant",)
_NO_REFUSAL = frozenset({"ok", "DryRunSucceeded"})
_UNAUTHENTICATED = frozenset(
    {"UnknownAccessKey", "SignatureMismatch", "CredentialDisabled", "NonceReused", "RequestExpired"}
)

_encode = msgspec.json.Encoder().encode
_Number = float


class Metrics(Protocol):
    """Where a process tells what it did, besides the audit log."""

    def begin(self, known: Container[str]) -> None:
        """A call has come in. It is counted by Action only if that is one of `known`, which callers do not choose."""

    def put(self, **values: _Number) -> None:
        """Metrics of the tenant that belong to no call. Never fails."""


class NoMetrics:
    """One machine has none: its audit log has everything they are counted from."""

    def begin(self, known: Container[str]) -> None: ...

    def put(self, **values: _Number) -> None: ...


class EmbeddedMetrics(StreamAudit):
    """`Metrics`, and the audit log whose lines are metrics too. One call at a time, as in a Lambda function."""

    def __init__(
        self, tenant: str, stream: TextIO | None = None, clock: Callable[[], float] = time.perf_counter
    ) -> None:
        super().__init__(stream or sys.stdout)
        self._tenant = tenant
        self._clock = clock
        self._began: float | None = None
        self._known: Container[str] = ()
        self._faults = _faults()

    def begin(self, known: Container[str]) -> None:
        self._began, self._known = self._clock(), known

    def line(self, record: Record) -> bytes:
        """The audit line; with the metrics of a call, if it is the one of its end (scheduled work has none)."""
        line = super().line(record)
        if self._began is None or record.outcome == INTENT:
            return line
        values: dict[str, _Number] = {LATENCY: round((self._clock() - self._began) * 1000, 3)}
        if record.outcome == Throttled.__name__:
            values[THROTTLED] = 1
        elif record.outcome in self._faults:
            values[ERRORS] = 1
        elif record.outcome not in _NO_REFUSAL:
            values[REFUSED] = 1
            if record.outcome in _UNAUTHENTICATED:
                values[AUTHENTICATION_FAILURES] = 1
        by_action = record.action in self._known
        return line[:-1] + b"," + _tail(self._tenant, record.time, values, by_action=by_action)

    def put(self, **values: _Number) -> None:
        line = b'{"tenant":' + _encode(self._tenant) + b"," + _tail(self._tenant, time.time(), values)
        with suppress(OSError, ValueError):
            self._stream.write(line.decode() + "\n")
            self._stream.flush()


def _tail(tenant: str, now: float, values: dict[str, _Number], *, by_action: bool = False) -> bytes:
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
