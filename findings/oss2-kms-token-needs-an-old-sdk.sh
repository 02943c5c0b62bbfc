#!/usr/bin/env bash
# oss2 2.19.1 (PyPI) with aliyun-python-sdk-kms 2.16.5 and 2.5.1, and aliyun-python-sdk-core 2.16.1. oss2 asks for aliyun-python-sdk-kms
# 2.4.1 or later, whose requests have set_STSToken in 2.4.1, 2.5.0 and 2.5.1, and no longer in 2.6.0 to 2.10.1, 2.14.0 and 2.16.5
# Surprise: AliKMSProvider(.., sts_token="token") is made without complaint, and with what pip installs its first use raises AttributeError,
# before anything is sent. With 2.5.1 it works.
# Why it matters: temporary access keys, which are what a role has, do not work with client-side encryption, and one learns it when the
# first object is put; `except OssError` does not catch it.
set -euo pipefail
tmp=$(mktemp -d); trap 'rm -rf "$tmp"' EXIT; cd "$tmp"
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout key.pem -out cert.pem -days 1 -subj /CN=127.0.0.1 \
  -addext subjectAltName=IP:127.0.0.1 2>openssl.log
cat > run.py <<'E'
import base64
import http.server
import json
import ssl
import sys
import threading
import urllib.parse
from importlib.metadata import version

import oss2
from aliyunsdkcore.profile import region_provider

sent = []


class Kms(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        query = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(self.path).query))
        sent.append(query["Action"] + (", STSToken" if "STSToken" in query else ""))
        answer = {"Plaintext": base64.b64encode(bytes(32)).decode(), "CiphertextBlob": "blob", "RequestId": "r"}
        body = json.dumps(answer).encode()
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
region_provider.modify_point("Kms", "cn-hangzhou", f"127.0.0.1:{server.server_port}")
seen = []
for token in None, "token":
    provider = oss2.crypto.AliKMSProvider("FAKE", "fake", "cn-hangzhou", "alias/a", sts_token=token)
    sent.clear()
    try:
        provider.create_content_material()
        seen.append("works")
    except Exception as error:
        seen.append(type(error).__name__)
    print(f"aliyun-python-sdk-kms {version('aliyun-python-sdk-kms')}, sts_token={token}: {seen[-1]}; sent: {'; '.join(sent) or 'nothing'}")
server.shutdown()
sys.exit(0 if seen == sys.argv[1:] else "changed")
E
for pair in 2.16.5:AttributeError 2.5.1:works; do
  IFS=: read -r kms expected <<<"$pair"
  python3 -m venv "v$kms"
  "v$kms/bin/pip" install -q --disable-pip-version-check oss2==2.19.1 aliyun-python-sdk-core==2.16.1 "aliyun-python-sdk-kms==$kms"
  ALIBABA_CLOUD_CA_BUNDLE=cert.pem "v$kms/bin/python" run.py works "$expected"
done
echo "still so"
