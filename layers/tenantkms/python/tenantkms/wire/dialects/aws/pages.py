"""Pages of AWS KMS's lists: what a Marker says, as it is asked for and as it is answered."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Mapping
from typing import Any

from tenantkms.crypto.strings import decode_base64
from tenantkms.wire.dialects.aws import fields
from tenantkms.wire.dialects.aws.errors import BadMarker
from tenantkms.wire.dialects.aws.rows import given
from tenantkms.wire.shapes import Shape, shaped
from tenantkms.wire.translate import Codec, In, Out, Target, View

_SAID = fields.text(1, 1024)
_FORM = re.compile("(?P<of>[A-Za-z]+) (?P<key>[0-9a-f-]*) (?P<at>[1-9][0-9]{0,6})")
LIMIT = given("Limit", "limit", fields.integer(1, 1000))


def marker(operation: str) -> Codec:
    """(key's id or "", offset) of a Marker that `operation` has answered: see `more`."""

    @shaped(Shape("text", 1, 1024))
    def codec(wire: str, value: Any) -> tuple[str, int]:
        said = _SAID(wire, value)
        found = _FORM.fullmatch((decode_base64(said) or b"").decode("ascii", "replace"))
        if found is None or found["of"] != operation:
            raise BadMarker
        return found["key"], int(found["at"])

    return codec


def offset(name: str) -> Target:
    """Of a Marker that was answered for the key that this call is about; the key's parameter stands before it."""

    def put(canonical: dict[str, Any], _call: dict[str, Any], value: tuple[str, int]) -> None:
        key, at = value
        if [key or None] != canonical.get("key_ids", [canonical.get("key_id")]):
            raise BadMarker
        canonical[name] = at

    return Target(name, put)


@shaped(Shape("text", 1, 1024))
def no_marker(wire: str, value: Any) -> dict[str, Any]:
    """Of an operation that answers none."""
    _SAID(wire, value)
    raise BadMarker


def page(operation: str, start: str = "offset") -> tuple[In, ...]:
    """`start`: the canonical parameter that says where the page begins."""
    return (LIMIT, given("Marker", offset(start), marker(operation)))


def more(operation: str, rest: Out, key: Callable[[Mapping[str, Any]], str]) -> dict[str, Out]:
    """`Truncated`, and a `NextMarker` only where it is true: it is for this operation, and for the key of that id ("":
    for none). `rest` is the next page's offset, 0 on the last one."""

    def next_marker(result: Mapping[str, Any], view: View) -> str | None:
        at = rest(result, view)
        return base64.b64encode(f"{operation} {key(result)} {at}".encode()).decode() if at else None

    return {"NextMarker": next_marker, "Truncated": lambda result, view: bool(rest(result, view))}


def row_key(name: str) -> Callable[[Mapping[str, Any]], str]:
    """The key of all rows of the list `name`."""
    return lambda result: str(result[name][0]["key_id"])


def rest_of(name: str) -> Out:
    """The offset of the page after this one of the list `name`, or 0."""

    def rest(result: Mapping[str, Any], _view: View) -> int:
        at: int = result["offset"] + len(result[name])
        return at if result[name] and at < result["total"] else 0

    return rest


def rows_of_one_key(result: Mapping[str, Any], _view: View) -> int:
    """The offset that a `Place` says where it is of the one key that was asked for, or 0."""
    place = result["next"]
    rows: int = place["rows"] if isinstance(place, Mapping) else place or 0  # a number: of the release before
    return rows
