"""Parameters as a query, a form and JSON: read as Python's own parsers read them, or refused by a domain error.

What a dialect then makes of them travels as JSON, and whatever is refused has an answer in that dialect.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import parse_qsl

import msgspec

from kit import format_v1
from kit.captures import captures
from kit.edits import body, pairs
from kit.hostile import BODIES, FRAGMENTS, VALUES
from tenantkms.crypto.context import canonical
from tenantkms.errors import KmsError
from tenantkms.model.site import Site
from tenantkms.wire import codecs
from tenantkms.wire.dialects import ALIBABA, AWS, DIALECTS, TENCENT, TENCENT_V2, recognise
from tenantkms.wire.dialects.alibaba.protocol import COMMON
from tenantkms.wire.http import FORM, Request
from tenantkms.wire.parse import MAX_DEPTH, Parameters, escape, nest, parse_form, parse_json_object, parse_pairs
from tenantkms.wire.signing import Scheme, alibaba_acs, alibaba_rpc, aws_sigv4, tencent_tc3, tencent_v1
from tenantkms.wire.translate import Dialect, View, decode

WAYS: tuple[tuple[Dialect, Scheme, str], ...] = (
    (ALIBABA, alibaba_rpc.SCHEME, "/"),
    (ALIBABA, alibaba_acs.SCHEME, "/"),
    (TENCENT, tencent_v1.SCHEME, "/"),
    (TENCENT, tencent_tc3.SCHEME, "/"),
    (TENCENT_V2, tencent_v1.SCHEME, "/v2/index.php"),
)
"""How parameters travel: dialect, scheme, path."""
LONGEST_MESSAGE, LONGEST_REFUSAL = 1_003, 3_000
"""Characters that what was wrong may have, and the answer that tells it: what was sent is not sent back."""
_FIELDS = 512
_NAMES = sorted({wire for d in DIALECTS.values() for op in d.operations.values() for wire in op.wires})
_ACTIONS = sorted({action for d in DIALECTS.values() for action in d.operations})
_COMMON = sorted({name for d in DIALECTS.values() for name in d.common})
_FORM_WORDS = [f"&{name}=" for name in (*_NAMES, *_COMMON)] + [f"Action={name}" for name in _ACTIONS]
WORDS = tuple(word.encode() for word in (*_FORM_WORDS, "%00", "%C0", "%F0%9F%98%80", ".0=", ".1.TagKey=", ".a.b="))
JSON_WORDS = tuple(
    word.encode()
    for word in (
        *(f'"{name}":' for name in _NAMES),
        *(f"{name}\n" for name in _ACTIONS),
        *("\\ud800", "\\u0000", "1e999", "NaN", "-0", '{"":""}', "[[[[[[[[", "9" * 20, "true", "null", '"TagKey":'),
    )
)


# -- the three targets -----------------------------------------------------------------------------------


def query(data: bytes) -> None:
    raw = data.decode("latin-1")
    read = _refused_or(lambda: parse_pairs(raw))
    assert read == _reading(raw), "read as no other parser reads it"
    if read is None:
        return
    _check_pairs(read)
    for dialect, scheme, path in WAYS:
        _serve(dialect, scheme, _request("GET", path, raw, b"", read.get("Action", "")))


def form(data: bytes) -> None:
    """A first line, which is a query, and a form."""
    line, _, content = data.partition(b"\n")
    read = _refused_or(lambda: parse_form(content))
    assert read == (_reading(content.decode()) if content.isascii() else None), "read as no other parser reads it"
    both = _refused_or(lambda: Parameters(parse_pairs(line.decode("latin-1")), parse_form(content), COMMON).all)
    if read is not None and both is not None:
        queried = _reading(line.decode("latin-1"))
        assert queried is not None
        assert both == {**queried, **read} == {**read, **queried}, "one parameter with two values"
        assert len(both) == len(queried) + len(read) - len(COMMON & queried.keys() & read.keys())
    action = (both or read or {}).get("Action", "")
    for dialect, scheme, path in WAYS:
        _serve(dialect, scheme, _request("POST", path, line.decode("latin-1"), content, action, FORM))


def json_body(data: bytes) -> None:
    """A first line, which is the Action, and JSON."""
    line, _, content = data.partition(b"\n")
    read = _refused_or(lambda: parse_json_object(content))
    assert read == _reading_json(content), "read as no other parser reads it"
    text = content.decode("utf-8", "surrogateescape")
    for codec in (codecs.context(1024), codecs.json_tags):
        value = _refused_or(lambda codec=codec: codec("EncryptionContext", text))
        if value is not None:
            assert value == json.loads(text) or codec is codecs.json_tags
    context = _refused_or(lambda: canonical(codecs.context(1024)("EncryptionContext", text)))
    if context is not None:
        assert context == format_v1.canonical_context(json.loads(text))
    for dialect, scheme, media_type in (
        (TENCENT, tencent_tc3.SCHEME, "application/json"),
        (AWS, aws_sigv4.SCHEME, "application/x-amz-json-1.1"),
    ):
        _serve(dialect, scheme, _request("POST", "/", "", content, line.decode("latin-1"), media_type))


# -- what holds of all of them ---------------------------------------------------------------------------


def _refused_or(read: Callable[[], Any]) -> Any:
    """What is read; None if it is refused."""
    try:
        return read()
    except KmsError as error:
        refusal = error.message
    assert len(refusal) <= LONGEST_MESSAGE, "what was sent is sent back"
    return None


def _reading(raw: str) -> dict[str, str] | None:
    """The parameters by Python's own parser; None where two parsers may differ."""
    if not raw:
        return {}
    if not all("!" <= char <= "~" for char in raw) or re.search(r"%(?![0-9A-Fa-f]{2})", raw):
        return None
    try:
        found = parse_qsl(raw, keep_blank_values=True, strict_parsing=True, errors="strict")
    except ValueError:
        return None
    return dict(found) if len(dict(found)) == len(found) <= _FIELDS else None


