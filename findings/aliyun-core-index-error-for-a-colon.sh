#!/usr/bin/env bash
# aliyun-python-sdk-kms 2.16.5 with aliyun-python-sdk-core 2.16.1 (PyPI); the same in core 2.13.36, which was run, too
# Surprise: the SDK reads the English text of an error. For status 400 and the code SignatureDoesNotMatch it takes what follows the first
# colon of the message for the server's string to sign; a message without a colon ends in IndexError (with status 403: in the
# ServerException that one expects). If the text equals the SDK's own string to sign, the exception's code becomes InvalidAccessKeySecret.
# Why it matters: `except ServerException` of a caller does not catch the first, and the code it is told in the last was never sent by
# any server. Who answers this SDK has to keep a colon in a human's text.
set -euo pipefail
tmp=$(mktemp -d); trap 'rm -rf "$tmp"' EXIT; cd "$tmp"
python3 -m venv v
v/bin/pip install -q --disable-pip-version-check aliyun-python-sdk-kms==2.16.5 aliyun-python-sdk-core==2.16.1
v/bin/python - <<'E'
import http.server
import json
import sys
import threading
import urllib.parse
from importlib.metadata import version

from aliyunsdkcore.client import AcsClient
from aliyunsdkkms.request.v20160120.ListKeysRequest import ListKeysRequest

print("aliyun-python-sdk-core", version("aliyun-python-sdk-core"))


class Kms(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        status, message = self.server.answer
        if message is None:  # the string to sign, as the server knows it
            query = urllib.parse.parse_qsl(urllib.parse.urlsplit(self.path).query, keep_blank_values=True)
            text = "&".join(f"{quote(name)}={quote(value)}" for name, value in sorted(query) if name != "Signature")
            message = f"Yours does not match ours:{'&'.join(('POST', quote('/'), quote(text)))}"
        answer = json.dumps({"RequestId": "r", "HostId": "h", "Code": "SignatureDoesNotMatch", "Message": message}).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_): ...


def quote(text):
    return urllib.parse.quote(text, safe="~")


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Kms)
threading.Thread(target=server.serve_forever, daemon=True).start()
seen = []
for name, *server.answer in ("no colon", 403, "no match"), ("no colon", 400, "no match"), ("colon", 400, "no match: x"), ("own text", 400, None):
    request = ListKeysRequest()
    request.set_protocol_type("http")
    request.set_endpoint(f"127.0.0.1:{server.server_port}")
    try:
        AcsClient("FAKE", "fake", "cn-hangzhou").do_action_with_exception(request)
    except Exception as error:
        seen.append((type(error).__name__, getattr(error, "error_code", None)))
        print(f"status {server.answer[0]}, {name}: {seen[-1]}")
server.shutdown()
usual = "ServerException", "SignatureDoesNotMatch"
if seen != [usual, ("IndexError", None), usual, ("ServerException", "InvalidAccessKeySecret")]:
    sys.exit("changed")
print("still so")
E
