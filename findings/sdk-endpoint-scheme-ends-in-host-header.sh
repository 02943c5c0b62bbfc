#!/usr/bin/env bash
# alibabacloud-kms20160120 3.3.1 (tea-openapi 0.4.6), tencentcloud-sdk-python-kms 3.1.192 (common 3.1.195) (PyPI); the
# same in tea-openapi 0.3.8 and 0.3.16, and in Tencent's common 3.0.571, 3.0.800 and 3.0.1459, which were run, too; common 3.0.252 and
# 3.0.500 do not get as far: with a scheme the call fails with "Name or service not known"
# Surprise: an endpoint written as a URL, endpoint="http://host:port", as boto3 wants it, works at first: the request arrives. But its
# Host header is the whole URL, "Host: http://127.0.0.1:8080", and exactly that text is signed. A path in the endpoint ends there, too.
# Why it matters: a lenient server on localhost accepts it, so it survives the tests; proxies and gateways that route by Host, or know what
# a host may look like, answer 400 or 404, and a server that repairs the header finds a signature that does not fit.
set -euo pipefail
tmp=$(mktemp -d); trap 'rm -rf "$tmp"' EXIT; cd "$tmp"
python3 -m venv v
v/bin/pip install -q --disable-pip-version-check alibabacloud-kms20160120==3.3.1 alibabacloud-tea-openapi==0.4.6 \
  tencentcloud-sdk-python-kms==3.1.192 tencentcloud-sdk-python-common==3.1.195
cat > run.py <<'E'
import http.server
import sys
import threading
import warnings
from importlib.metadata import version

warnings.simplefilter("ignore")
from alibabacloud_kms20160120 import models as alibaba
from alibabacloud_kms20160120.client import Client
from alibabacloud_tea_openapi.models import Config
from tencentcloud.common.credential import Credential
from tencentcloud.common.profile.client_profile import ClientProfile
from tencentcloud.common.profile.http_profile import HttpProfile
from tencentcloud.kms.v20190118 import kms_client, models as tencent

hosts = []


class Kms(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"] or 0))
        hosts.append(self.headers["Host"].replace(str(self.server.server_port), "PORT"))
        answer = b'{"RequestId": "r", "Response": {"RequestId": "r"}}'
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_): ...


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Kms)
threading.Thread(target=server.serve_forever, daemon=True).start()


def tea(endpoint):
    config = Config(access_key_id="FAKE", access_key_secret="fake", region_id="cn-hangzhou", endpoint=endpoint, protocol="http")
    Client(config).describe_key(alibaba.DescribeKeyRequest(key_id="k"))


def tc3(endpoint):
    profile = ClientProfile(httpProfile=HttpProfile(protocol="http", endpoint=endpoint))
    kms_client.KmsClient(Credential("FAKE", "fake"), "ap-guangzhou", profile).ListKeys(tencent.ListKeysRequest())


same = True
for name, call in ("alibabacloud-tea-openapi", tea), ("tencentcloud-sdk-python-common", tc3):
    for prefix, suffix in ("", ""), ("http://", ""), ("", "/kms"):
        call(f"{prefix}127.0.0.1:{server.server_port}{suffix}")
        print(f"{name} {version(name)}, endpoint {prefix}127.0.0.1:PORT{suffix} -> Host: {hosts[-1]}")
        same = same and hosts[-1] == f"{prefix}127.0.0.1:PORT{suffix}"
server.shutdown()
if not same or len(hosts) != 6:
    sys.exit("changed")
print("still so")
E
v/bin/python run.py
