#!/usr/bin/env bash
# boto3 and botocore 1.44.8 (PyPI)
# Surprise: `client.exceptions.NotFoundException` is another class in each session. Two clients of one session share it, two clients of two
# sessions do not, so `except ours.exceptions.NotFoundException` lets the NotFoundException of another session's client pass. Name, module
# (botocore.errorfactory), text and repr of both classes are alike, and so a traceback shows what the `except` above it says.
# Why it matters: a client is made in one place and its exceptions are caught in another, with a client of a module, a test or a thread that
# has its own session, as boto3 advises for threads. What was to be handled is raised. Comparing error.response["Error"]["Code"] of a
# ClientError works everywhere.
set -euo pipefail
tmp=$(mktemp -d); trap 'rm -rf "$tmp"' EXIT; cd "$tmp"
python3 -m venv v
v/bin/pip install -q --disable-pip-version-check boto3==1.44.8 botocore==1.44.8
export AWS_ACCESS_KEY_ID=FAKE AWS_SECRET_ACCESS_KEY=fake AWS_DEFAULT_REGION=eu-west-1
v/bin/python - <<'E'
import http.server
import sys
import threading

import boto3
import botocore
from botocore.exceptions import ClientError

print("botocore", botocore.__version__)


class Kms(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        body = b'{"__type": "NotFoundException", "message": "no such key"}'
        self.send_response(400)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_): ...


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Kms)
threading.Thread(target=server.serve_forever, daemon=True).start()


def client(session):
    return session.client("kms", endpoint_url=f"http://127.0.0.1:{server.server_port}")


first = boto3.Session()
ours, sister, other = client(first), client(first), client(boto3.Session())
caught = {}
for name, kms in (("a client of the same session", sister), ("a client of another session", other)):
    try:
        kms.describe_key(KeyId="k")
    except ours.exceptions.NotFoundException:
        caught[name] = "by our class"
    except ClientError as error:
        caught[name] = f"not by our class, but it is {type(error).__module__}.{type(error).__name__}: {error}"
    print(f"{name}: caught {caught[name]}")
print("our class:", ours.exceptions.NotFoundException)
print("the other:", other.exceptions.NotFoundException)
server.shutdown()
same, another = caught.values()
if same != "by our class" or not another.startswith("not by our class, but it is botocore.errorfactory.NotFoundException"):
    sys.exit("changed")
print("still so")
E
