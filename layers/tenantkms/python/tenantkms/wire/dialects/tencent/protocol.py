"""How Tencent Cloud KMS, API 3.0, is spoken (docs/protocols.md): where parameters travel, and how answers look."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from tenantkms import errors as e
from tenantkms.names import TENCENT
from tenantkms.wire.dialects.tencent.errors import ERRORS
from tenantkms.wire.dialects.tencent.fields import no_arns
from tenantkms.wire.dialects.tencent.limits import OTHERS, rates
from tenantkms.wire.dialects.tencent.operations import OPERATIONS, UNSUPPORTED
from tenantkms.wire.http import FORM, Request, Response
from tenantkms.wire.parse import Parameters, nest, parse_form, parse_json_object, parse_pairs
from tenantkms.wire.recognise import Mark, Rank, both, header, parameter, path, unless, value
from tenantkms.wire.signing import Scheme, tencent_tc3, tencent_v1
from tenantkms.wire.translate import Dialect, View

VERSION = "2019-01-18"
LEGACY_PATH = "/v2/index.php"
"""Where the older API v2 is; requests there are of this one only with its version."""


def parameters(request: Request, _scheme: Scheme) -> Parameters:
    """The parameters of a v1 signature: of the query for GET, of the form for POST, never of both."""
    if request.method == "GET" and not request.body:
        return Parameters(parse_pairs(request.query))
    if request.method == "POST" and not request.query:
        return Parameters({}, parse_form(request.body))
    if request.method in ("GET", "POST"):
        raise e.MalformedRequest("Parameters travel in the query of a GET or in the body of a POST, not in both.")
    raise e.UnsupportedMethod


def _parameters(request: Request, scheme: Scheme) -> Parameters:
    if not scheme.headed or request.method == "GET" or request.media_type == FORM:
        return parameters(request, scheme)
    return Parameters({})


def _parse(request: Request, scheme: Scheme, params: Parameters) -> tuple[str, str, dict[str, Any]]:
    flat = params.all
    action, version = headed = request.header("x-tc-action"), request.header("x-tc-version")
    if not scheme.headed:
        action, version = given = flat.get("Action", ""), flat.get("Version", "")
        if any(header and header != param for header, param in zip(headed, given, strict=True)):
            raise e.MalformedRequest("The Action or Version of the headers and of the parameters differ.")
    media_type = request.media_type
    if not scheme.headed or request.method == "GET" or media_type == FORM:
        return action, version, nest(flat, first=0)
    if request.method != "POST":
        raise e.UnsupportedMethod
    if media_type not in _JSON_TYPES:
        raise e.MalformedRequest("A signed POST has the Content-Type application/json.")
    if request.query:
        raise e.MalformedRequest("A POST has its parameters in the body.")
    return action, version, parse_json_object(request.body)


_JSON_TYPES = ("application/json", "application/octet-stream")
"""The Node SDK sends the same JSON as an octet stream when it is asked to."""


def _response(body: dict[str, Any]) -> Response:
    # A charset here would hide the error from the Python SDK.
    text = msgspec.json.encode({"Response": body}).decode()
    return Response(status=200, content_type="application/json", body=text)


def _success(_request: Request, _action: str, fields: Mapping[str, Any], request_id: str) -> Response:
    return _response({**fields, "RequestId": request_id})


def _failure(_request: Request, _action: str, error: e.KmsError, request_id: str, _view: View) -> Response:
    return _response({"Error": {"Code": ERRORS[e.kind(error)], "Message": error.message}, "RequestId": request_id})


COMMON = frozenset(
    "Action Version Timestamp Nonce SecretId Region Token Language RequestClient SignatureMethod Signature".split()
)

DIALECT = Dialect(
    name=TENCENT,
    title="Tencent Cloud KMS, API 3.0, 2019-01-18",
    authorizations={"TC3-": tencent_tc3.SCHEME, "SKIP": tencent_tc3.SCHEME},
    marks=(
        Mark(Rank.HEADER, tencent_tc3.SCHEME, both(header("x-tc-action"), unless(parameter("SecretId")))),
        Mark(Rank.CREDENTIAL, tencent_v1.SCHEME, both(parameter("SecretId"), unless(path(LEGACY_PATH)))),
        Mark(Rank.CREDENTIAL, tencent_v1.SCHEME, both(path(LEGACY_PATH), value("Version", VERSION))),
        Mark(Rank.VERSION, tencent_v1.SCHEME, value("Version", VERSION)),
    ),
    carrier="SecretId",
    version=VERSION,
    operations=OPERATIONS,
    unsupported=UNSUPPORTED,
    common=COMMON,
    parameters=_parameters,
    parse=_parse,
    errors=ERRORS,
    rates=rates(OPERATIONS),
    other_rate=OTHERS,
    success=_success,
    failure=_failure,
    no_arns=no_arns("KeyId", "KeyIds", "DestinationKeyId"),
)
