"""What a request says of its signature, read as far as it can be: the endpoint has refused it."""

from __future__ import annotations

import hashlib
import re
from typing import Any

from msgspec import Struct

from tenantkms.wire.http import FORM, Request
from tenantkms.wire.parse import unescape
from tkms.explain.parts import Pair, Pairs, Parts, base64_text, by_escaped

V2 = "/v2/index.php"
_SPACES = re.compile(" {2,}")
_BEGINNINGS = {"ACS3-": "acs", "ACS4-": "acs", "TC3-": "tc3", "AWS4": "aws"}
_HOW: dict[str, dict[str, Any]] = {
    "ACS3-HMAC-SHA256": {"sort": by_escaped},
    "ACS4-HMAC-SHA256": {"sort": by_escaped, "prefix": "aliyun_v4"},
    "TC3-HMAC-SHA256": {"prefix": "TC3"},
    "AWS4-HMAC-SHA256": {"prefix": "AWS4"},
    "HMAC-SHA1": {"suffix": "&", "hash": "sha1", "write": base64_text},
    "HmacSHA1": {"hash": "sha1", "write": base64_text},
    "HmacSHA256": {"write": base64_text},
    "TC2-HmacSHA256": {"hashed": True, "write": base64_text},
}
"""How what has that name on the wire is signed, where it is not as most are."""
_STAMPS = {"acs": "x-acs-date", "tc3": "x-tc-timestamp", "aws": "x-amz-date"}
_TOKENS = {"acs": "x-acs-security-token", "tc3": "x-tc-token", "aws": "x-amz-security-token"}


class Received(Struct, frozen=True, kw_only=True):
    """`every`: all parameters of query and form, decoded. `signed`: the names in SignedHeaders."""

    request: Request
    parts: Parts
    every: Pairs
    access_key_id: str
    signature: str
    stamp: str
    token: str = ""
    signed: tuple[str, ...] = ()


def pairs(text: str) -> Pairs:
    """Of a query or form, decoded as the server reads it; what cannot be is replaced."""
    return tuple(_pair(part) for part in text.split("&")) if text else ()


def _pair(part: str) -> Pair:
    name, _, value = part.partition("=")
    return unescape(name, "replace"), unescape(value, "replace")


def value(every: Pairs, name: str) -> str:
    return next((text for given, text in every if given == name), "")


def _field(authorization: str, name: str) -> str:
    found = re.search(rf"{name}\s*=\s*([^,\s]+)", authorization)
    return found[1] if found else ""


def read(request: Request) -> Received | None:
    """None for what is not signed, or by no scheme that there is."""
    form = request.media_type == FORM or request.path == V2
    every = (*pairs(request.query), *(pairs(request.body.decode("latin-1")) if form else ()))
    authorization = request.header("authorization")
    if authorization:
        return _headed(request, every, authorization)
    names = {name for name, _ in every}
    if "AccessKeyId" in names:
        return _by_parameters(request, every, "rpc", "HMAC-SHA1", "AccessKeyId", "SecurityToken")
    if "SecretId" in names or request.path == V2:
        method = value(every, "SignatureMethod") or "HmacSHA1"
        if method in ("HmacSHA1", "HmacSHA256", "TC2-HmacSHA256"):
            return _by_parameters(request, every, "v1", method, "SecretId", "Token")
    return None


def _by_parameters(request: Request, every: Pairs, way: str, algorithm: str, key: str, token: str) -> Received:
    parts = Parts(
        way=way,
        algorithm=algorithm,
        method=request.method,
        path="/" if way == "rpc" else request.path,
        host=request.header("host"),
        pairs=tuple(pair for pair in every if pair[0] != "Signature"),
        **_HOW[algorithm],
    )
    return Received(
        request=request,
        parts=parts,
        every=every,
        access_key_id=value(every, key),
        signature=value(every, "Signature"),
        stamp=value(every, "Timestamp"),
        token=value(every, token),
    )


def _headed(request: Request, every: Pairs, authorization: str) -> Received | None:
    algorithm = authorization.partition(" ")[0]
    way = next((way for begin, way in _BEGINNINGS.items() if algorithm.startswith(begin)), "")
    if algorithm not in _HOW or not way:
        return None
    access_key_id, *scope = _field(authorization, "Credential").split("/")
    signed = tuple(_field(authorization, "SignedHeaders").split(";"))
    headers = request.headers
    stamp = headers.get(_STAMPS[way], "")
    parts = Parts(
        way=way,
        algorithm=algorithm,
        method=request.method,
        path="/" if way == "acs" else request.path,
        host=request.header("host"),
        query=request.query,
        pairs=pairs(request.query) if way == "acs" else (),
        headers=tuple((name, _as_signed(way, name, request)) for name in signed),
        scope=tuple(scope),
        payload=hashlib.sha256(request.body).hexdigest(),
        stamp=stamp,
        **_HOW[algorithm],
    )
    return Received(
        request=request,
        parts=parts,
        every=every,
        access_key_id=access_key_id,
        signature=_field(authorization, "Signature"),
        stamp=stamp,
        token=headers.get(_TOKENS[way], ""),
        signed=signed,
    )


def _as_signed(way: str, name: str, request: Request) -> str:
    text = request.header(name.lower())
    if way == "aws":
        return _SPACES.sub(" ", text)
    return text.lower() if way == "tc3" and name == "x-tc-action" else text
