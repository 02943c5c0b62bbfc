#!/usr/bin/env bash
# pgpkms 1.0.7 (PyPI, its newest), pysequoia 0.1.35, cryptography 50.0.2
# Surprise: of the OpenPGP signatures that pgpkms makes with an RSA key of a KMS half or more are no signatures to Sequoia. A signature is
# a number, whose first bits are often 0; OpenPGP wants its exact length in bits (RFC 9580, 3.2), pgpkms always writes the key's. GnuPG and
# OpenPGP.js read both. The same holds for the self-signature of the public key that it writes: refused, it leaves a key without any use.
# Why it matters: whether a release verifies is drawn anew with each signature, and GnuPG, with which its maker checks, accepts all of them.
# sqv refuses them (1.1.0 of Debian 12 was run: "Malformed OpenPGP message"), and apt verifies repositories by sqv since Debian 13.
set -euo pipefail
tmp=$(mktemp -d); trap 'rm -rf "$tmp"' EXIT; cd "$tmp"
python3 -m venv v
v/bin/pip install -q --disable-pip-version-check pgpkms==1.0.7 pysequoia==0.1.35 cryptography==50.0.2
AWS_ACCESS_KEY_ID=FAKE AWS_SECRET_ACCESS_KEY=fake AWS_DEFAULT_REGION=eu-west-1 v/bin/python - <<'E'
import datetime
import sys
from collections import Counter
from importlib.metadata import version

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa, utils
from pgpkms import KmsPgpKey
from pysequoia import Cert, Sig, verify

print("pgpkms", version("pgpkms"), "pysequoia", version("pysequoia"))
SINCE = datetime.datetime(2026, 1, 1, tzinfo=datetime.timezone.utc)
TAGS = [{"TagKey": "PGPName", "TagValue": "A"}, {"TagKey": "PGPEmail", "TagValue": "a@example.com"}]


class Kms:
    """What a KMS does with an RSA key."""

    def __init__(self):
        self.key = rsa.generate_private_key(65537, 2048)
        self.bits = 0

    def get_public_key(self, KeyId):
        shape = serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        usage = {"KeySpec": "RSA_2048", "KeyUsage": "SIGN_VERIFY"}
        return {"KeyId": KeyId, "PublicKey": self.key.public_key().public_bytes(*shape), **usage,
                "SigningAlgorithms": [f"RSASSA_PKCS1_V1_5_SHA_{length}" for length in (256, 384, 512)]}

    def describe_key(self, KeyId):
        return {"KeyMetadata": {"KeyId": KeyId, "Arn": KeyId, "CreationDate": SINCE}}

    def list_resource_tags(self, **_):
        return {"Tags": TAGS, "Truncated": False}

    def sign(self, Message, **_):
        signature = self.key.sign(Message, padding.PKCS1v15(), utils.Prehashed(hashes.SHA256()))
        self.bits = int.from_bytes(signature, "big").bit_length()
        return {"Signature": signature}


# A public key whose own signature happens to fill its length: else there is nothing to verify by.
while True:
    kms = Kms()
    signer = KmsPgpKey("key", kms_client=kms)
    public = signer.to_pgp(kms_client=kms)
    if kms.bits == 2048:
        break
certificate = Cert.from_bytes(public if isinstance(public, bytes) else public.encode())
seen = Counter()
for number in range(100):
    text = b"release %d" % number
    signature = signer.sign(text, kms_client=kms)
    full = kms.bits == 2048
    try:
        parsed = Sig.from_bytes(signature if isinstance(signature, bytes) else signature.encode())
        outcome = bool(verify(bytes=text, store=lambda _: [certificate], signature=parsed).valid_sigs)
    except Exception as error:
        outcome = str(error).partition("\n")[0]
    seen["fills its length" if full else "begins with bits of 0", outcome] += 1
for (kind, outcome), times in sorted(seen.items()):
    print(f"{times} of 100 signatures: the number {kind}; Sequoia: {outcome}")
if set(seen) != {("fills its length", True), ("begins with bits of 0", "Not a signature")}:
    sys.exit("changed")
print("still so")
E
