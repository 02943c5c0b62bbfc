"""Answers to requests of no dialect: the health check, a page for people, and how to sign.

The clients of Alibaba Cloud's KMS instances (dkms-gcs) speak protobuf: they get the error that they can read.
"""

from __future__ import annotations

import msgspec

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
_PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Tenant KMS</title>
<style>
body{font:16px/1.5 system-ui,sans-serif;max-width:40em;margin:4em auto;padding:0 1em}
code{background:#eee}
</style>
<h1>Tenant KMS is running</h1>
<p>This address serves the KMS APIs of Alibaba Cloud (2016-01-20), Tencent Cloud (2019-01-18 and
<code>/v2/index.php</code>) and AWS to their own SDKs: set the SDK's endpoint to this host
(for AWS <code>AWS_ENDPOINT_URL_KMS</code>) and use an access key of this service.</p>
<p>On the machine that runs it, <code>tkms snippet</code> prints a ready program for each SDK.
<code>GET /healthz</code> says whether it is up.</p>
</html>
"""


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


def human_page(request: Request, request_id: str) -> Response:
    """The answer to a request that shows no authentication of any dialect."""
    if request.method in ("GET", "HEAD") and request.path == "/healthz":
        return Response(status=200, content_type="application/json", body='{"status":"ok"}')
    if request.method in ("GET", "HEAD") and request.path == "/" and not request.query and not request.body:
        headers = {"content-security-policy": "default-src 'none'; style-src 'unsafe-inline'"}
        return Response(status=200, content_type="text/html; charset=utf-8", body=_PAGE, headers=headers)
    if request.header("x-kms-apiname") or _PROTOBUF in request.header("accept"):
        return _protobuf_error(400, "UnsupportedOperation", _INSTANCE, request_id)
    return plain_error(400, _HOW, request_id)
