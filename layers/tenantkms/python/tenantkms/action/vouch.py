"""Calls that the endpoint vouches for: it has verified a signature, so the principal is an access key.

Whoever may invoke a function could name any principal otherwise. What is invoked is

    {"call": "<the canonical call as JSON>", "until": <Unix seconds>, "mac": "<hex>"}

with the MAC, HMAC-SHA-256 under the key `CALLS` of the tenant's root secret, over the time and the very text. A call
that comes without one is `native`: made by whom IAM allows to invoke the function, for no access key.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Struct

from tenantkms.errors import MalformedRequest

CALLS = "calls"
"""What the root secret derives the key for."""
_SECONDS = 60
"""For so long a call is good: an invocation takes seconds, and nobody is to repeat one of yesterday."""


class _Vouched(Struct, frozen=True, forbid_unknown_fields=True):
    call: str
    until: int
    mac: str


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(dict[str, Any]).decode


def _mac(key: bytes, until: int, text: str) -> str:
    return hmac.digest(key, b"%d\n%b" % (until, text.encode()), hashlib.sha256().name).hex()


def _fits(found: _Vouched, key: bytes) -> bool:
    return hmac.compare_digest(_mac(key, found.until, found.call).encode(), found.mac.encode())


def vouch(call: Mapping[str, Any], key: bytes, now: int) -> bytes:
    """The payload that carries `call`. Raises `UnicodeEncodeError` for what JSON cannot carry."""
    text, until = _encode(call).decode(), now + _SECONDS
    return _encode(_Vouched(text, until, _mac(key, until, text)))


def is_vouched(event: object) -> bool:
    """Whether `event`, whatever was sent, claims that the endpoint has made it."""
    return isinstance(event, dict) and "mac" in event


def vouched(event: Mapping[str, Any], keys: Callable[[bool], Sequence[bytes]], now: int) -> dict[str, Any]:
    """The call in `event`. Raises `MalformedRequest` unless the endpoint has made it, within the last minute.

    `keys` are what it may be under at this time (`Root.valid`).
    """
    try:
        found = msgspec.convert(event, _Vouched)
        if not any(_fits(found, key) for anew in (False, True) for key in keys(anew)):
            raise ValueError("the MAC is another one")
        if not now <= found.until <= now + 2 * _SECONDS:
            raise ValueError("it is not of now")
        return _decode(found.call)
    except (ValueError, msgspec.DecodeError):
        raise MalformedRequest("The endpoint of this tenant has not made this call.") from None
