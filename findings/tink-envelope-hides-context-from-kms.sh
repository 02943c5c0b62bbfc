#!/usr/bin/env bash
# tink 1.16.1 (PyPI) with boto3 1.44.8; the same in tink 1.10.0 and 1.12.0, which were run, too
# Surprise: Tink's AWS client turns associated data into an encryption context, in hex; but KmsEnvelopeAead, the primitive one uses with a
# KMS, gives the associated data to the local cipher only and wraps the data key with none: KMS always sees an empty context.
# Why it matters: policy conditions on the encryption context refuse such callers or never match, and the audit log of the KMS cannot
# tell one tenant's data keys from another's, although every call was given `associated_data=b"tenant=7"`.
set -euo pipefail
tmp=$(mktemp -d); trap 'rm -rf "$tmp"' EXIT; cd "$tmp"
python3 -m venv v
v/bin/pip install -q --disable-pip-version-check "tink[awskms]==1.16.1" boto3==1.44.8
v/bin/python - <<'E'
import http.server
import json
import sys
import threading
from importlib.metadata import version

import boto3
from tink import aead
from tink.integration import awskms

print("tink", version("tink"))
ARN = "arn:aws:kms:eu-west-1:111122223333:key/11111111-2222-3333-4444-555555555555"
contexts = []


class Kms(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        contexts.append((self.headers["X-Amz-Target"].split(".")[1], asked.get("EncryptionContext")))
        same = asked.get("Plaintext") or asked.get("CiphertextBlob")
        answer = json.dumps({"KeyId": ARN, "CiphertextBlob": same, "Plaintext": same}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_): ...


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Kms)
threading.Thread(target=server.serve_forever, daemon=True).start()
kms = boto3.client(
    "kms", region_name="eu-west-1", endpoint_url=f"http://127.0.0.1:{server.server_port}",
    aws_access_key_id="FAKE", aws_secret_access_key="fake",
)
aead.register()
remote = awskms.new_client(boto3_client=kms, key_uri="aws-kms://" + ARN).get_aead("aws-kms://" + ARN)
envelope = aead.KmsEnvelopeAead(aead.aead_key_templates.AES256_GCM, remote)
for name, primitive in ("remote AEAD", remote), ("KmsEnvelopeAead", envelope):
    contexts.clear()
    blob = primitive.encrypt(b"text", b"tenant=7")
    assert primitive.decrypt(blob, b"tenant=7") == b"text"
    print(f"{name}, associated data b'tenant=7':", contexts)
    if name == "remote AEAD":
        direct = dict(contexts)
server.shutdown()
hexadecimal = {"associatedData": b"tenant=7".hex()}
if direct != {"Encrypt": hexadecimal, "Decrypt": hexadecimal} or contexts != [("Encrypt", {}), ("Decrypt", {})]:
    sys.exit("changed")
print("still so")
E
