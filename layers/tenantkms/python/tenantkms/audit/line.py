"""The audit log: a structured line per call, written before the answer leaves, and one before each change.

A line that cannot be written turns the answer into `Unavailable`: no success without its line. What a call is about to
change is announced first (outcome `intent`), so that nothing takes effect without a line either. The record's fields
are an allow-list (`Record`), so nothing secret has a place in it.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Protocol, TextIO

import msgspec
from msgspec import Struct

from tenantkms.audit.chain import Chain, unchained
from tenantkms.crypto.hmacs import Hmac
from tenantkms.errors import Unavailable

NOT_WRITTEN = "The audit log is not available."
encode = msgspec.json.Encoder().encode

INTENT = "intent"
"""The outcome of a line before a change: the line with the same request id that follows tells what came of it."""


class Record(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """`time` in Unix seconds; `outcome` is `intent`, `ok` or the name of the domain error; `keys` are CMK ids.

    A line may stand for `count` refusals of the same kind, the first of them at `since`, the last one at `time`; the
    rest is then of the last one. `session` is the access key id of the session by which `principal` called, if any.
    `note` tells what else was done, in words of the code's own, or with which file. `trace` is the trace id that the
    request came with.
    """

    time: float
    request_id: str
    tenant: str
    action: str
    profile: str
    principal: str
    outcome: str
    keys: tuple[str, ...] = ()
    source_ip: str = ""
    dry_run: bool = False
    note: str = ""
    session: str = ""
    trace: str = ""
    count: int = 1
    since: float = 0


class Audit(Protocol):
    def write(self, record: Record, *more: Record) -> None:
        """Raises `Unavailable` when the lines are not written, of which there may be some then."""

    def refuse(self, record: Record) -> None:
        """A call that was refused before its caller had proved to be anybody: counted, and told in few lines.

        Raises `Unavailable` when a line is not written.
        """


class StreamAudit:
    """Lines on a stream: the standard output of a Lambda function goes to CloudWatch Logs. Each process has a chain.

    `key` answers the chain's; it is asked for with the first line, since it may take a call of the parent key.
    """

    def __init__(self, key: Callable[[], bytes], stream: TextIO | None = None) -> None:
        self._key = key
        self._stream = stream or sys.stdout
        self._chain: Chain | None = None

    def forget(self) -> None:
        """The key is another one: a chain has one only."""
        self._chain = None

    def content(self, record: Record) -> bytes:
        """A JSON object on one line, without its end."""
        return encode(record)

    def write(self, record: Record, *more: Record) -> None:
        chain = self._chain = self._chain or Chain(Hmac(self._key()), os.urandom(8).hex())
        try:
            self._send(chain.line(self.content(record)))
        except (OSError, ValueError) as e:
            raise Unavailable(NOT_WRITTEN) from e
        chain.taken()
        for each in more:
            self.write(each)

    def refuse(self, record: Record) -> None:
        """As it comes, and of no chain: nobody who is not authenticated causes a call of the parent key."""
        try:
            self._send(unchained(self.content(record)))
        except (OSError, ValueError) as e:
            raise Unavailable(NOT_WRITTEN) from e

    def _send(self, line: bytes) -> None:
        self._stream.write(line.decode())
        self._stream.flush()
