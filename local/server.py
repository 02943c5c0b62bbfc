"""HTTP to API Gateway HTTP API events (payload format 2.0) and back: the front of one machine."""

from __future__ import annotations

import base64
import os
import re
import time
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

import httptools

from local.connection import Answer, Received
from tenantkms.wire.http import unescape

Endpoint = Callable[[Mapping[str, Any]], dict[str, Any]]

_ACCOUNT = "000000000000"
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def event_from_request(request: Received) -> dict[str, Any]:
    """The event that an HTTP API with the `$default` route and stage makes of the same request.

    Header names are in lower case and repeated headers are joined by commas, except cookies, which have a
    list of their own. A body travels as text only if its type says that it is.
    """
    headers: dict[str, str] = {}
    cookies: list[str] = []
    for raw_name, raw_value in request.headers:
        # The parser leaves the white space after a value; it is not a part of it (RFC 9110, section 5.5).
        name, value = _lower(raw_name), raw_value.decode("latin-1").strip(" \t")
        if name == "cookie":
            cookies += [part.strip() for part in value.split(";")]
        else:
            headers[name] = f"{headers[name]},{value}" if name in headers else value
    host = headers.get("host", "")
    path, query = _split(request.target)
    now = time.time()
    event: dict[str, Any] = {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": query,
        "headers": headers,
        "requestContext": {
            "accountId": _ACCOUNT,
            "apiId": "local",
            "domainName": host,
            "domainPrefix": host.partition(".")[0],
            "http": {
                "method": request.method,
                "path": path,
                "protocol": f"HTTP/{request.version}",
                "sourceIp": request.client,
                "userAgent": headers.get("user-agent", ""),
            },
            "requestId": os.urandom(16).hex(),
            "routeKey": "$default",
            "stage": "$default",
            "time": _date(int(now)),
            "timeEpoch": int(now * 1000),
        },
        "isBase64Encoded": False,
    }
    if cookies:
        event["cookies"] = cookies
    if query:
        event["queryStringParameters"] = _query_parameters(query)
    if body := request.body:
        try:
            event["body"] = body.decode("utf-8") if _is_text(headers.get("content-type", "")) else None
        except UnicodeDecodeError:
            event["body"] = None
        if event["body"] is None:
            event["body"], event["isBase64Encoded"] = base64.b64encode(body).decode(), True
    return event


@lru_cache(maxsize=256)
def _lower(name: bytes) -> str:
    return name.decode("latin-1").lower()


def _split(target: bytes) -> tuple[str, str]:
    """(path, query) of a request's target, which is almost always both as they stand."""
    if target.startswith(b"/") and b"#" not in target:
        path, _, query = target.partition(b"?")
    else:
        url = httptools.parse_url(target)
        path, query = url.path or b"", url.query or b""
    return path.decode("latin-1"), query.decode("latin-1")


@lru_cache(maxsize=1)
def _date(second: int) -> str:
    t = time.gmtime(second)
    clock = f"{t.tm_hour:02}:{t.tm_min:02}:{t.tm_sec:02}"
    return f"{t.tm_mday:02}/{_MONTHS[t.tm_mon - 1]}/{t.tm_year}:{clock} +0000"


def _query_parameters(query: str) -> dict[str, str]:
    """Decoded, the values of a repeated name joined by commas; for other handlers: the endpoint reads the raw query."""
    found: dict[str, str] = {}
    for part in query.split("&"):
        name, _, value = part.partition("=")
        if "%" in part or "+" in part:
            name, value = unescape(name, "replace"), unescape(value, "replace")
        if part:
            found[name] = f"{found[name]},{value}" if name in found else value
    return found


def _is_text(content_type: str) -> bool:
    return content_type.startswith(("text/", "application/json", "application/xml", "application/javascript"))


_SLOW = re.compile(r"CreateKey|RotateKey|GetParametersForImport")


class App:
    """The application of an endpoint.

    Requests are answered in turn on the event loop, each in a fraction of a millisecond; those that may make an
    RSA key, which can take a second, go to a thread.
    """

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint

    def prepare(self, request: Received) -> tuple[dict[str, Any], bool]:
        event = event_from_request(request)
        return event, _may_be_slow(event["headers"], event["rawQueryString"], request.body)

    def answer(self, prepared: Mapping[str, Any]) -> Answer:
        answer = self._endpoint(prepared)
        return Answer(answer["statusCode"], answer["headers"], answer["body"].encode("utf-8"))


def _may_be_slow(headers: Mapping[str, str], query: str, body: bytes) -> bool:
    """A look at the raw places where an Action may stand: being wrong costs a thread's start, no more."""
    named = headers.get("x-tc-action") or headers.get("x-acs-action")
    return _SLOW.search(named or f"{query}&{body.decode('latin-1')}") is not None
