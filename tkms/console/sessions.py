"""Who is signed in at the console: sessions in memory that all processes of one server share, and nowhere else.

A browser has a random token, and the memory its keyed hash. A server that starts anew knows none of them.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from contextlib import AbstractContextManager

import msgspec
from msgspec import Struct

from tenantkms.store.shared import Memory

IDLE_SECONDS = 15 * 60
LONGEST_SECONDS = 8 * 3_600
MOST = 200
"""Sessions at a time; those of one caller are `MOST_EACH`. Beyond either the one that rests longest ends."""
MOST_EACH = 8
_SIZE = 64 * 1024
_HEAD = 8


class _Session(Struct, array_like=True):
    """`token` is a hash; times in seconds of a clock that never jumps."""

    token: bytes
    caller: str
    began: float
    seen: float

    def good(self, now: float) -> bool:
        return now - self.seen < IDLE_SECONDS and now - self.began < LONGEST_SECONDS


_decode = msgspec.msgpack.Decoder(list[_Session]).decode


class Sessions:
    """`lock` keeps the processes of `memory` apart. They ask for the same parts of it in the same order."""

    def __init__(
        self, memory: Memory, lock: AbstractContextManager[object], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._name, self._lock, self._clock = memory.name, lock, clock
        self._size = memory.numbers(_HEAD // 8)
        self._bytes = memory.part(_SIZE)

    def begin(self, caller: str) -> str:
        """The token of a new session of `caller`, which has at most 128 characters."""
        token, now = secrets.token_urlsafe(32), self._clock()
        with self._lock:
            kept = self._read(now)
            own = [session for session in kept if session.caller == caller]
            for full, most in ((own, MOST_EACH), (kept, MOST)):
                if len(full) >= most:
                    kept.remove(min(full, key=lambda session: session.seen))
            self._write([*kept, _Session(self._name(token), caller, now, now)])
        return token

    def caller(self, token: str) -> str:
        """Whose session it is, which counts as used now; "" for none that is good."""
        name, now = self._name(token), self._clock()
        with self._lock:
            kept = self._read(now)
            for session in kept:
                if session.token == name:
                    session.seen = now
                    self._write(kept)
                    return session.caller
        return ""

    def end(self, token: str) -> None:
        name = self._name(token)
        self._keep(lambda session: session.token != name)

    def end_all(self, caller: str) -> None:
        """Every session of `caller`, whose access key is no more."""
        self._keep(lambda session: session.caller != caller)

    def _keep(self, wanted: Callable[[_Session], bool]) -> None:
        with self._lock:
            self._write([session for session in self._read(self._clock()) if wanted(session)])

    def _read(self, now: float) -> list[_Session]:
        """Those that are good. A process that died while it wrote has left none."""
        size = self._size[0]
        return [session for session in _decode(self._bytes[:size]) if session.good(now)] if size else []

    def _write(self, sessions: list[_Session]) -> None:
        made = msgspec.msgpack.encode(sessions)
        self._size[0] = 0
        self._bytes[: len(made)] = made
        self._size[0] = len(made)
