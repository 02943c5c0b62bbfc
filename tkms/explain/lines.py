"""A canonical request or string to sign, line by line, with what may be secret hidden; and where two of them differ.

A value that is hidden shows as its length and the first 32 bits of its SHA-256, as it stands in what is signed: equal
values show equal. Names show, and values of what names a call and not what it is about.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator, Sequence
from itertools import zip_longest

from msgspec import Struct
from msgspec.structs import replace

from tenantkms.wire.parse import unescape
from tkms.explain.parts import coded, escape

_PUBLIC = frozenset(
    """
    AccessKeyId Action Format KeyId Language Nonce Region RegionId RequestClient SecretId SignatureMethod
    SignatureNonce SignatureType SignatureVersion Timestamp Version keyId
    accept amz-sdk-invocation-id amz-sdk-request content-length content-type date host user-agent
    x-acs-action x-acs-content-sha256 x-acs-date x-acs-signature-nonce x-acs-version
    x-amz-content-sha256 x-amz-date x-amz-target
    x-tc-action x-tc-content-sha256 x-tc-language x-tc-region x-tc-timestamp x-tc-version
    """.split()
)
"""Parameters and headers whose values show."""
LONGEST = 256
"""Characters of a line that show."""
MOST = 128
"""Lines that show."""
_EMPTY = hashlib.sha256(b"").hexdigest()
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9._\[\]-]{0,63}")
"""What may be a parameter's name. Where a client has sent another kind of body as a form, that stands in its place."""
_METHOD = re.compile(r"(?i:get|post|)")
_SUMS = frozenset({"x-acs-content-sha256", "x-amz-content-sha256", "x-tc-content-sha256"})
_SUM = re.compile(r"[0-9a-fA-F]{64}|(?:UNSIGNED|STREAMING)-[A-Z0-9-]{1,64}|")


class Line(Struct, frozen=True, omit_defaults=True):
    """`part` says what it is: of `parameter` and `header` there are several, which have a name."""

    part: str
    text: str
    name: str = ""


def _parameters(text: str) -> Iterator[Line]:
    for pair in text.split("&"):
        yield Line("parameter", pair, unescape(pair.partition("=")[0], "replace"))


def _header(line: str) -> Line:
    name = line.partition(":")[0]
    part = "host" if name.lower() == "host" else "header"
    return Line(part, line, name) if line else Line("gap", line)


def _block(way: str, text: str) -> Iterator[Line]:
    method, path, query, *rest = [*text.split("\n"), "", ""][: max(3, text.count("\n") + 1)]
    yield Line("method", method)
    yield Line("path", path)
    yield from _parameters(query) if way == "acs" and query else (Line("query", query),)
    ends = 2 if len(rest) > 1 else 0
    yield from map(_header, rest[: len(rest) - ends])
    for part, line in zip(("signed headers", "body"), rest[len(rest) - ends :], strict=False):
        yield Line(part, line)


def _rpc(text: str) -> Iterator[Line]:
    method, _, rest = text.partition("&")
    path, _, canonical = rest.partition("&")
    yield Line("method", method)
    yield Line("path", path)
    yield from _parameters(unescape(canonical.replace("+", "%2B"), "replace"))


def _v1(text: str) -> Iterator[Line]:
    """In time for its length, whatever the host is: strangers choose it."""
    head, _, rest = text.partition("?")
    found = _METHOD.match(head)
    start = found.end() if found else 0
    host, slash, path = head[start:].partition("/")
    yield Line("method", head[:start])
    yield Line("host", host)
    yield Line("path", slash + path)
    yield from [Line("digest", rest[1:])] if rest.startswith("\n") else _parameters(rest)


def _named(*parts: str) -> Callable[[str], Iterator[Line]]:
    return lambda text: (Line(part or "more", line or "") for part, line in zip_longest(parts, text.split("\n")))


_TEXT: dict[str, Callable[[str], Iterator[Line]]] = {
    "rpc": _rpc,
    "v1": _v1,
    "acs": _named("algorithm", "digest"),
    "tc3": _named("algorithm", "time", "scope", "digest"),
    "aws": _named("algorithm", "time", "scope", "digest"),
}


def lines_of(way: str, text: str) -> list[Line]:
    """The lines of a string to sign of that way, or else of a canonical request."""
    if way in ("rpc", "v1") or text.startswith(("ACS", "TC3-", "AWS4-")):
        return [*_TEXT[way](text)]
    return [*_block(way, text)]


