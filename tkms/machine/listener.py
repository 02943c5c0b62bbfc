"""Accepts connections for uvicorn's server, which starts, takes signals and ends the process well.

What accepts knows of a connection before its TLS handshake, which uvicorn and the event loop's own server do not.
"""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import ssl
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

import uvicorn

from tkms.machine.connection import Connection
from tkms.machine.guests import Guests, network
from tkms.machine.ports import Application
from tkms.machine.written import plain, written

HANDSHAKE_SECONDS = 8
_BACKLOG = 2048
_RECORD_HEAD = 5
_MAX_RECORD = 16 * 1024
_HANDSHAKE = b"\x16\x03"
"""How a TLS client begins: type and major version of the record in which its ClientHello is."""
_RECEIVED = 64 * 1024
"""Bytes that the kernel is asked to keep of what one connection sends: all that it keeps is copied in one step."""
_PER_TURN = 4
"""Connections that are accepted before others have their turn."""
_PAUSE_SECONDS = 0.01
"""How long nothing is accepted after there was no file descriptor for it."""
_DEFER_SECONDS = 0.001
"""How long a worker leaves connections to one that has fewer."""
_SCARCE = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)

_NOT_TLS = written(plain(400, "This server speaks TLS: its URL begins with https."), "", True)
_FULL = written(plain(503, "There are too many connections."), "", True)


def _tell(taken: socket.socket, answer: bytes) -> None:
    with suppress(OSError):
        taken.send(answer)
        taken.shutdown(socket.SHUT_WR)


class Greeting:
    """Waits for the whole first record of TLS, which stays to be read: then `done` is called, and `failed` where it is
    none. Neither is called once it was cancelled.

    What a handshake needs is not made before: it costs ten times what a connection does, and one that stands still
    would cost it too. For the same reason nothing of this is a task.
    """

    __slots__ = ("_done", "_failed", "_loop", "_reading", "_taken", "_wanted")

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        taken: socket.socket,
        done: Callable[[], None],
        failed: Callable[[], None],
    ) -> None:
        self._loop, self._taken, self._done, self._failed = loop, taken, done, failed
        self._wanted = _RECORD_HEAD
        self._reading = False

    def look(self, *, woken: bool = False) -> None:
        """`woken`: what is wanted has come, or no more will."""
        try:
            seen = self._taken.recv(self._wanted, socket.MSG_PEEK)
        except BlockingIOError:
            self._wait()
            return
        except OSError:
            self._fail()
            return
        if len(seen) < self._wanted:
            if woken or not seen:
                self._fail()
            else:
                self._wait()
        elif self._wanted > _RECORD_HEAD:
            self._stop()
            self._done()
        else:
            length = int.from_bytes(seen[3:])
            if seen.startswith(_HANDSHAKE) and 0 < length <= _MAX_RECORD:
                self._wanted += length
                self.look()
            else:
                _tell(self._taken, _NOT_TLS)
                self._fail()

    def _wait(self) -> None:
        """Fewer bytes than are wanted do not wake the loop again and again."""
        self._taken.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, self._wanted)
        if not self._reading:
            self._reading = True
            self._loop.add_reader(self._taken, self._woken)

    def _woken(self) -> None:
        self.look(woken=True)

    def _stop(self) -> None:
        if self._reading:
            self._reading = False
            self._loop.remove_reader(self._taken)
            self._taken.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, 1)

    def _fail(self) -> None:
        self.cancel()
        self._failed()

    def cancel(self) -> None:
        """End the connection."""
        with self._taken, suppress(OSError):
            self._stop()
            self._taken.recv(
                _RECEIVED
            )  # what is left unread would make a reset of the end, and take back what was told


