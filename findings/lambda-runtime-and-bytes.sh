#!/usr/bin/env bash
# awslambdaric 4.2.2 (PyPI), the runtime client inside AWS Lambda's Python; the same in 2.2.1 and 3.0.0, which
# were run, too
# Surprise: bytes in a handler's result have three fates. A whole result of bytes leaves as it is, not as JSON. Bytes inside a dict become
# a JSON string, without an error, as long as they happen to be UTF-8. Otherwise the invocation fails with Runtime.MarshalError.
# Why it matters: boto3's KMS client returns bytes. A function that answers {"plaintext": result["Plaintext"]} works in every test with
# a text and fails in use with a data key or a ciphertext; and the caller of the working one gets text where base64 was meant.
set -euo pipefail
tmp=$(mktemp -d); trap 'rm -rf "$tmp"' EXIT; cd "$tmp"
python3 -m venv v
v/bin/pip install -q --disable-pip-version-check awslambdaric==4.2.2
cat > function.py <<'E'
RESULTS = {
    "text": {"plaintext": "secret"}, "bytes, UTF-8": {"plaintext": b"secret"},
    "bytes, not UTF-8": {"plaintext": b"\xff" * 32}, "bytes alone": b"\xff\xfe",
}


def handler(event, context):
    return RESULTS[event]
E
cat > run.py <<'E'
import http.server
import json
import os
import subprocess
import sys
import threading
from importlib.metadata import version

from function import RESULTS

print("awslambdaric", version("awslambdaric"))
events, answers, done = list(RESULTS), {}, threading.Event()


class RuntimeApi(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        if len(answers) == len(events):
            done.wait()
            return
        event = events[len(answers)]
        body = json.dumps(event).encode()
        self.send_response(200)
        for name, value in (
            ("Aws-Request-Id", str(len(answers))), ("Deadline-Ms", "9999999999999"), ("Trace-Id", "Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700"),
            ("Invoked-Function-Arn", "arn:aws:lambda:eu-west-1:111122223333:function:f"),
        ):
            self.send_header("Lambda-Runtime-" + name, value)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        kind = self.path.rsplit("/")[-1]
        answers[events[len(answers)]] = kind, json.loads(body)["errorType"] if kind == "error" else (self.headers["Content-Type"], body)
        self.send_response(202)
        self.send_header("Content-Length", "0")
        self.end_headers()
        if len(answers) == len(events):
            done.set()

    def log_message(self, *_): ...


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), RuntimeApi)
threading.Thread(target=server.serve_forever, daemon=True).start()
environment = {
    **os.environ, "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{server.server_port}", "LAMBDA_TASK_ROOT": os.getcwd(),
    "AWS_LAMBDA_FUNCTION_NAME": "f", "AWS_LAMBDA_FUNCTION_VERSION": "1", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "128",
    "AWS_LAMBDA_LOG_GROUP_NAME": "g", "AWS_LAMBDA_LOG_STREAM_NAME": "s",
}
runtime = subprocess.Popen([sys.executable, "-m", "awslambdaric", "function.handler"], env=environment, stdout=subprocess.DEVNULL)
done.wait(30)
runtime.kill()
runtime.wait()
for event, answer in answers.items():
    print(f"{event}: {answer}")
text = "response", ("application/json", b'{"plaintext": "secret"}')
if list(answers.values()) != [text, text, ("error", "Runtime.MarshalError"), ("response", ("application/unknown", b"\xff\xfe"))]:
    sys.exit("changed")
print("still so")
E
v/bin/python run.py
