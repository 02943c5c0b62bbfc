#!/usr/bin/env bash
# cryptography 50.0.2 (PyPI); AESCCM is so in all of 3.4.8, 41.0.7, 42.0.8, 43.0.3, 44.0.3, 46.0.0, 48.0.0; AESGCM was so up to 42.0.8
# and copies in 43.0.3 and later
# Surprise: AESGCM, ChaCha20Poly1305, AESOCB3, AESSIV and AESGCMSIV copy the key when they are built; AESCCM alone keeps a reference
# to the caller's buffer and reads it again at every call. Whoever wipes a bytearray after building the object (as one does with a
# data key) goes on with the wiped bytes: AESCCM then encrypts under a key of zeros, without an error.
# Why it matters: code that got a data key from a KMS, built its cipher and wiped the buffer is right with GCM and, after a change of
# one class name, no longer encrypts under the KMS's key. Its own round trip still works, so no test of one process sees it.
set -euo pipefail
tmp=$(mktemp -d); trap 'rm -rf "$tmp"' EXIT; cd "$tmp"
python3 -m venv v
v/bin/pip install -q --disable-pip-version-check cryptography==50.0.2
v/bin/python - <<'E'
import os
import sys

import cryptography
from cryptography.hazmat.primitives.ciphers import aead

print("cryptography", cryptography.__version__)


def encrypted(cipher):
    if isinstance(cipher, aead.AESSIV):
        return cipher.encrypt(b"text", [])
    return cipher.encrypt(b"nonce 12 byt", b"text", b"")


seen = {}
for name in ("AESGCM", "ChaCha20Poly1305", "AESOCB3", "AESSIV", "AESGCMSIV", "AESCCM"):
    make = getattr(aead, name)
    size = 64 if name == "AESSIV" else 32
    key = bytearray(os.urandom(size))
    before = bytes(key)
    cipher = make(key)
    key[:] = bytes(size)
    blob = encrypted(cipher)
    seen[name] = "given key" if blob == encrypted(make(before)) else "zeros" if blob == encrypted(make(bytes(size))) else "neither"
    print(f"{name}: buffer wiped after construction, encrypts under: {seen[name]}")
if seen.pop("AESCCM") != "zeros" or set(seen.values()) != {"given key"}:
    sys.exit("changed")
print("still so")
E
