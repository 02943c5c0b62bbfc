"""Tencent TC3-HMAC-SHA256 (docs/protocols.md).

Action, version, region and token travel in headers that it does not sign, and it has no nonce: what stands against
replay is the signature, remembered where it would do for another Action or changes something, and TLS
(docs/decisions/0007-nonces.md).
"""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Iterator, Mapping
from functools import lru_cache

from tenantkms.crypto.hmacs import Hmac
from tenantkms.errors import Unsigned, UnsupportedSignature
from tenantkms.model.profiles import DAY
from tenantkms.wire.http import Request
from tenantkms.wire.parse import Parameters
from tenantkms.wire.signing import Candidate, Claim, Scheme, derive, parse_unix, required

ALGORITHM = "TC3-HMAC-SHA256"
_PUBLIC = ("", "intl.", "internal.")
_REGION = re.compile(r"[a-z0-9-]{1,32}")

_AUTHORIZATION = re.compile(
    r"TC3-HMAC-SHA256 Credential=([^/,\s]{1,256})/(\d{4}-\d\d-\d\d)/([^/,\s]{1,256})/tc3_request, ?"
    r"SignedHeaders=([a-z0-9;_-]{1,2048}), ?Signature=([0-9a-f]{64})"
)
_MAX_SIGNED_HEADERS = 32


def canonical_request(method: str, path: str, query: str, headers: Mapping[str, str], payload: str) -> str:
    """`headers` are the signed ones in their order; `query` is the raw one, verbatim."""
    lines = "".join([f"{name}:{value}\n" for name, value in headers.items()])
    return f"{method}\n{path}\n{query}\n{lines}\n{';'.join(headers)}\n{payload}"


def signing_key(secret: str, date: str, service: str) -> Hmac:
    return derive(secret, "TC3", date, service, "tc3_request")


def sign(key: Hmac, timestamp: str, date: str, service: str, canonical: str) -> str:
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    text = f"{ALGORITHM}\n{timestamp}\n{date}/{service}/tc3_request\n{digest}"
    return key(text.encode()).hex()


def hosts(host: str, region: str) -> Iterator[str]:
    """The names that SDKs sign for this Host header, the likeliest first.

    As it is (Python), without the port (Node), with the default port that the client was given and its HTTP
    library left out (Node), and the public service's names, at large and in `region`, the request's: an SDK that is
    configured with an API gateway's endpoint signs the one that it would have called.
    """
    yield host
    bare, colon, _ = host.partition(":")
    if colon:
        yield bare
    else:
        yield f"{host}:80"
        yield f"{host}:443"
    regions = ("", f"{region}.") if _REGION.fullmatch(region) else ("",)
    for public in _PUBLIC:
        for place in regions:
            if bare != (name := f"kms.{public}{place}tencentcloudapi.com"):
                yield name


def read(request: Request, _params: Parameters) -> Claim:
    headers = request.headers
    authorization = required(headers, "authorization")
    match = _AUTHORIZATION.fullmatch(authorization)
    if match is None:
        if authorization.startswith(ALGORITHM + " "):
            raise Unsigned("The Authorization header is not complete.")
        raise UnsupportedSignature(f"The Authorization header must be {ALGORITHM}.")
    if headers.get("x-tc-content-sha256", "").upper() == "UNSIGNED-PAYLOAD":
        raise UnsupportedSignature("UNSIGNED-PAYLOAD is not accepted: the body must be signed.")
    access_key_id, date, service, listed, signature = match.groups()
    signed = _signed_headers(listed)
    for name in signed:
        if name not in headers:
            raise Unsigned(f"The header {name} must be sent and signed.")
    timestamp = required(headers, "x-tc-timestamp")
    seconds = parse_unix(timestamp)
    if _day(seconds // DAY) != date:
        raise Unsigned("The Credential's date is not the UTC date of X-TC-Timestamp.")

    return Claim(
        access_key_id=access_key_id,
        algorithm=ALGORITHM,
        signature=signature,
        time=seconds,
        token=headers.get("x-tc-token", ""),
        replay=signature,
        candidates=lambda secret: _candidates(request, signed, secret, timestamp, date, service),
    )


@lru_cache(maxsize=64)
def _signed_headers(listed: str) -> tuple[str, ...]:
    """The names in SignedHeaders, of which SDKs send the same few lists. Raises `Unsigned`."""
    names = listed.split(";")
    if len(names) > _MAX_SIGNED_HEADERS or names != sorted(set(names)):
        raise Unsigned("SignedHeaders must be sorted, without repetition, and at most 32.")
    for name in ("content-type", "host"):
        if name not in names:
            raise Unsigned(f"The header {name} must be sent and signed.")
    return tuple(names)


@lru_cache(maxsize=16)
def _day(number: int) -> str:
    """The UTC date that is so many days after 1970-01-01."""
    return time.strftime("%Y-%m-%d", time.gmtime(number * DAY))


def _candidates(
    request: Request, signed: tuple[str, ...], secret: str, timestamp: str, date: str, service: str
) -> Iterator[Candidate]:
    key = signing_key(secret, date, service)
    method, query, sent = request.method, request.query, request.headers
    payload = hashlib.sha256(request.body).hexdigest()
    headers = {name: sent[name] for name in signed}
    if "x-tc-action" in headers:
        headers["x-tc-action"] = headers["x-tc-action"].lower()
    first = canonical_request(method, request.path, query, headers, payload)
    yield Candidate(sign(key, timestamp, date, service, first))
    seen = {first}
    # The documentation lower-cases header values, the SDKs send them as signed; Python signs `/` where it
    # sends the path of its endpoint.
    for path in dict.fromkeys([request.path, "/"]):
        for host in hosts(sent["host"], sent.get("x-tc-region", "")):
            headers["host"] = host
            for lower in (False, True):
                values = {name: value.lower() for name, value in headers.items()} if lower else headers
                canonical = canonical_request(method, path, query, values, payload)
                if canonical not in seen:
                    seen.add(canonical)
                    yield Candidate(sign(key, timestamp, date, service, canonical))


SCHEME = Scheme("tencent-tc3", 5 * 60, read, headed=True, alike=True)
