"""Who is connected: how many altogether and from one address, what they are sending, and who makes room for whom.

A stranger is who has not yet sent a request whose signature verified. Where there is no room, the oldest stranger goes.
"""

from __future__ import annotations

import asyncio
import resource
import socket
from collections import OrderedDict, deque
from contextlib import suppress
from time import perf_counter
from typing import Protocol

from tenantkms.runtime.assemble import SettingsError
from tkms.machine.crew import Crew
from tkms.machine.outbox import Outbox

MAX_CONNECTIONS = 1000
PER_ADDRESS = 256
"""Connections of one address. Behind a proxy all are of its address: then it is to be raised."""
MAX_ARRIVING = 16 * 1024 * 1024
"""Bytes of all requests that are on their way and not yet whole."""
_FILES = 128
"""File descriptors for all but connections: store, nonces and audit log in each thread, and what Python needs."""
_FEWEST = 16
REQUESTS_PER_TURN = 16
"""How many requests of one connection are served before others have their turn; fewer where others wait for theirs."""
TURNS_SECONDS = 0.0004
"""How long those that have sent much are served before those that have sent little are looked at."""


class Guest(Protocol):
    """One connection. `held`: bytes that are kept of what is on its way."""

    address: str
    known: bool
    held: int

    def leave(self) -> None:
        """End the connection at once. Not called again."""

    def take_turn(self, end: float) -> None:
        """Serve requests that have come, and parse what follows until `end`, by `perf_counter`, or a little longer."""


def network(host: str) -> str:
    """What counts as one address: of IPv6 the first 64 bits, since whoever has one address there has all of those."""
    with suppress(OSError):
        packed = socket.inet_pton(socket.AF_INET6, host.partition("%")[0])
        if packed.startswith(b"\0" * 10 + b"\xff\xff"):
            return socket.inet_ntop(socket.AF_INET, packed[12:])
        return socket.inet_ntop(socket.AF_INET6, packed[:8] + bytes(8))
    return host


def connections_by_files() -> int:
    """How many connections the limit of open files allows, after it was raised as far as it goes, up to what is used.

    Raises `SettingsError` where that is next to none.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MAX_CONNECTIONS + _FILES
    if soft != resource.RLIM_INFINITY and soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    room = MAX_CONNECTIONS if soft == resource.RLIM_INFINITY else min(MAX_CONNECTIONS, soft - _FILES)
    if room < _FEWEST:
        raise SettingsError(
            f"At most {soft} files may be open, which leaves no room for connections: ulimit -n {wanted}."
        )
    return room


class Guests:
    """All connections of a process, in TLS handshakes too. Only its event loop may use it.

    Those of all the `crew` together are at most `limit`, and `per_address`; each has its part of `arriving`.
    """

    def __init__(
        self,
        limit: int = MAX_CONNECTIONS,
        per_address: int = PER_ADDRESS,
        arriving: int = MAX_ARRIVING,
        crew: Crew | None = None,
    ) -> None:
        self.crew = crew or Crew()
        self.outbox = Outbox()
        self._limit, self._per_address, self._most_arriving = limit, per_address, arriving // self.crew.size
        self.all: dict[Guest, None] = {}
        self._strangers: OrderedDict[Guest, None] = OrderedDict()
        self._arriving = 0
        self._queue: deque[Guest] = deque()
        self._turning = False
        self.turn = REQUESTS_PER_TURN
        """How many requests a connection may have served in its turn now."""

    def admit(self, guest: Guest) -> bool:
        """Take `guest` in, if there is room or a stranger can make some."""
        if self.crew.of(guest.address) >= self._per_address:
            same = (stranger for stranger in self._strangers if stranger.address == guest.address)
            if not self._expel(next(same, None)):
                return False
        elif self.crew.connections >= self._limit and not self.make_room():
            return False
        self.all[guest] = None
        self._strangers[guest] = None
        self.crew.count(guest.address, 1)
        return True

    def make_room(self) -> bool:
        """End the oldest stranger's connection, if there is one."""
        return self._expel(next(iter(self._strangers), None))

    def _expel(self, guest: Guest | None) -> bool:
        if guest is None:
            return False
        self.remove(guest)
        guest.leave()
        return True

    def recognise(self, guest: Guest) -> None:
        """A request of `guest` has verified."""
        guest.known = True
        self._strangers.pop(guest, None)

    def remove(self, guest: Guest) -> None:
        """`guest` is gone, or as good as; it may be told twice."""
        if guest not in self.all:
            return
        del self.all[guest]
        self._strangers.pop(guest, None)
        self.crew.count(guest.address, -1)
        self._arriving -= guest.held
        guest.held = 0

    def hold(self, guest: Guest, size: int) -> None:
        """`guest` keeps `size` bytes now. Where all together keep too many, who keeps most goes, strangers first."""
        if guest not in self.all:
            return
        self._arriving += size - guest.held
        guest.held = size
        while self._arriving > self._most_arriving:
            self._expel(max(self.all, key=lambda each: (bool(each.held) and not each.known, each.held)))

    def queue(self, guest: Guest) -> None:
        """`guest`, which is not in the queue, has more to do than its turn allows."""
        self._queue.append(guest)
        self.turn = max(1, REQUESTS_PER_TURN // (1 + len(self._queue)))
        if not self._turning:
            self._turning = True
            asyncio.get_running_loop().call_soon(self._turns)

    def _turns(self) -> None:
        end = perf_counter() + TURNS_SECONDS
        for _ in range(len(self._queue)):
            self._queue.popleft().take_turn(end)
            if perf_counter() > end:
                break
        self._turning = bool(self._queue)
        self.turn = max(1, REQUESTS_PER_TURN // (1 + len(self._queue)))
        if self._turning:
            asyncio.get_running_loop().call_soon(self._turns)
