"""Codecs that dialects share: one wire value to one canonical value, or a domain error that names it."""

from __future__ import annotations

import re
from typing import Any

from tenantkms import errors as e
from tenantkms.crypto.strings import decode_base64
from tenantkms.model.key import check_key_id
from tenantkms.wire.parse import parse_json
from tenantkms.wire.shapes import BASE64, BOOLEAN, KEY_ID, TEXT, Shape, like, shaped
from tenantkms.wire.translate import Codec

_INTEGER = re.compile(r"-?[0-9]{1,10}")
_BOOLEANS = {"true": True, "false": False}
TAGS = '[{"TagKey":"team","TagValue":"payments"}]'


@shaped(TEXT)
def text(wire: str, value: Any) -> str:
    """A string that UTF-8 can encode, as it is."""
    if not isinstance(value, str):
        raise e.InvalidParameter(f"{wire} is not a string.")
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        raise e.InvalidParameter(f"{wire} holds a character that UTF-8 cannot encode.") from None
    return value


def integer(low: int, high: int) -> Codec:
    """An integer from `low` to `high`, as a number or as its digits: the documentation of both vendors shows both."""

    @shaped(Shape("integer", low, high))
    def codec(wire: str, value: Any) -> int:
        if isinstance(value, str) and _INTEGER.fullmatch(value):
            value = int(value)
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            raise e.InvalidParameter(f"{wire} is a number from {low} to {high}.")
        return value

    return codec


@shaped(BOOLEAN)
def boolean(wire: str, value: Any) -> bool:
    """A boolean, or its name: Python SDKs send `True`, others `true`."""
    if isinstance(value, str):
        value = _BOOLEANS.get(value.lower(), value)
    if not isinstance(value, bool):
        raise e.InvalidParameter(f"{wire} is true or false.")
    return value


def choice(table: dict[str, Any], error: type[e.KmsError] = e.InvalidParameter) -> Codec:
    """A name of `table`, translated by it."""

    @shaped(Shape("choice", names=(*table,)))
    def codec(wire: str, value: Any) -> Any:
        if not isinstance(value, str) or value not in table:
            raise error(f"{wire} is one of {', '.join(table)}.")
        return table[value]

    return codec


def base64_text(error: type[e.KmsError]) -> Codec:
    """Bytes as canonical base64, which is also how they travel in the canonical call."""

    @shaped(BASE64)
    def codec(wire: str, value: Any) -> str:
        if not isinstance(value, str) or decode_base64(value) is None:
            raise error(f"{wire} is not encoded with base64.")
        return value

    return codec


ciphertext = base64_text(e.MalformedCiphertext)
plaintext = base64_text(e.InvalidPlaintext)


def context(limit: int) -> Codec:
    """An encryption context: JSON text of at most `limit` characters, or the map itself (flattened parameters)."""

    @shaped(Shape("map", most=limit, json=True))
    def codec(wire: str, value: Any) -> dict[str, str]:
        if isinstance(value, str):
            if len(value) > limit:
                raise e.InvalidContext(f"{wire} is longer than {limit} characters.")
            try:
                value = parse_json(value)
            except e.MalformedRequest:
                raise e.InvalidContext(f"{wire} is not the JSON text of an object, or names a key twice.") from None
        if not isinstance(value, dict) or not all(isinstance(item, str) for item in value.values()):
            raise e.InvalidContext(f"{wire} must be a JSON object whose keys and values are strings.")
        together = "".join((*value, *value.values()))
        if len(together) > limit:
            raise e.InvalidContext(f"{wire} is longer than {limit} characters.")
        try:
            together.encode("utf-8")
        except UnicodeEncodeError:
            raise e.InvalidContext(f"{wire} holds a character that UTF-8 cannot encode.") from None
        return value

    return codec


@shaped(KEY_ID)
def key_id(wire: str, value: Any) -> str:
    """A CMK's id, where a dialect allows nothing else."""
    if not isinstance(value, str):
        raise e.InvalidKeyId(f"{wire} is not a string.")
    return check_key_id(value)


@shaped(KEY_ID)
def one_key_id(wire: str, value: Any) -> list[str]:
    """A CMK's id, for an Action that takes a list of them."""
    return [key_id(wire, value)]


@shaped(Shape("list", 1, 100, of=KEY_ID))
def key_ids(wire: str, value: Any) -> list[str]:
    """A list of 1 to 100 CMK ids, none twice."""
    if not isinstance(value, list) or not 1 <= len(value) <= 100:
        raise e.InvalidParameter(f"{wire} is a list of 1 to 100 key ids.")
    ids = [key_id(wire, item) for item in value]
    if len(set(ids)) != len(ids):
        raise e.InvalidParameter(f"{wire} names a key twice.")
    return ids


def alias(pattern: str, rule: str) -> Codec:
    """An alias by a dialect's own rule; without the `alias/` prefix."""
    compiled = re.compile(pattern)

    @shaped(Shape("text", form=pattern, example="example"))
    def codec(wire: str, value: Any) -> str:
        if not isinstance(value, str) or not compiled.fullmatch(value):
            raise e.InvalidAlias(f"{wire}: {rule}")
        return value

    return codec


@shaped(Shape("json", example=TAGS))
def tags(wire: str, value: Any) -> dict[str, str]:
    """A list of `{TagKey, TagValue}`, each key once; at most 20, 128 characters each."""
    if not isinstance(value, list) or len(value) > 20:
        raise e.InvalidParameter(f"{wire} is a list of at most 20 tags.")
    found: dict[str, str] = {}
    for item in value:
        if not isinstance(item, dict) or not item.keys() <= {"TagKey", "TagValue"}:
            raise e.InvalidParameter(f"{wire}: a tag has a TagKey and a TagValue.")
        name, content = item.get("TagKey", ""), item.get("TagValue", "")
        if not (isinstance(name, str) and isinstance(content, str) and 1 <= len(name) <= 128 and len(content) <= 128):
            raise e.InvalidParameter(f"{wire}: TagKey has 1 to 128 characters, TagValue at most 128.")
        if name in found:
            raise e.InvalidParameter(f"{wire} names a TagKey twice.")
        found[text(wire, name)] = text(wire, content)
    return found


@shaped(Shape("json", json=True, example=TAGS))
def json_tags(wire: str, value: Any) -> dict[str, str]:
    """`tags` as JSON text."""
    try:
        rows = parse_json(value) if isinstance(value, str) else value
    except e.MalformedRequest:
        rows = None
    if not isinstance(rows, list):
        raise e.InvalidParameter(f"{wire} is not the JSON text of a list of TagKey and TagValue.")
    return tags(wire, rows)


binary = base64_text(e.InvalidParameter)


def algorithm(table: dict[str, str], *unsupported: str) -> Codec:
    """The name of an algorithm, translated by `table`; those in `unsupported` exist at the vendor only."""
    known = choice(table)

    @like(known)
    def codec(wire: str, value: Any) -> str:
        if value in unsupported:
            raise e.UnsupportedParameter(f"{wire} {value} is not supported here: {SM2_REASON}")
        name: str = known(wire, value)
        return name

    return codec


SM2_REASON = "there is no maintained constant-time implementation of SM2 for the platform that this runs on."


def same(*names: str) -> dict[str, str]:
    """A table of names that are the canonical ones."""
    return {name: name for name in names}
