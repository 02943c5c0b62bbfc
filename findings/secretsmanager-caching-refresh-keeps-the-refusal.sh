#!/usr/bin/env bash
# aws-secretsmanager-caching 1.2.0 (PyPI), boto3 1.44.8; since 1.2.0, which counts the pauses in seconds: 1.1.3 was run, where they are
# milliseconds and refresh_secret_now() answers None
# Surprise: refresh_secret_now() answers True, and get_secret_string() goes on raising a refusal that no longer exists. What is refreshed
# is DescribeSecret; GetSecretValue of the version has a pause of its own, which doubles with each refusal (1, 2, 4 .. seconds, an hour
# at most) and which nothing but a new SecretCache ends. The call itself sleeps 2.5 to 5 seconds, also where nothing had failed.
# Why it matters: the usual refusal of GetSecretValue is the KMS key's (disabled, or its policy): DescribeSecret does not need the key. An
# application that was refused for an hour stays refused for up to another after the key works again, and says that it has refreshed.
set -euo pipefail
tmp=$(mktemp -d); trap 'rm -rf "$tmp"' EXIT; cd "$tmp"
python3 -m venv v
v/bin/pip install -q --disable-pip-version-check aws-secretsmanager-caching==1.2.0 boto3==1.44.8
unset AWS_PROFILE AWS_REGION AWS_ENDPOINT_URL AWS_ENDPOINT_URL_SECRETS_MANAGER
AWS_ACCESS_KEY_ID=FAKE AWS_SECRET_ACCESS_KEY=fake AWS_DEFAULT_REGION=eu-west-1 v/bin/python - <<'E'
import http.server
import json
import sys
import threading
from importlib.metadata import version

import boto3
from aws_secretsmanager_caching import SecretCache, SecretCacheConfig
from botocore.exceptions import ClientError

print("aws-secretsmanager-caching", version("aws-secretsmanager-caching"))
VERSION = "11111111-2222-3333-4444-555555555555"
REFUSED = {"__type": "AccessDeniedException", "Message": "Access to KMS is not allowed"}
DESCRIBED = {"Name": "db", "VersionIdsToStages": {VERSION: ["AWSCURRENT"]}}
VALUE = {"Name": "db", "VersionId": VERSION, "SecretString": "the password"}
key_works, asked = False, []


class Service(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        operation = self.headers["X-Amz-Target"].partition(".")[2]
        asked.append(operation)
        status, body = (200, DESCRIBED) if operation == "DescribeSecret" else (200, VALUE) if key_works else (400, REFUSED)
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/x-amz-json-1.1")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_): ...


def read():
    try:
        return cache.get_secret_string("db")
    except ClientError as error:
        return error.response["Error"]["Code"]


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Service)
threading.Thread(target=server.serve_forever, daemon=True).start()
client = boto3.client("secretsmanager", endpoint_url=f"http://127.0.0.1:{server.server_port}")
# The first pause is a minute, as it is by default after the seventh refusal: this script need not wait for six of them.
config = SecretCacheConfig(exception_retry_delay_base=60)
cache = SecretCache(config=config, client=client)
before = read()
key_works = True
del asked[:]
refreshed = cache.refresh_secret_now("db")
after = read()
calls = list(asked)
cache = SecretCache(config=config, client=client)
fresh = read()
server.shutdown()
print(f"while the key is refused: {before}")
print(f"the key works again: refresh_secret_now() is {refreshed}; read: {after}; the service was asked for {', '.join(calls)}")
print(f"a new SecretCache reads: {fresh}")
if (before, refreshed, after, calls, fresh) != (REFUSED["__type"], True, REFUSED["__type"], ["DescribeSecret"], "the password"):
    sys.exit("changed")
print("still so")
E
