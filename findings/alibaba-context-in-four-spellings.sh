#!/usr/bin/env bash
# alibabacloud-kms20160120 3.3.1 (tea-openapi 0.4.6), aliyun-python-sdk-kms 2.16.5 (core 2.16.1) (PyPI); @alicloud/kms20160120 1.2.0,
# @alicloud/pop-core 1.8.0 (npm), Node 20; the same in alibabacloud-kms20160120 2.2.3 and 2.0.0 (tea-openapi 0.3.16 and 0.3.8),
# aliyun-python-sdk-kms 2.16.0 and 2.10.0 (core 2.15.2 and 2.13.36), @alicloud/kms20160120 1.1.0 (npm has only these two), and
# pop-core 1.7.13 and 1.5.0, which were run, too
# Surprise: the same map given as the encryption context of Encrypt goes over the wire in four ways by four SDKs of one vendor: JSON
# text; Python's repr with single quotes, which is no JSON; one parameter EncryptionContext.tenant for each entry; and the constant
# text "[object Object]". No SDK complains.
# Why it matters: a service that parses JSON refuses the second and the fourth, and misses the third's context altogether. A service that
# binds whatever text it gets makes all contexts of a pop-core user one and the same.
set -euo pipefail
tmp=$(mktemp -d); trap 'rm -rf "$tmp"' EXIT; cd "$tmp"
npm install --silent --no-audit --no-fund --prefix . @alicloud/kms20160120@1.2.0 @alicloud/pop-core@1.8.0 >/dev/null
python3 -m venv v
v/bin/pip install -q --disable-pip-version-check alibabacloud-kms20160120==3.3.1 alibabacloud-tea-openapi==0.4.6 \
  aliyun-python-sdk-kms==2.16.5 aliyun-python-sdk-core==2.16.1
cat > run.js <<'E'
const [which, port] = process.argv.slice(2);
const keys = { accessKeyId: "FAKE", accessKeySecret: "fake" };
if (which === "pop-core") {
  const { RPCClient } = require("@alicloud/pop-core");
  new RPCClient({ ...keys, endpoint: `http://127.0.0.1:${port}`, apiVersion: "2016-01-20" })
    .request("Encrypt", { KeyId: "k", Plaintext: "text", EncryptionContext: { tenant: "7" } }, { method: "POST" });
} else {
  const kms = require("@alicloud/kms20160120");
  const { Config } = require("@alicloud/rpc-client");
  const client = new kms.default(new Config({ ...keys, regionId: "cn-hangzhou", endpoint: `127.0.0.1:${port}`, protocol: "http" }));
  const { RuntimeOptions } = require("@alicloud/tea-util");
  client.encrypt(new kms.EncryptRequest({ keyId: "k", plaintext: "text", encryptionContext: { tenant: "7" } }), new RuntimeOptions({}));
}
E
cat > run.py <<'E'
import http.server
import subprocess
import sys
import threading
import urllib.parse
import warnings

warnings.simplefilter("ignore")
from alibabacloud_kms20160120 import models
from alibabacloud_kms20160120.client import Client
from alibabacloud_tea_openapi.models import Config
from aliyunsdkcore.client import AcsClient
from aliyunsdkkms.request.v20160120.EncryptRequest import EncryptRequest

received = []


class Kms(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"] or 0)).decode()
        query = urllib.parse.parse_qsl(urllib.parse.urlsplit(self.path).query) + urllib.parse.parse_qsl(body)
        received.append({name: value for name, value in query if name.startswith("EncryptionContext")})
        answer = b'{"RequestId": "r", "CiphertextBlob": "blob"}'
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_): ...


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Kms)
threading.Thread(target=server.serve_forever, daemon=True).start()
port = server.server_port
config = Config(access_key_id="FAKE", access_key_secret="fake", region_id="cn-hangzhou", endpoint=f"127.0.0.1:{port}", protocol="http")
Client(config).encrypt(models.EncryptRequest(key_id="k", plaintext="text", encryption_context={"tenant": "7"}))
request = EncryptRequest()
request.set_protocol_type("http")
request.set_endpoint(f"127.0.0.1:{port}")
request.set_KeyId("k")
request.set_Plaintext("text")
request.set_EncryptionContext({"tenant": "7"})
AcsClient("FAKE", "fake", "cn-hangzhou").do_action_with_exception(request)
for which in "kms20160120", "pop-core":
    subprocess.run(["node", "--no-warnings", "run.js", which, str(port)], check=True, timeout=60)
server.shutdown()
names = "alibabacloud-kms20160120 (Python)", "aliyun-python-sdk-kms", "@alicloud/kms20160120 (npm)", "@alicloud/pop-core"
for name, parameters in zip(names, received, strict=True):
    print(f"{name}: {parameters}")
if received != [
    {"EncryptionContext": '{"tenant":"7"}'}, {"EncryptionContext": "{'tenant': '7'}"},
    {"EncryptionContext.tenant": "7"}, {"EncryptionContext": "[object Object]"},
]:
    sys.exit("changed")
print("still so")
E
v/bin/python run.py