class Listener:
    """Takes connections from the socket `listening`, which it closes at the end, and makes them `guests`.

    `tls` may be another one while it runs, for connections that come from then on.
    """

    def __init__(
        self, listening: socket.socket, app: Application, guests: Guests, tls: ssl.SSLContext | None = None
    ) -> None:
        self._socket, self._app, self._guests, self.tls = listening, app, guests, tls
        self._spare: int | None = None
        self._closed = False

    def start(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._socket.setblocking(False)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVED)  # each accepted socket has it from here
        self._socket.listen(_BACKLOG)
        self._keep_spare()
        self._listen()

    def _listen(self) -> None:
        if not self._closed:
            self._loop.add_reader(self._socket, self._accept)

    def close(self) -> None:
        """Those whom the kernel has let in by now are served: with the last use of the socket it would end them."""
        self._closed = True
        self._loop.remove_reader(self._socket)
        for _ in range(_BACKLOG):
            if not self._accept_one():
                break
        self._socket.close()
        self._drop_spare()

    def _accept(self) -> None:
        for _ in range(_PER_TURN):
            if self._guests.crew.crowded:
                # Another worker has fewer connections and is to take the next, unless it is too busy.
                self._loop.remove_reader(self._socket)
                self._loop.call_later(_DEFER_SECONDS, self._insist)
                return
            if not self._accept_one():
                return

    def _insist(self) -> None:
        if not self._closed:
            self._listen()
            self._accept_one()

    def _accept_one(self) -> bool:
        """Whether there was one to take."""
        try:
            taken, address = self._socket.accept()
        except OSError as error:
            if error.errno in _SCARCE:
                self._without_files()
            return False
        self._take(taken, address[0])
        return True

    def _take(self, taken: socket.socket, host: str) -> None:
        guest = Connection(self._app, self._guests, host, network(host))
        if not self._guests.admit(guest):
            self._refuse(taken)
            return
        taken.setblocking(False)
        if self.tls:
            guest.wait(Greeting(self._loop, taken, partial(self._begin, taken, guest), guest.gone), HANDSHAKE_SECONDS)
        else:
            self._begin(taken, guest)

    def _begin(self, taken: socket.socket, guest: Connection) -> None:
        if guest not in self._guests.all:  # it has made room meanwhile
            taken.close()
            return
        guest.open(self._loop.create_task(self._open(taken, guest)))

    def _refuse(self, taken: socket.socket) -> None:
        with taken:
            taken.setblocking(False)
            if self.tls is None:
                _tell(taken, _FULL)

    async def _open(self, taken: socket.socket, guest: Connection) -> None:
        """The transport of the event loop owns the socket from here on."""
        handshake = HANDSHAKE_SECONDS if self.tls else None
        with suppress(OSError):  # gone already, or no TLS
            taken.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            await self._loop.connect_accepted_socket(
                lambda: guest, taken, ssl=self.tls, ssl_handshake_timeout=handshake
            )

    # -- without a file descriptor for the next connection, the poll would report it again and again --

    def _keep_spare(self) -> None:
        with suppress(OSError):
            self._spare = os.open(os.devnull, os.O_RDONLY)

    def _drop_spare(self) -> None:
        if self._spare is not None:
            os.close(self._spare)
            self._spare = None

    def _without_files(self) -> None:
        """A stranger leaves to make room for the next; where there is none, the next is refused."""
        if not self._guests.make_room():
            self._drop_spare()
            with suppress(OSError):
                self._refuse(self._socket.accept()[0])
            self._keep_spare()
        self._loop.remove_reader(self._socket)
        self._loop.call_later(_PAUSE_SECONDS, self._listen)


def server_config() -> uvicorn.Config:
    """Of a `Server`. Without TLS: `ssl` is set to the context of that."""
    unused: Any = None  # `Listener` makes the connections, and they call the application
    config = uvicorn.Config(
        unused,
        http=Connection,
        loop="uvloop",
        ws="none",
        interface="asgi3",
        lifespan="off",
        log_level="warning",
        access_log=False,
        timeout_graceful_shutdown=5,
    )
    config.load()
    return config


class Server(uvicorn.Server):
    """Listens by `Listener`, and ends connections whose clients take too long."""

    def __init__(self, config: uvicorn.Config, listening: socket.socket, app: Application, guests: Guests) -> None:
        super().__init__(config)
        self._guests = guests
        self._listening, self._app = listening, app
        self._timers: list[asyncio.Task[None]] = []

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:  # noqa: ARG002 - uvicorn's name
        await super().startup(sockets=[])
        connections: Any = self._guests.all
        self.server_state.connections = connections
        self._listener = Listener(self._listening, self._app, self._guests, self.config.ssl)
        self._listener.start()
        self._timers = [asyncio.create_task(self._expire())]

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for timer in self._timers:
            timer.cancel()
        self._listener.close()
        await super().shutdown(sockets)

    async def _expire(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(1)
            connections: Any = [*self._guests.all]
            for connection in connections:
                connection.expire(loop.time())
