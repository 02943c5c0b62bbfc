"""Tencent's parameter signatures: HmacSHA1 and HmacSHA256, and TC2-HmacSHA256 (docs/protocols.md).

The API 3.0 (v1 signature) and the legacy API v2 share them. The nonce of some SDKs is a small number, so
what may be seen only once is the signature itself: it covers the nonce, the time and everything else.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable, Iterator, Mapping

from tenantkms.errors import Unsigned, UnsupportedSignature
from tenantkms.wire.http import Request
from tenantkms.wire.parse import Parameters
from tenantkms.wire.signing import Candidate, Claim, Scheme, derive, parse_unix, required
from tenantkms.wire.signing.tencent_tc3 import hosts

Spelling = Callable[[str], str]
_DIGESTS = {"HmacSHA1": "sha1", "HmacSHA256": "sha256"}
_HASHED = "TC2-HmacSHA256"
# Names and values are signed raw, so one could swallow the parameters that follow it in the string. A name of
# a flattened map ends in any text.
_HIDDEN = re.compile(r"&(?:[A-Za-z0-9._-]+|[A-Za-z]+\.[^&=]*)=")


def _as_is(name: str) -> str:
    return name


def _dotted(name: str) -> str:
    return name.replace("_", ".")


def _dotted_inside(name: str) -> str:
    return name[:1] + name[1:].replace("_", ".") if not name.startswith("_") else name


def joined(
    params: Mapping[str, str],
    skip: frozenset[str] = frozenset(),
    *,
    before: Spelling = _as_is,
    after: Spelling = _as_is,
) -> str:
    """`k=v` joined by `&`, values raw; names spelled with `before`, sorted, then spelled with `after`."""
    pairs = sorted((before(name), value) for name, value in params.items() if name != "Signature" and name not in skip)
    return "&".join(f"{after(name)}={value}" for name, value in pairs)


def sign(secret: str, method: str, text: str) -> str:
    digest = derive(secret, "", name=_DIGESTS[method])(text.encode("utf-8", "surrogatepass"))
    return base64.b64encode(digest).decode()


def read(request: Request, parameters: Parameters) -> Claim:
    params = parameters.all
    method = params.get("SignatureMethod") or "HmacSHA1"
    if method not in _DIGESTS and method != _HASHED:
        raise UnsupportedSignature("SignatureMethod is one of HmacSHA1, HmacSHA256, TC2-HmacSHA256.")

    # What is looked for in each is looked for in all of them first, which is a tenth of the work.
    names, values = "\0".join(params), "\0".join(params.values())
    if "&" in values and any(_HIDDEN.search(value) for value in params.values()):
        raise Unsigned(
            "A value holds `&name=`, which this signature cannot tell from a parameter: use TC3-HMAC-SHA256."
        )
    if "&" in names or "=" in names:
        raise Unsigned("A name holds `&` or `=`, which this signature cannot tell from its end: use TC3-HMAC-SHA256.")

    def candidates(secret: str) -> Iterator[Candidate]:
        # The old Python and Node SDKs leave values that begin with `@` (their mark of a file) out of what they sign.
        files: frozenset[str] = frozenset()
        if "@" in values and request.method == "POST":
            files = frozenset(name for name, value in params.items() if value.startswith("@"))
        # Python SDKs write `_` in names as `.` before they sort, the old Node SDK after it, the new one never.
        spellings = [{"before": _dotted}, {"after": _dotted_inside}] if "_" in names and _rewritten(params) else []
        forms = [
            (joined(params, skip, **spelling), skip) for skip in {frozenset(), files} for spelling in ({}, *spellings)
        ]
        for host in hosts(request.header("host"), params.get("Region", "")):
            for path in dict.fromkeys([request.path, "/"]):
                for text, uncovered in forms:
                    yield Candidate(_sign_form(secret, f"{request.method}{host}{path}?", text, method), uncovered)

    return Claim(
        access_key_id=required(params, "SecretId"),
        algorithm=method,
        signature=required(params, "Signature"),
        time=parse_unix(required(params, "Timestamp")),
        token=params.get("Token", ""),
        replay=required(params, "Nonce") and params["Signature"],
        candidates=candidates,
    )


def _rewritten(params: Mapping[str, str]) -> bool:
    """Whether `_` may be written as `.`: not if two names became one, for then one would not be covered."""
    return len({_dotted(name) for name in params}) == len(params)


def _sign_form(secret: str, start: str, text: str, method: str) -> str:
    if method == _HASHED:
        return sign(secret, "HmacSHA256", f"{start}\n{hashlib.sha256(text.encode()).hexdigest()}")
    return sign(secret, method, start + text)


SCHEME = Scheme("tencent-v1", 5 * 60, read)
