"""Responses of several connections that may leave only once something is done for all of them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from time import perf_counter
from typing import NamedTuple, Protocol

from tenantkms.wire.http import Response

ENOUGH = 16
"""Responses for which none of them waits any longer: a lock and a write for so many cost each next to nothing."""
LONGEST_SECONDS = 0.001
"""After which none waits any longer: where strangers ask much, too, one turn of the loop may take long."""


class Unwritten(Protocol):
    """What became of a request. The response is there, but may be another one before it leaves."""

    response: Response | None


class Sender(Protocol):
    """A connection."""

    def settle(self) -> None:
        """Do what is to be done for all that waits. Never fails."""

    def deliver(self, method: str, response: Response, *, last: bool) -> None: ...


class _Waiting(NamedTuple):
    sender: Sender
    method: str
    work: Unwritten
    last: bool


class Outbox:
    """Of one event loop: what waits leaves in its order, when all has been served that was found together.

    What has come while that was served is looked for, and served with it: what waits leaves when there is nothing more,
    or when it is `ENOUGH`, or the first has waited for `LONGEST_SECONDS`.
    """

    def __init__(self, clock: Callable[[], float] = perf_counter) -> None:
        self._waiting: list[_Waiting] = []
        self._found = 0
        self._clock, self._until = clock, 0.0

    def add(self, sender: Sender, method: str, work: Unwritten, *, last: bool) -> None:
        if not self._waiting:
            self._found = 0
            self._until = self._clock() + LONGEST_SECONDS
            asyncio.get_running_loop().call_soon(self._look)
        self._waiting.append(_Waiting(sender, method, work, last))

    def _look(self) -> None:
        """Called in the turn of the loop before it looks what has come."""
        found, self._found = self._found, len(self._waiting)
        if found < self._found < ENOUGH and self._clock() < self._until:
            asyncio.get_running_loop().call_soon(self._look)
        else:
            self.flush()

    def flush(self) -> None:
        """Send what waits, if anything does."""
        waiting, self._waiting = self._waiting, []
        if not waiting:
            return
        waiting[0].sender.settle()
        for sender, method, work, last in waiting:
            if work.response is not None:
                sender.deliver(method, work.response, last=last)
