"""AWS Signature Version 4 (docs/protocols.md).

It has no nonce, and honest clients send the very same request again: nothing of what only reads is remembered, and what
changes something is answered again as it was the first time (docs/decisions/0032-aws.md).
"""

from __future__ import annotations

import hashlib
import re
import time
from calendar import timegm
from collections.abc import Iterator
from functools import lru_cache

from tenantkms.errors import Unsigned, UnsupportedSignature
from tenantkms.wire.http import Request
from tenantkms.wire.parse import Parameters, escape
from tenantkms.wire.signing import Candidate, Claim, Scheme, derive, required

ALGORITHM = "AWS4-HMAC-SHA256"
SERVICE = "kms"
INVOCATION = "amz-sdk-invocation-id"
"""The header by which AWS's SDKs tell attempts at one call from two calls. Not all sign it."""
TARGET = "x-amz-target"

_AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256 Credential=([^/,\s]{1,256})/([0-9]{8})/([^/,\s]{1,64})/([^/,\s]{1,64})/aws4_request, ?"
    r"SignedHeaders=([a-z0-9;_-]{1,2048}), ?Signature=([0-9a-f]{64})"
)
_DATE = re.compile(r"([0-9]{4})([0-9]{2})([0-9]{2})T([0-9]{2})([0-9]{2})([0-9]{2})Z")
_REQUIRED = ("host", "x-amz-date", TARGET)
_MAX_SIGNED_HEADERS = 64
_UNSAFE_IN_PATH = re.compile(r"[^A-Za-z0-9_.~/-]")
_SPACES = re.compile(" {2,}")


def read(request: Request, _params: Parameters) -> Claim:
    headers = request.headers
    if "X-Amz-" in request.query:
        raise UnsupportedSignature("A presigned request is not accepted: sign the headers.")
    if request.query:
        raise Unsigned("A request has its parameters in the body: the query must be empty.")
    authorization = required(headers, "authorization")
    match = _AUTHORIZATION.fullmatch(authorization)
    if match is None:
        named = authorization.partition(" ")[0][:64]
        if named == ALGORITHM:
            raise Unsigned("The Authorization header is not complete.")
        raise UnsupportedSignature(f"{named} is not accepted: the Authorization header must be {ALGORITHM}.")
    access_key_id, date, region, service, listed, signature = match.groups()
    if service != SERVICE:
        raise Unsigned(f"Credential should be scoped to correct service: '{SERVICE}'.")
    signed = _signed_headers(listed)
    for name in signed:
        if name not in headers:
            raise Unsigned(f"The header {name} must be sent and signed.")
    for name in headers:
        if name.startswith("x-amz-") and name not in signed:
            raise Unsigned(f"The header {name[:64]} must be signed.")
    if headers.get("x-amz-content-sha256", "").startswith(("UNSIGNED-PAYLOAD", "STREAMING-")):
        raise UnsupportedSignature("An unsigned or streaming payload is not accepted: the body must be signed.")
    stamp = headers["x-amz-date"]
    if stamp[:8] != date:
        raise Unsigned("The Credential's date is not the date of X-Amz-Date.")
    return Claim(
        access_key_id=access_key_id,
        algorithm=ALGORITHM,
        signature=signature,
        time=_seconds(stamp),
        token=headers.get("x-amz-security-token", ""),
        replay="",
        candidates=lambda secret: _candidates(request, signed, secret, stamp, (date, region, service)),
    )


@lru_cache(maxsize=64)
def _signed_headers(listed: str) -> tuple[str, ...]:
    """The names in SignedHeaders, of which SDKs send the same few lists. Raises `Unsigned`."""
    names = listed.split(";")
    if len(names) > _MAX_SIGNED_HEADERS or names != sorted(set(names)):
        raise Unsigned(f"SignedHeaders must be sorted, without repetition, and at most {_MAX_SIGNED_HEADERS}.")
    for name in _REQUIRED:
        if name not in names:
            raise Unsigned(f"The header {name} must be sent and signed.")
    return tuple(names)


@lru_cache(maxsize=16)
def _seconds(stamp: str) -> int:
    """Unix seconds of `YYYYMMDDThhmmssZ`. Raises `Unsigned`."""
    match = _DATE.fullmatch(stamp)
    year, month, day, hour, minute, second = map(int, match.groups()) if match else (0, 0, 0, 0, 0, 0)
    at = timegm((year, month, day, hour, minute, second)) if match and 1 <= month <= 12 and year else None
    if at is None or _stamp(at) != stamp:
        raise Unsigned("X-Amz-Date is not of the form YYYYMMDDThhmmssZ.")
    return at


def _stamp(at: int) -> str:
    return time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(at))


def _candidates(
    request: Request, signed: tuple[str, ...], secret: str, stamp: str, scope: tuple[str, str, str]
) -> Iterator[Candidate]:
    """The one form that there is, or none. The body is always hashed here, whatever a header says of it."""
    payload = hashlib.sha256(request.body).hexdigest()
    said = request.headers.get("x-amz-content-sha256")
    if said is not None and said != payload:
        return
    path = request.path
    if not path.replace("/", "").isalnum():
        path = escape(path, _UNSAFE_IN_PATH)
    sent = request.headers
    lines = "".join([f"{name}:{_SPACES.sub(' ', sent[name])}\n" for name in signed])
    canonical = f"{request.method}\n{path}\n\n{lines}\n{';'.join(signed)}\n{payload}"
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    text = f"{ALGORITHM}\n{stamp}\n{'/'.join(scope)}/aws4_request\n{digest}"
    yield Candidate(derive(secret, "AWS4", *scope, "aws4_request")(text.encode()).hex())


def call_id(request: Request) -> str:
    """The SDK's id of the call that `request` is an attempt at, or else the signature."""
    return request.header(INVOCATION) or request.header("authorization").rpartition("=")[2]


def attempts(request: Request) -> bytes:
    """What attempts at one call have in common, though each is signed anew: the call's id, and what is asked.

    Whoever has the bytes of a request can give it another id where that is not signed, but not another call's answer.
    """
    named = f"{call_id(request)}\n{request.header(TARGET)}\n"
    return hashlib.sha256(named.encode() + request.body).digest()


SCHEME = Scheme("aws-sigv4", 5 * 60, read, headed=True, repeats=attempts)
