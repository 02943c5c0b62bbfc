"""What answers on one machine: the endpoint, on the event loop or in a thread, and whether all that it needs works."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from time import monotonic, perf_counter
from typing import NamedTuple

import msgspec

from functions.endpoint.answer import Answer
from functions.endpoint.handler import Endpoint
from tenantkms.audit.faults import log_fault
from tenantkms.errors import KmsError
from tenantkms.store.shared import Memory
from tenantkms.wire.http import Request, Response
from tkms.machine.gathering import Gathering
from tkms.machine.threads import Threads
from tkms.machine.timings import Timings

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


class PageWork:
    """A request that `answer` has an answer to, which may take long: it is not made on the event loop.

    `principal`: for whom it is done, in its turn (`Threads`); no access key looks so.
    """

    __slots__ = ("admitted", "answer", "principal", "request", "response", "unwritten")
    response: Response | None
    admitted: bool
    unwritten: bool

    def __init__(self, request: Request, answer: Callable[[Request], Response]) -> None:
        self.request, self.answer = request, answer
        self.principal = f"page {request.source_ip}"
        self.response, self.admitted, self.unwritten = None, False, False


class Pages(NamedTuple):
    """What is served beside the API, at other paths than `/`.

    `brief` answers at once what it knows; `mine` says whether `long` answers.
    """

    brief: Callable[[Request], Response | None] = lambda _: None
    mine: Callable[[Request], bool] = lambda _: False
    long: Callable[[Request], Response] | None = None


_NO_PAGES = Pages()


class App:
    """The endpoint behind `Connection`, without an event in between. `timings` count how long its calls take.

    Without `gathering` each call writes its own audit line.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        checks: Checks,
        pages: Pages = _NO_PAGES,
        timings: Timings | None = None,
        gathering: Gathering | None = None,
    ) -> None:
        self._endpoint = endpoint
        self._gathering = gathering
        self._pages = pages
        self._took = (timings or Timings(Memory())).took
        self._readiness = Readiness(checks)
        self.pool = Threads(threads())

    def begin(self, request: Request, *, together: bool = False) -> Answer | PageWork:
        """`together`: what takes no time may be left `unwritten` until `settle`."""
        began = perf_counter()
        if request.path != "/" and (other := self._beside(request)):  # nearly all calls of the API go there
            return other
        answer = self._endpoint.begin(request)
        answer.began = began
        if answer.response is None and answer.operation.action in BRIEF and _LONG.isdisjoint(answer.call["params"]):
            if together and self._gathering:
                self._gathering.finish(answer)
                self._took(answer.operation.action, perf_counter() - began)
            else:
                self.finish(answer)
        return answer

    def _beside(self, request: Request) -> Answer | PageWork | None:
        """What is not the endpoint's."""
        if request.path == "/readyz" and request.method in ("GET", "HEAD") and not (request.query or request.body):
            brief: Response | None = self._readiness.response()
        else:
            brief = self._pages.brief(request)
        if brief:
            answer = Answer(request, "")
            answer.response = brief
            return answer
        return PageWork(request, self._pages.long) if self._pages.long and self._pages.mine(request) else None

    def finish(self, work: Answer | PageWork) -> Response:
        if isinstance(work, PageWork):
            return work.answer(work.request)
        response = self._endpoint.finish(work)
        self._took(work.operation.action, perf_counter() - work.began)
        return response

    def settle(self) -> None:
        if self._gathering:
            self._gathering.settle()
