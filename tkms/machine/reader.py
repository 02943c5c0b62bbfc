"""What comes in on one connection becomes requests: httptools parses, limits are kept, nothing is upgraded."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import httptools

from tenantkms.wire.http import MAX_BODY, OWS, Remembered, Request, settle

PIECE = 4096
"""Bytes that are parsed at once: no more headers or chunks than fit in there are looked at before they are counted."""
MAX_HEADERS = 100
MAX_HEADER = 16 * 1024
"""A header's name, and all of its values together."""
MAX_HEAD = 192 * 1024
"""A request's line and headers. The endpoint refuses a query that is longer than 64 KB in the caller's dialect."""
MAX_CHUNKS = 1024
MAX_MESSAGE = 16 * 1024 * 1024
"""A whole request. Of a body no more is kept than the endpoint needs to see that it is too long."""

_NOT_HTTP = 400, "This is not an HTTP request."
_TOO_LARGE = 413, "The request is too large."
_HEAD_TOO_LARGE = 431, "The request's head is too large."

_NAMES: Remembered[bytes] = Remembered(lambda name: name.decode("latin-1").lower())


def _split(target: bytes) -> tuple[str, str]:
    """(path, query) of a request's target, which is almost always both as they stand. Raises `HttpParserError`."""
    if target == b"/":
        return "/", ""
    if target.startswith(b"/") and b"#" not in target:
        path, _, query = target.partition(b"?")
    else:
        url = httptools.parse_url(target)
        path, query = url.path or b"", url.query or b""
    return path.decode("latin-1"), query.decode("latin-1")


def _longer(kept: bytes | bytearray, part: bytes) -> bytearray:
    """`kept` and `part`, in time for the part alone: what comes in one part, as almost all does, stays bytes."""
    longer = bytearray(kept) if isinstance(kept, bytes) else kept
    longer += part
    return longer


class _Refused(Exception):
    """Stops the parser."""


class Reader(ABC):
    """Told of all bytes by `feed`, it tells of each request that is whole."""

    def __init__(self) -> None:
        self._parser: Any = httptools.HttpRequestParser(self)
        self._host = ""  # the other end's address
        self._arriving = ""  # the part of a request that is on its way: its head, its body
        self._last = False  # nothing that follows is served
        self._refusal = _NOT_HTTP  # why the parser was stopped
        self._fields: dict[str, str] = {}
        self._repeated = 0
        self._size = 0

    @abstractmethod
    def _began(self) -> None:
        """A request has begun and did not come in one piece."""

    @abstractmethod
    def _asked_first(self) -> None:
        """The client waits to be told that it may send the body."""

    @abstractmethod
    def _whole(self, request: Request, *, last: bool) -> None:
        """A request is whole; `last`: its client wants no more."""

    @abstractmethod
    def _fail(self, status: int, text: str) -> None:
        """This is no request that can be answered otherwise, and the end of the connection."""

    def feed(self, piece: bytes | memoryview) -> None:
        """At most `PIECE` bytes of what was received."""
        rest = piece
        while rest:
            try:
                self._parser.feed_data(rest)
                break
            except httptools.HttpParserUpgrade as upgrade:
                if self._parser.get_method() == b"CONNECT":
                    self._fail(*_NOT_HTTP)
                    return
                rest = self._head_again() + bytes(memoryview(rest)[upgrade.args[0] :])
                self._parser = httptools.HttpRequestParser(self)
            except httptools.HttpParserError:
                self._fail(*self._refusal)
                return
        if self._arriving:
            if not self._size:
                self._began()
            self._size += len(rest)  # what came since the request began, and before it in the same piece
            if self._exceeds():
                self._fail(*self._refusal)

    def _head_again(self) -> bytes:
        """The head that was parsed without its Upgrade, which is not taken: the parser would leave the body out.

        JDK's HttpClient asks with each request, whether it has a body or not.
        """
        method, version = self._parser.get_method(), self._parser.get_http_version().encode()
        fields = "".join(f"{name}: {value}\r\n" for name, value in self._fields.items() if name != "upgrade")
        return b"%b %b HTTP/%b\r\n%b\r\n" % (method, bytes(self._target), version, fields.encode("latin-1"))

    @property
    def kept(self) -> int:
        """Bytes that are kept of a request on its way, or a little more."""
        return min(self._size, MAX_HEAD) if self._arriving else 0

    def _exceeds(self) -> bool:
        """Whether what is on its way is too large already."""
        head = self._arriving == "head"
        if self._size > (MAX_HEAD if head else MAX_MESSAGE):
            self._refusal = _HEAD_TOO_LARGE if head else _TOO_LARGE
            return True
        if head and self._size > MAX_HEADER + PIECE:
            whole = sum(len(name) + len(value) for name, value in self._fields.items())
            if self._size - len(self._target) - whole > MAX_HEADER + PIECE:
                self._refusal = _HEAD_TOO_LARGE
                return True
        if len(self._fields) + self._repeated > MAX_HEADERS:  # trailers, too
            self._refusal = _HEAD_TOO_LARGE
            return True
        return False

    # -- the parser --

    def on_message_begin(self) -> None:
        self._target: bytes | bytearray = b""
        self._fields = {}
        self._repeated = 0
        self._body: bytes | bytearray = b""
        self._chunks = 0
        self._arriving = "head"
        self._size = 0

    def on_url(self, part: bytes) -> None:
        self._target = _longer(self._target, part) if self._target else part

    def on_header(self, name: bytes, value: bytes) -> None:
        # The parser leaves the white space after a value: `settle` takes it off.
        fields, key, text = self._fields, _NAMES[name], value.decode("latin-1")
        if key in fields:
            self._repeated += 1
            text = f"{fields[key].rstrip(OWS)},{text}"
        fields[key] = text

    def on_headers_complete(self) -> None:
        fields, parser = self._fields, self._parser
        # A head that came in one piece has no header that is too large.
        if self._size and any(len(text) > MAX_HEADER for pair in fields.items() for text in pair):
            self._refusal = _HEAD_TOO_LARGE
            raise _Refused
        if len(fields) + self._repeated > MAX_HEADERS:
            self._refusal = _HEAD_TOO_LARGE
            raise _Refused
        if parser.should_upgrade():
            self._arriving = ""  # `_head_again` follows
            return
        self._arriving = "body"
        self._cookie = fields.pop("cookie", "")  # apart from the headers, as API Gateway hands cookies on
        (self._headers, self._unfit), self._fields = settle(fields), {}  # what follows a body in chunks is none
        self._keep_alive = parser.get_http_version() == "1.1" and parser.should_keep_alive()
        if "expect" in self._headers and self._headers["expect"].lower() == "100-continue":
            self._asked_first()

    def on_chunk_header(self) -> None:
        self._chunks += 1
        if self._chunks > MAX_CHUNKS:
            self._refusal = _TOO_LARGE
            raise _Refused

    def on_body(self, part: bytes) -> None:
        if len(self._body) <= MAX_BODY:
            self._body = _longer(self._body, part) if self._body else part

    def on_message_complete(self) -> None:
        if not self._arriving:
            return
        self._arriving = ""
        if self._last:
            return
        try:
            path, query = _split(bytes(self._target))
        except httptools.HttpParserError:
            self._fail(*_NOT_HTTP)
            return
        request = Request(
            method=self._parser.get_method().decode("ascii"),
            path=path,
            query=query,
            headers=self._headers,
            body=bytes(self._body),
            source_ip=self._host,
            unfit=self._unfit,
            cookie=self._cookie,
        )
        self._whole(request, last=not self._keep_alive)
