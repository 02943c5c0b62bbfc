"""Answers to requests of no dialect: the health check, a page for people, and how to sign."""

from __future__ import annotations

import msgspec

from tenantkms.wire.http import Request, Response

_HOW = (
    "This is a key management service. Sign the request as an Alibaba Cloud KMS SDK does (ACS3-HMAC-SHA256, or"
    " AccessKeyId and Signature parameters) or as a Tencent Cloud SDK does (TC3-HMAC-SHA256, or SecretId and"
    " Signature parameters; the legacy API at /v2/index.php)."
)
_PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Tenant KMS</title>
<style>
body{font:16px/1.5 system-ui,sans-serif;max-width:40em;margin:4em auto;padding:0 1em}
code{background:#eee}
</style>
<h1>Tenant KMS is running</h1>
<p>This address serves the KMS APIs of Alibaba Cloud (2016-01-20) and Tencent Cloud (2019-01-18 and
<code>/v2/index.php</code>) to their own SDKs: set the SDK's endpoint to this host
and use an access key of this service.</p>
<p>On the machine that runs it, <code>tkms snippet</code> prints a ready program for each SDK.
<code>GET /healthz</code> says whether it is up.</p>
</html>
"""


def plain_error(status: int, message: str, request_id: str) -> Response:
    body = {"error": message, "request_id": request_id}
    return Response(status=status, content_type="application/json", body=msgspec.json.encode(body).decode())


def human_page(request: Request, request_id: str) -> Response:
    """The answer to a request that shows no authentication of any dialect."""
    if request.method in ("GET", "HEAD") and request.path == "/healthz":
        return Response(status=200, content_type="application/json", body='{"status":"ok"}')
    if request.method in ("GET", "HEAD") and request.path == "/" and not request.query and not request.body:
        headers = {"content-security-policy": "default-src 'none'; style-src 'unsafe-inline'"}
        return Response(status=200, content_type="text/html; charset=utf-8", body=_PAGE, headers=headers)
    return plain_error(400, _HOW, request_id)
