"""One connection: requests are answered in their order, within the time and the turns that each connection has.

uvicorn's own connection class makes a task, an event and a dozen messages of each request, which cost more than all
that this service does with it.
"""

from __future__ import annotations

import asyncio
from collections import deque
from math import inf
from time import perf_counter
from typing import Any

from tenantkms.audit.faults import log_fault
from tenantkms.wire.http import Request, Response
from tkms.machine.guests import Guests
from tkms.machine.ports import Application, Cancelled, Opening
from tkms.machine.reader import PIECE, Reader
from tkms.machine.written import plain, written

IDLE_SECONDS = 75
"""How long a connection may wait for its next request."""
FIRST_SECONDS = 10
"""How long a connection has for its first request, and for each one until a signature has verified."""
REQUEST_SECONDS = 60
"""How long a later request may take to arrive, and a client to take its answers."""
LINGER_SECONDS = 2
"""How long a connection without a request has for its first one when the server is to end, and for one that arrives."""
SOON_SECONDS = 0.5
"""How long a connection has for its next request then: who asks again and again has sent it already, or is about to."""
BYE_SECONDS = 1
"""How long a client has by TLS to answer that this is the end: one that asks for nothing may not look for hours."""
SPIN_SECONDS = 100e-6
"""How long the event loop asks for the next request before it sleeps, after an answer on the only connection."""


