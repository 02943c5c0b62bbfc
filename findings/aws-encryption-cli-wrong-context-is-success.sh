#!/usr/bin/env bash
# aws-encryption-sdk-cli 4.3.0 (PyPI, its newest), aws-encryption-sdk 3.3.1, moto 5.2.5 as the KMS; 3.1.0 of the CLI was run, too
# Surprise: `aws-encryption-cli --decrypt .. --encryption-context env=prod` on a message of another context writes nothing, warns on standard
# error and ends with status 0. An output file of that name that was there before is deleted. With `--output -` there is an empty output.
# Why it matters: the context is given to be told of the wrong message, and `aws-encryption-cli .. && deploy`, `set -e` and `pipefail` go on as if
# it were the right one, with the old file gone. Of a key that is refused the status is 1.
set -euo pipefail
tmp=$(mktemp -d); trap 'rm -rf "$tmp"' EXIT; cd "$tmp"
python3 -m venv v
v/bin/pip install -q --disable-pip-version-check aws-encryption-sdk-cli==4.3.0 aws-encryption-sdk==3.3.1 'moto[kms,server]==5.2.5' boto3==1.44.8
unset AWS_PROFILE AWS_REGION AWS_ENDPOINT_URL AWS_ENDPOINT_URL_KMS
PATH="$tmp/v/bin:$PATH" AWS_ACCESS_KEY_ID=FAKE AWS_SECRET_ACCESS_KEY=fake AWS_DEFAULT_REGION=eu-west-1 v/bin/python - <<'E'
import logging
import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import boto3
from moto.server import ThreadedMotoServer

logging.getLogger("werkzeug").setLevel(logging.ERROR)
server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()
os.environ["AWS_ENDPOINT_URL_KMS"] = "http://127.0.0.1:%d" % server.get_host_and_port()[1]
print("aws-encryption-sdk-cli", version("aws-encryption-sdk-cli"))
kms = boto3.client("kms")
ours, other = (kms.create_key()["KeyMetadata"]["Arn"] for _ in range(2))


def command(verb, source, target, context, key=ours):
    where = ["--input", source, "--output", target, "--suppress-metadata"]
    how = ["--wrapping-keys", f"key={key}", "--encryption-context", f"env={context}"]
    return subprocess.run(["aws-encryption-cli", verb, *where, *how], capture_output=True)


Path("plain").write_text("the password")
encrypted = command("--encrypt", "plain", "sealed", "test").returncode
seen = {}
for name, context, key in (("right context", "test", ours), ("wrong context", "prod", ours), ("wrong key", "test", other)):
    Path("opened").write_text("of yesterday")
    status = command("--decrypt", "sealed", "opened", context, key).returncode
    text = Path("opened").read_text() if Path("opened").exists() else None
    printed = command("--decrypt", "sealed", "-", context, key)
    seen[name] = status, text, printed.returncode, printed.stdout.decode()
    print(f"{name}: status {status}, the output file, which was there before: {text!r}; to standard output: status {printed.returncode}, {printed.stdout!r}")
server.stop()
expected = {"right context": (0, "the password", 0, "the password"), "wrong context": (0, None, 0, ""), "wrong key": (1, None, 1, "")}
if encrypted or seen != expected:
    sys.exit("changed")
print("still so")
E
