#!/usr/bin/env bash
# tencentcloud-sdk-python-kms 3.1.192 with tencentcloud-sdk-python-common 3.1.195 (PyPI); since
# common 3.0.995: 3.0.994, which was run, too, raises for all four types below
# Surprise: the SDK looks for an error only if the Content-Type is, letter for letter, "application/json" or "text/plain". With
# "application/json; charset=utf-8" the very same error body is a success: no exception, and a response whose fields are None.
# Why it matters: many web frameworks and some proxies add that parameter. A refused Encrypt then "succeeds", and None is stored in
# place of the ciphertext. Whoever answers this client must send the bare type; whoever calls must look at the field.
set -euo pipefail
tmp=$(mktemp -d); trap 'rm -rf "$tmp"' EXIT; cd "$tmp"
python3 -m venv v
v/bin/pip install -q --disable-pip-version-check tencentcloud-sdk-python-kms==3.1.192 tencentcloud-sdk-python-common==3.1.195
v/bin/python - <<'E'
import http.server
import sys
import threading
from importlib.metadata import version

from tencentcloud.common.credential import Credential
from tencentcloud.common.exception.tencent_cloud_sdk_exception import TencentCloudSDKException
from tencentcloud.common.profile.client_profile import ClientProfile
from tencentcloud.common.profile.http_profile import HttpProfile
from tencentcloud.kms.v20190118 import kms_client, models

print("tencentcloud-sdk-python-common", version("tencentcloud-sdk-python-common"))
ERROR = b'{"Response": {"Error": {"Code": "ResourceUnavailable.CmkDisabled", "Message": "disabled"}, "RequestId": "r"}}'


class Service(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Type", self.server.content_type)
        self.send_header("Content-Length", str(len(ERROR)))
        self.end_headers()
        self.wfile.write(ERROR)

    def log_message(self, *_): ...


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Service)
threading.Thread(target=server.serve_forever, daemon=True).start()
profile = ClientProfile(httpProfile=HttpProfile(protocol="http", endpoint=f"127.0.0.1:{server.server_port}"))
client = kms_client.KmsClient(Credential("FAKE", "fake"), "ap-guangzhou", profile)


def outcome(content_type):
    server.content_type = content_type
    request = models.EncryptRequest()
    request.KeyId, request.Plaintext = "k", "dGV4dA=="
    try:
        return f"success, CiphertextBlob={client.Encrypt(request).CiphertextBlob}"
    except TencentCloudSDKException as error:
        return f"raises {error.code}"


seen = {}
for content_type in "application/json", "text/plain", "application/json; charset=utf-8", "Application/JSON":
    seen[content_type] = outcome(content_type)
    print(f"{content_type}: {seen[content_type]}")
server.shutdown()
raised, silent = "raises ResourceUnavailable.CmkDisabled", "success, CiphertextBlob=None"
if list(seen.values()) != [raised, raised, silent, silent]:
    sys.exit("changed")
print("still so")
E
