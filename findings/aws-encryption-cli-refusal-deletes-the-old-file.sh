#!/usr/bin/env bash
# aws-encryption-sdk-cli 4.3.0 (PyPI, its newest), aws-encryption-sdk 3.3.1, moto 5.2.5 as the KMS; 3.1.0 of the CLI was run, too
# Surprise: `aws-encryption-cli --encrypt --output FILE` empties FILE before it asks the KMS, and deletes it when the KMS refuses. The
# status is 1; the log speaks of deleting the output file.
# Why it matters: encrypting anew over what is there is the usual way to change a secret or its key, and what is there is often the one copy.
# A key that is disabled, or an identity that may not use it, costs the old ciphertext; nothing was written that could replace it.
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
key = boto3.client("kms").create_key()["KeyMetadata"]["Arn"]
# A key that the KMS does not have: it answers NotFoundException.
refused = key.rpartition("/")[0] + "/00000000-0000-4000-8000-000000000000"


def encrypt(key, *options):
    command = ["aws-encryption-cli", "--encrypt", "--input", "plain", "--output", "sealed", "--suppress-metadata", *options]
    return subprocess.run([*command, "--wrapping-keys", f"key={key}"], capture_output=True).returncode


Path("plain").write_text("the password")
first = encrypt(key)
size = Path("sealed").stat().st_size
kept = encrypt(refused, "--no-overwrite"), Path("sealed").exists()
second = encrypt(refused)
there = Path("sealed").exists()
server.stop()
print(f"encrypted: status {first}, {size} bytes; again with --no-overwrite and a refused key: status {kept[0]}, the old file is there: {kept[1]}")
print(f"again with a refused key: status {second}, the old file is there: {there}")
if (first, size > 0, kept, second, there) != (0, True, (0, True), 1, False):
    sys.exit("changed")
print("still so")
E
