"""Changes of a signed event, each giving a new event."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl, urlencode

Event = dict[str, Any]
Edit = Callable[[Event], Event]


def body(request: Event) -> bytes:
    text = request["body"] or ""
    return base64.b64decode(text) if request["isBase64Encoded"] else text.encode()


def pairs(request: Event) -> list[tuple[str, str]]:
    """The parameters of the query, or of the form where there is no query."""
    return parse_qsl(request["rawQueryString"] or body(request).decode(), keep_blank_values=True)


def with_pairs(request: Event, changed: list[tuple[str, str]]) -> Event:
    if request["rawQueryString"]:
        return with_query(request, urlencode(changed))
    return with_body(request, urlencode(changed).encode())


def with_body(request: Event, content: bytes) -> Event:
    return {**request, "body": base64.b64encode(content).decode(), "isBase64Encoded": True}


def with_query(request: Event, query: str) -> Event:
    return {**request, "rawQueryString": query}


def with_headers(request: Event, **headers: str) -> Event:
    """`x_acs_action` is the header `x-acs-action`."""
    added = {name.replace("_", "-"): value for name, value in headers.items()}
    return {**request, "headers": {**request["headers"], **added}}


def with_method(request: Event, method: str) -> Event:
    http = {**request["requestContext"]["http"], "method": method}
    return {**request, "requestContext": {**request["requestContext"], "http": http}}


def adding(name: str, value: str = "") -> Edit:
    return lambda request: with_pairs(request, [*pairs(request), (name, value)])


def dropping(name: str) -> Edit:
    return lambda request: with_pairs(request, [pair for pair in pairs(request) if pair[0] != name])


def replacing(name: str, value: str) -> Edit:
    return lambda request: with_pairs(request, [(n, value if n == name else v) for n, v in pairs(request)])


def headers(**changed: str) -> Edit:
    return lambda request: with_headers(request, **changed)


def header_dropped(name: str) -> Edit:
    return lambda request: {**request, "headers": {k: v for k, v in request["headers"].items() if k != name}}


def authorization(old: str, new: str) -> Edit:
    return lambda request: with_headers(request, authorization=request["headers"]["authorization"].replace(old, new))


def method(name: str) -> Edit:
    return lambda request: with_method(request, name)


def query(text: str) -> Edit:
    return lambda request: with_query(request, text)


def query_more(text: str) -> Edit:
    return lambda request: with_query(request, request["rawQueryString"] + text)


def form(content: bytes) -> Edit:
    return lambda request: with_body(request, content)


def form_more(content: bytes) -> Edit:
    return lambda request: with_body(request, body(request) + content)
