#!/usr/bin/env bash
# tencentcloud-sdk-python-common 3.1.195 with tencentcloud-sdk-python-kms 3.1.192 (PyPI)
# Surprise: StandardRetryer remembers the error of a first try when the second one succeeds. It repeats what has succeeded until
# its tries are used up, and raises the old error.
# Why it matters: after one throttled try a CreateKey is made once for each try that is left, and the caller is told that it was
# throttled. Whoever wants retries writes the loop around the client himself.
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
from tencentcloud.common.retry import StandardRetryer
from tencentcloud.kms.v20190118 import kms_client, models

print("tencentcloud-sdk-python-common", version("tencentcloud-sdk-python-common"))
THROTTLED = b'{"Response": {"Error": {"Code": "RequestLimitExceeded", "Message": "later"}, "RequestId": "r"}}'
CREATED = b'{"Response": {"KeyId": "k", "RequestId": "r"}}'
answered = []


class Service(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        body = CREATED if answered else THROTTLED
        answered.append("created" if answered else "throttled")
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_): ...


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Service)
threading.Thread(target=server.serve_forever, daemon=True).start()
profile = ClientProfile(httpProfile=HttpProfile(protocol="http", endpoint=f"127.0.0.1:{server.server_port}"))
profile.retryer = StandardRetryer(max_attempts=4, backoff_fn=lambda _: 0)
client = kms_client.KmsClient(Credential("FAKE", "fake"), "ap-guangzhou", profile)
request = models.CreateKeyRequest()
request.Alias = "a"
try:
    outcome = f"success, KeyId={client.CreateKey(request).KeyId}"
except TencentCloudSDKException as error:
    outcome = f"raises {error.code}"
server.shutdown()
print("the service answered:", ", ".join(answered))
print("the caller is told:", outcome)
if answered != ["throttled", "created", "created", "created"] or outcome != "raises RequestLimitExceeded":
    sys.exit("changed")
print("still so")
E
