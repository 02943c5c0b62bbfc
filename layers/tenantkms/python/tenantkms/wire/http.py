"""An API Gateway HTTP API event (payload format 2.0) to a `Request`, and a `Response` back."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from msgspec import Struct

from tenantkms.errors import MalformedRequest, RequestTooLarge, Unsigned

FORM = "application/x-www-form-urlencoded"
MAX_BODY = 64 * 1024
MAX_TARGET = 64 * 1024


Name = TypeVar("Name", str, bytes)


class Remembered(dict[Name, str]):
    """`remembered[name]` is what `make` makes of a name, of which there are almost always the same few.

    A stranger may make up many names, and long ones: only short ones are kept, and all are forgotten at `size`.
    """

    def __init__(self, make: Callable[[Name], str], size: int = 512) -> None:
        super().__init__()
        self._make: Callable[[Name], str] = make
        self._size = size

    def __missing__(self, name: Name) -> str:
        made = self._make(name)
        if len(name) <= 128:
            if len(self) >= self._size:
                self.clear()
            self[name] = made
        return made


OWS = " \t"
"""What may stand around a header's value and is no part of it (RFC 9110, section 5.5). Nothing else is taken off."""
_PRINTABLE = bytes(range(32, 127))
_AUTHENTICATING = frozenset({"authorization", "content-type", "date", "host"})
_AUTHENTICATING_PREFIXES = ("x-acs-", "x-tc-", "x-amz-")


def settle(headers: Mapping[str, str]) -> tuple[Mapping[str, str], str]:
    """`headers` without `OWS` around the values: the only texts of them that anything reads, signs or remembers.

    And the name of one that takes part in authentication and has another character than printable ASCII, or "".
    Raises `UnicodeEncodeError` for half of a character, which no header can hold.
    """
    # Almost always all are clean, so they are looked at together: one by one takes five times as long,
    # `isprintable` twice. A value that has the character between them itself is looked at once more, if at all.
    together = "`".join(("", *headers.values(), ""))
    if (
        together.isascii()
        and not together.encode().translate(None, _PRINTABLE)
        and "` " not in together
        and " `" not in together
    ):
        return headers, ""
    together.encode()
    settled = {name: value.strip(OWS) for name, value in headers.items()}
    unfit = (name for name, value in settled.items() if not (value.isascii() and value.isprintable()))
    return settled, next(filter(_authenticates, unfit), "")


def _authenticates(name: str) -> bool:
    return name in _AUTHENTICATING or name.startswith(_AUTHENTICATING_PREFIXES)


def check_headers(request: Request) -> None:
    """Raises `Unsigned` for a header that two readers could take for two texts."""
    if request.unfit:
        raise Unsigned(f"The header {request.unfit[:64]} must be of printable ASCII.")


class Request(Struct, frozen=True, kw_only=True):
    """`query` is the raw query string as received; header names are in lower case; values and `unfit`: see `settle`.

    `cookie` is apart from the headers, of which nothing that is signed or logged knows it; there is none on AWS.
    """

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes
    source_ip: str = ""
    unfit: str = ""
    cookie: str = ""

    def header(self, name: str) -> str:
        return self.headers.get(name, "")

    @property
    def media_type(self) -> str:
        return _MEDIA_TYPES[self.headers.get("content-type", "")]


_MEDIA_TYPES: Remembered[str] = Remembered(lambda text: text.partition(";")[0].strip(OWS).lower())


ALWAYS = {"cache-control": "no-store"}
"""Headers of every answer that does not say itself how long it is good for."""


class Response(Struct, frozen=True, kw_only=True):
    """`content_type` is sent exactly as it stands here: some SDKs see no error when it has a charset."""

    status: int
    content_type: str
    body: str | bytes
    headers: dict[str, str] = {}

    def event(self) -> dict[str, Any]:
        return {
            "statusCode": self.status,
            "headers": {"content-type": self.content_type, **ALWAYS, **self.headers},
            "body": base64.b64encode(self.body).decode() if isinstance(self.body, bytes) else self.body,
            "isBase64Encoded": isinstance(self.body, bytes),
        }


def request_from_event(event: Mapping[str, Any]) -> Request:
    """Raises `MalformedRequest` for what API Gateway does not send."""
    try:
        http = event["requestContext"]["http"]
        headers, unfit = settle(event.get("headers") or {})
        text = event.get("body") or ""
        body = base64.b64decode(text, validate=True) if event.get("isBase64Encoded") else text.encode("utf-8")
        request = Request(
            method=http["method"],
            path=event["rawPath"],
            query=event.get("rawQueryString") or "",
            headers=headers,
            body=body,
            source_ip=http.get("sourceIp", ""),
            unfit=unfit,
        )
        texts = f"{request.method}{request.path}{request.query}{request.source_ip}"
        if not texts.isascii():
            texts.encode("utf-8")  # lone surrogates
        return request  # noqa: TRY300
    except (AttributeError, KeyError, TypeError, ValueError, UnicodeError) as e:
        raise MalformedRequest("The event is not an API Gateway HTTP API event of payload format 2.0.") from e


def check_size(request: Request) -> None:
    """Raises `RequestTooLarge`, before anything of the request is parsed."""
    if len(request.body) > MAX_BODY:
        raise RequestTooLarge
    if len(request.query) > MAX_TARGET:
        raise RequestTooLarge(f"The query string is longer than {MAX_TARGET} bytes.")
