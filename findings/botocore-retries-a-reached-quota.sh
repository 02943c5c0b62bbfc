#!/usr/bin/env bash
# boto3 and botocore 1.44.8 (PyPI); since 1.44.0: 1.43.127 and 1.43.0, which were run, too, send one request
# Surprise: KMS answers LimitExceededException when a quota of keys, aliases or rotations is used up, which no waiting mends. The retry
# mode "standard", the default since 1.44.0, counts that name among the throttling errors and asks three times; "legacy", the default
# before, does so once. The model of KMS does not mark the error as retryable.
# Why it matters: after an update, one refused CreateKey is three refused requests with back-off between them: slower failures, three
# lines in the audit log, and a caller's tests that count requests fail.
set -euo pipefail
tmp=$(mktemp -d); trap 'rm -rf "$tmp"' EXIT; cd "$tmp"
cat > run.py <<'E'
import http.server
import sys
import threading

import boto3
import botocore

BODY = b'{"__type": "LimitExceededException", "message": "too many keys"}'
requests = 0


class Full(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        global requests
        requests += 1
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(400)
        self.send_header("Content-Length", str(len(BODY)))
        self.end_headers()
        self.wfile.write(BODY)

    def log_message(self, *_): ...


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Full)
threading.Thread(target=server.serve_forever, daemon=True).start()
kms = boto3.client(
    "kms", region_name="eu-west-1", endpoint_url=f"http://127.0.0.1:{server.server_port}",
    aws_access_key_id="FAKE", aws_secret_access_key="fake",
)
try:
    kms.create_key()
except kms.exceptions.LimitExceededException as error:
    print(f"botocore {botocore.__version__}, mode {kms.meta.config.retries['mode']}: {requests} request(s): {error}")
marked = kms.meta.service_model.shape_for("LimitExceededException").metadata.get("retryable")
print("marked as retryable in the model of KMS:", marked)
sys.exit(0 if (requests, marked) == (int(sys.argv[1]), None) else "changed")
E
unset AWS_RETRY_MODE AWS_MAX_ATTEMPTS
for pair in 1.44.8:3 1.43.127:1; do
  IFS=: read -r version expected <<<"$pair"
  python3 -m venv "v$version"
  "v$version/bin/pip" install -q --disable-pip-version-check "boto3==$version" "botocore==$version"
  "v$version/bin/python" run.py "$expected"
done
echo "still so"
