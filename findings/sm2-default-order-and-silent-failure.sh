#!/usr/bin/env bash
# gmssl 3.2.2 (PyPI) and sm-crypto 0.5.8 (npm), Node 20; the empty string is the same in sm-crypto 0.3.2, 0.3.14 and 0.4.0. The old
# order is gmssl's default since 3.2.2: 3.2.1, the only older version on PyPI, has no `mode`, writes C1C3C2, and sm-crypto opens it
# Surprise: both libraries' texts say that SM2 ciphertexts are C1C3C2 unless one asks for the old C1C2C3, and gmssl's default is the old one
# in spite of its text. So what gmssl encrypts does not open with sm-crypto at its defaults; and sm-crypto reports that, as it does a wrong
# key, not by an error but by an empty string, which an encrypted empty string could as well be.
# Why it matters: the standard, GB/T 32918.4, has C1C3C2, and Tencent's KMS names it as its default. What was encrypted for such a key
# with gmssl's defaults is not decrypted there; and a JavaScript program that opens SM2 ciphertexts goes on with "" as the secret.
set -euo pipefail
tmp=$(mktemp -d); trap 'rm -rf "$tmp"' EXIT; cd "$tmp"
npm install --silent --no-audit --no-fund --prefix . sm-crypto@0.5.8 >/dev/null
python3 -m venv v
v/bin/pip install -q --disable-pip-version-check gmssl==3.2.2
cat > encrypt.py <<'E'
import sys
from importlib.metadata import version

from gmssl import sm2

public = sys.argv[1]
print(version("gmssl"), sm2.CryptSM2("", public).encrypt(b"secret").hex(), sm2.CryptSM2("", public, mode=1).encrypt(b"secret").hex())
E
cat > run.js <<'E'
const { execFileSync } = require("child_process");
const { sm2 } = require("sm-crypto");
let key;
do key = sm2.generateKeyPairHex(); while ("04".includes(key.publicKey[2]));  // gmssl damages those: gmssl-sm2-public-key-stripped.sh
const other = sm2.generateKeyPairHex();
const [version, usual, asked] = execFileSync("v/bin/python", ["encrypt.py", key.publicKey], { encoding: "utf8" }).trim().split(" ");
console.log("gmssl", version, "sm-crypto", require("sm-crypto/package.json").version);
const seen = [];
const show = (name, open) => {
  let result;
  try { result = open(); } catch (error) { result = error; }
  seen.push(result);
  console.log(`${name}: ${result instanceof Error ? result : JSON.stringify(result)}`);
};
show("gmssl default, sm-crypto default", () => sm2.doDecrypt(usual, key.privateKey));
show("gmssl default, sm-crypto with the old order", () => sm2.doDecrypt(usual, key.privateKey, 0));
show("gmssl mode=1, sm-crypto default", () => sm2.doDecrypt(asked, key.privateKey));
show("gmssl mode=1, sm-crypto default, another private key", () => sm2.doDecrypt(asked, other.privateKey));
if (seen.join() !== ",secret,secret,") { console.error("changed"); process.exit(1); }
console.log("still so");
E
node run.js
