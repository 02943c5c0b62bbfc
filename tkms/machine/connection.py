"""HTTP/1.1 on one connection, for uvicorn's server: httptools parses, the application answers, in order.

uvicorn's own connection class makes a task, an event and a dozen messages of each request, which cost more than all
that this service does with it. uvicorn still listens, speaks TLS, and ends the process well.
"""

from __future__ import annotations

import asyncio
from collections import deque
from functools import lru_cache
from http import HTTPStatus
from math import inf
from time import perf_counter
from typing import Any, Protocol

import httptools

from tenantkms.audit.faults import log_fault
from tenantkms.wire.http import ALWAYS, MAX_BODY, OWS, Remembered, Request, Response, settle

IDLE_SECONDS = 75
"""How long a connection may wait for its next request."""
REQUEST_SECONDS = 60
"""How long a request may take to arrive, and a client to take its answers."""
SPIN_SECONDS = 100e-6
"""How long the event loop asks for the next request before it sleeps, after an answer on the only connection."""
MAX_CONNECTIONS = 1000
MAX_HEAD = 384 * 1024
"""A request's line and headers, and what else came with the read in which they began, which has at most 256,000 bytes.

The endpoint refuses a query that is longer than 64 KB in the caller's dialect.
"""
MAX_MESSAGE = 16 * 1024 * 1024
"""A whole request. Of a body no more is kept than the endpoint needs to see that it is too long."""

_NOT_HTTP = "This is not an HTTP request."


@lru_cache(maxsize=64)
def _head(status: int, content_type: str) -> str:
    """The beginning of every answer of that status and type, with names as libmongocrypt needs them spelled."""
    always = "".join(f"{name}: {value}\r\n" for name, value in ALWAYS.items())
    return f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\nContent-Type: {content_type}\r\n{always}"


_NAMES: Remembered[bytes] = Remembered(lambda name: name.decode("latin-1").lower())


def _split(target: bytes) -> tuple[str, str]:
    """(path, query) of a request's target, which is almost always both as they stand. Raises `HttpParserError`."""
    if target.startswith(b"/") and b"#" not in target:
        path, _, query = target.partition(b"?")
    else:
        url = httptools.parse_url(target)
        path, query = url.path or b"", url.query or b""
    return path.decode("latin-1"), query.decode("latin-1")


class Application(Protocol):
    """What answers requests. `slow` says that one may take long and needs a thread."""

    def slow(self, request: Request) -> bool: ...

    def respond(self, request: Request) -> Response: ...


