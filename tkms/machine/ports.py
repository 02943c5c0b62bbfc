"""What a connection needs of others: who answers its requests, and what goes before it."""

from __future__ import annotations

from concurrent.futures import Executor
from typing import Any, Protocol

from tenantkms.wire.http import Request, Response


class Work(Protocol):
    """What became of a request. `response` is None where it may take long; `admitted`: its signature verified;
    `unwritten`: the response may not leave before `Application.settle`, which may make it another one.
    """

    response: Response | None
    admitted: bool
    unwritten: bool


class Application(Protocol):
    """What answers requests: `begin` on the event loop, `finish` in a thread of `pool` where there is no answer yet.

    `together`: there may be others in the same turn of the loop, so that what is done for all can wait for `settle`.
    """

    @property
    def pool(self) -> Executor: ...

    def begin(self, request: Request, *, together: bool) -> Work: ...

    def finish(self, work: Any) -> Response: ...

    def settle(self) -> None:
        """For all that is `unwritten`. Never fails."""


class Cancelled(Protocol):
    """What can be ended."""

    def cancel(self) -> object: ...


class Opening(Cancelled, Protocol):
    """What goes before a connection. It begins with `look`."""

    def look(self) -> None: ...
