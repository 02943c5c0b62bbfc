"""The application of one machine: the endpoint behind `Connection`, without an event in between."""

from __future__ import annotations

import re

from functions.endpoint.handler import Endpoint
from tenantkms.wire.http import Request

_SLOW = re.compile(r"CreateKey|RotateKey|GetParametersForImport")


class App:
    """Requests are answered in turn on the event loop, each in a fraction of a millisecond.

    Those that may make an RSA key, which can take a second, go to a thread.
    """

    def __init__(self, endpoint: Endpoint) -> None:
        self.respond = endpoint.respond

    def slow(self, request: Request) -> bool:
        """A look at the raw places where an Action may stand: being wrong costs a thread's start, no more."""
        named = request.header("x-tc-action") or request.header("x-acs-action")
        return _SLOW.search(named or f"{request.query}&{request.body.decode('latin-1')}") is not None