class Connection(asyncio.Protocol):
    """Made by `uvicorn.Server`, whose configuration has the `Application` as its app."""

    def __init__(self, config: Any, server_state: Any, app_state: object, _loop: object = None) -> None:  # noqa: ARG002
        self._app: Application = config.loaded_app
        self._connections: set[Connection] = server_state.connections
        self._loop = asyncio.get_running_loop()
        self._parser: Any = httptools.HttpRequestParser(self)
        self._transport: Any = None
        self._client = ""
        self._waiting: deque[tuple[Request, bool]] = deque()  # each with: it is the last one
        self._busy = False  # a thread is at work on a request of this connection
        self._unread = False  # the client does not take its answers
        self._last = False  # the answer that is being made is the last one
        self._arriving = ""  # the part of a request that is on its way: its head, its body
        self._size = 0
        self._deadline = inf
        self._awake = False
        self._awake_until = 0.0

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
            return
        self._size += len(rest)  # what came since the request began, and before it in the same read
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
        self._fields: dict[str, str] = {}
        self._body = b""
        self._arriving = "head"
        self._size = 0
        if not self._busy and not self._unread:
            self._deadline = self._loop.time() + REQUEST_SECONDS

    def on_url(self, part: bytes) -> None:
        self._target += part

    def on_header(self, name: bytes, value: bytes) -> None:
        # The parser leaves the white space after a value: `settle` takes it off.
        fields, key, text = self._fields, _NAMES[name], value.decode("latin-1")
        fields[key] = f"{fields[key].rstrip(OWS)},{text}" if key in fields else text

    def on_headers_complete(self) -> None:
        self._arriving = "body"
        self._fields.pop("cookie", None)  # API Gateway hands cookies on apart from the headers
        (self._headers, self._unfit), self._fields = settle(self._fields), {}  # what follows a body in chunks is none
        parser = self._parser
        self._keep_alive = parser.get_http_version() == "1.1" and parser.should_keep_alive()
        expects = self._headers.get("expect", "").lower() == "100-continue"
        if expects and not self._busy and not self._last:
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def on_body(self, part: bytes) -> None:
        if len(self._body) <= MAX_BODY:
            self._body += part

    def on_message_complete(self) -> None:
        self._arriving = ""
        if self._last:
            return
        headers = self._headers
        bodied = headers.get("content-length", "0") != "0" or "transfer-encoding" in headers
        if self._parser.should_upgrade() and bodied:
            # The parser leaves out the body of such a request, and would take it for the next one.
            self._fail(400, "A request to upgrade has no body here.")
            return
        try:
            path, query = _split(self._target)
        except httptools.HttpParserError:
            self._fail(400, _NOT_HTTP)
            return
        request = Request(
            method=self._parser.get_method().decode("ascii"),
            path=path,
            query=query,
            headers=headers,
            body=self._body,
            source_ip=self._client,
            unfit=self._unfit,
        )
        if self._busy or self._unread:
            self._waiting.append((request, not self._keep_alive))
        else:
            self._serve(request, last=not self._keep_alive)

    # -- the answers --

    def _serve(self, request: Request, *, last: bool) -> None:
        self._last = last
        if not self._app.slow(request):
            try:
                response = self._app.respond(request)
            except Exception as error:  # noqa: BLE001 - the last barrier: nothing of it may leave
                self._failed(error)
            else:
                self._send(request.method, response)
            return
        self._busy = True
        self._deadline = inf
        self._transport.pause_reading()
        work = self._loop.run_in_executor(None, self._app.respond, request)
        work.add_done_callback(lambda done: self._finish(request.method, done))

    def _finish(self, method: str, done: asyncio.Future[Response]) -> None:
        self._busy = False
        if error := done.exception():
            self._failed(error)
            return
        self._send(method, done.result())
        self._go_on()

    def _failed(self, error: BaseException) -> None:
        log_fault("", error)
        self._fail(500, "The request failed.")

    def _send(self, method: str, response: Response) -> None:
        if self._transport.is_closing():
            return
        body = response.body.encode("utf-8")
        head = f"{_head(response.status, response.content_type)}Content-Length: {len(body)}\r\n"
        for name, value in response.headers.items():
            head += f"{name}: {value}\r\n"
        head += "connection: close\r\n\r\n" if self._last else "\r\n"
        # An answer to HEAD tells the length of the body that GET would have.
        self._transport.write(head.encode("ascii") + (b"" if method == "HEAD" else body))
        if self._last:
            self._transport.close()
        elif not self._unread:
            self._deadline = self._loop.time() + IDLE_SECONDS
            if len(self._connections) == 1:
                self._awake_until = perf_counter() + SPIN_SECONDS
                if not self._awake:
                    self._stay_awake()

    def _stay_awake(self) -> None:
        """Keep the event loop from sleeping for a moment: it does not while there is a callback to call.

        To fall asleep and to be woken takes a virtual machine as long as half a request, and a client that waited for
        an answer often has its next request ready. Where there are more connections, there is more to do than to wait.
        """
        self._awake = perf_counter() < self._awake_until
        if self._awake:
            self._loop.call_soon(self._stay_awake)

    def _go_on(self) -> None:
        """Serve what has come meanwhile, then listen again."""
        while self._waiting and not (self._busy or self._unread or self._last):
            request, last = self._waiting.popleft()
            self._serve(request, last=last)
        if not (self._busy or self._unread or self._transport.is_closing()):
            self._deadline = self._loop.time() + (REQUEST_SECONDS if self._arriving else IDLE_SECONDS)
            self._transport.resume_reading()

    def _fail(self, status: int, text: str) -> None:
        """An answer to what is no request, and the end of the connection."""
        if self._transport.is_closing():
            return
        self._last = True
        self._waiting.clear()
        self._send("", Response(status=status, content_type="text/plain; charset=utf-8", body=text))

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
