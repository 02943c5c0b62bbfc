"""The dialects, one file each, and how a request's own is told: from its authentication, never from its Action."""

from __future__ import annotations

from msgspec import Struct

from tenantkms.errors import Unsigned
from tenantkms.wire.dialects import alibaba, tencent, tencent_v2
from tenantkms.wire.http import MAX_BODY, Request
from tenantkms.wire.signing import Scheme, alibaba_acs, alibaba_rpc, tencent_tc3, tencent_v1
from tenantkms.wire.translate import Dialect

DIALECTS = {d.name: d for d in (alibaba.DIALECT, tencent.DIALECT, tencent_v2.DIALECT)}
V2_PATH = "/v2/index.php"


class Spoken(Struct, frozen=True):
    """The dialect of a request, the scheme it is signed with, and whether a second one is mixed in."""

    dialect: Dialect
    scheme: Scheme
    ambiguous: bool


def recognise(request: Request) -> Spoken | None:
    """None for a request that shows no authentication of any dialect.

    It looks at raw names only: a request that cannot be parsed is still answered in its own dialect.
    """
    headers = request.headers
    authorization = headers.get("authorization", "")
    raw = _raw_parameters(request)
    legacy = request.path == V2_PATH
    by_access_key, by_secret_id = _names(raw, "AccessKeyId"), _names(raw, "SecretId")
    by_aws = _names(raw, "X-Amz-Signature") or _names(raw, "X-Amz-Credential")
    by_header = bool(authorization) or "x-amz-target" in headers
    ambiguous = by_access_key + by_secret_id + by_aws + by_header > 1
    if authorization.startswith(("ACS3-", "ACS4-")):
        return Spoken(alibaba.DIALECT, alibaba_acs.SCHEME, ambiguous)
    if authorization.startswith("TC3-") or authorization == "SKIP" or ("x-tc-action" in headers and not by_secret_id):
        return Spoken(tencent.DIALECT, tencent_tc3.SCHEME, ambiguous)
    if by_access_key:
        return Spoken(alibaba.DIALECT, alibaba_rpc.SCHEME, ambiguous)
    if by_secret_id or legacy:
        # The version decides between Tencent's two APIs, which share a signature.
        three = not legacy or f"&Version={tencent.VERSION}&" in raw
        return Spoken(tencent.DIALECT if three else tencent_v2.DIALECT, tencent_v1.SCHEME, ambiguous)
    if "x-acs-action" in headers or "x-acs-signature-nonce" in headers:
        return Spoken(alibaba.DIALECT, alibaba_acs.SCHEME, ambiguous)
    if f"&Version={alibaba.VERSION}&" in raw:
        return Spoken(alibaba.DIALECT, alibaba_rpc.SCHEME, ambiguous)
    if f"&Version={tencent.VERSION}&" in raw:
        return Spoken(tencent.DIALECT, tencent_v1.SCHEME, ambiguous)
    return None


def check_unambiguous(spoken: Spoken) -> None:
    if spoken.ambiguous:
        raise Unsigned("The request carries more than one authentication.")


def _raw_parameters(request: Request) -> str:
    """What may be parameters, as it came, each part between two `&`."""
    form = request.body and (request.path == V2_PATH or request.media_type == "application/x-www-form-urlencoded")
    return f"&{request.query}&{request.body[:MAX_BODY].decode('latin-1') if form else ''}&"


def _names(raw: str, name: str) -> bool:
    return f"&{name}=" in raw or f"&{name}&" in raw
