"""What is kept of a request that was refused: nothing of its body, and no signature."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from msgspec import Struct
from msgspec.structs import replace

from tenantkms.errors import KmsError
from tkms.explain.faults import faults
from tkms.explain.lines import LONGEST, MOST, Line, hidden, lines_of
from tkms.explain.parts import compose
from tkms.explain.received import Received
from tkms.explain.search import Named, search_pairs, search_singles

RIGHT, FOUND, UNKNOWN, SEARCHING = "right", "found", "unknown", "searching"


class Refusal(Struct, frozen=True, kw_only=True):
    """`time` in Unix seconds. `lines` are those of the canonical request, `text` of the string to sign, which has all
    of them where a scheme signs parameters; what may be secret is hidden in both.

    `verdict`: the signature is RIGHT and something else is not; mistakes are FOUND that yield it; it is UNKNOWN which;
    or two at once are being looked for.
    """

    request_id: str
    time: float
    source_ip: str
    dialect: str
    algorithm: str
    way: str
    access_key_id: str
    action: str
    error: str
    reason: str
    method: str
    path: str
    body_bytes: int
    body_sha256: str
    faults: tuple[Named, ...]
    verdict: str
    mistakes: tuple[Named, ...]
    lines: tuple[Line, ...]
    text: tuple[Line, ...]


def _kept(way: str, text: str) -> tuple[Line, ...]:
    return tuple(hidden(line) for line in lines_of(way, text)[:MOST])


def _short(named: Named) -> Named:
    return replace(named, about=named.about[:LONGEST])


def explained(
    received: Received,
    secret: str,
    error: KmsError,
    *,
    request_id: str,
    dialect: str,
    action: str,
    now: float,
    pairs: bool,
) -> Iterator[Refusal]:
    """What is known at once, and then, if it is `pairs`, what is found with more work, which rests in between."""
    request, parts = received.request, received.parts
    canonical, text = compose(parts)
    signed = search_singles(received, secret)
    found = signed.found or ()
    known = RIGHT if signed.found is None else FOUND if found else SEARCHING if pairs else UNKNOWN
    refusal = Refusal(
        request_id=request_id,
        time=now,
        source_ip=request.source_ip,
        dialect=dialect,
        algorithm=parts.algorithm,
        way=parts.way,
        access_key_id=received.access_key_id,
        action=action[:LONGEST],
        error=type(error).__name__,
        reason=error.message,
        method=request.method[:LONGEST],
        path=request.path[:LONGEST],
        body_bytes=len(request.body),
        body_sha256=hashlib.sha256(request.body).hexdigest(),
        faults=tuple(map(_short, faults(received, now))),
        verdict=known,
        mistakes=tuple(map(_short, found)),
        lines=_kept(parts.way, canonical) if received.signed else (),
        text=_kept(parts.way, text),
    )
    yield refusal
    if known == SEARCHING:
        both = search_pairs(received, signed)
        yield replace(refusal, verdict=FOUND if both else UNKNOWN, mistakes=tuple(map(_short, both)))