def secret(value: str) -> str:
    """What stands for `value`."""
    return f"<{len(value)} characters, {hashlib.sha256(coded(value)).hexdigest()[:8]}>"


def _value(name: str, value: str) -> str:
    shows = _SUM.fullmatch(value) if name in _SUMS else name in _PUBLIC or not value
    return value if shows else secret(value)


def shown(name: str) -> str:
    """A parameter's name, or what stands for it where it can be none."""
    return name if _NAME.fullmatch(name) or not name else secret(name)


def _pair(text: str) -> str:
    """`name=value` with what may be secret hidden."""
    written, mark, value = text.partition("=")
    name = unescape(written, "replace")
    return f"{written if shown(name) == name else secret(written)}{mark}{_value(name, value)}"


def _query(text: str) -> str:
    return "&".join(map(_pair, text.split("&")))


def _name(line: Line) -> str:
    return shown(line.name) if line.part == "parameter" else line.name


def hidden(line: Line) -> Line:
    """With what may be secret hidden, and not longer than `LONGEST`."""
    text = line.text
    if line.part == "query":
        text = _query(text)
    elif line.part == "parameter":
        text = _pair(text)
    elif line.name:
        name, mark, value = text.partition(":")
        text = name + mark + _value(line.name.lower(), value)
    elif line.part == "body" and not re.fullmatch(r"[0-9a-fA-F]{64}|UNSIGNED-PAYLOAD|", text):
        text = _value("body", text)  # a client has put the body itself there
    return replace(line, text=text if len(text) <= LONGEST else f"{text[:LONGEST]}..", name=_name(line)[:LONGEST])


def _bare(text: str) -> str:
    return re.sub(r":\d+$", "", text)


def _upper(text: str) -> str:
    return re.sub("%[0-9a-fA-F]{2}", lambda code: code[0].upper(), text)


def _spaces(text: str) -> str:
    return _upper(text.replace("+", "%20"))


def _of_values(change: Callable[[str], str]) -> Callable[[str], str]:
    """Of the value of `name=value`."""

    def changed(text: str) -> str:
        name, mark, value = text.partition("=")
        return f"{name}{mark}{change(value)}" if mark else change(text)

    return changed


def _decoded(text: str) -> str:
    return unescape(text.replace("+", "%2B"), "replace")


_MADE_OURS: Sequence[tuple[str, Callable[[str], str]]] = (
    ("carriage-return", lambda text: text.replace("\r", "")),
    ("spaces", lambda text: re.sub(r"\s*([:=])\s*", r"\1", text.strip(), count=1)),
    ("code-case", _upper),
    ("plus-for-space", _spaces),
    ("not-escaped", _of_values(escape)),
    ("escaped-twice", _of_values(_decoded)),
    ("escaped-otherwise", _of_values(lambda text: escape(unescape(text, "replace")))),
)
"""id -> what makes our line of the client's. Where one does, that is why they differ."""


def why(ours: Line | None, mine: Line | None) -> str:
    """Why a line of the client differs from ours, by the ids of the explorer's `static/differences.js`.

    `ours` is hidden, `mine` is not.
    """
    if mine is None or ours is None:
        return "missing" if mine is None else "extra"
    for id_, change in _MADE_OURS:
        if hidden(replace(mine, text=change(mine.text))).text == ours.text:
            return id_
    if hidden(mine).text.lower() == ours.text.lower():
        return "letter-case"
    if ours.part == "host" and _bare(mine.text) == _bare(ours.text):
        return "port"
    if ours.part == "body":
        return "empty-body" if mine.text == _EMPTY else "body"
    return "follows" if ours.part == "digest" else "value"


class Difference(Struct, frozen=True):
    """The first line that differs: of the server, and of the client, None where there is none."""

    number: int
    why: str
    ours: Line | None
    mine: Line | None


def first_difference(ours: Sequence[Line], mine: Sequence[Line]) -> Difference | None:
    """`ours` are hidden, `mine` are not. Where only the order differs, `why` is `order`."""
    hides = [hidden(line) for line in mine[:MOST]]
    for number, (left, right) in enumerate(zip_longest(ours, hides), 1):
        if left != right:
            same = sorted(line.text for line in ours) == sorted(line.text for line in hides)
            reason = "order" if same else why(left, mine[number - 1] if right else None)
            return Difference(number, reason, left, right)
    return None
