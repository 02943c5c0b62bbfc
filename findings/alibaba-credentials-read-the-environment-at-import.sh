#!/usr/bin/env bash
# alibabacloud-credentials 1.0.12 (PyPI), alibabacloud-kms20160120 3.3.1, alibabacloud-tea-openapi 0.4.6
# Surprise: ALIBABA_CLOUD_ACCESS_KEY_ID and the other variables are read when alibabacloud_credentials is imported, which importing an SDK does.
# What sets them later (os.environ, monkeypatch, dotenv, a secret that is fetched first) has no effect and gives no error: the default
# chain goes on to the current profile of the aliyun command line, and then to the metadata of the machine.
# Why it matters: the request goes where the endpoint says, signed by another access key: a program that was pointed at a test service signs
# with the person's own key of the public cloud, and one that changes its key by the environment keeps the old one until it is restarted.
set -euo pipefail
tmp=$(mktemp -d); trap 'rm -rf "$tmp"' EXIT; cd "$tmp"
python3 -m venv v
v/bin/pip install -q --disable-pip-version-check alibabacloud-credentials==1.0.12 alibabacloud-kms20160120==3.3.1 alibabacloud-tea-openapi==0.4.6
mkdir -p home/.aliyun
cat > home/.aliyun/config.json <<'E'
{"current": "default", "profiles": [{"name": "default", "mode": "AK", "access_key_id": "OfTheCommandLine", "access_key_secret": "fake"}]}
E
cat > run.py <<'E'
import http.server
import json
import os
import re
import sys
import threading

SET = {"ALIBABA_CLOUD_ACCESS_KEY_ID": "OfTheEnvironment", "ALIBABA_CLOUD_ACCESS_KEY_SECRET": "fake"}
if sys.argv[1] == "before":
    os.environ.update(SET)
from alibabacloud_credentials.client import Client as Credential  # noqa: E402
from alibabacloud_kms20160120 import models  # noqa: E402
from alibabacloud_kms20160120.client import Client  # noqa: E402
from alibabacloud_tea_openapi.models import Config  # noqa: E402

os.environ.update(SET)
signed_by = []


class Service(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        signed_by.extend(re.findall("Credential=([A-Za-z]+)", self.headers["Authorization"]))
        body = json.dumps({"KeyId": "key", "CiphertextBlob": "blob", "RequestId": "1"}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_): ...


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Service)
threading.Thread(target=server.serve_forever, daemon=True).start()
config = Config(credential=Credential(), endpoint=f"127.0.0.1:{server.server_port}", protocol="http", region_id="cn-hangzhou")
Client(config).encrypt(models.EncryptRequest(key_id="key", plaintext="text"))
server.shutdown()
print(*signed_by)
E
here() {
  env -u HTTP_PROXY -u HTTPS_PROXY -u http_proxy -u https_proxy -u ALIBABA_CLOUD_ACCESS_KEY_ID -u ALIBABA_CLOUD_PROFILE \
    HOME="$tmp/home" ALIBABA_CLOUD_ECS_METADATA_DISABLED=true v/bin/python run.py "$1"
}
v/bin/python -c 'from importlib.metadata import version; print("alibabacloud-credentials", version("alibabacloud-credentials"))'
before=$(here before); after=$(here after)
echo "variables set before the import: signed by $before; after it: signed by $after"
[ "$before $after" = "OfTheEnvironment OfTheCommandLine" ] || { echo changed >&2; exit 1; }
echo "still so"
