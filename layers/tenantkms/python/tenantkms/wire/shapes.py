"""What the values of parameters look like: codecs say it of themselves, for pages and forms. No request needs it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, TypeVar

from msgspec import Struct
from msgspec.structs import replace

from tenantkms.wire.translate import Codec

C = TypeVar("C", bound=Codec)
Kind = Literal["text", "integer", "boolean", "choice", "base64", "key", "map", "list", "json"]


class Shape(Struct, frozen=True, omit_defaults=True):
    """What a codec takes, as far as it can be said without the rest of the request.

    `least` and `most` are of an integer itself, of a text's characters, of base64's bytes, of a list's items, and of a
    map's characters in all. `names` are the choices. `form` is a regular expression of the whole value, in what Python
    and JavaScript have in common. `json`: the value travels as JSON text. `of` is the shape of a list's items. `per`:
    so many of the canonical unit are one on the wire. `example` is a value that is taken.
    """

    kind: Kind
    least: int | None = None
    most: int | None = None
    names: tuple[str, ...] = ()
    form: str = ""
    json: bool = False
    of: Shape | None = None
    per: int = 1
    example: str = ""


_SHAPES: dict[Codec, Shape] = {}


def shaped(shape: Shape) -> Callable[[C], C]:
    """A decorator: what is decorated takes values of `shape`."""

    def say(codec: C) -> C:
        _SHAPES[codec] = shape
        return codec

    return say


def shape_of(codec: Codec) -> Shape:
    """Raises `KeyError` for a codec that does not say it."""
    return _SHAPES[codec]


def like(codec: Codec, **changes: Any) -> Callable[[C], C]:
    """A decorator: takes what `codec` takes, but for `changes`."""
    return shaped(replace(_SHAPES[codec], **changes))


TEXT = Shape("text")
BASE64 = Shape("base64")
BOOLEAN = Shape("boolean")
KEY_ID = Shape("key", form="[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
KEY_OR_ARN = Shape("key")
KEY_OR_ALIAS = Shape("key", example="alias/default")
"""An id, an alias, or the ARN of either."""
