"""How Alibaba Cloud KMS, 2016-01-20, is spoken (docs/protocols.md): where parameters travel, and how answers look."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from tenantkms import errors as e
from tenantkms.names import ALIBABA
from tenantkms.wire.dialects.alibaba.errors import DRY_RUN_CODES, ERRORS
from tenantkms.wire.dialects.alibaba.fields import ARNS
from tenantkms.wire.dialects.alibaba.limits import OTHERS, RATES
from tenantkms.wire.dialects.alibaba.operations import DRY_RUN, OPERATIONS, UNSUPPORTED
from tenantkms.wire.http import FORM, Request, Response
from tenantkms.wire.parse import Parameters, nest, parse_form, parse_pairs
from tenantkms.wire.recognise import Mark, Rank, either, header, parameter, value
from tenantkms.wire.signing import Scheme, alibaba_acs, alibaba_rpc
from tenantkms.wire.translate import Dialect, View

VERSION = "2016-01-20"
COMMON = frozenset(
    "Action Version Format AccessKeyId Signature SignatureMethod SignatureVersion SignatureNonce SignatureType"
    " Timestamp SecurityToken RegionId".split()
)
_CONTEXTS = frozenset({"EncryptionContext", "SourceEncryptionContext", "DestinationEncryptionContext"})
_LISTS = frozenset({"ResourceId", "Tag", "TagKey"})


def _parameters(request: Request, _scheme: Scheme) -> Parameters:
    if request.method not in ("GET", "POST"):
        raise e.UnsupportedMethod
    query = parse_pairs(request.query)
    if not request.body:
        return Parameters(query)
    if request.media_type != FORM:
        raise e.MalformedRequest(f"A body must have the Content-Type {FORM}.")
    return Parameters(query, parse_form(request.body), COMMON)


def _parse(request: Request, scheme: Scheme, params: Parameters) -> tuple[str, str, dict[str, Any]]:
    flat = params.all
    # What is signed decides; the other place, which proxies and tools read, may not say otherwise.
    headed = request.header("x-acs-action"), request.header("x-acs-version")
    given = flat.get("Action", ""), flat.get("Version", "")
    action, version = headed if scheme.headed else given
    if headed != given and any(a and b and a != b for a, b in zip(headed, given, strict=True)):
        raise e.MalformedRequest("The Action or Version of the headers and of the parameters differ.")
    if "." not in "".join(flat):
        return action, version, dict(flat)
    contexts: dict[str, dict[str, str]] = {}
    rest: dict[str, str] = {}
    for name, text in flat.items():
        head, dot, key = name.partition(".")
        if dot and head in _CONTEXTS:
            contexts.setdefault(head, {})[key] = text
        else:
            rest[name] = text
    if contexts.keys() & rest.keys():
        raise e.MalformedRequest("An encryption context is given as JSON text and as single parameters.")
    return action, version, {**nest(rest, first=1, only=_LISTS), **contexts}


def _wants(request: Request, parameter: str) -> bool:
    """Whether a raw parameter, in lower case, is there in any case, even in a request that does not parse."""
    if f"&{parameter}&" in f"&{request.query}&".lower():
        return True
    return request.media_type == FORM and f"&{parameter}&" in f"&{request.body.decode('latin-1')}&".lower()


_FORMAT_XML = "format=xml"
_DRY = "dryrun=true"


def _xml(name: str, value: Any) -> str:
    from xml.sax.saxutils import escape  # hardly anybody asks for XML

    if isinstance(value, Mapping):
        return f"<{name}>{''.join(_xml(k, v) for k, v in value.items())}</{name}>"
    if isinstance(value, list):
        return "".join(_xml(name, item) for item in value)
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return f"<{name}>{escape(text)}</{name}>"


# What XML 1.0 has no place for. All that it has, and not, takes ten times as long to compile.
_NOT_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f]|[\ud800-\udfff\ufffe\uffff]")


def _render(request: Request, status: int, body: dict[str, Any]) -> Response:
    if _wants(request, _FORMAT_XML):
        text = _xml("KMS", body)
        if _NOT_XML.search(text):
            raise e.UnsupportedParameter("The answer holds a character that XML cannot carry: use Format=JSON.")
        # A literal carriage return would be read back as a line feed.
        text = '<?xml version="1.0" encoding="UTF-8"?>' + text.replace("\r", "&#13;")
        return Response(status=status, content_type="text/xml;charset=utf-8", body=text)
    return Response(
        status=status, content_type="application/json;charset=utf-8", body=msgspec.json.encode(body).decode()
    )


def _success(request: Request, _action: str, fields: Mapping[str, Any], request_id: str) -> Response:
    return _render(request, 200, {**fields, "RequestId": request_id})


def _failure(request: Request, action: str, error: e.KmsError, request_id: str, _view: View) -> Response:
    row = ERRORS[e.kind(error)]
    if _wants(request, _DRY) and DRY_RUN in getattr(OPERATIONS.get(action), "params", ()):
        row = DRY_RUN_CODES.get(row.code, row)
    body = {
        "RequestId": request_id,
        "HostId": _NOT_XML.sub("", request.header("host")),
        "Code": row.code,
        "Message": _NOT_XML.sub("", row.text or error.message),
    }
    if _wants(request, _FORMAT_XML):
        body["HttpStatus"] = str(row.status)
    headers = {"x-acs-retry-after": "1000"} if isinstance(error, e.Throttled) else {}
    response = _render(request, row.status, body)
    return msgspec.structs.replace(response, headers=headers)


DIALECT = Dialect(
    name=ALIBABA,
    title="Alibaba Cloud KMS, 2016-01-20",
    authorizations={"ACS3-": alibaba_acs.SCHEME, "ACS4-": alibaba_acs.SCHEME},
    marks=(
        Mark(Rank.CREDENTIAL, alibaba_rpc.SCHEME, parameter("AccessKeyId")),
        Mark(Rank.ACTION, alibaba_acs.SCHEME, either(header("x-acs-action"), header("x-acs-signature-nonce"))),
        Mark(Rank.VERSION, alibaba_rpc.SCHEME, value("Version", VERSION)),
    ),
    carrier="AccessKeyId",
    version=VERSION,
    operations=OPERATIONS,
    unsupported=UNSUPPORTED,
    common=COMMON,
    parameters=_parameters,
    parse=_parse,
    errors=ERRORS,
    rates=RATES,
    other_rate=OTHERS,
    success=_success,
    failure=_failure,
    arns=ARNS,
)
