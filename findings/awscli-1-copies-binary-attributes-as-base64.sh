#!/usr/bin/env bash
# awscli 1.46.3 (PyPI) against moto 5.2.5. AWS CLI 2.38.5, which was run, too, brings the bytes back
# Surprise: what `aws dynamodb get-item` prints is not what `aws dynamodb put-item` reads. A binary attribute is printed as base64, and
# base64 in --item is taken for the bytes themselves: an item that is read and put again holds the base64 text, with status 0, and a
# second copy holds base64 of base64.
# Why it matters: the obvious way to copy, move or repair rows, or to keep some as JSON, ruins each ciphertext, digest and wrapped key in
# them, and leaves every other attribute right.
set -euo pipefail
tmp=$(mktemp -d); trap 'rm -rf "$tmp"' EXIT; cd "$tmp"
for name in aws moto; do python3 -m venv $name; done
aws/bin/pip install -q --disable-pip-version-check awscli==1.46.3
moto/bin/pip install -q --disable-pip-version-check 'moto[dynamodb,server]==5.2.5'
cat > run.py <<'E'
import json
import logging
import os
import subprocess
import sys

import boto3
from moto.server import ThreadedMotoServer

logging.getLogger("werkzeug").setLevel(logging.ERROR)
server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()
host, port = server.get_host_and_port()
os.environ |= {
    "AWS_ENDPOINT_URL": f"http://{host}:{port}", "AWS_ACCESS_KEY_ID": "FAKE", "AWS_SECRET_ACCESS_KEY": "fake",
    "AWS_DEFAULT_REGION": "eu-west-1", "AWS_CONFIG_FILE": os.devnull, "NO_PROXY": host,
}


def aws(*arguments):
    command = ["aws/bin/aws", "dynamodb", *arguments, "--table-name", "t", "--output", "json"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def stored(name):
    return client.get_item(TableName="t", Key={"id": {"S": name}})["Item"]["blob"]["B"]


print(subprocess.run(["aws/bin/aws", "--version"], capture_output=True, text=True).stdout.split()[0])
client = boto3.client("dynamodb")
client.create_table(
    TableName="t", BillingMode="PAY_PER_REQUEST", KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
    AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
)
client.put_item(TableName="t", Item={"id": {"S": "0"}, "blob": {"B": b"\x00\xffsealed"}})
for name in "1", "2":
    item = json.loads(aws("get-item", "--key", json.dumps({"id": {"S": str(int(name) - 1)}})))["Item"]
    aws("put-item", "--item", json.dumps(item | {"id": {"S": name}}))
seen = [stored(name) for name in "012"]
server.stop()
for name, blob in zip(("put by boto3", "copied by get-item and put-item", "copied again"), seen):
    print(f"{name}: {blob}")
if seen != [b"\x00\xffsealed", b"AP9zZWFsZWQ=", b"QVA5elpXRnNaV1E9"]:
    sys.exit("changed")
print("still so")
E
moto/bin/python run.py
