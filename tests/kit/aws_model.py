"""The service model of AWS KMS: what each operation's parameters may be, and values that they may not be.

`vectors/contract/aws_requests.json` has it; `Shape` is what it calls `string 1..2048`, `enum <name>`, `[..]` or `{..}`.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from kit.support import VECTORS

_MODEL = json.loads((VECTORS / "contract" / "aws_requests.json").read_text("utf-8"))
OPERATIONS: Mapping[str, Mapping[str, Any]] = _MODEL["operations"]
ENUMS: Mapping[str, list[str]] = _MODEL["enums"]
SERIALIZATION, VALIDATION = "SerializationException", "ValidationException"
Shape = str | list[Any] | dict[str, Any]

_NO_TEXT = (1, 1.5, True, ["a"], {"a": "b"})
_WRONG_TYPE: Mapping[str, tuple[Any, ...]] = {
    "string": _NO_TEXT,
    "enum": _NO_TEXT,
    "blob": (*_NO_TEXT, "?", "QQ", "QQ=", "QR==", " QQ==", "QQ==\n", "QQ-_", "\u00e9"),
    "integer": ("1", 1.5, True, [1], {"a": 1}, ""),
    "boolean": ("true", 1, 0, [True], {}, ""),
    "timestamp": ("2026-11-28", True, [1], {}, ""),
    "map<string,string>": ("a", '{"a":"b"}', 1, True, ["a"], {"a": 1}, {"a": None}, {"a": ["b"]}, {"a": {}}, ""),
}


class Wrong(NamedTuple):
    """A value, and the code of AWS's refusal."""

    value: Any
    code: str


def wrong(shape: Shape) -> Iterator[Wrong]:
    """Values that nothing of `shape` may have: of other types of JSON, outside its bounds, unknown names."""
    if isinstance(shape, list):
        for value in ("a", 1, True, {}, {"a": "b"}, ""):
            yield Wrong(value, SERIALIZATION)
        for value, code in wrong(shape[0]):
            yield Wrong([value], code)
        return
    if isinstance(shape, dict):
        for value in ("a", 1, True, ["a"], ""):
            yield Wrong(value, SERIALIZATION)
        return
    kind, _, rest = shape.partition(" ")
    if kind in ("string", "enum", "blob"):
        yield Wrong("\ud800", SERIALIZATION)  # JSON can hold it, UTF-8 cannot
    for value in _WRONG_TYPE[kind]:
        yield Wrong(value, SERIALIZATION)
    bounds = re.match(r"(\d+)\.\.(\d+)", rest)
    if kind == "enum":
        for value in ("", "NOPE", ENUMS[rest][0].lower(), ENUMS[rest][0] + " ", "a" * 4000):
            yield Wrong(value, VALIDATION)
    elif kind == "map<string,string>":
        yield Wrong({"a": "b" * 10_000}, VALIDATION)
        yield Wrong({"a": "\ud800"}, SERIALIZATION)
    elif bounds and kind != "timestamp":
        yield from _outside(kind, int(bounds[1]), int(bounds[2]))


def _outside(kind: str, low: int, high: int) -> Iterator[Wrong]:
    if kind == "integer":
        for value in (low - 1, high + 1, -(2**31), 2**31, 2**63, 10**30):
            yield Wrong(value, VALIDATION)
        return
    for size in (low - 1, high + 1):
        if size >= 0:
            text = base64.b64encode(bytes(size)).decode() if kind == "blob" else "a" * size
            yield Wrong(text, VALIDATION)
