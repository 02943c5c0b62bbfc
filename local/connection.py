"""HTTP/1.1 on one connection, for uvicorn's server: httptools parses, the application answers, in order.

uvicorn's own connection class makes a task, an event and a dozen messages of each request, which cost more than all
that this service does with it. uvicorn still listens, speaks TLS, and ends the process well.
"""

from __future__ import annotations

import asyncio
from collections import deque
from http import HTTPStatus
from math import inf
from typing import Any, NamedTuple, Protocol

import httptools

from tenantkms.audit import log_fault
from tenantkms.wire.http import MAX_BODY

IDLE_SECONDS = 75
"""How long a connection may wait for its next request."""
REQUEST_SECONDS = 60
"""How long a request may take to arrive, and a client to take its answers."""
MAX_CONNECTIONS = 1000
MAX_HEAD = 256 * 1024
"""A request's line and headers. The endpoint refuses a query that is longer than 64 KB in the caller's dialect."""
MAX_MESSAGE = 16 * 1024 * 1024
"""A whole request. Of a body no more is kept than the endpoint needs to see that it is too long."""

_NOT_HTTP = "This is not an HTTP request."
_BODY_HEADERS = (b"content-length", b"transfer-encoding")
_STATUS_LINES = {s.value: f"HTTP/1.1 {s.value} {s.phrase}\r\n" for s in HTTPStatus}


class Received(NamedTuple):
    """A request as it came. `client` is the address of the other end."""

    method: str
    target: bytes
    version: str
    headers: list[tuple[bytes, bytes]]
    body: bytes
    client: str
    keep_alive: bool


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes


class Application(Protocol):
    """`prepare` makes of a request what `answer` answers; the bool says that it may take long and needs a thread."""

    def prepare(self, request: Received) -> tuple[Any, bool]: ...

    def answer(self, prepared: Any) -> Answer: ...


