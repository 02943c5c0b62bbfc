"""How a request is told to be of a dialect: by marks that the dialects name, before anything is parsed.

It looks at raw names only: a request that cannot be parsed is still answered in its own dialect. The authentication
decides, never the Action.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import IntEnum

from msgspec import Struct

from tenantkms.wire.http import FORM, MAX_BODY, Request
from tenantkms.wire.signing import Scheme


class Seen:
    """What a request shows. `raw` is `NO_PARAMETERS` where nothing of it can be a parameter."""

    __slots__ = ("authorization", "headers", "path", "raw")

    def __init__(self, request: Request, form_paths: frozenset[str]) -> None:
        self.headers = request.headers
        self.authorization = self.headers.get("authorization", "")
        self.path = request.path
        form = request.body and (request.path in form_paths or request.media_type == FORM)
        # What may be parameters, as it came, each between two `&`.
        self.raw = f"&{request.query}&{request.body[:MAX_BODY].decode('latin-1') if form else ''}&"


NO_PARAMETERS = "&&&"
Condition = Callable[[Seen], bool]


def header(name: str) -> Condition:
    return lambda seen: name in seen.headers


def parameter(name: str) -> Condition:
    given, bare = f"&{name}=", f"&{name}&"
    return lambda seen: given in seen.raw or bare in seen.raw


def value(name: str, text: str) -> Condition:
    part = f"&{name}={text}&"
    return lambda seen: part in seen.raw


def any_parameter(beginning: str) -> Condition:
    part = f"&{beginning}"
    return lambda seen: part in seen.raw


def path(text: str) -> Condition:
    return lambda seen: seen.path == text


def either(one: Condition, other: Condition) -> Condition:
    return lambda seen: one(seen) or other(seen)


def both(one: Condition, other: Condition) -> Condition:
    return lambda seen: one(seen) and other(seen)


def unless(condition: Condition) -> Condition:
    return lambda seen: not condition(seen)


class Rank(IntEnum):
    """How much a mark says: of two that hold, the one of the lower rank decides, and in a rank the dialects' order."""

    HEADER = 1
    CREDENTIAL = 2
    ACTION = 3
    """Without authentication from here on: refused, but in the dialect that the request seems to speak."""
    VERSION = 4


class Mark(Struct, frozen=True):
    """Where `holds`, a request is of the dialect that has this mark, and signed by `scheme` if at all."""

    rank: Rank
    scheme: Scheme
    holds: Condition
