"""How Tencent Cloud KMS, legacy API v2, is spoken (docs/protocols.md)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from tenantkms import errors as e
from tenantkms.names import TENCENT_V2
from tenantkms.wire.dialects.tencent.fields import no_arns
from tenantkms.wire.dialects.tencent.limits import OTHERS, rates
from tenantkms.wire.dialects.tencent.protocol import COMMON, LEGACY_PATH, parameters
from tenantkms.wire.dialects.tencent_v2.errors import ERRORS
from tenantkms.wire.dialects.tencent_v2.operations import OPERATIONS
from tenantkms.wire.http import Request, Response
from tenantkms.wire.parse import Parameters, nest
from tenantkms.wire.recognise import Mark, Rank, path
from tenantkms.wire.signing import Scheme, tencent_v1
from tenantkms.wire.translate import Dialect, View


def _parse(_request: Request, _scheme: Scheme, params: Parameters) -> tuple[str, str, dict[str, Any]]:
    return params.all.get("Action", ""), "", nest(params.all, first=0)


def _response(code: int, desc: str, message: str, request_id: str, fields: Mapping[str, Any]) -> Response:
    body = {"code": code, "message": message, "codeDesc": desc, "requestId": request_id, **fields}
    return Response(status=200, content_type="application/json", body=msgspec.json.encode(body).decode())


def _success(_request: Request, _action: str, fields: Mapping[str, Any], request_id: str) -> Response:
    return _response(0, "Success", "", request_id, fields)


def _failure(_request: Request, _action: str, error: e.KmsError, request_id: str, _view: View) -> Response:
    row = ERRORS[e.kind(error)]
    message = f"({row.module or row.code}){row.text or error.message}"
    return _response(row.code, row.desc, message, request_id, {})


DIALECT = Dialect(
    name=TENCENT_V2,
    title="Tencent Cloud KMS, legacy API v2",
    authorizations={},
    marks=(Mark(Rank.CREDENTIAL, tencent_v1.SCHEME, path(LEGACY_PATH)),),
    carrier="SecretId",
    form_path=LEGACY_PATH,
    operations=OPERATIONS,
    unsupported={},
    common=COMMON,
    parameters=parameters,
    parse=_parse,
    errors=ERRORS,
    rates=rates(OPERATIONS),
    other_rate=OTHERS,
    success=_success,
    failure=_failure,
    no_arns=no_arns("keyId"),
)
