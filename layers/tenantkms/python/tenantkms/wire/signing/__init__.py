"""Signature schemes, one per file: pure functions of the request, the secret and nothing else.

A scheme reads a request's claim (`Claim`), and `verify` compares what the claim carries with what the secret
makes of the request. It raises `SignatureMismatch`; nothing here returns a bool that could be forgotten.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime

from msgspec import Struct

from tenantkms.crypto.hmacs import Hmac
from tenantkms.errors import RequestExpired, SignatureMismatch, Unsigned
from tenantkms.model.credential import Secret
from tenantkms.wire.http import Request
from tenantkms.wire.parse import Parameters

_ISO = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{3})?Z")


class Candidate(Struct, frozen=True):
    """One form of the string to sign that an SDK is known to use, signed.

    `uncovered` names the parameters that this form leaves out: they are not to be believed.
    """

    signature: str
    uncovered: frozenset[str] = frozenset()


class Claim(Struct, frozen=True):
    """What a request says of its signature. `time` in Unix seconds; `replay` is what may be seen only once."""

    access_key_id: str
    algorithm: str
    signature: str
    time: int
    token: str
    replay: str
    candidates: Callable[[str], Iterable[Candidate]]
    """From the secret to the signatures that would be right."""


class Scheme(Struct, frozen=True):
    """`window`: seconds that a request's time may differ from ours. `headed`: Action and Version travel in headers.

    `alike`: the signature covers neither the Action nor anything that is new each time, so that honest requests of one
    second may have the same one. `repeats`: it covers the Action, and honest clients send a request again; from one to
    what all attempts at its call have in common, which are answered alike if they change something.
    """

    name: str
    window: int
    read: Callable[[Request, Parameters], Claim]
    headed: bool = False
    alike: bool = False
    repeats: Callable[[Request], bytes] | None = None


def verify(claim: Claim, secret: str) -> frozenset[str]:
    """The names of the parameters that the signature does not cover. Raises `SignatureMismatch`."""
    sent = claim.signature.encode("utf-8", "replace")
    for candidate in claim.candidates(secret):
        if hmac.compare_digest(candidate.signature.encode("ascii"), sent):
            return candidate.uncovered
    raise SignatureMismatch


def derive(secret: str, start: str, *parts: str, end: str = "", name: str = "sha256") -> Hmac:
    """HMAC under the signing key of a secret between `start` and `end`: what `parts` make of it, one HMAC-SHA256 after
    the other, if there are any.

    They name a day and a service, so that an SDK's requests have the same one all day: a `Secret` keeps the last.
    """
    made = (start, parts, end, name)
    last = secret.derived if isinstance(secret, Secret) else None
    if last and last[0] == made:
        return last[1]
    key = f"{start}{secret}{end}".encode()
    for part in parts:
        key = hmac.digest(key, part.encode(), "sha256")
    keyed = Hmac(key, name)
    if isinstance(secret, Secret):
        secret.derived = (made, keyed)
    return keyed


def check_time(claim: Claim, window: int, now: float, not_before: int = 0) -> None:
    """Raises `RequestExpired` when the request's time is further than `window` seconds from `now`, or too early."""
    if abs(now - claim.time) > window or claim.time < not_before:
        raise RequestExpired


def parse_iso(text: str) -> int:
    """Unix seconds of `YYYY-MM-DDThh:mm:ssZ`, with milliseconds or without. Raises `Unsigned`."""
    try:
        if not _ISO.fullmatch(text):
            raise ValueError
        return int(datetime.fromisoformat(text).timestamp())
    except ValueError:
        raise Unsigned("The request's time is not of the form YYYY-MM-DDThh:mm:ssZ.") from None


def parse_unix(text: str) -> int:
    """Unix seconds in decimal digits. Raises `Unsigned`."""
    if not (text.isascii() and text.isdecimal() and len(text) <= 11):
        raise Unsigned("The request's Timestamp is not a number of Unix seconds.")
    return int(text)


def required(values: Mapping[str, str], name: str) -> str:
    """A part of the authentication that must be there and not blank. Raises `Unsigned` with its name."""
    value = values.get(name, "")
    if not value:
        raise Unsigned(f"{name} is missing.")
    return value
