"""Answers to requests that change something, for clients that send the very same request again.

A client whose answer was lost does not know whether its request was served. What a process has answered in the last
minutes it answers again, and does nothing: docs/decisions/0032-aws.md.
"""

from __future__ import annotations

from threading import Lock

from tenantkms.wire.http import Response

REPEATED = "answered-again"
"""The note of the audit lines of requests that are answered so."""
_MOST = 2_000
"""Answers, of a few hundred bytes each; the oldest ones go first."""


class Answers:
    """Answers by what their requests are known by. Only successes: what was refused has changed nothing."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._answers: dict[str, tuple[Response, float]] = {}

    def get(self, request: str, now: float) -> Response | None:
        found = self._answers.get(request)
        return found[0] if found and now <= found[1] else None

    def put(self, request: str, response: Response, until: float) -> None:
        """`until` in Unix seconds."""
        with self._lock:
            self._answers[request] = (response, until)
            while len(self._answers) > _MOST:
                del self._answers[next(iter(self._answers))]