class Connection(Reader, asyncio.Protocol):
    """One of the `guests`, whose requests `app` answers. `address`: what counts as one; `host`: as the log has it."""

    def __init__(self, app: Application, guests: Guests, host: str, address: str) -> None:
        super().__init__()
        self._app, self._guests, self._host, self.address = app, guests, host, address
        self.known = False
        self.held = 0
        self._loop = asyncio.get_running_loop()
        self._opening: Cancelled | None = None
        self._transport: Any = None
        self._unparsed = memoryview(b"")
        self._waiting: deque[tuple[Request, bool]] = deque()  # each with: it is the last one
        self._turn = 0  # how many requests may still be served before others have their turn
        self._queued = False  # others have their turn first
        self._paused = False  # nothing is read
        self._busy = False  # a thread is at work on a request of this connection
        self._unread = False  # the client does not take its answers
        self._unserved = True  # nothing was answered yet
        self._unsent = 0  # answers that are in the outbox
        self.settle = app.settle
        self._ending = False  # the next answer is the last one
        self._deadline = self._loop.time() + FIRST_SECONDS
        self._awake = False
        self._awake_until = 0.0

    # -- the transport --

    def wait(self, opening: Opening, seconds: float) -> None:
        """`opening` is what goes before `open`, and has so many seconds for it."""
        self._opening = opening
        self._deadline = self._loop.time() + seconds
        opening.look()

    def open(self, opening: asyncio.Task[None]) -> None:
        """`opening` makes the connection: a TLS handshake may take long in it, or fail. It has a deadline anew."""
        self._opening = opening
        self._deadline = self._loop.time() + FIRST_SECONDS
        opening.add_done_callback(self._opened)

    def _opened(self, _opening: asyncio.Task[None]) -> None:
        if self._transport is None:
            self.gone()

    def gone(self) -> None:
        """There will be no connection."""
        self._guests.remove(self)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._deadline = self._loop.time() + FIRST_SECONDS

    def connection_lost(self, _error: Exception | None) -> None:
        self._guests.remove(self)
        self._waiting.clear()
        self._unparsed = memoryview(b"")
        self._parser = None

    def data_received(self, data: bytes) -> None:
        if self._paused or len(data) > PIECE:
            self._unparsed = memoryview(bytes(self._unparsed) + data if self._unparsed else data)
        else:
            self._turn = self._guests.turn
            self.feed(data)
        if self._waiting or self._unparsed:
            self._rest()
        if self._arriving or self._unparsed or self.held:
            self._guests.hold(self, self.kept + len(self._unparsed))

    def pause_writing(self) -> None:
        self._unread = True
        self._deadline = self._loop.time() + REQUEST_SECONDS
        self._pause()

    def resume_writing(self) -> None:
        self._unread = False
        self._deadline = self._until()
        self._rest()

    def _pause(self) -> None:
        self._paused = True
        self._transport.pause_reading()

    def _until(self) -> float:
        """When the client must have sent what it is sending, or else its next request."""
        arriving = REQUEST_SECONDS if self.known else FIRST_SECONDS
        return self._loop.time() + (arriving if self._arriving else IDLE_SECONDS)

    # -- the requests --

    def _began(self) -> None:
        if not self._busy and not self._unread:
            until = self._until()
            self._deadline = until if self.known else min(until, self._deadline)

    def _asked_first(self) -> None:
        if not self._busy and not self._last:
            self._empty_outbox()
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def _whole(self, request: Request, *, last: bool) -> None:
        if self._busy or self._unread or not self._turn:
            self._waiting.append((request, last))
        else:
            self._serve(request, last=last)

    def take_turn(self, end: float) -> None:
        self._queued = False
        self._turn = self._guests.turn
        while self._waiting and self._turn and not (self._busy or self._unread or self._last):
            request, last = self._waiting.popleft()
            self._serve(request, last=last)
        while self._unparsed and not (self._waiting or self._busy or self._unread or self._last):
            piece, self._unparsed = self._unparsed[:PIECE], self._unparsed[PIECE:]
            self.feed(piece)
            if perf_counter() > end:
                break
        self._guests.hold(self, self.kept + len(self._unparsed))
        self._rest()

    def _rest(self) -> None:
        """Listen, or wait for a turn if there is more to do, unless something else is waited for first."""
        if self._busy or self._unread or self._transport.is_closing():
            return
        if self._waiting or self._unparsed:
            if not self._queued:
                self._queued = True
                self._pause()
                self._guests.queue(self)
        elif self._paused:
            self._paused = False
            self._transport.resume_reading()

    # -- the answers --

    def _serve(self, request: Request, *, last: bool) -> None:
        self._last = last or self._ending
        self._turn -= 1
        try:
            work = self._app.begin(request, together=len(self._guests.all) > 1)
        except Exception as error:  # noqa: BLE001 - the last barrier: nothing of it may leave
            self._failed(error)
            return
        if work.admitted and not self.known:
            self._guests.recognise(self)
        if work.unwritten:
            self._unsent += 1
            self._guests.outbox.add(self, request.method, work, last=self._last)
            return
        if work.response is not None:
            self._send(request.method, work.response)
            return
        self._busy = True
        self._deadline = inf
        self._pause()
        doing = self._loop.run_in_executor(self._app.pool, self._app.finish, work)
        doing.add_done_callback(lambda done: self._finish(request.method, done))

    def _finish(self, method: str, done: asyncio.Future[Response]) -> None:
        self._busy = False
        if error := done.exception():
            self._failed(error)
            return
        self._send(method, done.result())
        if not self._unread:
            self._deadline = self._until()
        self._rest()

    def _failed(self, error: BaseException) -> None:
        log_fault("", error)
        self._fail(500, "The request failed.")

    def deliver(self, method: str, response: Response, *, last: bool) -> None:
        self._unsent -= 1
        self._write(method, response, last=last)

    def _empty_outbox(self) -> None:
        if self._unsent:  # they go before whatever else is sent
            self._guests.outbox.flush()

    def _send(self, method: str, response: Response) -> None:
        self._empty_outbox()
        self._write(method, response, last=self._last)

    def _write(self, method: str, response: Response, *, last: bool) -> None:
        if self._transport.is_closing():
            return
        self._unserved = False
        self._transport.write(written(response, method, last))
        if last:
            self._transport.close()
        elif not self._unread:
            self._deadline = self._until() if self._arriving else self._loop.time() + IDLE_SECONDS
            if len(self._guests.all) == 1 and self._guests.crew.alone:
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

    def _fail(self, status: int, text: str) -> None:
        if self._transport.is_closing():
            return
        self._last = True
        self._waiting.clear()
        self._send("", plain(status, text))

    # -- the server --

    def shutdown(self) -> None:
        """Called by uvicorn when it is to end: after the answer that is being made, or the next one.

        Only an answer can tell a client that it is the last. What it sends on a connection that is closed meanwhile has
        none, and the client cannot know what became of it.
        """
        self._empty_outbox()
        if self._busy:
            self._last = True
            self._waiting.clear()
            return
        self._ending = True
        if not self._unserved:
            self._loop.call_later(SOON_SECONDS, self._end_idle)
        self._loop.call_later(LINGER_SECONDS, self._end)

    def _end_idle(self) -> None:
        if not (self._arriving or self._waiting or self._unparsed or self._unsent):
            self._end()

    def _end(self) -> None:
        if self._transport is None:
            self.expire(inf)
        elif not self._busy:
            all_sent = not self._transport.get_write_buffer_size()
            self._transport.close()
            if all_sent:
                self._loop.call_later(BYE_SECONDS, self._transport.abort)

    def expire(self, now: float) -> None:
        """End the connection if its client took too long."""
        if now > self._deadline:
            self._leave()
            if self._transport is None:
                self.gone()

    def leave(self) -> None:
        # Next in the loop, since a task that has not begun yet would not close its socket.
        self._loop.call_soon(self._leave)

    def _leave(self) -> None:
        if self._transport is not None:
            self._transport.abort()
        elif self._opening is not None:
            self._opening.cancel()
