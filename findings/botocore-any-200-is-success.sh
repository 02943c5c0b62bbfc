#!/usr/bin/env bash
# boto3 and botocore 1.44.8 (PyPI); the same in 1.35.0 and 1.43.0, which were run, too
# Surprise: if the status is 200, a KMS answer whose body is an HTML page, or empty, or an error with its __type, is a success without
# fields. Nothing is raised, and nothing repeated; the first thing to fail is the caller's own `["CiphertextBlob"]`, with a KeyError. The
# AWS SDK for JavaScript (3.1164.0, tried apart) throws at the same page.
# Why it matters: login pages, maintenance pages and wrong ports answer 200. Operations without a result (DisableKey, RevokeGrant,
# ScheduleKeyDeletion where nobody looks at the date) then succeed without having reached a KMS at all.
set -euo pipefail
tmp=$(mktemp -d); trap 'rm -rf "$tmp"' EXIT; cd "$tmp"
python3 -m venv v
v/bin/pip install -q --disable-pip-version-check boto3==1.44.8 botocore==1.44.8
v/bin/python - <<'E'
import http.server
import sys
import threading

import boto3
import botocore

print("botocore", botocore.__version__)
requests = 0


class NotAKms(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        global requests
        requests += 1
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Type", self.server.kind)
        self.send_header("Content-Length", str(len(self.server.page)))
        self.end_headers()
        self.wfile.write(self.server.page)

    def log_message(self, *_): ...


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), NotAKms)
threading.Thread(target=server.serve_forever, daemon=True).start()
kms = boto3.client(
    "kms", region_name="eu-west-1", endpoint_url=f"http://127.0.0.1:{server.server_port}",
    aws_access_key_id="FAKE", aws_secret_access_key="fake",
)
same = True
for name, kind, page in (
    ("HTML page", "text/html", b"<html><body>Please log in</body></html>"),
    ("no body", "text/html", b""),
    ("error body", "application/x-amz-json-1.1", b'{"__type": "AccessDeniedException", "message": "no"}'),
):
    server.kind, server.page, requests = kind, page, 0
    answers = []
    for call in (lambda: kms.encrypt(KeyId="k", Plaintext=b"text"), lambda: kms.disable_key(KeyId="k")):
        answer = call()
        status = answer.pop("ResponseMetadata")["HTTPStatusCode"]
        answers.append((status, answer))
    print(f"{name}: encrypt -> {answers[0]}, disable_key -> {answers[1]}, requests for the two: {requests}")
    same = same and answers == [(200, {}), (200, {})] and requests == 2
server.shutdown()
if not same:
    sys.exit("changed")
print("still so")
E
