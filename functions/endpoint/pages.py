"""Answers to requests of no dialect: the health check, a page for people, and how to sign.

The clients of Alibaba Cloud's KMS instances (dkms-gcs) speak protobuf: they get the error that they can read.
"""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import Path

import msgspec
from msgspec import Struct

from tenantkms import __version__
from tenantkms.wire.http import Request, Response

_HOW = (
    "This is a key management service. Sign the request as an Alibaba Cloud KMS SDK does (ACS3-HMAC-SHA256, or"
    " AccessKeyId and Signature parameters), as a Tencent Cloud SDK does (TC3-HMAC-SHA256, or SecretId and"
    " Signature parameters; the legacy API at /v2/index.php) or as an AWS KMS client does (AWS4-HMAC-SHA256)."
)
_INSTANCE = (
    "This is the protocol of KMS instances (dkms-gcs), which is not served here. Use Alibaba Cloud's KMS SDK"
    " (alibabacloud_kms20160120, or aliyun-python-sdk-kms) with this endpoint and an access key of this service."
)
_PROTOBUF = "application/x-protobuf"
_STRICT = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"


class Doors(Struct, frozen=True):
    """What people find here. `machine`: it is one machine, and its `tkms` command is on it."""

    explorer: bool = False
    machine: bool = False


def plain_error(status: int, message: str, request_id: str) -> Response:
    body = {"error": message, "request_id": request_id}
    return Response(status=status, content_type="application/json", body=msgspec.json.encode(body).decode())


def _varint(number: int) -> bytes:
    low = number & 0x7F
    return bytes([low | 0x80]) + _varint(number >> 7) if number > 0x7F else bytes([low])


def _protobuf_error(status: int, code: str, message: str, request_id: str) -> Response:
    """`Error{1 StatusCode int32, 2 ErrorCode, 3 ErrorMessage, 4 RequestId}` as alibabacloud-dkms-gcs 1.0.2 has it."""
    body = b"\x08" + _varint(status)
    for field, text in enumerate((code, message, request_id), 2):
        value = text.encode()
        body += bytes([field << 3 | 2]) + _varint(len(value)) + value
    return Response(status=status, content_type=_PROTOBUF, body=body)


def human_page(request: Request, request_id: str, doors: Doors) -> Response:
    """The answer to a request that shows no authentication of any dialect."""
    page = _page(request, doors) if request.method in ("GET", "HEAD") and not request.body else None
    if page:
        return page
    if request.header("x-kms-apiname") or _PROTOBUF in request.header("accept"):
        return _protobuf_error(400, "UnsupportedOperation", _INSTANCE, request_id)
    return plain_error(400, _HOW, request_id)


@lru_cache(maxsize=1)
def _door(doors: Doors) -> str:
    """The page at `/`, without the sections of doors that are not there."""
    page = Path(__file__).with_name("door.html").read_text("utf-8")
    for name in Doors.__struct_fields__:
        if not getattr(doors, name):
            page = re.sub(f"<!--{name}-->.*?<!--/{name}-->\n", "", page, flags=re.DOTALL)
    return page.replace("{version}", __version__)


def _page(request: Request, doors: Doors) -> Response | None:
    if request.path == "/healthz":
        return Response(status=200, content_type="application/json", body='{"status":"ok"}')
    if request.path == "/" and not request.query:
        headers = {"content-security-policy": _STRICT, "x-content-type-options": "nosniff"}
        return Response(status=200, content_type="text/html; charset=utf-8", body=_door(doors), headers=headers)
    if doors.explorer and request.path.startswith("/explorer"):
        from functions.endpoint.explorer.assets import respond  # most processes are never asked for it

        return respond(request)
    return None