def _check_pairs(read: dict[str, str]) -> None:
    again = "&".join(f"{escape(name)}={escape(value)}" for name, value in read.items())
    assert parse_pairs(again) == read, "escaped anew it is something else"
    for first in (0, 1):
        nested = _refused_or(lambda first=first: nest(read, first))
        if nested is not None:
            assert _flat(nested, first) == read, "nested it says something else"
            assert _depth(nested) <= MAX_DEPTH


def _flat(nested: Mapping[str, Any], first: int) -> dict[str, str]:
    flat: dict[str, str] = {}
    for name, value in nested.items():
        if isinstance(value, str):
            flat[name] = value
            continue
        items = value if isinstance(value, dict) else {str(i): item for i, item in enumerate(value, first)}
        flat |= {f"{name}.{rest}": text for rest, text in _flat(items, first).items()}
    return flat


def _depth(value: object) -> int:
    items = list(value.values()) if isinstance(value, dict) else value if isinstance(value, list) else None
    return 0 if items is None else 1 + max(map(_depth, items), default=0)


def _reading_json(content: bytes) -> dict[str, Any] | None:
    def once(found: list[tuple[str, Any]]) -> dict[str, Any]:
        if len(dict(found)) != len(found):
            raise ValueError
        return dict(found)

    def none(_: str) -> Any:
        raise ValueError

    try:
        value = json.loads(content.decode("utf-8"), object_pairs_hook=once, parse_constant=none)
        json.dumps(value, ensure_ascii=False).encode()  # no lone surrogates
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) and _depth(value) <= MAX_DEPTH else None


SITE = Site(tenant="fuzz")


def _request(method: str, path: str, query: str, content: bytes, action: str, media_type: str = "") -> Request:
    headers = {
        "host": "kms.example.test",
        "x-acs-action": action,
        "x-tc-action": action,
        "x-amz-target": f"TrentService.{action}",
        "content-type": media_type,
    }
    return Request(method=method, path=path, query=query, headers=headers, body=content)


def _serve(dialect: Dialect, scheme: Scheme, request: Request) -> None:
    """From the parameters to the canonical call, in the endpoint's order; every refusal can be told."""
    recognise(request)
    try:
        parameters = dialect.parameters(request, scheme)
        try:
            claim = scheme.read(request, parameters)
        except KmsError as error:
            _told(dialect, request, error)
        else:
            assert all(candidate.signature.isascii() for candidate in claim.candidates("secret"))
        action, _, params = dialect.parse(request, scheme, parameters)
        dialect.fits_another(action, params)
        operation = dialect.operation(action, params)
        if operation is None:
            return
        if dialect.arns:
            dialect.arns.check(params, SITE)
        dialect.check_site(params, SITE)
        call, fields = decode(operation, params, dialect.common)
    except KmsError as error:
        _told(dialect, request, error)
        return
    carried = msgspec.json.encode({**call, **fields})
    assert msgspec.json.decode(carried) == {**call, **fields}, "the Action is told something else"


def _told(dialect: Dialect, request: Request, error: KmsError) -> None:
    answer = dialect.failure(request, "", error, "id", View(SITE))
    answer.body.encode("utf-8")
    assert len(answer.body) <= LONGEST_REFUSAL, "what was sent is sent back"


# -- seeds -----------------------------------------------------------------------------------------------


def query_seeds() -> Iterator[bytes]:
    for capture in captures():
        text = capture.event["rawQueryString"] or body(capture.event).decode("latin-1")
        if not text.startswith(("{", "--")):
            yield text.encode("latin-1")
    yield from (fragment.encode("latin-1") for fragment in (*FRAGMENTS, "a=1&a=2", "a=1&%61=2"))


def form_seeds() -> Iterator[bytes]:
    for seed in query_seeds():
        yield b"\n" + seed
        half = seed.find(b"&", len(seed) // 2)
        yield seed[:half] + b"\n" + seed[half + 1 :]


def json_seeds() -> Iterator[bytes]:
    for capture in captures("tencent"):
        content = body(capture.event)
        if content.startswith(b"{"):
            yield capture.action.encode() + b"\n" + content
        elif content or capture.event["rawQueryString"]:
            named = {name: value for name, value in pairs(capture.event) if "." not in name}
            yield capture.action.encode() + b"\n" + json.dumps(named).encode()
    for content in BODIES:
        yield b"Encrypt\n" + content[:400]
    yield b'Encrypt\n{"EncryptionContext":' + b"[" * 9 + b"]" * 9 + b"}"
    for value in VALUES:
        text = json.dumps({"KeyId": value, "Tags": value})
        yield b"CreateKey\n" + text[:400].encode()
