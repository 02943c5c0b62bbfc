#!/usr/bin/env bash
# alibabacloud-secretsmanager-client-v2 2.0.0 (PyPI, its newest) with alibabacloud-kms20160120 3.3.1, alibabacloud-tea-openapi 0.4.6
# Surprise: a client with two regions asks the second one only after a timeout, Rejected.Throttling, ServiceUnavailableTemporary or
# InternalFailure. A first region that refuses connections, or answers 502 through a proxy, or ServiceUnavailable, is the caller's error
# at once. Which region is the first one is not what was configured either: the list goes through a set, whose order changes with each
# start of Python, and then by what the command `ping` says; without that command, or for an endpoint with a port, all are equally bad.
# Why it matters: the second region is there for the day when one is down, and then a process fails or works by the order that it drew.
# A start that works proves little: the next one may have the other order.
set -euo pipefail
tmp=$(mktemp -d); trap 'rm -rf "$tmp"' EXIT; cd "$tmp"
python3 -m venv v
v/bin/pip install -q --disable-pip-version-check alibabacloud-secretsmanager-client-v2==2.0.0 alibabacloud-kms20160120==3.3.1 \
  alibabacloud-tea-openapi==0.4.6 alibabacloud-tea==0.4.3 alibabacloud-credentials==1.0.12
cat > client.py <<'E'
import json
import logging
import sys

from alibabacloud_secretsmanager_client_v2.secret_manager_cache_client_builder import SecretManagerCacheClientBuilder
from alibabacloud_secretsmanager_client_v2.service.default_secret_manager_client_builder import BaseSecretManagerClientBuilder
from alibabacloud_tea_openapi.models import Config

quiet = logging.getLogger("quiet")
quiet.addHandler(logging.NullHandler())
quiet.propagate = False
builder = BaseSecretManagerClientBuilder.standard().with_access_key("FAKE", "fake")
for region, port in zip(("cn-hangzhou", "cn-shanghai"), sys.argv[1:]):
    builder.add_config(Config("FAKE", "fake", endpoint=f"127.0.0.1:{port}", protocol="http", region_id=region))
client = SecretManagerCacheClientBuilder.new_cache_client_builder(builder.build()).with_logger(quiet).build()
first = client.secret_client.region_info_list[0].region_id
try:
    outcome = client.get_secret_value("db")
except Exception as error:
    outcome = type(error).__name__
print(json.dumps([first, outcome]))
E
env -u HTTP_PROXY -u http_proxy v/bin/python - <<'E'
import http.server
import json
import os
import socket
import subprocess
import sys
import threading
from importlib.metadata import version

print("alibabacloud-secretsmanager-client-v2", version("alibabacloud-secretsmanager-client-v2"))
WORKS = json.dumps({"SecretName": "db", "SecretData": "the password", "SecretDataType": "text", "VersionId": "1", "RequestId": "r"})
FAILS = {
    "502 of a proxy": (502, "<html>bad gateway</html>"),
    "ServiceUnavailable": (503, '{"Code": "ServiceUnavailable", "Message": "m", "RequestId": "r"}'),
    "ServiceUnavailableTemporary": (503, '{"Code": "ServiceUnavailableTemporary", "Message": "m", "RequestId": "r"}'),
}


def serve(status, text):
    class Service(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            self.send_response(status)
            self.send_header("Content-Type", "application/json;charset=utf-8")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, *_): ...

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Service)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server.server_port


def by_first_region(broken):
    """What the client does, by the region that it has put first: {region: outcome} of at most 40 starts."""
    outcomes = {}
    for seed in range(40):
        environment = {**os.environ, "PYTHONHASHSEED": str(seed)}
        command = [sys.executable, "-W", "ignore", "client.py", str(broken), str(works)]
        first, outcome = json.loads(subprocess.run(command, env=environment, capture_output=True, check=True).stdout)
        outcomes[first] = outcome
        if len(outcomes) == 2:
            return outcomes
    sys.exit("changed: the first region is the same in 40 starts")


works = serve(200, WORKS)
seen = {}
with socket.socket() as closed:
    closed.bind(("127.0.0.1", 0))  # bound and not listening: it refuses connections
    seen["refuses connections"] = by_first_region(closed.getsockname()[1])
for name, answer in FAILS.items():
    seen[name] = by_first_region(serve(*answer))
for name, outcomes in seen.items():
    print(f"cn-hangzhou: {name}; cn-shanghai works. First is cn-hangzhou: {outcomes['cn-hangzhou']}; cn-shanghai: {outcomes['cn-shanghai']}")
if any(outcomes["cn-shanghai"] != "the password" for outcomes in seen.values()):
    sys.exit("changed")
broken = ["UnretryableException", "UnretryableException", "ServerException", "the password"]
if [outcomes["cn-hangzhou"] for outcomes in seen.values()] != broken:
    sys.exit("changed")
print("still so")
E
