"""Calls whose audit lines are written together: one lock and one write for all that an event loop answers in a turn."""

from __future__ import annotations

from msgspec.structs import replace

from functions.endpoint.answer import Answer
from functions.endpoint.dispatch import InlineDispatcher
from functions.endpoint.handler import Endpoint
from tenantkms.audit.faults import log_fault
from tenantkms.audit.line import Record
from tenantkms.errors import Unavailable
from tenantkms.keys.deps import Deps


class Gathering:
    """The audit log of Actions that run on the event loop: it keeps their lines until `settle`.

    A worker with several connections finds several requests whenever it looks. To take the lock of the log for each
    would let workers wait for one another as often.
    """

    def __init__(self, endpoint: Endpoint, deps: Deps) -> None:
        self._endpoint, self._audit = endpoint, deps.audit
        self._dispatch = InlineDispatcher(replace(deps, audit=self))
        self.refuse = deps.audit.refuse
        self._lines: list[Record] = []
        self._answers: list[Answer] = []

    def write(self, record: Record, *more: Record) -> None:
        self._lines += (record, *more)

    def finish(self, answer: Answer) -> None:
        """As the endpoint's, but that the response may not leave before `settle`."""
        self._endpoint.finish(answer, self._dispatch)
        answer.unwritten = True
        self._answers.append(answer)

    def settle(self) -> None:
        """Write the lines. Where that cannot be, the response of each answer says so instead. Never fails."""
        lines, answers = self._lines, self._answers
        self._lines, self._answers = [], []
        try:
            if lines:
                self._audit.write(*lines)
        except Unavailable as error:
            for answer in answers:
                log_fault(answer.request_id, error)
                self._endpoint.take_back(answer, Unavailable())
