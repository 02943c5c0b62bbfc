"""The dialects, one file each, and how a request's own is told: from its authentication, never from its Action."""

from __future__ import annotations

from typing import NamedTuple

from tenantkms.errors import Unsigned
from tenantkms.wire.dialects import alibaba, tencent, tencent_v2
from tenantkms.wire.http import MAX_BODY, Request
from tenantkms.wire.signing import Scheme, alibaba_acs, alibaba_rpc, tencent_tc3, tencent_v1
from tenantkms.wire.translate import Dialect

DIALECTS = {d.name: d for d in (alibaba.DIALECT, tencent.DIALECT, tencent_v2.DIALECT)}
V2_PATH = "/v2/index.php"


class Spoken(NamedTuple):
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
    pairs = _raw_pairs(request)
    names = {pair.partition("=")[0] for pair in pairs}
    legacy = request.path == V2_PATH
    # The version decides between Tencent's two APIs, which share a signature.
    three = "Version=" + tencent.VERSION in pairs or ("Version" in names and not legacy)
    by_parameters = {
        "alibaba": "AccessKeyId" in names,
        "tencent": "SecretId" in names,
        "aws": "X-Amz-Signature" in names or "X-Amz-Credential" in names,
    }
    by_header = {
        "alibaba": authorization.startswith(("ACS3-", "ACS4-")),
        "tencent": authorization.startswith("TC3-") or authorization == "SKIP",
        "aws": authorization.startswith("AWS4-") or "x-amz-target" in headers,
    }
    carriers = sum(by_parameters.values()) + (bool(authorization) or by_header["aws"])
    ambiguous = carriers > 1
    if by_header["alibaba"]:
        return Spoken(alibaba.DIALECT, alibaba_acs.SCHEME, ambiguous)
    if by_header["tencent"] or ("x-tc-action" in headers and not by_parameters["tencent"]):
        return Spoken(tencent.DIALECT, tencent_tc3.SCHEME, ambiguous)
    if by_parameters["alibaba"]:
        return Spoken(alibaba.DIALECT, alibaba_rpc.SCHEME, ambiguous)
    if by_parameters["tencent"] or legacy:
        dialect = tencent.DIALECT if three or not legacy else tencent_v2.DIALECT
        return Spoken(dialect, tencent_v1.SCHEME, ambiguous)
    if "x-acs-action" in headers or "x-acs-signature-nonce" in headers:
        return Spoken(alibaba.DIALECT, alibaba_acs.SCHEME, ambiguous)
    if "Version=" + alibaba.VERSION in pairs:
        return Spoken(alibaba.DIALECT, alibaba_rpc.SCHEME, ambiguous)
    if "Version=" + tencent.VERSION in pairs:
        return Spoken(tencent.DIALECT, tencent_v1.SCHEME, ambiguous)
    return None


def check_unambiguous(spoken: Spoken) -> None:
    if spoken.ambiguous:
        raise Unsigned("The request carries more than one authentication.")


def _raw_pairs(request: Request) -> set[str]:
    pairs = set(request.query.split("&")) if request.query else set()
    if request.body and (request.path == V2_PATH or request.media_type == "application/x-www-form-urlencoded"):
        pairs.update(request.body[:MAX_BODY].decode("latin-1").split("&"))
    return pairs
