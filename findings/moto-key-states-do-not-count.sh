#!/usr/bin/env bash
# moto 5.2.5 (PyPI) with boto3 1.44.8; the same in 5.0.0, which was run, too
# Surprise: moto keeps and shows the state of a KMS key and lets no operation depend on it. Disabled keys and keys that wait for their
# deletion encrypt and decrypt, a key whose only usage is to sign encrypts, and a key of Origin EXTERNAL is usable before any import.
# The documented answers are DisabledException, KMSInvalidStateException and InvalidKeyUsageException.
# Why it matters: limits, contexts and wrong keys are checked by moto, so tests look trustworthy; the tests of what an application does
# when its key is disabled, the very case where a KMS shows its worth, pass without proving anything.
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
seen = {}


def tried(name, call):
    try:
        call()
        seen[name] = "works"
    except ClientError as error:
        seen[name] = error.response["Error"]["Code"]
    print(f"{name}: {seen[name]}")


with mock_aws():
    kms = boto3.client("kms")
    new = lambda **arguments: kms.create_key(**arguments)["KeyMetadata"]["KeyId"]
    state = lambda key: kms.describe_key(KeyId=key)["KeyMetadata"]["KeyState"]
    key = new()
    blob = kms.encrypt(KeyId=key, Plaintext=b"text", EncryptionContext={"a": "b"})["CiphertextBlob"]
    tried("decrypt with another context", lambda: kms.decrypt(CiphertextBlob=blob, EncryptionContext={"a": "c"}))
    tried("encrypt 4,097 bytes", lambda: kms.encrypt(KeyId=key, Plaintext=bytes(4097)))
    kms.disable_key(KeyId=key)
    tried(f"encrypt, key {state(key)}", lambda: kms.encrypt(KeyId=key, Plaintext=b"text"))
    tried(f"decrypt, key {state(key)}", lambda: kms.decrypt(CiphertextBlob=blob, EncryptionContext={"a": "b"}))
    kms.schedule_key_deletion(KeyId=key)
    tried(f"decrypt, key {state(key)}", lambda: kms.decrypt(CiphertextBlob=blob, EncryptionContext={"a": "b"}))
    tried(f"generate_data_key, key {state(key)}", lambda: kms.generate_data_key(KeyId=key, KeySpec="AES_256"))
    signing = new(KeySpec="ECC_NIST_P256", KeyUsage="SIGN_VERIFY")
    tried("encrypt, key usage SIGN_VERIFY", lambda: kms.encrypt(KeyId=signing, Plaintext=b"text"))
    tried("encrypt, Origin EXTERNAL, nothing imported", lambda: kms.encrypt(KeyId=new(Origin="EXTERNAL"), Plaintext=b"text"))
expected = ["InvalidCiphertextException", "ValidationException"] + ["works"] * 6
if list(seen.values()) != expected or "encrypt, key Disabled" not in seen or "decrypt, key PendingDeletion" not in seen:
    sys.exit("changed")
print("still so")
E
