"""An API Gateway HTTP API event (payload format 2.0) to a `Request`, and a `Response` back."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from msgspec import Struct

from tenantkms.errors import MalformedRequest, RequestTooLarge

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


class Request(Struct, frozen=True, kw_only=True):
    """`query` is the raw query string as received; header names are in lower case."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes
    source_ip: str = ""

    def header(self, name: str) -> str:
        return self.headers.get(name, "")

    @property
    def media_type(self) -> str:
        return _MEDIA_TYPES[self.headers.get("content-type", "")]


_MEDIA_TYPES: Remembered[str] = Remembered(lambda content_type: content_type.partition(";")[0].strip().lower())


ALWAYS = {"cache-control": "no-store"}
"""Headers of every answer."""


class Response(Struct, frozen=True, kw_only=True):
    """`content_type` is sent exactly as it stands here: some SDKs see no error when it has a charset."""

    status: int
    content_type: str
    body: str
    headers: dict[str, str] = {}

    def event(self) -> dict[str, Any]:
        return {
            "statusCode": self.status,
            "headers": {"content-type": self.content_type, **ALWAYS, **self.headers},
            "body": self.body,
            "isBase64Encoded": False,
        }


def request_from_event(event: Mapping[str, Any]) -> Request:
    """Raises `MalformedRequest` for what API Gateway does not send."""
    try:
        http = event["requestContext"]["http"]
        headers = event.get("headers") or {}
        text = event.get("body") or ""
        body = base64.b64decode(text, validate=True) if event.get("isBase64Encoded") else text.encode("utf-8")
        return Request(
            method=http["method"],
            path=event["rawPath"],
            query=event.get("rawQueryString") or "",
            headers=headers,
            body=body,
            source_ip=http.get("sourceIp", ""),
        )
    except (KeyError, TypeError, ValueError, UnicodeError) as e:
        raise MalformedRequest("The event is not an API Gateway HTTP API event of payload format 2.0.") from e


def check_size(request: Request) -> None:
    """Raises `RequestTooLarge`, before anything of the request is parsed."""
    if len(request.body) > MAX_BODY:
        raise RequestTooLarge
    if len(request.query) > MAX_TARGET:
        raise RequestTooLarge(f"The query string is longer than {MAX_TARGET} bytes.")
