#!/usr/bin/env bash
# awscli 1.46.3 (PyPI, botocore 1.43.62); the same in 1.40.0, which was run, too. AWS CLI 2.38.5 encrypts, or refuses, the text itself
# Surprise: `aws kms encrypt --plaintext https://..` does not encrypt that text. The command line fetches the page, and
# encrypts what it got; it says nothing and ends with 0. So it does for every option that is a text, such as --description. (Documented,
# under the setting cli_follow_urlparam.)
# Why it matters: secrets are URLs often (web hooks, pre-signed links). Such a one is called with its token in it instead of being encrypted,
# and what is stored is an answer to that call. `cli_follow_urlparam = false` in the configuration file ends it, or fileb://.
set -euo pipefail
tmp=$(mktemp -d); trap 'rm -rf "$tmp"' EXIT; cd "$tmp"
cat > run.py <<'E'
import base64
import http.server
import json
import os
import subprocess
import sys
import threading

called, encrypted = [], []


class Both(http.server.BaseHTTPRequestHandler):
    """The web hook by GET, a KMS by POST."""

    def do_GET(self):
        called.append(self.path)
        self.answer(b"ok")

    def do_POST(self):
        fields = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        encrypted.append(base64.b64decode(fields["Plaintext"]).decode())
        self.answer(b'{"KeyId": "k", "CiphertextBlob": "AAAA"}')

    def answer(self, body):
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_): ...


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Both)
threading.Thread(target=server.serve_forever, daemon=True).start()
here = f"http://127.0.0.1:{server.server_port}"
secret = f"{here}/hooks/T0/B0/fake-token"
environment = {
    "PATH": os.environ["PATH"], "HOME": os.getcwd(), "AWS_ENDPOINT_URL_KMS": here, "AWS_DEFAULT_REGION": "eu-west-1",
    "AWS_ACCESS_KEY_ID": "FAKE", "AWS_SECRET_ACCESS_KEY": "fake", "NO_PROXY": "127.0.0.1",
}
aws = sys.argv[1]
command = [aws, "kms", "encrypt", "--key-id", "k", "--plaintext", secret]
done = subprocess.run(command, env=environment, capture_output=True, text=True)
version = subprocess.run([aws, "--version"], env=environment, capture_output=True, text=True).stdout.split()
print(f"{version[0]}, {version[-1]}: status {done.returncode}, errors {done.stderr!r}")
print(f"--plaintext {secret.replace(here, 'http://HOST')}: called {called}, encrypted {encrypted}")
if (done.returncode, called, encrypted) != (0, ["/hooks/T0/B0/fake-token"], ["ok"]):
    sys.exit("changed")
E
for version in 1.46.3 1.40.0; do
  python3 -m venv "v$version"
  "v$version/bin/pip" install -q --disable-pip-version-check "awscli==$version"
  python3 run.py "v$version/bin/aws"
done
echo "still so"