class Connection(asyncio.Protocol):
    """Made by `uvicorn.Server`, whose configuration has the `Application` as its app."""

    def __init__(self, config: Any, server_state: Any, app_state: object, _loop: object = None) -> None:  # noqa: ARG002
        self._app: Application = config.loaded_app
        self._connections: set[Connection] = server_state.connections
        self._loop = asyncio.get_running_loop()
        self._parser: Any = httptools.HttpRequestParser(self)
        self._transport: Any = None
        self._client = ""
        self._waiting: deque[Received] = deque()
        self._busy = False  # a thread is at work on a request of this connection
        self._unread = False  # the client does not take its answers
        self._last = False  # the answer that is being made is the last one
        self._arriving = ""  # the part of a request that is on its way: its head, its body
        self._size = 0
        self._deadline = inf

    # -- the transport --

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        peer = transport.get_extra_info("peername")
        self._client = str(peer[0]) if peer else ""
        if len(self._connections) >= MAX_CONNECTIONS:
            self._fail(503, "There are too many connections.")
            return
        self._connections.add(self)
        self._deadline = self._loop.time() + IDLE_SECONDS

    def connection_lost(self, _error: Exception | None) -> None:
        self._connections.discard(self)
        self._waiting.clear()
        self._parser = None

    def data_received(self, data: bytes) -> None:
        rest = memoryview(data)
        while rest:
            try:
                self._parser.feed_data(rest)
                break
            except httptools.HttpParserUpgrade as upgrade:
                # Nothing is upgraded: what follows is the next request.
                self._parser = httptools.HttpRequestParser(self)
                rest = rest[upgrade.args[0] :]
            except httptools.HttpParserError:
                self._fail(400, _NOT_HTTP)
                return
        if not self._arriving:
            self._size = 0
            return
        self._size += len(rest)
        if self._size > (MAX_HEAD if self._arriving == "head" else MAX_MESSAGE):
            status = 431 if self._arriving == "head" else 413
            self._fail(status, "The request is too large.")

    def pause_writing(self) -> None:
        self._unread = True
        self._deadline = self._loop.time() + REQUEST_SECONDS
        self._transport.pause_reading()

    def resume_writing(self) -> None:
        self._unread = False
        self._go_on()

    # -- the parser --

    def on_message_begin(self) -> None:
        self._target = b""
        self._headers: list[tuple[bytes, bytes]] = []
        self._body = b""
        self._arriving = "head"
        if not self._busy and not self._unread:
            self._deadline = self._loop.time() + REQUEST_SECONDS

    def on_url(self, part: bytes) -> None:
        self._target += part

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._arriving == "head":  # what follows a body in chunks is no header
            self._headers.append((name, value))

    def on_headers_complete(self) -> None:
        self._arriving = "body"
        parser = self._parser
        self._version = parser.get_http_version()
        self._keep_alive = self._version == "1.1" and parser.should_keep_alive()
        expects = any(name.lower() == b"expect" and value.lower() == b"100-continue" for name, value in self._headers)
        if expects and not self._busy and not self._last:
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def on_body(self, part: bytes) -> None:
        if len(self._body) <= MAX_BODY:
            self._body += part

    def on_message_complete(self) -> None:
        self._arriving = ""
        if self._last:
            return
        if self._parser.should_upgrade() and any(name.lower() in _BODY_HEADERS for name, _ in self._headers):
            # The parser leaves out the body of such a request, and would take it for the next one.
            self._fail(400, "A request to upgrade has no body here.")
            return
        request = Received(
            self._parser.get_method().decode("ascii"),
            self._target,
            self._version,
            self._headers,
            self._body,
            self._client,
            self._keep_alive,
        )
        if self._busy or self._unread:
            self._waiting.append(request)
        else:
            self._serve(request)

    # -- the answers --

    def _serve(self, request: Received) -> None:
        self._last = not request.keep_alive
        try:
            prepared, slow = self._app.prepare(request)
            if not slow:
                self._send(request, self._app.answer(prepared))
                return
        except httptools.HttpParserError:  # of a target that is none
            self._fail(400, _NOT_HTTP)
            return
        except Exception as error:  # noqa: BLE001 - the last barrier: nothing of it may leave
            log_fault("", error)
            self._fail(500, "The request failed.")
            return
        self._busy = True
        self._deadline = inf
        self._transport.pause_reading()
        work = self._loop.run_in_executor(None, self._app.answer, prepared)
        work.add_done_callback(lambda done: self._finish(request, done))

    def _finish(self, request: Received, done: asyncio.Future[Answer]) -> None:
        self._busy = False
        if error := done.exception():
            log_fault("", error)
            self._fail(500, "The request failed.")
            return
        self._send(request, done.result())
        self._go_on()

    def _send(self, request: Received, answer: Answer) -> None:
        if self._transport.is_closing():
            return
        lines = "".join([f"{name}: {value}\r\n" for name, value in answer.headers.items()])
        end = "connection: close\r\n\r\n" if self._last else "\r\n"
        head = f"{_STATUS_LINES[answer.status]}{lines}content-length: {len(answer.body)}\r\n{end}"
        # An answer to HEAD tells the length of the body that GET would have.
        self._transport.write(head.encode("ascii") + (b"" if request.method == "HEAD" else answer.body))
        if self._last:
            self._transport.close()
        elif not self._unread:
            self._deadline = self._loop.time() + IDLE_SECONDS

    def _go_on(self) -> None:
        """Serve what has come meanwhile, then listen again."""
        while self._waiting and not (self._busy or self._unread or self._last):
            self._serve(self._waiting.popleft())
        if not (self._busy or self._unread or self._transport.is_closing()):
            self._deadline = self._loop.time() + (REQUEST_SECONDS if self._arriving else IDLE_SECONDS)
            self._transport.resume_reading()

    def _fail(self, status: int, text: str) -> None:
        """An answer to what is no request, and the end of the connection."""
        if self._transport.is_closing():
            return
        self._last = True
        self._waiting.clear()
        kind = {"content-type": "text/plain; charset=utf-8"}
        self._send(Received("", b"", "", [], b"", "", False), Answer(status, kind, text.encode()))

    # -- the server --

    def shutdown(self) -> None:
        """Called by uvicorn when it is to end: after the answer that is being made."""
        self._last = True
        self._waiting.clear()
        if not self._busy:
            self._transport.close()

    def expire(self, now: float) -> None:
        """Called every second: end the connection if its client took too long."""
        if now > self._deadline:
            self._transport.abort()
