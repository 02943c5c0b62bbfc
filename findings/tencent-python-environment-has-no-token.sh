#!/usr/bin/env bash
# tencentcloud-sdk-python-common 3.1.195, tencentcloud-sdk-python-kms 3.1.192 (PyPI)
# Surprise: EnvironmentVariableCredential, and with it DefaultCredentialProvider, takes TENCENTCLOUD_SECRET_ID and _KEY and passes over
# TENCENTCLOUD_TOKEN, which tccli reads: a temporary key is sent without its token. In ~/.tencentcloud/credentials quotation marks, in which its
# own description writes the values, become part of id and key, and a token is passed over as well.
# Why it matters: the credentials are found, so nothing is said, and each request is refused as an unknown id or a wrong signature. Where a
# session is handed over by the environment, only `Credential(id, key, token)`, read by hand, works.
set -euo pipefail
tmp=$(mktemp -d); trap 'rm -rf "$tmp"' EXIT; cd "$tmp"
python3 -m venv v
v/bin/pip install -q --disable-pip-version-check tencentcloud-sdk-python-common==3.1.195 tencentcloud-sdk-python-kms==3.1.192
unset HTTP_PROXY HTTPS_PROXY ALL_PROXY http_proxy https_proxy all_proxy TENCENTCLOUD_SECRET_ID TENCENTCLOUD_SECRET_KEY TENCENTCLOUD_TOKEN
HOME="$tmp" v/bin/python - <<'E'
import http.server
import json
import os
import re
import sys
import threading
from importlib.metadata import version
from pathlib import Path

from tencentcloud.common.credential import Credential, DefaultCredentialProvider
from tencentcloud.common.profile.client_profile import ClientProfile
from tencentcloud.common.profile.http_profile import HttpProfile
from tencentcloud.kms.v20190118 import kms_client, models

print("tencentcloud-sdk-python-common", version("tencentcloud-sdk-python-common"))
sent = []


class Service(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        sent.append((re.search("Credential=([^/]+)", self.headers["Authorization"])[1], self.headers.get("X-TC-Token")))
        body = json.dumps({"Response": {"KeyId": "key", "CiphertextBlob": "blob", "RequestId": "1"}}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_): ...


def encrypt(credential):
    profile = ClientProfile(httpProfile=HttpProfile(endpoint=f"127.0.0.1:{server.server_port}", protocol="http"))
    request = models.EncryptRequest()
    request.KeyId, request.Plaintext = "key", "aGVsbG8="
    kms_client.KmsClient(credential, "ap-guangzhou", profile).Encrypt(request)
    return sent[-1]


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Service)
threading.Thread(target=server.serve_forever, daemon=True).start()
session = {"TENCENTCLOUD_SECRET_ID": "id", "TENCENTCLOUD_SECRET_KEY": "key", "TENCENTCLOUD_TOKEN": "token"}
os.environ.update(session)
seen = {"by hand": encrypt(Credential(*session.values())), "environment": encrypt(DefaultCredentialProvider().get_credential())}
for name in session:
    del os.environ[name]
Path(".tencentcloud").mkdir()
Path(".tencentcloud/credentials").write_text('[default]\nsecret_id="id"\nsecret_key="key"\ntoken="token"\n')
seen["file"] = encrypt(DefaultCredentialProvider().get_credential())
server.shutdown()
for name, (identity, token) in seen.items():
    print(f"{name}: sent as {identity}, token: {token}")
if seen != {"by hand": ("id", "token"), "environment": ("id", None), "file": ('"id"', None)}:
    sys.exit("changed")
print("still so")
E
