#!/usr/bin/env bash
# aliyun-python-sdk-core 2.16.1 (PyPI); the same in 2.13.3, 2.13.36 and 2.16.0, which were run, too
# Surprise: a CommonRequest of the RPC style that is given RegionId as a body parameter sends it twice: the caller's in the body, and the
# client's own in the query, since only the query is asked whether there is one. Where the two differ the signature is over the body's.
# Why it matters: parameters usually go into the body so that they stay out of logs of URLs. A server that refuses what came twice refuses
# a valid call; one that reads the query first finds another region than was asked for, and a signature that does not fit.
set -euo pipefail
tmp=$(mktemp -d); trap 'rm -rf "$tmp"' EXIT; cd "$tmp"
python3 -m venv v
v/bin/pip install -q --disable-pip-version-check aliyun-python-sdk-core==2.16.1
v/bin/python - <<'E'
import base64
import hmac
import http.server
import sys
import threading
import urllib.parse
from importlib.metadata import version

from aliyunsdkcore.client import AcsClient
from aliyunsdkcore.request import CommonRequest

print("aliyun-python-sdk-core", version("aliyun-python-sdk-core"))


def pairs(text):
    return dict(urllib.parse.parse_qsl(text, keep_blank_values=True))


def quote(text):
    return urllib.parse.quote(text, safe="~")


def signature(parameters):
    text = "&".join(f"{quote(name)}={quote(value)}" for name, value in sorted(parameters.items()) if name != "Signature")
    return base64.b64encode(hmac.digest(b"fake&", f"POST&%2F&{quote(text)}".encode(), "sha1")).decode()


class Kms(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        query = pairs(urllib.parse.urlsplit(self.path).query)
        body = pairs(self.rfile.read(int(self.headers["Content-Length"])).decode())
        fits = [name for name, both in (("query", body | query), ("body", query | body)) if signature(both) == query["Signature"]]
        seen.append((query.get("RegionId"), body.get("RegionId"), fits))
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *_): ...


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Kms)
threading.Thread(target=server.serve_forever, daemon=True).start()
seen = []
for region in None, "cn-hangzhou", "cn-beijing":
    request = CommonRequest(domain=f"127.0.0.1:{server.server_port}", version="2016-01-20", action_name="ListKeys")
    request.set_protocol_type("http")
    request.set_method("POST")
    request.add_body_params("PageSize", "1")
    if region:
        request.add_body_params("RegionId", region)
    AcsClient("FAKE", "fake", "cn-hangzhou").do_action_with_exception(request)
    query, body, fits = seen[-1]
    print(f"client's region cn-hangzhou, body parameter {region}: query {query}, body {body}; signature fits the {' and the '.join(fits)}")
server.shutdown()
both = ["query", "body"]
if seen != [("cn-hangzhou", None, both), ("cn-hangzhou", "cn-hangzhou", both), ("cn-hangzhou", "cn-beijing", ["body"])]:
    sys.exit("changed")
print("still so")
E
