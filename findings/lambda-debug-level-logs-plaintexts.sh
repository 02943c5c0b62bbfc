#!/usr/bin/env bash
# awslambdaric 4.2.2 (PyPI), the runtime client inside AWS Lambda's Python, with botocore 1.44.8
# Surprise: a function's own log level, set to DEBUG or TRACE in its logging configuration (JSON format), becomes that of Python's root
# logger. So every library says all that it has, and botocore has the bodies of requests and answers: what KMS was asked to encrypt
# and what it opened stand in CloudWatch Logs, though the function logs nothing.
# Why it matters: an operator who looks for a fault turns one knob of the function, not of the code, and reads plaintexts and data keys.
set -euo pipefail
tmp=$(mktemp -d); trap 'rm -rf "$tmp"' EXIT; cd "$tmp"
python3 -m venv v
v/bin/pip install -q --disable-pip-version-check awslambdaric==4.2.2 botocore==1.44.8
cat > function.py <<'E'
import botocore.session


def handler(event, context):
    kms = botocore.session.get_session().create_client(
        "kms", region_name="eu-west-1", endpoint_url=event, aws_access_key_id="AKIAEXAMPLEEXAMPLE12", aws_secret_access_key="example"
    )
    kms.encrypt(KeyId="alias/a", Plaintext=b"asked to be sealed")
    kms.decrypt(CiphertextBlob=b"blob")
E
cat > run.py <<'E'
import base64
import http.server
import json
import os
import subprocess
import sys
import threading
from importlib.metadata import version

print("awslambdaric", version("awslambdaric"), "botocore", version("botocore"))
ASKED, OPENED = (base64.b64encode(text).decode() for text in (b"asked to be sealed", b"what was opened"))


class Local(http.server.BaseHTTPRequestHandler):
    """The Runtime API, with one event, and a KMS beside it."""

    protocol_version = "HTTP/1.1"

    def answer(self, body, status=200, **headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header("Lambda-Runtime-" + name.replace("_", "-"), value)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        if self.server.asked:
            self.server.done.wait()
            return
        self.server.asked = True
        arn = "arn:aws:lambda:eu-west-1:111122223333:function:f"
        event = json.dumps(f"http://127.0.0.1:{self.server.server_port}").encode()
        self.answer(event, Aws_Request_Id="1", Deadline_Ms="9999999999999", Trace_Id="Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700", Invoked_Function_Arn=arn)

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        if "X-Amz-Target" in self.headers:
            self.answer(json.dumps({"CiphertextBlob": "AAAA", "Plaintext": OPENED}).encode())
            return
        self.server.kind = self.path.rsplit("/")[-1]
        self.answer(b"", 202)
        self.server.done.set()

    def log_message(self, *_): ...


class Server(http.server.ThreadingHTTPServer):
    def handle_error(self, request, client_address): ...  # the runtime is gone


def logged(log_format, level):
    server = Server(("127.0.0.1", 0), Local)
    server.asked, server.done, server.kind = False, threading.Event(), ""
    threading.Thread(target=server.serve_forever, daemon=True).start()
    environment = {
        **os.environ, "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{server.server_port}", "LAMBDA_TASK_ROOT": os.getcwd(),
        "AWS_LAMBDA_FUNCTION_NAME": "f", "AWS_LAMBDA_FUNCTION_VERSION": "1", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "128",
        "AWS_LAMBDA_LOG_GROUP_NAME": "g", "AWS_LAMBDA_LOG_STREAM_NAME": "s",
        "AWS_LAMBDA_LOG_FORMAT": log_format, "AWS_LAMBDA_LOG_LEVEL": level,
    }
    with open("log", "w+b") as log:
        command = [sys.executable, "-m", "awslambdaric", "function.handler"]
        runtime = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
        server.done.wait(120)
        runtime.kill()
        runtime.wait()
        log.seek(0)
        text = log.read().decode()
    if server.kind != "response":
        sys.exit(f"the function failed: {text}")
    return ASKED in text, OPENED in text


seen = {}
for how in (("JSON", "INFO"), ("JSON", "DEBUG"), ("JSON", "TRACE")):
    seen[how] = logged(*how)
    print(f"{' '.join(how)}: what is to be sealed is logged: {seen[how][0]}; what was opened: {seen[how][1]}")
if list(seen.values()) != [(False, False), (True, True), (True, True)]:
    sys.exit("changed")
print("still so")
E
v/bin/python run.py
