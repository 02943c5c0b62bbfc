#!/usr/bin/env bash
# moto 5.2.5 (PyPI) with boto3 1.44.8, cryptography 50.0.2; the same in moto 5.0.0, which was run, too
# Surprise: moto's RSASSA_PSS signatures have the longest possible salt, where KMS documents one as long as the digest, and JWA's PS256
# demands it: a verifier that insists on the length refuses them. And Sign takes MessageType=DIGEST, a gap that its maintainers know,
# and hashes the digest once more, so the signature fits neither the message nor the digest. moto's own Verify accepts all of them.
# Why it matters: who signs more than 4,096 bytes, and most JWT and code signers, sends digests. Tests with moto on both sides pass; as
# soon as another library verifies with the public key, they fail, and it is the right code that looks wrong.
set -euo pipefail
tmp=$(mktemp -d); trap 'rm -rf "$tmp"' EXIT; cd "$tmp"
python3 -m venv v
v/bin/pip install -q --disable-pip-version-check "moto[kms]==5.2.5" boto3==1.44.8 cryptography==50.0.2
AWS_ACCESS_KEY_ID=FAKE AWS_SECRET_ACCESS_KEY=fake AWS_DEFAULT_REGION=eu-west-1 v/bin/python - <<'E'
import hashlib
import sys
from importlib.metadata import version

import boto3
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, utils
from cryptography.hazmat.primitives.serialization import load_der_public_key
from moto import mock_aws

print("moto", version("moto"), "cryptography", version("cryptography"))
SHA256 = hashes.SHA256()
MESSAGE = b"message"
DIGEST = hashlib.sha256(MESSAGE).digest()
seen = {}


def verified(name, key, *arguments):
    try:
        key.verify(*arguments)
        seen[name] = True
    except InvalidSignature:
        seen[name] = False
    print(f"{name}: {seen[name]}")


with mock_aws():
    kms = boto3.client("kms")

    def signed(spec, **arguments):
        key = kms.create_key(KeySpec=spec, KeyUsage="SIGN_VERIFY")["KeyMetadata"]["KeyId"]
        signature = kms.sign(KeyId=key, **arguments)["Signature"]
        print(f"{spec} {arguments['SigningAlgorithm']}, moto's own verify: {kms.verify(KeyId=key, Signature=signature, **arguments)['SignatureValid']}")
        return load_der_public_key(kms.get_public_key(KeyId=key)["PublicKey"]), signature

    key, signature = signed("ECC_NIST_P256", Message=DIGEST, MessageType="DIGEST", SigningAlgorithm="ECDSA_SHA_256")
    verified("  as the message's signature", key, signature, MESSAGE, ec.ECDSA(SHA256))
    verified("  as the digest's signature", key, signature, DIGEST, ec.ECDSA(utils.Prehashed(SHA256)))
    verified("  with the digest as the message", key, signature, DIGEST, ec.ECDSA(SHA256))
    key, signature = signed("RSA_2048", Message=MESSAGE, MessageType="RAW", SigningAlgorithm="RSASSA_PSS_SHA_256")
    mask = padding.MGF1(SHA256)
    verified("  salt as long as the digest", key, signature, MESSAGE, padding.PSS(mask, padding.PSS.DIGEST_LENGTH), SHA256)
    verified("  longest salt", key, signature, MESSAGE, padding.PSS(mask, padding.PSS.MAX_LENGTH), SHA256)
if list(seen.values()) != [False, False, True, False, True]:
    sys.exit("changed")
print("still so")
E
