"""The console of a stack, on the operator's own machine and by the operator's own AWS rights."""

from __future__ import annotations

import hmac
import secrets
import time
from collections.abc import Callable, Mapping
from itertools import chain, islice
from threading import Lock
from typing import Any, TypeVar

from tenantkms import errors as e
from tenantkms.access.policy import ALLOW_ALL
from tenantkms.names import NATIVE
from tenantkms.runtime.assemble import SettingsError
from tkms.audit.cloud import of_stack
from tkms.audit.lines import read
from tkms.audit.tail import Tail
from tkms.console.caller import Caller, Latency, SignIn, Sweep
from tkms.console.here import credentials, sweeps
from tkms.stack.stack import Stack

T = TypeVar("T")
OPERATOR = "tkms"
"""What the audit log calls who works on a stack by its command."""
_MOST_LINES = 50_000
_SHORTEST_SECONDS = 60
_KEPT_SECONDS = 30
"""CloudWatch shows a line some seconds after it was written, and each look costs money."""
_LATE_SECONDS = 2_700
"""Scheduled work runs each quarter of an hour."""


class Deployed:
    """`stack` as one operator sees it, who has `secret`, which is good once."""

    ticket = True

    def __init__(self, stack: Stack, clock: Callable[[], float] = time.time) -> None:
        self.tenant = stack.outputs["Tenant"]
        self.secret = secrets.token_urlsafe(32)
        self._stack, self._clock = stack, clock
        self._lock = Lock()
        self._kept: tuple[float, float, Tail] | None = None

    def sign_in(self, given: SignIn, origin: str, source_ip: str) -> str:  # noqa: ARG002 - the secret says it all
        with self._lock:
            if not hmac.compare_digest(self.secret.encode(), given.ticket.encode("utf-8", "replace")):
                raise e.SignatureMismatch("The address that signs in is good once: start the command again.")
            self.secret = secrets.token_urlsafe(32)
        return OPERATOR

    def caller(self, id_: str, source_ip: str) -> Caller:  # noqa: ARG002 - as of one machine
        return Caller(id=id_, dialect=NATIVE, policy=ALLOW_ALL, whole=True)

    def call(
        self,
        caller: Caller,  # noqa: ARG002 - there is one
        action: str,
        params: Mapping[str, object],
        source_ip: str,  # noqa: ARG002 - as of one machine
    ) -> dict[str, Any]:
        return self._asked(lambda: self._stack.call(action, dict(params)))

    def audit(self, since: float) -> Tail:
        """From `since` on, or from as long ago as there are `_MOST_LINES` at most."""
        with self._lock:
            now = self._clock()
            if self._kept and now < self._kept[0] + _KEPT_SECONDS and since >= self._kept[1]:
                return self._kept[2]
            tail = self._asked(lambda: self._read(since, now))
            self._kept = now, since, tail
        return tail

    def _read(self, since: float, now: float) -> Tail:
        while True:
            raw = list(islice(chain.from_iterable(of_stack(self._stack, since)), _MOST_LINES + 1))
            if len(raw) <= _MOST_LINES or now - since < _SHORTEST_SECONDS:
                lines = [line for _, text in raw[:_MOST_LINES] if (line := read(text))]
                return Tail(sorted(lines, key=lambda line: line.time), since)
            since = now - (now - since) / 4

    def latencies(self) -> list[Latency] | None:
        return None

    def credentials(self, only: str = "") -> list[dict[str, object]]:
        return self._asked(lambda: credentials(self._stack.access.store, only))

    def sweeps(self) -> list[Sweep]:
        return self._asked(lambda: sweeps(self._stack.settings, _LATE_SECONDS))

    def trouble(self) -> str:
        return ""

    @staticmethod
    def _asked(work: Callable[[], T]) -> T:
        """What AWS answers. Raises `Unavailable` with what is wrong: who reads it is the operator."""
        try:
            return work()
        except SettingsError as error:
            raise e.Unavailable(str(error)) from error
