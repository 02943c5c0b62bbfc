"""One answer in the making."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from functions.endpoint.repeats import Known
from tenantkms.model.credential import Session
from tenantkms.wire.dialects import Spoken
from tenantkms.wire.http import Request, Response
from tenantkms.wire.trace import trace_id
from tenantkms.wire.translate import Operation


class Answer:
    """What is known of the request so far, and the response at the end.

    `signed`: its signature verified. `admitted`: its caller is who it says, now. `call`: what its Action is called
    with, which is there if no response is. `once`: what another attempt at it is known by, if that is answered alike.
    `trace`: the trace id that it came with, if any. `began`: when, by the clock of who takes the time. `unwritten`: its
    audit line is still to be written, and until then its response may not leave.
    """

    __slots__ = (
        "action",
        "admitted",
        "audited",
        "began",
        "call",
        "once",
        "operation",
        "principal",
        "request",
        "request_id",
        "response",
        "session",
        "signed",
        "spoken",
        "trace",
        "unwritten",
    )
    began: float
    call: Mapping[str, Any]
    operation: Operation
    spoken: Spoken

    def __init__(self, request: Request, request_id: str) -> None:
        self.request, self.request_id = request, request_id
        self.action = ""
        self.principal = ""
        traceparent = request.headers.get("traceparent")
        self.trace = trace_id(traceparent) if traceparent else ""
        self.once: Known | None = None
        self.session: Session | None = None
        self.signed = self.admitted = self.audited = self.unwritten = False
        self.response: Response | None = None


def new_request_id() -> str:
    """A random UUID (version 4, RFC 9562); the class `UUID` takes longer than the randomness."""
    digits = os.urandom(16).hex()
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-8{digits[17:20]}-{digits[20:]}"
