#!/usr/bin/env bash
# tencentcloud-sdk-python-common 3.1.195, tencentcloud-sdk-python-kms 3.1.192 (PyPI); both of 3.0.1000 were run, too
# Surprise: with the client's region breaker, `ClientProfile(disable_region_breaker=False)`, after five refused connections in a row requests
# go to kms.ap-guangzhou.tencentcloudapi.com, with their plaintexts, whatever `endpoint` says. Each refused connection raises an error whose
# code is AttributeError, about None, instead of ClientNetworkError. Status 503 counts as a success: an overloaded service is never left.
# Why it matters: who has an endpoint of one's own (a private KMS, a proxy, a region that data must not leave) and wants to bridge a restart by
# the breaker sends plaintexts to the public cloud, signed by the access key; and code that looks at `error.code` does not know it for a network's.
set -euo pipefail
tmp=$(mktemp -d); trap 'rm -rf "$tmp"' EXIT; cd "$tmp"
python3 -m venv v
v/bin/pip install -q --disable-pip-version-check tencentcloud-sdk-python-common==3.1.195 tencentcloud-sdk-python-kms==3.1.192
unset HTTP_PROXY HTTPS_PROXY ALL_PROXY http_proxy https_proxy all_proxy
v/bin/python - <<'E'
import http.server
import socket
import sys
import threading
from importlib.metadata import version

from tencentcloud.common.credential import Credential
from tencentcloud.common.exception.tencent_cloud_sdk_exception import TencentCloudSDKException
from tencentcloud.common.profile.client_profile import ClientProfile
from tencentcloud.common.profile.http_profile import HttpProfile
from tencentcloud.kms.v20190118 import kms_client, models

print("tencentcloud-sdk-python-common", version("tencentcloud-sdk-python-common"))
asked = []
resolve = socket.getaddrinfo


def resolve_here(host, *rest, **more):
    """Answers for this machine; of another host the name is kept, and nothing is sent."""
    if host != "127.0.0.1":
        asked.append(host)
        raise socket.gaierror(socket.EAI_NONAME, "not asked")
    return resolve(host, *rest, **more)


socket.getaddrinfo = resolve_here


class Overloaded(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(503)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_): ...


def client(port, **breaker):
    profile = ClientProfile(httpProfile=HttpProfile(endpoint=f"127.0.0.1:{port}", protocol="http"), **breaker)
    return kms_client.KmsClient(Credential("id", "secret"), "ap-guangzhou", profile)


def encrypt(client):
    request = models.EncryptRequest()
    request.KeyId, request.Plaintext = "key", "aGVsbG8="
    try:
        client.Encrypt(request)
    except TencentCloudSDKException as error:
        return error.code
    return "no error"


with socket.socket() as closed:
    # Bound and not listening: connections to it are refused.
    closed.bind(("127.0.0.1", 0))
    refused = closed.getsockname()[1]
    plain = {encrypt(client(refused)) for _ in range(7)}, list(asked)
    broken = client(refused, disable_region_breaker=False)
    outcomes = [encrypt(broken) for _ in range(5)], list(asked)
    then = encrypt(broken), sorted(set(asked))
del asked[:]
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Overloaded)
threading.Thread(target=server.serve_forever, daemon=True).start()
overloaded = client(server.server_port, disable_region_breaker=False)
answers = {encrypt(overloaded) for _ in range(12)}, list(asked)
server.shutdown()
print(f"without the breaker, refused connections: {plain[0]}, other hosts asked: {plain[1]}")
print(f"with it, five refused connections: {set(outcomes[0])}; the sixth call: {then[0]}, other hosts asked: {then[1]}")
print(f"with it, 12 answers of status 503: {answers[0]}, other hosts asked: {answers[1]}")
known, public = "ClientNetworkError", "kms.ap-guangzhou.tencentcloudapi.com"
if (plain, outcomes, then, answers) != (({known}, []), (["AttributeError"] * 5, []), ("AttributeError", [public]), ({"ServerNetworkError"}, [])):
    sys.exit("changed")
print("still so")
E
