"""What answers on one machine: the endpoint, on the event loop or in a thread, and whether all that it needs works."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from time import monotonic

import msgspec

from functions.endpoint.answer import Answer
from functions.endpoint.handler import Endpoint
from tenantkms.audit.faults import log_fault
from tenantkms.errors import KmsError
from tenantkms.wire.http import Request, Response
from tkms.machine.threads import Threads

BRIEF = frozenset(
    """
    AsymmetricEncrypt AsymmetricVerify Decrypt DescribeService Encrypt GenerateDataKey
    GenerateDataKeyWithoutPlaintext GenerateMac GenerateRandom GetPublicKey ReEncrypt VerifyMac
    """.split()
)
"""Actions that take well under a millisecond, whatever the key: only they run on the event loop.

All others use a private RSA key, make keys, wait for the disk or list.
"""
_LONG = frozenset({"wrap", "source_algorithm"})
"""Parameters with which these take longer as well: a caller's own public key, an RSA key to open with."""
_MOST_THREADS = 8

Checks = Mapping[str, Callable[[], object]]
"""By name, what raises `OSError` or a domain error where something does not work. Cheap, and without effect."""


def threads() -> int:
    """How many requests may take long at a time: one processor is left to the event loop, where there are several."""
    return min(_MOST_THREADS, max(2, len(os.sched_getaffinity(0)) - 1))


class Readiness:
    """The answer to `GET /readyz`, the same for a second, so that whoever asks often costs nothing."""

    SECONDS = 1

    def __init__(self, checks: Checks, clock: Callable[[], float] = monotonic) -> None:
        self._checks, self._clock = checks, clock
        self._until = clock()
        self._response: Response | None = None

    def response(self) -> Response:
        """Status 200 or 503; for each check "ok" or "failed", and nothing of why."""
        if self._response is None or self._clock() >= self._until:
            found = {name: self._passes(check) for name, check in self._checks.items()}
            ready = all(found.values())
            body = {
                "status": "ready" if ready else "not ready",
                **{name: "ok" if passed else "failed" for name, passed in found.items()},
            }
            self._response = Response(
                status=200 if ready else 503, content_type="application/json", body=msgspec.json.encode(body).decode()
            )
            self._until = self._clock() + self.SECONDS
        return self._response

    @staticmethod
    def _passes(check: Callable[[], object]) -> bool:
        try:
            check()
        except (OSError, KmsError) as error:
            log_fault("", error)
            return False
        return True


class App:
    """The endpoint behind `Connection`, without an event in between. `page` answers what it knows before it."""

    def __init__(
        self, endpoint: Endpoint, checks: Checks, page: Callable[[Request], Response | None] | None = None
    ) -> None:
        self._endpoint = endpoint
        self._page = page
        self.finish = endpoint.finish
        self._readiness = Readiness(checks)
        self.pool = Threads(threads())

    def begin(self, request: Request) -> Answer:
        if request.path == "/readyz" and request.method in ("GET", "HEAD") and not (request.query or request.body):
            answer = Answer(request, "")
            answer.response = self._readiness.response()
            return answer
        page = self._page(request) if self._page else None
        if page:
            answer = Answer(request, "")
            answer.response = page
            return answer
        answer = self._endpoint.begin(request)
        if answer.response is None and answer.operation.action in BRIEF and _LONG.isdisjoint(answer.call["params"]):
            self.finish(answer)
        return answer
