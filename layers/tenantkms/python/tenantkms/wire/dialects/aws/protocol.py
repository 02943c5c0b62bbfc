"""How AWS KMS is spoken, awsJson 1.1 (docs/protocols.md): where parameters travel, and how answers look."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from tenantkms import errors as e
from tenantkms.model.specs import KeySpec
from tenantkms.model.states import KeyState
from tenantkms.names import AWS
from tenantkms.wire.dialects.aws import fields, names
from tenantkms.wire.dialects.aws.errors import ERRORS, UNSIGNED, Row, row
from tenantkms.wire.dialects.aws.limits import OTHERS, RATES
from tenantkms.wire.dialects.aws.operations import OPERATIONS, UNSUPPORTED
from tenantkms.wire.http import Request, Response
from tenantkms.wire.parse import Parameters, parse_json_object
from tenantkms.wire.recognise import Mark, Rank, header, parameter
from tenantkms.wire.signing import Scheme, aws_sigv4
from tenantkms.wire.translate import Dialect, View

MEDIA_TYPE = "application/x-amz-json-1.1"
_TARGET = "TrentService."


def _parameters(_request: Request, _scheme: Scheme) -> Parameters:
    return Parameters({})


def _parse(request: Request, _scheme: Scheme, _params: Parameters) -> tuple[str, str, dict[str, Any]]:
    """The operation's own parameters: AWS ignores others, as it must for clients that are newer than it."""
    if request.method != "POST":
        raise e.UnsupportedMethod
    if request.media_type != MEDIA_TYPE:  # not every client signs it
        raise e.MalformedRequest(f"The Content-Type must be {MEDIA_TYPE}.")
    target = request.header(aws_sigv4.TARGET)
    action = target.removeprefix(_TARGET)
    if action in (target, ""):
        raise e.UnknownAction
    body = parse_json_object(request.body)
    operation = OPERATIONS.get(action)
    if operation is None:
        return action, "", body
    wires = operation.of(body).wires
    params = body if wires.issuperset(body) else {name: value for name, value in body.items() if name in wires}
    if aws_sigv4.INVOCATION in wires:
        params = {**params, aws_sigv4.INVOCATION: aws_sigv4.call_id(request)}
    return action, "", params


def _response(status: int, body: Mapping[str, Any], request_id: str) -> Response:
    return Response(
        status=status,
        content_type=MEDIA_TYPE,
        body=msgspec.json.encode(body).decode(),
        headers={"x-amzn-RequestId": request_id},
    )


def _success(_request: Request, _action: str, result: Mapping[str, Any], request_id: str) -> Response:
    return _response(200, result, request_id)


def _failure(request: Request, action: str, error: e.KmsError, request_id: str, view: View) -> Response:
    found = row(action, error)
    if isinstance(error, e.Unsigned) and not (request.header("authorization") or request.query):
        found = UNSIGNED
    text = _text(found, action, error, view)
    body = {"__type": found.type, **({"message": text} if text else {})}
    return _response(found.status, body, request_id)


def _text(found: Row, action: str, error: e.KmsError, view: View) -> str:
    if found.text is None:
        return error.message
    about = {**error.about, "operation": action}
    if "key" in about:
        about["key"] = names.named_arn(about["key"], view.site)
    if "state" in about:
        about["state"] = names.STATE_WORDS.get(KeyState(about["state"]), about["state"])
    if "spec" in about:
        about["spec"] = names.SPEC_NAMES[KeySpec(about["spec"])]
    if "parameter" in about:
        about["parameter"] = fields.member(about["parameter"])
    try:
        return found.text.format(**about)
    except KeyError:
        return error.message


DIALECT = Dialect(
    name=AWS,
    title="AWS KMS, 2014-11-01",
    authorizations={"AWS4-": aws_sigv4.SCHEME, "AWS3": aws_sigv4.SCHEME},
    marks=(
        Mark(Rank.CREDENTIAL, aws_sigv4.SCHEME, parameter("X-Amz-Signature")),
        Mark(Rank.ACTION, aws_sigv4.SCHEME, header(aws_sigv4.TARGET)),
    ),
    carrier="",
    operations=OPERATIONS,
    unsupported=UNSUPPORTED,
    common=frozenset(),
    parameters=_parameters,
    parse=_parse,
    errors=ERRORS,
    rates=RATES,
    other_rate=OTHERS,
    success=_success,
    failure=_failure,
    arns=names.ARNS,
    check_site=fields.check_site,
)
