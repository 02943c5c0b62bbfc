"""What a signature is made of, and how: the schemes once more, so that each part can be made as a client with a mistake
makes it. docs/protocols.md has them in words; `static/signing.js` of the explorer is the same for a browser.

`tenantkms.wire.signing` decides who is let in. Nothing here does.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Callable, Iterable

from msgspec import Struct

from tenantkms.wire import parse

Pair = tuple[str, str]
Pairs = tuple[Pair, ...]
Text = Callable[[str], str]
Keys = dict[object, bytes]


def same(text: str) -> str:
    return text


def coded(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def escape(text: str) -> str:
    """As RFC 3986 has it. What is no text in UTF-8 is escaped as its replacement is."""
    return parse.escape(text.encode("utf-8", "replace").decode())


def sha256(text: str) -> str:
    return hashlib.sha256(coded(text)).hexdigest()


def base64_text(sum_: bytes) -> str:
    return base64.b64encode(sum_).decode()


def by_name(pairs: Iterable[Pair]) -> Pairs:
    return tuple(sorted(pairs))


def by_escaped(pairs: Iterable[Pair]) -> Pairs:
    return tuple(sorted(pairs, key=lambda pair: escape(pair[0])))


def _line(name: str, value: str) -> str:
    return f"{name}:{value}\n"


def _text(text: str, _canonical: str) -> str:
    return text


class Parts(Struct, frozen=True, kw_only=True):
    """What a string to sign is made of, and from `escape` on how it is written, as most schemes do.

    `way`: one of `WAYS`. `steps`: what the key is derived by, if it is not `scope`. A mistake is a change of a field.
    """

    way: str
    algorithm: str
    method: str
    path: str
    host: str = ""
    query: str = ""
    pairs: Pairs = ()
    headers: Pairs = ()
    scope: tuple[str, ...] = ()
    payload: str = ""
    stamp: str = ""
    secret: str = ""
    escape: Text = escape
    again: Text = escape
    place: Text = escape
    sort: Callable[[Iterable[Pair]], Pairs] = by_name
    name: Text = same
    value: Text = same
    line: Callable[[str, str], str] = _line
    gap: str = "\n"
    canonical: Text = same
    digest: Text = sha256
    text: Callable[[str, str], str] = _text
    prefix: str = ""
    suffix: str = ""
    steps: tuple[str, ...] | None = None
    between: Callable[[bytes], bytes] = bytes
    hash: str = "sha256"
    hashed: bool = False
    write: Callable[[bytes], str] = bytes.hex

    def __repr__(self) -> str:
        return f"Parts({self.way})"  # not the secret


def query(parts: Parts) -> str:
    return "&".join([f"{parts.escape(name)}={parts.escape(value)}" for name, value in parts.sort(parts.pairs)])


def _block(parts: Parts, path: str, search: str) -> str:
    lines = "".join([parts.line(name, value) for name, value in parts.headers])
    names = ";".join([name for name, _ in parts.headers])
    return f"{parts.method}\n{path}\n{search}\n{lines}{parts.gap}{names}\n{parts.payload}"


def _dated(parts: Parts, canonical: str) -> tuple[str, str]:
    digest = parts.digest(parts.canonical(canonical))
    return canonical, f"{parts.algorithm}\n{parts.stamp}\n{'/'.join(parts.scope)}\n{digest}"


def _rpc(parts: Parts) -> tuple[str, str]:
    canonical = query(parts)
    return canonical, f"{parts.method}&{parts.place(parts.path)}&{parts.again(parts.canonical(canonical))}"


def _acs(parts: Parts) -> tuple[str, str]:
    canonical = _block(parts, parts.path, query(parts))
    return canonical, f"{parts.algorithm}\n{parts.digest(parts.canonical(canonical))}"


def _tc3(parts: Parts) -> tuple[str, str]:
    return _dated(parts, _block(parts, parts.path, parts.query))


def _aws(parts: Parts) -> tuple[str, str]:
    path = "/".join([parts.again(part) for part in parts.path.split("/")])
    return _dated(parts, _block(parts, path, parts.query))


def _v1(parts: Parts) -> tuple[str, str]:
    canonical = "&".join([f"{parts.name(name)}={parts.value(value)}" for name, value in parts.sort(parts.pairs)])
    rest = parts.canonical(canonical)
    if parts.hashed:
        rest = f"\n{parts.digest(rest)}"
    return canonical, f"{parts.method}{parts.host}{parts.path}?{rest}"


WAYS: dict[str, Callable[[Parts], tuple[str, str]]] = {"rpc": _rpc, "acs": _acs, "tc3": _tc3, "aws": _aws, "v1": _v1}
"""From the parts to the canonical request and the string to sign."""


def _key(parts: Parts, keys: Keys) -> bytes:
    steps = parts.scope if parts.steps is None else parts.steps
    start = f"{parts.prefix}{parts.secret}{parts.suffix}"
    named = start, steps, parts.between is bytes
    found = keys.get(named)
    if found is None:
        found = coded(start)
        for step in steps:
            found = parts.between(hmac.digest(found, coded(step), "sha256"))
        keys[named] = found
    return found


def sign(parts: Parts, text: str, keys: Keys) -> str:
    """The signature of a string to sign. `keys` keeps what is derived from a secret, for who signs often."""
    return parts.write(hmac.digest(_key(parts, keys), coded(text), parts.hash))


def compose(parts: Parts) -> tuple[str, str]:
    """(canonical request, string to sign)"""
    canonical, text = WAYS[parts.way](parts)
    return parts.canonical(canonical), parts.text(text, canonical)
