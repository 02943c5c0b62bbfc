"""Answers to calls that change something, for clients that make several attempts at one.

A client whose answer was lost does not know whether its call was served. What a process has answered in the last
minutes it answers again, and does nothing: docs/decisions/0032-aws.md.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from threading import Lock
from weakref import WeakValueDictionary

from tenantkms.wire.http import Response

REPEATED = "answered-again"
"""The note of the audit lines of requests that are answered so."""
_MOST = 2_000
"""Answers; the oldest ones go first."""
_LONGEST = 2_000
"""Characters of an answer. Most have a few hundred; longer is only that of CreateKey with a long description, which its
client token makes once anyway."""

Turn = AbstractContextManager[object]
Known = tuple[str, bytes]
"""An access key, and what its attempts at one call have in common."""


class Answers:
    """Answers by what their calls are known by. Only successes: what was refused has changed nothing."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._answers: dict[Known, tuple[Response, float]] = {}
        self._turns: WeakValueDictionary[Known, Lock] = WeakValueDictionary()

    def turn(self, call: Known) -> Turn:
        """To hold while an attempt at the call is served: a client may make the next one before the first has ended."""
        with self._lock:
            return self._turns.setdefault(call, Lock())

    def get(self, call: Known, now: float) -> Response | None:
        found = self._answers.get(call)
        return found[0] if found and now <= found[1] else None

    def put(self, call: Known, response: Response, until: float) -> None:
        """`until` in Unix seconds."""
        if len(response.body) > _LONGEST:
            return
        with self._lock:
            self._answers[call] = (response, until)
            while len(self._answers) > _MOST:
                del self._answers[next(iter(self._answers))]
