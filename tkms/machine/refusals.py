"""Requests that were refused for how they were signed, in memory for a while: `tkms explain-signature` asks for them.

What is kept is made in a thread of its own after the answer, by few of the requests that are refused, whoever sends
many: docs/decisions/0048-explain-signature.md.
"""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Lock
from time import monotonic, sleep, thread_time
from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from functions.endpoint.answer import Answer
from tenantkms import errors as e
from tenantkms.access.credentials import Access
from tenantkms.audit.faults import log_fault
from tenantkms.store.buckets import Buckets
from tkms.machine.crew import Crew
from tkms.machine.guests import network

if TYPE_CHECKING:
    from tkms.explain.refusal import Refusal

SECONDS = 600
"""How long one is kept."""
MOST = 64
"""How many the workers together keep, each its part of them and four at least."""
_SLOT = 8_192
"""Bytes of one, with its head. Of one that is longer, lines are left out."""
_FEWEST = 4
_PER_SECOND, _OF_ADDRESS = 4, 2
"""How many of a kind a worker looks at in a second, and how many from one address: strangers can make some kinds."""
_WAITING = 8
"""How many may wait to be looked at."""
_REST = 9
"""How much longer a worker rests after it has looked for one mistake than that has taken."""
_PAIRS_SECONDS = 10
"""How often a worker looks for two mistakes in one request, which takes fifty times as long as for one."""
_HEAD = struct.Struct("<dI")
"""Until when it counts, by the clock that all processes have in common, and how many bytes it has."""
_EXPLAINED = (e.SignatureMismatch, e.RequestExpired, e.Unsigned, e.UnsupportedSignature, e.MalformedRequest)


class _Slot(Struct):
    """What a worker remembers of a slot of its own."""

    until: float = 0
    address: str = ""


class Refusals:
    """Those of all the `crew`. Each worker writes to slots of its own only, so nothing is locked between them.

    It is called with a request that is refused, and why, on the event loop. `wall` is in Unix seconds.
    """

    def __init__(
        self, crew: Crew, access: Access, wall: Callable[[], float], clock: Callable[[], float] = monotonic
    ) -> None:
        count = max(_FEWEST, MOST // crew.size)
        self._slots = crew.memory.part(crew.size * count * _SLOT)
        self._first = crew.number * count
        self._own = [_Slot() for _ in range(count)]
        for number in range(count):  # what was there is of a worker that has ended
            self._erase(number)
        self._access, self._wall, self._clock = access, wall, clock
        self._buckets = Buckets(1_000)
        self._pairs_after = 0.0
        self._lock = Lock()  # of `_own`
        self._asked = self._done = 0  # counted on the loop, and in the thread
        self._thread = ThreadPoolExecutor(1, "explain")

    def __call__(self, answer: Answer, error: e.KmsError) -> None:
        if isinstance(error, _EXPLAINED) and self._asked - self._done < _WAITING and self._may(answer, error):
            self._asked += 1
            self._thread.submit(self._explain, answer, error)

    def _may(self, answer: Answer, error: e.KmsError) -> bool:
        now, take = self._clock(), self._buckets.take
        address, kind = network(answer.request.source_ip), type(error).__name__
        return take(address, _OF_ADDRESS, now) and take(kind, _PER_SECOND, now)

    def _explain(self, answer: Answer, error: e.KmsError) -> None:
        """In the thread. No fault of it is anybody's who has sent a request."""
        try:
            self._explain_known(answer, error)
        except Exception as fault:  # noqa: BLE001 - nobody waits for it
            log_fault(answer.request_id, fault)
        self._done += 1

    def _explain_known(self, answer: Answer, error: e.KmsError) -> None:
        from tkms.explain.received import read  # most servers never refuse anything
        from tkms.explain.refusal import explained

        received = read(answer.request)
        secret = self._secret(answer, received.access_key_id) if received else None
        if received is None or secret is None:
            return
        pairs = self._clock() >= self._pairs_after
        kept: int | None = None
        began, rest = thread_time(), 0.0
        for refusal in explained(
            received,
            secret,
            error,
            request_id=answer.request_id,
            dialect=answer.spoken.dialect.name,
            action=answer.action,
            now=self._wall(),
            pairs=pairs,
        ):
            if kept is None:
                kept = self._keep(refusal, network(answer.request.source_ip))
                rest = _REST * (thread_time() - began)
            else:
                self._pairs_after = self._clock() + _PAIRS_SECONDS
                self._write(kept, refusal)
        sleep(rest)

    def _secret(self, answer: Answer, access_key_id: str) -> str | None:
        """None for an access key that there is not: nobody could do anything about it, and strangers have many."""
        if answer.session:
            return answer.session.secret
        credential = self._access.known(access_key_id)
        return self._access.secret(credential) if credential else None

    # -- the slots --

    def _keep(self, refusal: Refusal, address: str) -> int:
        """In the place of one that has expired, or else of the oldest of the address that has most."""
        now = self._clock()
        with self._lock:
            counts = Counter(slot.address for slot in self._own)

            def worth(number: int) -> tuple[bool, int, float]:
                slot = self._own[number]
                return slot.until > now, -counts[slot.address], slot.until

            number = min(range(len(self._own)), key=worth)
            self._own[number] = _Slot(now + SECONDS, address)
        self._write(number, refusal)
        return number

    def _write(self, number: int, refusal: Refusal) -> None:
        made = msgspec.msgpack.encode(refusal)
        while len(made) > _SLOT - _HEAD.size:
            shorter = {name: getattr(refusal, name) for name in ("lines", "text", "mistakes", "faults")}
            refusal = replace(refusal, **{name: rows[: len(rows) // 2] for name, rows in shorter.items()})
            made = msgspec.msgpack.encode(refusal)
        start = (self._first + number) * _SLOT
        with self._lock:
            until = self._own[number].until
            if until:  # it has not expired meanwhile
                self._erase(number)
                self._slots[start + _HEAD.size :][: len(made)] = made
                _HEAD.pack_into(self._slots, start, until, len(made))

    def _erase(self, number: int) -> None:
        start = (self._first + number) * _SLOT
        size = _HEAD.unpack_from(self._slots, start)[1]
        _HEAD.pack_into(self._slots, start, 0, 0)
        self._slots[start + _HEAD.size :][:size] = bytes(size)

    def expire(self) -> None:
        """Erase what is older than `SECONDS`; to be called every second."""
        now = self._clock()
        for number, slot in enumerate(self._own):
            if 0 < slot.until <= now:
                with self._lock:
                    self._erase(number)
                    self._own[number] = _Slot()

    def told(self) -> bytes:
        """All that are kept, of all workers, in no order: a list of `Refusal` in MessagePack."""
        now, found = self._clock(), []
        for start in range(0, len(self._slots), _SLOT):
            head = bytes(self._slots[start : start + _HEAD.size])
            until, size = _HEAD.unpack(head)
            made = bytes(self._slots[start + _HEAD.size :][:size])
            if until > now and head == self._slots[start : start + _HEAD.size]:  # no other one has taken its place
                found.append(msgspec.Raw(made))
        return msgspec.msgpack.encode(found)
