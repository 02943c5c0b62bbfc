"""ASGI to API Gateway HTTP API events (payload format 2.0) and back: the front of one machine."""

from __future__ import annotations

import asyncio
import base64
import re
import time
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl
from uuid import uuid4

from tenantkms.wire.http import MAX_BODY

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Endpoint = Callable[[Mapping[str, Any]], dict[str, Any]]

_ACCOUNT = "000000000000"
_ACTION_HEADERS = (b"x-acs-action", b"x-tc-action")


def event_from_scope(scope: Scope, body: bytes) -> dict[str, Any]:
    """The event that an HTTP API with the `$default` route and stage makes of the same request.

    Header names are in lower case and repeated headers are joined by commas, except cookies, which have a
    list of their own. A body travels as text only if its type says that it is.
    """
    headers: dict[str, str] = {}
    cookies: list[str] = []
    for raw_name, raw_value in scope["headers"]:
        # The parser leaves the white space after a value; it is not a part of it (RFC 9110, section 5.5).
        name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1").strip(" \t")
        if name == "cookie":
            cookies += [part.strip() for part in value.split(";")]
        else:
            headers[name] = f"{headers[name]},{value}" if name in headers else value
    host = headers.get("host", "")
    path = scope["raw_path"].decode("latin-1") if scope.get("raw_path") else scope["path"]
    client = scope.get("client") or ("", 0)
    now = time.time()
    event: dict[str, Any] = {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": scope["query_string"].decode("latin-1"),
        "headers": headers,
        "requestContext": {
            "accountId": _ACCOUNT,
            "apiId": "local",
            "domainName": host,
            "domainPrefix": host.partition(".")[0],
            "http": {
                "method": scope["method"],
                "path": path,
                "protocol": f"HTTP/{scope.get('http_version', '1.1')}",
                "sourceIp": client[0],
                "userAgent": headers.get("user-agent", ""),
            },
            "requestId": uuid4().hex,
            "routeKey": "$default",
            "stage": "$default",
            "time": datetime.fromtimestamp(now, UTC).strftime("%d/%b/%Y:%H:%M:%S +0000"),
            "timeEpoch": int(now * 1000),
        },
        "isBase64Encoded": False,
    }
    if cookies:
        event["cookies"] = cookies
    if scope["query_string"]:
        event["queryStringParameters"] = _query_parameters(event["rawQueryString"])
    if body:
        if _is_text(headers.get("content-type", "")):
            try:
                event["body"] = body.decode("utf-8")
            except UnicodeDecodeError:
                event["body"], event["isBase64Encoded"] = base64.b64encode(body).decode(), True
        else:
            event["body"], event["isBase64Encoded"] = base64.b64encode(body).decode(), True
    return event


def _query_parameters(query: str) -> dict[str, str]:
    """Decoded, the values of a repeated name joined by commas; for other handlers: the endpoint reads the raw query."""
    found: dict[str, str] = {}
    for name, value in parse_qsl(query, keep_blank_values=True):
        found[name] = f"{found[name]},{value}" if name in found else value
    return found


def _is_text(content_type: str) -> bool:
    return content_type.startswith(("text/", "application/json", "application/xml", "application/javascript"))


_SLOW = re.compile(rb"CreateKey|RotateKey|GetParametersForImport")


class App:
    """The ASGI application of an endpoint.

    Requests are answered in turn on the event loop, each in a fraction of a millisecond; those that may make an
    RSA key, which can take a second, go to a thread.
    """

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        body = await _body(receive)
        if body is None:
            return
        event = event_from_scope(scope, body)
        if _may_be_slow(scope, body):
            answer = await asyncio.to_thread(self._endpoint, event)
        else:
            answer = self._endpoint(event)
        payload = answer["body"].encode("utf-8")
        headers = [(name.encode(), value.encode()) for name, value in answer["headers"].items()]
        headers.append((b"content-length", str(len(payload)).encode()))
        await send({"type": "http.response.start", "status": answer["statusCode"], "headers": headers})
        # An answer to HEAD tells the length of the body that GET would have.
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else payload})


def _may_be_slow(scope: Scope, body: bytes) -> bool:
    """A look at the raw places where an Action may stand: being wrong costs a thread's start, no more."""
    if _SLOW.search(scope["query_string"]) or _SLOW.search(body):
        return True
    return any(name in _ACTION_HEADERS and _SLOW.search(value) for name, value in scope["headers"])


async def _body(receive: Receive) -> bytes | None:
    """The request's body; one that is too long is cut where the endpoint will see that it is. None: the client left."""
    message = await receive()
    if message["type"] == "http.disconnect":
        return None
    body: bytes = message.get("body", b"")
    while message.get("more_body"):
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        if len(body) <= MAX_BODY:
            body += message.get("body", b"")
    return body
