#!/usr/bin/env bash
# Authlib 1.9.10, jwt-kms 0.1.4 (PyPI, their newest); PyJWT 2.15.1, josepy 2.2.0, joserfc 1.8.0; Authlib 1.3.0 was run, too
# Surprise: as a JWK, an elliptic curve key whose x or y begins with a byte of zeros is written without that byte: 31 bytes, where RFC 7518
# (6.2.1.2) wants 32 always. That is one key in 128. PyJWT and josepy refuse such a JWK; jwcrypto, joserfc and Node read it. Its thumbprint,
# and so its `kid`, is another than that of RFC 7638, which joserfc computes.
# Why it matters: a public key of a KMS is published this way (jwt-kms does nothing else, from GetPublicKey), and the key cannot be changed.
# It works with all keys of the tests; one tenant's tokens are then refused by some partners, for a reason that no log of one's own has.
set -euo pipefail
tmp=$(mktemp -d); trap 'rm -rf "$tmp"' EXIT; cd "$tmp"
python3 -m venv v
v/bin/pip install -q --disable-pip-version-check Authlib==1.9.10 jwt-kms==0.1.4 pyjwt==2.15.1 josepy==2.2.0 joserfc==1.8.0 cryptography==50.0.2
v/bin/python -W ignore - <<'E' 2> errors || { cat errors; exit 1; }
import base64
import json
import sys
from importlib.metadata import version
from unittest import mock

import josepy
import jwt
from authlib.jose import ECKey as AuthlibKey
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from joserfc.jwk import ECKey
from jwt_kms.jwk import Key

print("Authlib", version("authlib"), "jwt-kms", version("jwt-kms"))
while True:
    public = ec.generate_private_key(ec.SECP256R1()).public_key()
    numbers = public.public_numbers()
    if not numbers.x >> 248 and numbers.x >> 240 and numbers.y >> 248:
        break
shape = serialization.PublicFormat.SubjectPublicKeyInfo
pem = public.public_bytes(serialization.Encoding.PEM, shape)
answer = {"PublicKey": public.public_bytes(serialization.Encoding.DER, shape), "CustomerMasterKeySpec": "ECC_NIST_P256",
          "KeyUsage": "SIGN_VERIFY", "SigningAlgorithms": ["ECDSA_SHA_256"]}
kms = mock.Mock()
kms.get_public_key.return_value = answer
written = {"Authlib": AuthlibKey.import_key(pem).as_dict(), "jwt-kms": Key(kms, "key").public_key_jwk, "joserfc": ECKey.import_key(pem).as_dict()}


def tried(call, jwk):
    try:
        call(jwk)
        return "reads"
    except Exception as error:
        return f"refuses ({type(error).__name__})"


seen = {}
for name, jwk in written.items():
    jwk = {field: jwk[field] for field in ("kty", "crv", "x", "y")}
    length = len(base64.urlsafe_b64decode(jwk["x"] + "=="))
    seen[name] = length, tried(lambda jwk: jwt.PyJWK({**jwk, "alg": "ES256"}), jwk), tried(josepy.JWK.from_json, jwk)
    print(f"{name}: x of {length} bytes; PyJWT {seen[name][1]}, josepy {seen[name][2]}")
thumbprints = [key.import_key(pem).thumbprint() for key in (AuthlibKey, ECKey)]
print("thumbprint of Authlib is that of joserfc:", thumbprints[0] == thumbprints[1])
short = (31, "refuses (InvalidKeyError)", "refuses (DeserializationError)")
if seen != {"Authlib": short, "jwt-kms": short, "joserfc": (32, "reads", "reads")} or thumbprints[0] == thumbprints[1]:
    sys.exit("changed")
print("still so")
E
