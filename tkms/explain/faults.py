"""What is wrong with a signed request whoever signed it: rows of the explorer's `static/faults.js`, by the same ids.

These need no secret. The server refuses each, and tells the client the first that it meets.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

from msgspec import Struct

from tenantkms.wire.http import FORM
from tkms.explain.lines import secret, shown
from tkms.explain.received import Received
from tkms.explain.search import Named
from tkms.explain.times import day, seconds

WINDOW = {"rpc": 900, "acs": 900, "tc3": 300, "v1": 300, "aws": 300}
"""Seconds that a request's time may differ from the server's."""
_MUST = {
    "acs": "host x-acs-action x-acs-version x-acs-date x-acs-signature-nonce x-acs-content-sha256",
    "tc3": "content-type host",
    "aws": "host x-amz-date x-amz-target",
}
_ISO = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{3})?Z"
_STAMP = {"rpc": _ISO, "acs": _ISO, "tc3": r"\d{1,11}", "v1": r"\d{1,11}", "aws": r"\d{8}T\d{6}Z"}
_SCOPE = {
    "acs": r"(?i)\d{8}/[^/]+/kms/aliyun_v4_request",
    "tc3": r"\d{4}-\d\d-\d\d/[^/]+/tc3_request",
    "aws": r"\d{8}/[^/]+/[^/]+/aws4_request",
}
_HIDDEN = re.compile(r"&(?:[A-Za-z0-9._-]+|[A-Za-z]+\.[^&=]*)=")
_HASH = re.compile("[0-9A-Fa-f]{64}")
_UNSIGNED = re.compile(r"UNSIGNED-PAYLOAD|STREAMING-.*", re.IGNORECASE)
_UNITS = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))

Finds = Callable[[Received, float], str]
"""What the fault is about at that time of the server, in Unix seconds, or "" where there is none."""


class Fault(Struct, frozen=True):
    id: str
    ways: frozenset[str]
    finds: Finds


def _row(id_: str, ways: str, finds: Finds) -> Fault:
    return Fault(id_, frozenset(ways.split()), finds)


def _names(found: Iterable[str]) -> str:
    return ", ".join(dict.fromkeys(found))


def _carriers(seen: Received, _now: float) -> str:
    names = {name for name, _ in seen.every}
    carriers: tuple[str, ...] = ("AccessKeyId", "SecretId", "X-Amz-Signature")
    found = [name for name in carriers if name in names]
    found += ["Authorization"] if seen.request.header("authorization") else []
    return _names(found) if len(found) > 1 else ""


def _incomplete(seen: Received, _now: float) -> str:
    parts = {"Credential": seen.access_key_id, "SignedHeaders": seen.signed[0], "Signature": seen.signature}
    return _names(name for name, text in parts.items() if not text)


def _signature_form(seen: Received, _now: float) -> str:
    length = 28 if seen.parts.hash == "sha1" else 44
    form = r"[0-9a-f]{64}" if seen.signed else rf"(?=.{{{length}}}$)[A-Za-z0-9+/]+="
    return "" if not seen.signature or re.fullmatch(form, seen.signature) else f"{len(seen.signature)} characters"


def _unsorted(seen: Received, _now: float) -> str:
    return "" if [*seen.signed] == sorted(set(seen.signed)) else ";".join(seen.signed)


def _unsigned(seen: Received, _now: float) -> str:
    way = seen.parts.way
    must = [*_MUST[way].split()]
    must += [name for name in seen.request.headers if way == "aws" and name.startswith("x-amz-")]
    must += ["x-acs-security-token"] if way == "acs" and seen.token else []
    return _names(name for name in must if name not in seen.signed)


def _body_hash(seen: Received, _now: float) -> str:
    name = {"acs": "x-acs-content-sha256", "aws": "x-amz-content-sha256"}.get(seen.parts.way, "")
    said = seen.request.headers.get(name, seen.parts.payload)
    if said == seen.parts.payload or _UNSIGNED.fullmatch(said):
        return ""
    return said if _HASH.fullmatch(said) else secret(said)  # some put the body itself there


def _body_unsigned(seen: Received, _now: float) -> str:
    said = (seen.request.header(name) for name in ("x-tc-content-sha256", "x-amz-content-sha256"))
    return "".join(text for text in said if _UNSIGNED.fullmatch(text))


def _late(seen: Received, now: float) -> float:
    """Seconds that the request's time is before the server's, as far as that is too many."""
    at = seconds(seen.stamp)
    late = now - at if at is not None else 0
    return late if abs(late) > WINDOW[seen.parts.way] else 0


def _is_zone(late: float) -> bool:
    """Whole half hours, as far as the clock of a machine may be off besides."""
    return 1_700 < abs(late) < 14.2 * 3_600 and abs(abs(late) % 1_800 - 900) > 840


def _span(late: float) -> str:
    left, found = round(abs(late)), []
    for size, unit in _UNITS:
        count, left = divmod(left, size)
        found += [f"{count} {unit}"] if count else []
    return f"{'+' if late < 0 else '-'}{' '.join(found[:2])}"


def _clock(seen: Received, now: float, *, zone: bool) -> str:
    late = _late(seen, now)
    return _span(late) if late and _is_zone(late) == zone else ""


def _derived(seen: Received) -> bool:
    return seen.parts.way != "acs" or seen.parts.algorithm.startswith("ACS4")


def _scope_form(seen: Received, _now: float) -> str:
    scope = "/".join(seen.parts.scope)
    return "" if not _derived(seen) or re.fullmatch(_SCOPE[seen.parts.way], scope) else scope or "-"


def _scope_day(seen: Received, _now: float) -> str:
    said = re.sub(r"^(\d{4})(\d\d)(\d\d)$", r"\1-\2-\3", seen.parts.scope[0] if seen.parts.scope else "")
    stamped = day(seen.stamp)
    return f"{said} ≠ {stamped}" if _derived(seen) and stamped and said and said != stamped else ""


def _scope_service(seen: Received, _now: float) -> str:
    service = seen.parts.scope[2] if len(seen.parts.scope) > 2 else ""
    return service if service != "kms" else ""


def _nonce(seen: Received, _now: float) -> str:
    headed = seen.request.header("x-acs-signature-nonce")
    return "" if (headed if seen.parts.way == "acs" else dict(seen.every).get("Nonce")) else "-"


def _twice(seen: Received, _now: float) -> str:
    found: set[str] = set()
    for name, _ in seen.every:
        if name in found:
            return shown(name)
        found.add(name)
    return ""


def _marked(seen: Received, _now: float) -> str:
    if seen.request.method != "POST":
        return ""
    return next((shown(name) for name, text in seen.every if text.startswith("@")), "")


def _version(seen: Received, _now: float) -> str:
    only = {"SignatureMethod": "HMAC-SHA1", "SignatureVersion": "1.0"}
    return _names(f"{name}={text}" for name, text in seen.every if only.get(name, text) != text)


def _media_type(seen: Received, _now: float) -> str:
    request, way = seen.request, seen.parts.way
    said, body = request.media_type, bool(request.body)
    fits = {
        "aws": said == "application/x-amz-json-1.1",
        "tc3": request.method == "GET" or said in (FORM, "application/json", "application/octet-stream"),
        "acs": not body or said == FORM,
        "rpc": not body or said == FORM,
        "v1": True,
    }
    return "" if fits[way] else said or "-"


HEADED = "acs tc3 aws"
ALL = "rpc acs tc3 v1 aws"

FAULTS = (
    _row("two-carriers", ALL, _carriers),
    _row("authorization-incomplete", HEADED, _incomplete),
    _row("signature-missing", "rpc v1", lambda seen, _: "" if seen.signature else "Signature"),
    _row("signature-form", HEADED, _signature_form),
    _row("signature-form-base64", "rpc v1", _signature_form),
    _row(
        "key-space",
        ALL,
        lambda seen, _: repr(seen.access_key_id) if seen.access_key_id.strip() != seen.access_key_id else "",
    ),
    _row("signed-headers-order", HEADED, _unsorted),
    _row("signed-headers-case", HEADED, lambda seen, _: _names(name for name in seen.signed if name != name.lower())),
    _row(
        "header-not-sent",
        HEADED,
        lambda seen, _: _names(name for name in seen.signed if name and name.lower() not in seen.request.headers),
    ),
    _row("header-must-be-signed", HEADED, _unsigned),
    _row("body-hash-differs", HEADED, _body_hash),
    _row("body-not-signed", HEADED, _body_unsigned),
    _row("time-missing", ALL, lambda seen, _: "" if seen.stamp else "-"),
    _row("time-form", ALL, lambda seen, _: "" if re.fullmatch(_STAMP[seen.parts.way], seen.stamp) else seen.stamp),
    _row("clock-zone", ALL, lambda seen, now: _clock(seen, now, zone=True)),
    _row("clock", ALL, lambda seen, now: _clock(seen, now, zone=False)),
    _row("scope-form", HEADED, _scope_form),
    _row("scope-other-day", HEADED, _scope_day),
    _row("scope-other-service", "aws", _scope_service),
    _row("nonce-missing", "acs v1", _nonce),
    _row("parameter-twice", ALL, _twice),
    _row(
        "hidden-parameter",
        "v1",
        lambda seen, _: next((shown(name) for name, text in seen.every if _HIDDEN.search(text)), ""),
    ),
    _row("file-mark", "v1", _marked),
    _row("signature-version", "rpc", _version),
    _row(
        "query-not-empty", "aws", lambda seen, _: f"{len(seen.request.query)} characters" if seen.request.query else ""
    ),
    _row("media-type", ALL, _media_type),
)


def faults(seen: Received, now: float) -> tuple[Named, ...]:
    """`now`: the server's time, in Unix seconds."""
    found = ((row.id, row.finds(seen, now)) for row in FAULTS if seen.parts.way in row.ways)
    return tuple(Named(id_, about) for id_, about in found if about)
