#!/usr/bin/env bash
# moto 5.2.5 (PyPI), boto3 1.44.8
# Surprise: moto's Verify answers a wrong signature with `SignatureValid: false`. KMS never does: its Verify documents that it fails with
# KMSInvalidSignatureException. For a wrong MAC moto raises KMSInvalidMacException, as KMS. (AWS API reference, Verify and VerifyMac.)
# Why it matters: `if not kms.verify(..)["SignatureValid"]` is tested by moto and green, and is never reached at AWS, where the exception that
# nobody catches makes an answer 500 of each forged request; who catches it as documented has a test that fails.
set -euo pipefail
tmp=$(mktemp -d); trap 'rm -rf "$tmp"' EXIT; cd "$tmp"
python3 -m venv v
v/bin/pip install -q --disable-pip-version-check "moto[kms]==5.2.5" boto3==1.44.8
AWS_ACCESS_KEY_ID=FAKE AWS_SECRET_ACCESS_KEY=fake AWS_DEFAULT_REGION=eu-west-1 v/bin/python - <<'E'
import sys
from importlib.metadata import version

import boto3
from botocore.exceptions import ClientError
from moto import mock_aws

print("moto", version("moto"))


def tried(call, field, **arguments):
    try:
        return call(**arguments)[field]
    except ClientError as error:
        return error.response["Error"]["Code"]


with mock_aws():
    kms = boto3.client("kms")
    new = lambda **arguments: kms.create_key(**arguments)["KeyMetadata"]["KeyId"]
    sign = {"KeyId": new(KeySpec="ECC_NIST_P256", KeyUsage="SIGN_VERIFY"), "SigningAlgorithm": "ECDSA_SHA_256"}
    signature = kms.sign(Message=b"ours", **sign)["Signature"]
    mac = {"KeyId": new(KeySpec="HMAC_256", KeyUsage="GENERATE_VERIFY_MAC"), "MacAlgorithm": "HMAC_SHA_256"}
    tag = kms.generate_mac(Message=b"ours", **mac)["Mac"]
    seen = [(tried(kms.verify, "SignatureValid", Message=text, Signature=signature, **sign),
             tried(kms.verify_mac, "MacValid", Message=text, Mac=tag, **mac)) for text in (b"ours", b"theirs")]
for text, outcome in zip(("the message", "another message"), seen):
    print(f"{text}: Verify {outcome[0]}, VerifyMac {outcome[1]}")
if seen != [(True, True), (False, "KMSInvalidMacException")]:
    sys.exit("changed")
print("still so")
E
