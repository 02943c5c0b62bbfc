"""What clients do wrong when they sign: the rows of the explorer's `static/mistakes.js`, by the same ids.

A row changes the parts as such a client would: the row whose signature is the client's has found it. Of two rows that
stand at different places both may be made at once. Two rows of the explorer are missing here, since the server does
not know what a client has typed: the URL (`host-of-url`), and how names of headers were spelled, which is guessed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from msgspec import Struct
from msgspec.structs import replace

from tenantkms.wire.parse import unescape
from tkms.explain import changes as c
from tkms.explain import spellings as spell
from tkms.explain.parts import Parts, base64_text, by_name, same, sha256
from tkms.explain.received import Received


class Mistake(Struct, frozen=True):
    """`served`: the ways in which this service takes that form as well."""

    id: str
    place: str
    ways: frozenset[str]
    make: c.Make
    served: frozenset[str]


def _row(id_: str, place: str, ways: str, make: c.Make, served: str = "") -> Mistake:
    return Mistake(id_, place, frozenset(ways.split()), make, frozenset(served.split()))


HEADED = DERIVED = "acs tc3 aws"
ALL = "rpc acs tc3 aws v1"
_HOSTED = "acs aws tc3 v1"
_TAKEN = "tc3 v1"
_EMPTY = hashlib.sha256(b"").hexdigest()

MISTAKES = (
    _row("host-without-port", "host", _HOSTED, c.hosts(lambda host, *_: (c.bare(host),)), _TAKEN),
    _row(
        "host-default-port",
        "host",
        _HOSTED,
        c.hosts(lambda host, *_: () if c.port(host) else (f"{host}:80", f"{host}:443")),
        _TAKEN,
    ),
    _row("host-of-vendor", "host", _HOSTED, c.hosts(c.of_vendor), _TAKEN),
    _row(
        "host-local",
        "host",
        _HOSTED,
        c.hosts(lambda host, *_: (name + end for name in c.LOCAL for end in ("", c.port(host)))),
    ),
    _row("host-case", "host", _HOSTED, c.hosts(lambda host, *_: (host.lower(), host.upper()))),
    _row("path-root", "path", "tc3 v1 aws", c.fixed(path="/"), _TAKEN),
    _row("path-as-sent", "path", "acs rpc", lambda _parts, received: ({"path": received.request.path},)),
    _row("path-empty", "path", _HOSTED, c.fixed(path="")),
    _row(
        "path-end",
        "path",
        _HOSTED,
        c.one(lambda parts: {"path": parts.path[:-1] if parts.path.endswith("/") else f"{parts.path}/"}),
    ),
    _row("path-escaped-once", "path", "aws", c.fixed(again=same)),
    _row("path-slash-raw", "path", "rpc", c.fixed(place=same)),
    _row("method-other", "method", ALL, c.one(lambda parts: {"method": "POST" if parts.method == "GET" else "GET"})),
    _row("method-lower", "method", ALL, c.one(lambda parts: {"method": parts.method.lower()})),
    _row(
        "order-utf16",
        "order",
        "rpc",
        c.fixed(sort=c.by(lambda pair: pair[0].encode("utf-16-be", "surrogatepass"))),
        "rpc",
    ),
    _row("order-as-sent", "order", "rpc acs v1", c.fixed(sort=tuple)),
    _row("order-without-case", "order", "rpc acs v1", c.fixed(sort=c.by(lambda pair: pair[0].lower()))),
    _row("order-by-pair", "order", "rpc acs v1", c.fixed(sort=c.by("=".join))),
    _row("order-reversed", "order", "rpc acs v1", c.fixed(sort=c.by(lambda pair: pair, reverse=True))),
    _row("escape-loose", "escape", "rpc acs", c.fixed(escape=spell.loose, again=spell.loose), "rpc"),
    _row("escape-plus", "escape", "rpc acs", c.spellings(spell.plus)),
    _row("escape-java", "escape", "rpc acs", c.spellings(spell.java)),
    _row("escape-lower", "escape", "rpc acs", c.spellings(spell.lower)),
    _row("escape-slash", "escape", "rpc acs", c.spellings(spell.slash)),
    _row("escape-none", "escape", "rpc acs", c.spellings(same)),
    _row("escape-twice", "escape", "rpc acs", c.spellings(spell.twice)),
    _row("escape-again-missing", "again", "rpc", c.fixed(again=same)),
    _row("names-dotted", "escape", "v1", c.each("pairs", lambda pair: (pair[0].replace("_", "."), pair[1])), "v1"),
    _row("names-dotted-late", "escape", "v1", c.fixed(name=c.dotted_late), "v1"),
    _row("values-escaped", "escape", "v1", lambda *_: ({"name": write, "value": write} for write in spell.ALL)),
    _row(
        "blank-unsigned",
        "pairs",
        "rpc acs v1",
        c.one(lambda parts: {"pairs": tuple(pair for pair in parts.pairs if pair[1])}),
    ),
    _row(
        "file-unsigned",
        "pairs",
        "v1",
        c.one(lambda parts: {"pairs": tuple(pair for pair in parts.pairs if pair[1][:1] != "@")}),
    ),
    _row("parameter-unsigned", "pairs", "rpc acs v1", c.dropped("pairs")),
    _row("form-in-query", "pairs", "acs", lambda _parts, received: ({"pairs": received.every},)),
    _row("query-unsigned", "pairs", "acs", c.fixed(pairs=())),
    _row("query-decoded", "query", "tc3", c.queries(tuple, same)),
    _row("query-respelled", "query", "tc3", c.queries(tuple, *spell.ALL)),
    _row("query-sorted", "query", "tc3", c.queries(by_name, *spell.ALL[:3])),
    _row("query-unsigned", "query", "tc3", c.fixed(query="")),
    _row("query-mark", "query", "tc3", c.one(lambda parts: {"query": f"?{parts.query}"})),
    _row("header-values-lower", "headers", HEADED, c.each("headers", lambda pair: (pair[0], pair[1].lower())), "tc3"),
    _row("header-names-as-sent", "headers", HEADED, c.each("headers", lambda pair: (pair[0].title(), pair[1]))),
    _row("header-space", "headers", HEADED, c.fixed(line=lambda name, value: f"{name}: {value}\n")),
    _row("header-gap", "headers", HEADED, c.fixed(gap="")),
    _row("header-unsigned", "headers", HEADED, c.dropped("headers")),
    _row("content-type", "headers", HEADED, c.content_type),
    _row("body-empty", "body", HEADED, c.fixed(payload=_EMPTY)),
    _row("body-newline", "body", HEADED, c.ends),
    _row("body-respelled", "body", HEADED, c.bodies(c.respelled)),
    _row("body-decoded", "body", HEADED, c.bodies(lambda body: (unescape(body.decode("latin-1"), "replace"),))),
    _row(
        "body-unsigned",
        "body",
        HEADED,
        lambda *_: ({"payload": text} for text in ("UNSIGNED-PAYLOAD", sha256("UNSIGNED-PAYLOAD"))),
    ),
    _row("body-hash-missing", "body", HEADED, c.fixed(payload="")),
    _row("body-unhashed", "body", HEADED, lambda _parts, received: ({"payload": c.text_of(received.request.body)},)),
    _row("body-hash-upper", "body", HEADED, c.one(lambda parts: {"payload": parts.payload.upper()})),
    _row("time-taken-twice", "time", ALL, c.shifts((-1, 1, -2, 2, -3, 3))),
    _row("time-local", "time", ALL, c.shifts([3600 * hours for hours in c.HOURS])),
    _row("time-milliseconds", "time", "tc3 v1", lambda parts, received: (c.stamped(parts, f"{received.stamp}000"),)),
    _row("scope-date", "scope", DERIVED, c.dates),
    _row("scope-date-form", "scope", DERIVED, c.one(c.date_form)),
    _row("scope-region", "scope", "acs aws", c.scoped(1, lambda _: (*c.AWS_REGIONS, *c.ACS_REGIONS))),
    _row("scope-service", "scope", DERIVED, c.scoped(-2, lambda parts: (*c.SERVICES, parts.host.partition(".")[0]))),
    _row("scope-end", "scope", DERIVED, c.one(lambda parts: {"steps": parts.scope[:-1]})),
    _row("scope-swapped", "scope", "acs aws", c.swapped),
    _row("secret-space", "key", ALL, c.secrets(c.spaced)),
    _row("secret-bare", "key", "rpc tc3 aws acs", c.bare_secret),
    _row("secret-ampersand", "key", "acs tc3 aws v1", c.fixed(suffix="&")),
    _row("secret-is-id", "key", ALL, lambda _parts, received: ({"secret": received.access_key_id},)),
    _row("secret-quoted", "key", ALL, c.secrets(lambda parts: (f'"{parts.secret}"', f"'{parts.secret}'"))),
    _row("key-underived", "key", DERIVED, c.underived),
    _row("key-hex", "key", DERIVED, c.hex_key),
    _row("hash-other", "hash", ALL, c.one(lambda parts: {"hash": "sha256" if parts.hash == "sha1" else "sha1"})),
    _row("hash-label", "hash", "v1", c.one(lambda parts: {"hashed": not parts.hashed, "hash": "sha256"})),
    _row("text-unhashed", "text", HEADED, c.fixed(digest=same)),
    _row("digest-upper", "text", HEADED, c.fixed(digest=lambda text: sha256(text).upper())),
    _row("text-newline", "text", ALL, c.fixed(text=lambda text, _: f"{text}\n")),
    _row("canonical-newline", "text", HEADED, c.fixed(canonical=lambda text: f"{text}\n")),
    _row("text-crlf", "text", HEADED, lambda *_: c.ended("\r\n")),
    _row("text-literal", "text", HEADED, lambda *_: (*c.ended("\\n"), {"canonical": c.ended("\\n")[0]["canonical"]})),
    _row("text-canonical", "text", HEADED, c.fixed(text=lambda _, canonical: canonical)),
    _row("signature-encoding", "write", ALL, c.writes(bytes.hex, base64_text, c.hex_in_base64)),
    _row("signature-upper", "write", HEADED, c.writes(lambda sum_: sum_.hex().upper())),
    _row("signature-plus", "write", "rpc v1", c.writes(lambda sum_: base64_text(sum_).replace("+", " "))),
    _row("signature-escaped-twice", "write", "rpc v1", c.writes(lambda sum_: spell.strict(base64_text(sum_)))),
    _row("signature-unpadded", "write", "rpc v1", c.writes(lambda sum_: base64_text(sum_).rstrip("="))),
)


def made(mistake: Mistake, parts: Parts, received: Received) -> Iterator[tuple[Parts, str]]:
    """What a row makes of `parts`, each with what it is about."""
    if parts.way not in mistake.ways or (mistake.place == "scope" and not parts.scope):
        return  # ACS3 signs with the secret itself
    for change in mistake.make(parts, received):
        fields = dict(change)
        about = str(fields.pop("about", ""))
        yield replace(parts, **fields), about
