"""Answers to calls that change something, kept by all processes of one server together: a client's next attempt at a
call comes to any of them.
"""

from __future__ import annotations

import fcntl
import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
from msgspec import Struct

from functions.endpoint.repeats import Answers, Known
from tenantkms.store.shared import Memory
from tenantkms.wire.http import Response

_TAG = 16
_HEAD = struct.Struct("<dH")
"""Of an answer: until when it counts, in Unix seconds, and how many bytes it has."""
_SLOT = 2_560
"""Bytes of an answer, with its head: of those that are longer, `Answers` says what they are."""
_SIZE = 1_500
_PLACES = 2**16
"""Calls take turns by so many hashes of them, from the second byte of the file on."""


class _Kept(Struct, array_like=True):
    status: int
    content_type: str
    body: str
    headers: dict[str, str]


_decode = msgspec.msgpack.Decoder(_Kept).decode


class SharedAnswers(Answers):
    """The oldest ones go first. `lock`: a file, made for those who wait for a turn."""

    def __init__(self, memory: Memory, lock: Path) -> None:
        super().__init__()
        self._name = memory.name
        self._next = memory.numbers(1)
        self._tags = memory.part(_SIZE * _TAG)
        self._slots = memory.part(_SIZE * _SLOT)
        self._file = os.fdopen(os.open(lock, os.O_RDWR | os.O_CREAT, 0o600), "r+b", buffering=0)

    def _tag(self, call: Known) -> bytes:
        return self._name(f"{call[0]} {call[1].hex()}")

    @contextmanager
    def turn(self, call: Known) -> Iterator[None]:
        place = 1 + int.from_bytes(self._tag(call)[:4]) % _PLACES
        with super().turn(call):  # of the threads of this process, which the lock of a file does not part
            fcntl.lockf(self._file, fcntl.LOCK_EX, 1, place)
            try:
                yield
            finally:
                fcntl.lockf(self._file, fcntl.LOCK_UN, 1, place)

    def get(self, call: Known, now: float) -> Response | None:
        tag, tags = self._tag(call), bytes(self._tags)
        at = tags.find(tag)
        while at % _TAG and at > 0:
            at = tags.find(tag, at + 1)
        if at < 0:
            return None
        start = at // _TAG * _SLOT
        until, size = _HEAD.unpack_from(self._slots, start)
        start += _HEAD.size
        if now > until:
            return None
        made = bytes(self._slots[start : start + size])
        if self._tags[at : at + _TAG] != tag:  # another one takes its place
            return None
        kept = _decode(made)
        return Response(status=kept.status, content_type=kept.content_type, body=kept.body, headers=kept.headers)

    def put(self, call: Known, response: Response, until: float) -> None:
        body = response.body
        assert isinstance(body, str)  # noqa: S101 - the dialect that makes several attempts speaks JSON
        made = msgspec.msgpack.encode(_Kept(response.status, response.content_type, body, response.headers))
        if len(made) > _SLOT - _HEAD.size:
            return
        with self._lock:
            fcntl.lockf(self._file, fcntl.LOCK_EX, 1, 0)
            try:
                number = self._next[0] % _SIZE
                self._next[0] += 1
                start = number * _SLOT
                self._tags[number * _TAG :][:_TAG] = bytes(_TAG)
                _HEAD.pack_into(self._slots, start, until, len(made))
                start += _HEAD.size
                self._slots[start : start + len(made)] = made
                self._tags[number * _TAG :][:_TAG] = self._tag(call)
            finally:
                fcntl.lockf(self._file, fcntl.LOCK_UN, 1, 0)
