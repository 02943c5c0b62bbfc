#!/usr/bin/env bash
# gmssl 3.2.2 (PyPI); since that version: 3.2.1 was run, too, and takes keys without the prefix only
# Surprise: CryptSM2 takes the uncompressed point's prefix off with str.lstrip("04"), which removes every leading 0 and 4. A public key
# whose x begins with the digit 0 or 4 (one in eight) loses more than its prefix and becomes another, wrong point. Nothing is raised:
# valid signatures do not verify, and what is encrypted under the key opens for nobody.
# Why it matters: SM2 keys of Alibaba's and Tencent's KMS are handed out with the prefix. Encryption under GetPublicKey's key works in
# tests and loses data for one customer in eight.
set -euo pipefail
tmp=$(mktemp -d); trap 'rm -rf "$tmp"' EXIT; cd "$tmp"
python3 -m venv v
v/bin/pip install -q --disable-pip-version-check gmssl==3.2.2
v/bin/python - <<'E'
import sys
from importlib.metadata import version

from gmssl import sm2

print("gmssl", version("gmssl"))
curve = sm2.CryptSM2("00" * 32, "0" * 128)


def key_pair(first_digit):
    for number in range(2, 500):
        point = curve._kg(number, sm2.default_ecc_table["g"])
        if point[0] == first_digit and point[1] not in "04":
            return f"{number:064x}", point
    sys.exit("no such key")


seen = {}
for digit in "0", "4", "1", "9", "f":
    private, point = key_pair(digit)
    user = sm2.CryptSM2(private, "04" + point)
    signature = user.sign(b"d" * 32, "5" * 64)
    verified = user.verify(signature, b"d" * 32)
    opened = user.decrypt(user.encrypt(b"secret")) == b"secret"
    seen[digit] = verified, opened
    print(f"public key 04{point[:6]}..: verifies {verified}, decrypts what it encrypted {opened}, {len(user.public_key)} of 128 digits kept")
if any(seen[d] != (False, False) for d in "04") or any(seen[d] != (True, True) for d in "19f"):
    sys.exit("changed")
print("still so")
E
