"""Lines of an audit log as they are read, and what they say of who used which key when."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, suppress
from heapq import heappop, heappush, merge
from pathlib import Path
from typing import BinaryIO

import msgspec
from msgspec import Struct

from tenantkms.audit.files import rotated
from tenantkms.audit.line import INTENT

_POLL_SECONDS = 0.5

Raw = tuple[str, bytes]
"""Where a line is, and the line, with its end if it has one."""


class Line(Struct, frozen=True, kw_only=True):
    """A line about a call, of this release or an earlier one. What else stands in it is not read."""

    time: float
    request_id: str
    action: str
    profile: str
    principal: str
    outcome: str
    keys: tuple[str, ...] = ()
    source_ip: str = ""
    count: int = 1
    since: float = 0


_decode = msgspec.json.Decoder(Line).decode


def read(raw: bytes) -> Line | None:
    """None for what is no line about a call."""
    try:
        return _decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


class Wanted(Struct, frozen=True, kw_only=True):
    """Which lines: of a key's id, of an access key, not before `since` in Unix seconds."""

    key: str = ""
    principal: str = ""
    since: float = 0

    def __call__(self, line: Line) -> bool:
        return (
            line.time >= self.since
            and (not self.key or self.key in line.keys)
            and (not self.principal or self.principal == line.principal)
        )


class Use(Struct, kw_only=True):
    """How often a principal did something with a key, and when. No key: `key` is empty."""

    key: str
    principal: str
    action: str
    outcome: str
    count: int = 0
    first: float = 0
    last: float = 0


def summarise(lines: Iterable[Line]) -> list[Use]:
    """Who used which key when, by key. A line before a change counts only if no line says what came of it."""
    uses: dict[tuple[str, ...], Use] = {}
    intents: dict[str, Line] = {}

    def add(line: Line) -> None:
        for key in line.keys or ("",):
            kind = (key, line.principal, line.action, line.outcome)
            use = uses.setdefault(kind, Use(key=key, principal=kind[1], action=kind[2], outcome=kind[3]))
            first = line.since or line.time
            use.first = min(use.first, first) if use.count else first
            use.last = max(use.last, line.time)
            use.count += line.count

    for line in lines:
        if line.outcome == INTENT:
            intents[line.request_id] = line
        else:
            if intents:
                intents.pop(line.request_id, None)
            add(line)
    for line in intents.values():
        add(line)
    return [uses[kind] for kind in sorted(uses)]


_WINDOW = 10_000
"""Lines within which a log is in no order: processes write them when a call has ended."""
Found = tuple[bytes, Line]


def in_turn(logs: Iterable[Iterable[Found]]) -> Iterator[Found]:
    """The lines of several logs by their times, some thousands of each in memory."""
    return merge(*map(_in_order, logs), key=_when)


def _when(found: Found) -> float:
    return found[1].time


def _in_order(log: Iterable[Found]) -> Iterator[Found]:
    waiting: list[tuple[float, int, Found]] = []
    for number, found in enumerate(log):
        heappush(waiting, (found[1].time, number, found))
        if len(waiting) > _WINDOW:
            yield heappop(waiting)[-1]
    yield from (heappop(waiting)[-1] for _ in range(len(waiting)))


def of_files(paths: Iterable[Path]) -> Iterator[Raw]:
    """Raises `OSError`."""
    for path in paths:
        with path.open("rb") as file:
            for count, raw in enumerate(file, 1):
                yield f"{path.name}:{count}", raw


def of_log(log: Path) -> Iterator[Raw]:
    """Of a data directory's log with all its files."""
    with suppress(FileNotFoundError):  # it may be closed, or removed as old, at this moment
        yield from of_files([*rotated(log), log])


class _Tail:
    """What is added to a log, through the change of its file."""

    def __init__(self, log: Path) -> None:
        self._log = log
        self._file = self._open()
        self._file.seek(0, os.SEEK_END)

    def _open(self) -> BinaryIO:
        return self._log.open("rb")

    def more(self) -> Iterator[bytes]:
        yield from self._rest()
        with suppress(FileNotFoundError):
            while not os.path.samestat(os.fstat(self._file.fileno()), self._log.stat()):
                yield from self._rest()  # what was written before it was closed
                self.close()
                self._file = self._open()
                yield from self._rest()

    def _rest(self) -> Iterator[bytes]:
        for raw in self._file:
            if not raw.endswith(b"\n"):
                self._file.seek(-len(raw), os.SEEK_CUR)  # not whole yet
                return
            yield raw

    def close(self) -> None:
        self._file.close()


def follow_logs(logs: Iterable[Path], sleep: Callable[[float], None] = time.sleep) -> Iterator[bytes]:
    """What is added from now on, without an end."""
    with ExitStack() as stack:
        tails = [_Tail(log) for log in logs]
        for tail in tails:
            stack.callback(tail.close)
        while True:
            for tail in tails:
                yield from tail.more()
            sleep(_POLL_SECONDS)
