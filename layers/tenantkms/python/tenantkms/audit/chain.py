"""A chain of lines: each carries a number and an HMAC over itself and the one before it.

So whoever has no key can remove, change or reorder nothing that is followed by another line. What follows the last line
is nothing, so where lines rest in files the head of the chain is kept beside them (`Head`).
"""

from __future__ import annotations

from binascii import hexlify
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from tenantkms.crypto.hmacs import Hmac

VERSION = 1
"""Of the line: what docs/audit-line.schema.json describes."""
SHOWN = 16
START = bytes(SHOWN)
"""What stands for the line before the first one."""
MAC, LAST = b',"mac":"', b'"}\n'
"""Around what a line shows of its HMAC, in hexadecimal digits."""
_FIRST = b'{"v":%d,' % VERSION


class Head(Struct, frozen=True):
    """The last line of a chain: its number, and both halves of its HMAC. The line shows the first half only, so that
    the head of any earlier line cannot be made of the lines without the key.
    """

    seq: int
    shown: bytes
    hidden: bytes


class Chain:
    """The end of a chain, to which lines are added: `seq` is the number of the next line.

    `mac` is HMAC-SHA-256, of the shown half of the line before and the line up to its own. `shown` is what the last
    line shows of its HMAC.
    """

    __slots__ = ("_digest", "_hidden", "_mac", "_name", "id", "seq", "shown")

    def __init__(self, mac: Hmac, chain: str, seq: int = 0, shown: bytes = START) -> None:
        self._mac = mac
        self._digest = self._hidden = b""
        self.id = chain
        self._name = b',"chain":"%b","seq":' % chain.encode()
        self.seq, self.shown = seq, shown

    def line(self, content: bytes) -> bytes:
        """The next line, with its end, of a JSON object that has a member. It counts once `taken` is called."""
        body = _FIRST + content[1:-1] + self._name + b"%d" % self.seq
        self._digest = digest = self._mac(self.shown + body)
        return body + MAC + hexlify(digest[:SHOWN]) + LAST

    def rekey(self, mac: Hmac) -> None:
        """The next line is under another key; what is before stays bound by it."""
        self._mac = mac

    def taken(self) -> None:
        self.shown, self._hidden = self._digest[:SHOWN], self._digest[SHOWN:]
        self.seq += 1

    @property
    def place(self) -> tuple[int, bytes, bytes]:
        """For `goto`, of another process too: the number of the next line, and both halves of the last one's HMAC."""
        return self.seq, self.shown, self._hidden

    def goto(self, seq: int, shown: bytes, hidden: bytes) -> None:
        self.seq, self.shown, self._hidden = seq, shown, hidden

    @property
    def head(self) -> Head | None:
        """Of the last line, if it was made here."""
        return Head(self.seq - 1, self.shown, self._hidden) if self._hidden else None


def unchained(content: bytes) -> bytes:
    """A line, with its end, that is of no chain."""
    return _FIRST + content[1:] + b"\n"


class Link(Struct, frozen=True):
    """What a line says of its place in a chain, and its `time` in Unix seconds."""

    chain: str
    seq: Annotated[int, Meta(ge=0, lt=2**62)]
    mac: Annotated[str, Meta(pattern="^[0-9a-f]{32}$")]
    time: float

    @property
    def shown(self) -> bytes:
        return bytes.fromhex(self.mac)


_link = msgspec.json.Decoder(Link).decode


def link(line: bytes) -> Link | None:
    """The place of a line, its end not counted, if it has one. It says nothing of its HMAC."""
    try:
        return _link(line)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
