#!/usr/bin/env bash
# aws-cdk 2.1148.1 (npm), Node 20, against ministack 1.5.33 (PyPI)
# Surprise: the first `cdk deploy` of a stack with terminationProtection, where there is no terminal to agree on, makes the stack, protects it,
# finds that it cannot ask, and cannot delete the stack again since it is protected. The stack stays, in REVIEW_IN_PROGRESS. The error
# is about its deletion; that a terminal is missing, or `--require-approval never`, is not said. `--method direct` says it, and makes nothing.
# Why it matters: in CI the message sends one to the protection. What should be safe to refuse has made something, which counts as a stack
# to whatever lists them. A stack that holds keys is what one protects.
set -euo pipefail
tmp=$(mktemp -d); trap 'rm -rf "$tmp"' EXIT; cd "$tmp"
npm install --silent --no-audit --no-fund --prefix . aws-cdk@2.1148.1 >/dev/null
python3 -m venv v
v/bin/pip install -q --disable-pip-version-check ministack==1.5.33
mkdir app
cat > app/manifest.json <<'E'
{"version": "36.0.0", "artifacts": {"S": {
  "type": "aws:cloudformation:stack", "environment": "aws://123456789012/eu-west-1",
  "properties": {"templateFile": "S.json", "terminationProtection": true}}}}
E
cat > app/S.json <<'E'
{"Resources": {"R": {"Type": "AWS::IAM::Role", "Properties": {"AssumeRolePolicyDocument": {"Version": "2012-10-17", "Statement": [
  {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}]}}}}}
E
cat > run.py <<'E'
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request

with socket.socket() as probe:
    probe.bind(("127.0.0.1", 0))
    port = probe.getsockname()[1]
where = f"http://127.0.0.1:{port}"
environment = {
    "PATH": os.environ["PATH"], "HOME": os.getcwd(), "AWS_ENDPOINT_URL": where, "AWS_REGION": "eu-west-1", "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test", "CDK_DISABLE_CLI_TELEMETRY": "1", "NODE_NO_WARNINGS": "1", "BIND_HOST": "127.0.0.1",
    "GATEWAY_PORT": str(port), "SFTP_ENABLED": "0", "IOT_MTLS_ENABLED": "0",
}
SCOPE = "AWS4-HMAC-SHA256 Credential=test/20260101/eu-west-1/cloudformation/aws4_request, SignedHeaders=host, Signature=0"


def stacks():
    request = urllib.request.Request(where, b"Action=DescribeStacks&Version=2010-05-15", {"Authorization": SCOPE})
    with urllib.request.urlopen(request, timeout=10) as answer:
        return re.findall(r"<StackStatus>(\w+)<", answer.read().decode())


def deploy(*arguments):
    command = ["node_modules/.bin/cdk", "deploy", "S", "--app", "app", "--no-color", *arguments]
    done = subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120)
    said = [line for line in (done.stdout + done.stderr).splitlines() if "TerminationProtection" in line or "TTY" in line]
    print(f"cdk deploy {' '.join(arguments)}".rstrip() + f": status {done.returncode}, {' '.join(said)}")
    print("  stacks:", stacks() or "none")
    return done.returncode, "TTY" in " ".join(said), stacks()


print("aws-cdk", subprocess.run(["node_modules/.bin/cdk", "--version"], env=environment, capture_output=True, text=True).stdout.strip())
with open("emulator.log", "wb") as log:
    emulator = subprocess.Popen(["v/bin/ministack"], env=environment, stdout=log, stderr=log, start_new_session=True)
try:
    for _ in range(100):
        try:
            urllib.request.urlopen(f"{where}/_ministack/health", timeout=5).close()
            break
        except OSError:
            time.sleep(0.2)
    seen = [deploy("--method", "direct"), deploy()]
finally:
    os.killpg(emulator.pid, signal.SIGTERM)
    emulator.wait(10)
if seen != [(1, True, []), (1, False, ["REVIEW_IN_PROGRESS"])]:
    sys.exit("changed")
print("still so")
E
python3 run.py
