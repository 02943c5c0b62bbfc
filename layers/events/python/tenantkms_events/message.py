"""The message: what is to be sealed, under which key, and where the ciphertext goes.

    {"v": 1, "id": "github-4711", "key": "alias/ci", "plaintext": "..", "encryption_context": {"app": "shop"},
     "target": {"type": "secretsmanager", "name": "shop/github"}, "sequence": 17}

The plaintext is given once: as `plaintext` (a text), `plaintext_base64` (bytes), or `plaintext_wrapped` (encrypted
under the wrapping key, base64). `encryption_context` and `sequence` may be left out.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from tenantkms.model.profiles import PROFILES
from tenantkms.names import NATIVE
from tenantkms_events.errors import (
    INVALID_MESSAGE,
    MESSAGE_TOO_LARGE,
    REPEATED_FIELD,
    UNKNOWN_FIELD,
    UNSUPPORTED_VERSION,
    Rejected,
)

MAX_BODY = 262_144
"""Bytes of a message."""
_CONTEXT_LIMIT = PROFILES[NATIVE].context_limit
_MAX_SEQUENCE = 2**53 - 1  # beyond it JSON's readers differ


class _Target(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type"):
    """Where a ciphertext goes. Names are those of the service, in the account and region of the tenant."""


class SecretsManager(_Target, frozen=True, kw_only=True, tag="secretsmanager"):
    name: Annotated[str, Meta(pattern=r"\A[A-Za-z0-9/_+=.@-]{1,512}\Z")]


class Parameter(_Target, frozen=True, kw_only=True, tag="ssm"):
    name: Annotated[str, Meta(pattern=r"\A[A-Za-z0-9_./-]{1,1011}\Z")]


class Object(_Target, frozen=True, kw_only=True, tag="s3"):
    """`name` is the key in the tenant's bucket of sealed objects."""

    name: Annotated[str, Meta(pattern=r"\A[A-Za-z0-9!_.*'()/-]{1,1024}\Z")]


class Item(_Target, frozen=True, kw_only=True, tag="dynamodb"):
    """`name` is the table's; `key` the item's primary key, whose attributes are strings."""

    name: Annotated[str, Meta(pattern=r"\A[A-Za-z0-9_.-]{3,255}\Z")]
    key: Annotated[
        dict[Annotated[str, Meta(min_length=1, max_length=255)], Annotated[str, Meta(min_length=1, max_length=1024)]],
        Meta(min_length=1, max_length=2),
    ]


class Bus(_Target, frozen=True, kw_only=True, tag="eventbridge"):
    """The event `SecretSealed` on the bus `name` is what is delivered."""

    name: Annotated[str, Meta(pattern=r"\A[A-Za-z0-9_./-]{1,256}\Z")]


Target = SecretsManager | Parameter | Object | Item | Bus


def kind_of(target: Target) -> str:
    """Its `type`, as messages say it."""
    return str(target.__struct_config__.tag)


class Message(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    v: Literal[1]
    id: Annotated[str, Meta(pattern=r"\A[A-Za-z0-9_.:/+=@-]{1,128}\Z")]
    key: Annotated[str, Meta(pattern=r"\A[A-Za-z0-9_/:-]{1,261}\Z")]
    plaintext: str | UnsetType = UNSET
    plaintext_base64: str | UnsetType = UNSET
    plaintext_wrapped: str | UnsetType = UNSET
    encryption_context: dict[str, str] = {}
    target: Target
    sequence: Annotated[int, Meta(ge=0, le=_MAX_SEQUENCE)] | None = None

    def __repr__(self) -> str:
        return "Message(..)"


class Secret(Struct, frozen=True):
    """What a message brings: the plaintext, or what it was encrypted to under the wrapping key."""

    content: bytes
    wrapped: bool

    def __repr__(self) -> str:
        return "Secret(..)"


_decode = msgspec.json.Decoder(Message).decode
_PLACE = re.compile(r" - at `\$\.(\w+)|^Object missing required field `(\w+)`$")
_PLAINTEXTS = ("plaintext", "plaintext_base64", "plaintext_wrapped")


def size(body: str) -> int:
    """Bytes of a body, whatever it holds."""
    return len(body.encode("utf-8", "surrogatepass"))


def read(body: str) -> tuple[Message, Secret]:
    """Raises `Rejected`, which says nothing of what stands in it but the name of a field that a message may have."""
    if size(body) > MAX_BODY:
        raise Rejected(MESSAGE_TOO_LARGE)
    try:
        message = _decode(body)
        json.loads(body, object_pairs_hook=_once)
        secret = _secret(message)
        msgspec.json.encode(message)  # JSON lets lone surrogates through, which nothing after this can hold
    except msgspec.ValidationError as error:
        raise _misfit(str(error)) from None
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        raise Rejected(INVALID_MESSAGE) from None
    if sum(len(k) + len(v) for k, v in message.encryption_context.items()) > _CONTEXT_LIMIT:
        raise Rejected(INVALID_MESSAGE, "encryption_context")
    return message, secret


def _misfit(said: str) -> Rejected:
    place = _PLACE.search(said)
    field = place[1] or place[2] if place else ""
    field = field if field in Message.__struct_fields__ else ""
    if "contains unknown field" in said:
        return Rejected(UNKNOWN_FIELD, field)
    return Rejected(UNSUPPORTED_VERSION if field == "v" else INVALID_MESSAGE, field)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise Rejected(REPEATED_FIELD)
    return found


def _secret(message: Message) -> Secret:
    given = [(name, text) for name in _PLAINTEXTS if isinstance(text := getattr(message, name), str)]
    if len(given) != 1:
        raise Rejected(INVALID_MESSAGE, "plaintext")
    ((name, text),) = given
    if name == "plaintext":
        return Secret(text.encode(), wrapped=False)
    try:
        content = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise Rejected(INVALID_MESSAGE, name) from None
    if base64.b64encode(content).decode() != text:
        raise Rejected(INVALID_MESSAGE, name)
    return Secret(content, wrapped=name == "plaintext_wrapped")


def request_of(message: Message, plaintext: bytes) -> bytes:
    """What a message asks for, the same bytes for the same wish however its plaintext was written."""
    context = sorted(message.encryption_context.items())
    return msgspec.json.encode([1, message.id, message.key, plaintext, context, message.target, message.sequence])


class Document(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is delivered: all that Decrypt asks for, and where it comes from."""

    v: int
    id: str
    key_id: str
    key_version_id: str
    ciphertext: bytes
    encryption_context: dict[str, str]
    sequence: int | None = None
