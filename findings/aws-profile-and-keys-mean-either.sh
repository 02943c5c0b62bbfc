#!/usr/bin/env bash
# boto3 1.44.8 (PyPI), @aws-sdk/client-kms 3.1164.0 (npm), Node 20
# Surprise: where AWS_PROFILE and AWS_ACCESS_KEY_ID are both set, boto3 signs by the key of the environment and the SDK for JavaScript by the
# key of the profile, each with region and endpoint of the profile. If the profile has no key, boto3 works and JavaScript finds no credentials.
# Why it matters: both are set where a profile brings the endpoint of a KMS and a deployment brings keys. The Python half of a system is then one
# identity and the Node half another, with other rights and other lines in the audit log, though one environment started both.
set -euo pipefail
tmp=$(mktemp -d); trap 'rm -rf "$tmp"' EXIT; cd "$tmp"
python3 -m venv v
v/bin/pip install -q --disable-pip-version-check boto3==1.44.8 botocore==1.44.8
npm install --silent --no-audit --no-fund --prefix . @aws-sdk/client-kms@3.1164.0 >/dev/null
cat > call.cjs <<'E'
const { KMSClient, ListKeysCommand } = require("@aws-sdk/client-kms");
new KMSClient({}).send(new ListKeysCommand({})).catch((error) => console.log(error.name));
E
cat > call.py <<'E'
import boto3
from botocore.exceptions import NoCredentialsError

try:
    boto3.client("kms").list_keys()
except NoCredentialsError as error:
    print(type(error).__name__)
E
v/bin/python - "$tmp" <<'E'
import http.server
import json
import os
import re
import subprocess
import sys
import threading
from importlib.metadata import version
from pathlib import Path

signed_by = []


class Service(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        signed_by.extend(re.findall("Credential=([A-Z]+)", self.headers["Authorization"]))
        body = json.dumps({"Keys": [], "Truncated": False}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/x-amz-json-1.1")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_): ...


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Service)
threading.Thread(target=server.serve_forever, daemon=True).start()
place = f"region = eu-west-1\nendpoint_url = http://127.0.0.1:{server.server_port}\n"
Path("config").write_text(f"[profile full]\n{place}[profile place]\n{place}")
Path("keys").write_text("[full]\naws_access_key_id = OFTHEPROFILE\naws_secret_access_key = fake\n")
home = {"PATH": os.environ["PATH"], "HOME": sys.argv[1], "AWS_CONFIG_FILE": "config", "AWS_SHARED_CREDENTIALS_FILE": "keys",
        "AWS_EC2_METADATA_DISABLED": "true", "NO_PROXY": "127.0.0.1"}
env_keys = {"AWS_ACCESS_KEY_ID": "OFTHEENVIRONMENT", "AWS_SECRET_ACCESS_KEY": "fake"}
programs = {"boto3": ["v/bin/python", "call.py"], "JavaScript": ["node", "--no-warnings", "call.cjs"]}
seen = {}
for profile in ("full", "place"):
    for name, program in programs.items():
        del signed_by[:]
        done = subprocess.run(program, env={**home, **env_keys, "AWS_PROFILE": profile}, capture_output=True, text=True, timeout=120)
        seen[profile, name] = "".join(signed_by) or done.stdout.strip()
server.shutdown()
print("boto3", version("boto3"), "client-kms", json.loads(Path("node_modules/@aws-sdk/client-kms/package.json").read_text())["version"])
for (profile, name), who in seen.items():
    print(f"{name}, profile {'with a key' if profile == 'full' else 'without a key'}, and a key in the environment: {who}")
if list(seen.values()) != ["OFTHEENVIRONMENT", "OFTHEPROFILE", "OFTHEENVIRONMENT", "CredentialsProviderError"]:
    sys.exit("changed")
print("still so")
E
