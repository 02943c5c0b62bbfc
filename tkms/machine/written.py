"""Answers as they are sent."""

from __future__ import annotations

from email.utils import formatdate
from functools import lru_cache
from http import HTTPStatus
from time import time

from tenantkms.wire.http import ALWAYS, Response


@lru_cache(maxsize=64)
def _head(status: int, content_type: str, second: int, cached: bool) -> str:
    """The beginning of every answer of that status and type in that second; `cached`: it says itself for how long.

    Names are spelled as libmongocrypt needs them, and AWS's SDK for JavaScript sets its clock by the Date.
    """
    always = "".join(f"{name.title()}: {value}\r\n" for name, value in ALWAYS.items() if not cached)
    date = formatdate(second, usegmt=True)
    return f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\nContent-Type: {content_type}\r\nDate: {date}\r\n{always}"


def written(response: Response, method: str, last: bool) -> bytes:
    """The answer as it is sent. One to HEAD tells the length of the body that GET would have."""
    body = response.body.encode("utf-8") if isinstance(response.body, str) else response.body
    cached = "cache-control" in response.headers
    head = f"{_head(response.status, response.content_type, int(time()), cached)}Content-Length: {len(body)}\r\n"
    for name, value in response.headers.items():
        head += f"{name.title()}: {value}\r\n"
    head += "Connection: close\r\n\r\n" if last else "\r\n"
    return head.encode("ascii") + (b"" if method == "HEAD" else body)


def plain(status: int, text: str) -> Response:
    return Response(status=status, content_type="text/plain; charset=utf-8", body=text)
