"""Accepts connections for uvicorn's server, which starts, takes signals and ends the process well.

What accepts knows of a connection before its TLS handshake, which uvicorn and the event loop's own server do not.
"""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import ssl
from contextlib import suppress
from typing import Any

import uvicorn

from tkms.machine.connection import Application, Connection, plain, written
from tkms.machine.guests import Guests, network

HANDSHAKE_SECONDS = 8
_BACKLOG = 2048
_PER_TURN = 4
"""Connections that are accepted before others have their turn."""
_PAUSE_SECONDS = 0.01
"""How long nothing is accepted after there was no file descriptor for it."""
_SCARCE = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)

_FULL = written(plain(503, "There are too many connections."), "", True)


class Listener:
    """Takes connections from the socket `listening`, which it closes at the end, and makes them `guests`."""

    def __init__(
        self, listening: socket.socket, app: Application, guests: Guests, tls: ssl.SSLContext | None = None
    ) -> None:
        self._socket, self._app, self._guests, self._tls = listening, app, guests, tls
        self._spare: int | None = None
        self._closed = False

    def start(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._socket.setblocking(False)
        self._socket.listen(_BACKLOG)
        self._keep_spare()
        self._listen()

    def _listen(self) -> None:
        if not self._closed:
            self._loop.add_reader(self._socket, self._accept)

    def close(self) -> None:
        self._closed = True
        self._loop.remove_reader(self._socket)
        self._socket.close()
        self._drop_spare()

    def _accept(self) -> None:
        for _ in range(_PER_TURN):
            try:
                taken, address = self._socket.accept()
            except OSError as error:
                if error.errno in _SCARCE:
                    self._without_files()
                return
            self._take(taken, address[0])

    def _take(self, taken: socket.socket, host: str) -> None:
        guest = Connection(self._app, self._guests, host, network(host))
        if self._guests.admit(guest):
            guest.open(self._loop.create_task(self._open(taken, guest)))
        else:
            self._refuse(taken)

    def _refuse(self, taken: socket.socket) -> None:
        with taken, suppress(OSError):
            taken.setblocking(False)
            if self._tls is None:
                taken.send(_FULL)
                taken.shutdown(socket.SHUT_WR)

    async def _open(self, taken: socket.socket, guest: Connection) -> None:
        """The transport of the event loop owns the socket from here on."""
        taken.setblocking(False)
        handshake = HANDSHAKE_SECONDS if self._tls else None
        with suppress(OSError):  # gone already, or no TLS
            taken.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            await self._loop.connect_accepted_socket(
                lambda: guest, taken, ssl=self._tls, ssl_handshake_timeout=handshake
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
