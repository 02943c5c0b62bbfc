"""Alibaba RPC signature v1: HMAC-SHA1 over the method and all parameters (docs/protocols.md)."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Iterator, Mapping

from tenantkms.errors import UnsupportedSignature
from tenantkms.wire.http import Remembered, Request
from tenantkms.wire.parse import ESCAPED_NAMES, STRICT, Parameters, escape
from tenantkms.wire.signing import Candidate, Claim, Scheme, derive, parse_iso, required

# npm kms-sdk escapes with plain encodeURIComponent, in what it signs as well.
_LOOSE = re.compile(r"[^A-Za-z0-9_.~!'()*-]")
_NAMES: dict[re.Pattern[str], Remembered[str]] = {
    STRICT: ESCAPED_NAMES,
    _LOOSE: Remembered(lambda name: escape(name, _LOOSE)),
}


def _utf16(name: str) -> bytes:
    return name.encode("utf-16-be", "surrogatepass")


def string_to_sign(
    method: str,
    params: Mapping[str, str],
    unsafe: re.Pattern[str] = STRICT,
    order: Callable[[str], bytes] | None = None,
) -> str:
    """The path in it is always `/`, whatever the request's path is."""
    names = sorted(params, key=order)
    escaped = _NAMES[unsafe]
    canonical = "&".join([f"{escaped[name]}={escape(params[name], unsafe)}" for name in names if name != "Signature"])
    # Escaped once, it holds no character but these three that is to be escaped again.
    again = canonical.replace("%", "%25").replace("&", "%26").replace("=", "%3D")
    return f"{method}&%2F&{again}"


def sign(secret: str, text: str) -> str:
    digest = derive(secret, "", end="&", name="sha1")(text.encode())
    return base64.b64encode(digest).decode()


def read(request: Request, parameters: Parameters) -> Claim:
    params = parameters.all

    def candidates(secret: str) -> Iterator[Candidate]:
        strict = string_to_sign(request.method, params)
        yield Candidate(sign(secret, strict))
        loose = string_to_sign(request.method, params, _LOOSE)
        if loose != strict:
            yield Candidate(sign(secret, loose))
        if any(max(name, default="") > "\uffff" for name in params):
            # JavaScript sorts by UTF-16 code units, which matters for flattened encryption contexts.
            yield Candidate(sign(secret, string_to_sign(request.method, params, order=_utf16)))

    if params.get("SignatureMethod", "HMAC-SHA1") != "HMAC-SHA1" or params.get("SignatureVersion", "1.0") != "1.0":
        raise UnsupportedSignature("SignatureMethod must be HMAC-SHA1 and SignatureVersion 1.0.")
    if params.get("SignatureType"):
        raise UnsupportedSignature("SignatureType must be empty.")
    return Claim(
        access_key_id=required(params, "AccessKeyId"),
        algorithm="HMAC-SHA1",
        signature=required(params, "Signature"),
        time=parse_iso(required(params, "Timestamp")),
        token=params.get("SecurityToken", ""),
        replay=params.get("SignatureNonce", ""),
        candidates=candidates,
    )


SCHEME = Scheme("alibaba-rpc", 15 * 60, read)
