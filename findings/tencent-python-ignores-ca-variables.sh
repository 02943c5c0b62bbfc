#!/usr/bin/env bash
# tencentcloud-sdk-python-common 3.1.195 with -kms 3.1.192 and alibabacloud-kms20160120 3.3.1 with alibabacloud-tea-openapi 0.4.6 (PyPI)
# Surprise: Tencent's SDK calls through requests and heeds none of its variables, nor OpenSSL's: SSL_CERT_FILE, REQUESTS_CA_BUNDLE and
# CURL_CA_BUNDLE leave a private CA unknown, since the SDK passes certifi's file itself. Only HttpProfile(certification=FILE) names another.
# Alibaba's SDK heeds SSL_CERT_FILE.
# Why it matters: a program that is not one's own, behind a company's CA or with a KMS of its own, cannot be told what to trust by the
# environment that every other Python program there is told by; one must change it, or certifi's file.
set -euo pipefail
tmp=$(mktemp -d); trap 'rm -rf "$tmp"' EXIT; cd "$tmp"
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout key.pem -out cert.pem -days 1 -subj /CN=127.0.0.1 \
  -addext subjectAltName=IP:127.0.0.1 2>openssl.log
python3 -m venv v
v/bin/pip install -q --disable-pip-version-check tencentcloud-sdk-python-kms==3.1.192 tencentcloud-sdk-python-common==3.1.195 \
  alibabacloud-kms20160120==3.3.1 alibabacloud-tea-openapi==0.4.6
cat > call.py <<'E'
import sys
import warnings

warnings.simplefilter("ignore")
who, port, certification = sys.argv[1:]
try:
    if who == "tencent":
        from tencentcloud.common.credential import Credential
        from tencentcloud.common.profile.client_profile import ClientProfile
        from tencentcloud.common.profile.http_profile import HttpProfile
        from tencentcloud.kms.v20190118 import kms_client, models

        http = HttpProfile(endpoint=f"127.0.0.1:{port}", certification=certification or None)
        kms_client.KmsClient(Credential("FAKE", "fake"), "ap-guangzhou", ClientProfile(httpProfile=http)).ListKeys(models.ListKeysRequest())
    else:
        from alibabacloud_kms20160120.client import Client
        from alibabacloud_kms20160120.models import ListKeysRequest
        from alibabacloud_tea_openapi.models import Config

        config = Config(
            access_key_id="FAKE", access_key_secret="fake", region_id="cn-hangzhou", endpoint=f"127.0.0.1:{port}", protocol="https",
            ca=certification or None,
        )
        Client(config).list_keys(ListKeysRequest())
    print("works")
except Exception as error:
    print("CERTIFICATE_VERIFY_FAILED" if "CERTIFICATE_VERIFY_FAILED" in str(error) else f"{type(error).__name__}: {error}")
E
cat > run.py <<'E'
import http.server
import os
import ssl
import subprocess
import sys
import threading
from importlib.metadata import version


class Kms(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        body = b'{"RequestId": "r", "Response": {"RequestId": "r"}}'
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_): ...


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Kms)
context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
context.load_cert_chain("cert.pem", "key.pem")
server.socket = context.wrap_socket(server.socket, server_side=True)
threading.Thread(target=server.serve_forever, daemon=True).start()
server.handle_error = lambda *_: None
names = "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"
plain = {name: value for name, value in os.environ.items() if name not in names and not name.lower().endswith("_proxy")}


def call(who, certification="", **variables):
    command = [sys.executable, "call.py", who, str(server.server_port), certification]
    outcome = subprocess.run(command, env=plain | variables, capture_output=True, text=True).stdout.strip()
    print(f"{who}, {', '.join(variables) or 'no variable'}{', certification=' if certification else ''}: {outcome}")
    return outcome


print("tencentcloud-sdk-python-common", version("tencentcloud-sdk-python-common"))
bundle = os.path.abspath("cert.pem")
unknown = "CERTIFICATE_VERIFY_FAILED"
tencent = [call("tencent"), *(call("tencent", **{name: bundle}) for name in names), call("tencent", certification=bundle)]
alibaba = [call("alibaba"), call("alibaba", SSL_CERT_FILE=bundle)]
if (tencent, alibaba) != ([unknown] * 4 + ["works"], [unknown, "works"]):
    sys.exit("changed")
print("still so")
E
v/bin/python run.py
