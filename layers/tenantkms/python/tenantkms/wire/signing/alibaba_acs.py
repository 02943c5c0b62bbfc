"""Alibaba ACS3-HMAC-SHA256 and ACS4-HMAC-SHA256: a signed header block (docs/protocols.md)."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache

from tenantkms.crypto.hmacs import Hmac
from tenantkms.errors import SignatureMismatch, Unsigned, UnsupportedSignature
from tenantkms.wire.http import Request
from tenantkms.wire.parse import ESCAPED_NAMES, Parameters, escape
from tenantkms.wire.signing import Candidate, Claim, Scheme, derive, parse_iso, required

_AUTHORIZATION = re.compile(
    r"(ACS[34]-HMAC-SHA256) Credential=([^,\s]{1,256}), ?SignedHeaders=([a-z0-9;_-]{1,2048}), ?Signature=([0-9a-f]{64})"
)
_SCOPE = re.compile(r"([^/]+)/(\d{8})/([^/]+)/([^/]+)/aliyun_v4_request")
_MUST_SIGN = {"host", "x-acs-action", "x-acs-version", "x-acs-date", "x-acs-signature-nonce", "x-acs-content-sha256"}
_MAX_SIGNED_HEADERS = 32
_EMPTY = hashlib.sha256(b"").hexdigest()


def canonical_request(
    method: str, query: Mapping[str, str], headers: Mapping[str, str], signed: Sequence[str], payload: str
) -> str:
    """The path in it is always `/`: that is what the SDKs sign even when the endpoint has a path."""
    pairs = sorted((ESCAPED_NAMES[name], escape(value)) for name, value in query.items())
    return "\n".join(
        [
            method,
            "/",
            "&".join(f"{name}={value}" for name, value in pairs),
            *(f"{name}:{headers[name]}" for name in signed),
            "",
            ";".join(signed),
            payload,
        ]
    )


def signing_key(algorithm: str, secret: str, date: str = "", region: str = "", product: str = "") -> Hmac:
    """ACS3 signs with the secret itself, ACS4 with a key derived for the day, region and product."""
    if algorithm == "ACS3-HMAC-SHA256":
        return derive(secret, "")
    return derive(secret, "aliyun_v4", date, region, product, "aliyun_v4_request")


def sign(algorithm: str, key: Hmac, canonical: str) -> str:
    text = f"{algorithm}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    return key(text.encode()).hex()


def read(request: Request, params: Parameters) -> Claim:
    headers = request.headers
    authorization = required(headers, "authorization")
    match = _AUTHORIZATION.fullmatch(authorization)
    if match is None:
        if authorization.startswith(("ACS3-HMAC-SHA256 ", "ACS4-HMAC-SHA256 ")):
            raise Unsigned("The Authorization header is not complete.")
        raise UnsupportedSignature("The Authorization header must be ACS3-HMAC-SHA256 or ACS4-HMAC-SHA256.")
    algorithm, credential, listed, signature = match.groups()
    signed = _signed_headers(listed)
    token = headers.get("x-acs-security-token", "")
    _check_sent(signed, headers, token)
    scope: tuple[str, ...] = ()
    date = required(headers, "x-acs-date")
    if algorithm == "ACS4-HMAC-SHA256":
        parts = _SCOPE.fullmatch(credential)
        if parts is None or parts[4].lower() != "kms" or parts[2] != date[:10].replace("-", ""):
            raise Unsigned("The Credential's scope must be <id>/<date>/<region>/Kms/aliyun_v4_request.")
        credential, scope = parts[1], parts.groups()[1:]
    payload = headers["x-acs-content-sha256"]
    if payload != (hashlib.sha256(request.body).hexdigest() if request.body else _EMPTY):
        raise SignatureMismatch("The x-acs-content-sha256 header is not the hash of the body.")

    def candidates(secret: str) -> Iterator[Candidate]:
        canonical = canonical_request(request.method, params.query, headers, signed, payload)
        yield Candidate(sign(algorithm, signing_key(algorithm, secret, *scope), canonical))

    return Claim(
        access_key_id=credential,
        algorithm=algorithm,
        signature=signature,
        time=parse_iso(date),
        token=token,
        replay=headers["x-acs-signature-nonce"],
        candidates=candidates,
    )


@lru_cache(maxsize=64)
def _signed_headers(listed: str) -> tuple[str, ...]:
    """The names in SignedHeaders, of which SDKs send the same few lists. Raises `Unsigned`."""
    names = listed.split(";")
    if len(names) > _MAX_SIGNED_HEADERS or names != sorted(set(names)):
        raise Unsigned("SignedHeaders must be sorted, without repetition, and at most 32.")
    if missing := _MUST_SIGN - set(names):
        raise Unsigned(f"The header {min(missing)} must be sent and signed.")
    return tuple(names)


def _check_sent(signed: tuple[str, ...], headers: Mapping[str, str], token: str) -> None:
    if token and "x-acs-security-token" not in signed:
        raise Unsigned("The header x-acs-security-token must be sent and signed.")
    for name in signed:
        if name not in headers:
            raise Unsigned(f"The header {name} must be sent and signed.")
    if not headers["x-acs-signature-nonce"]:
        raise Unsigned("The header x-acs-signature-nonce must not be empty.")


SCHEME = Scheme("alibaba-acs", 15 * 60, read, headed=True)
