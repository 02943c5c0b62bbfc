#!/usr/bin/env bash
# kmsauth 0.6.3 (PyPI, its newest), boto3 1.44.8, moto 5.2.5 as the KMS
# Surprise: with a `token_cache_file`, the first get_token() answers bytes, and str from then on, until the token's time is over. Whether the
# cached token fits is decided by its context alone: a generator that was given another `auth_key` answers the token of the old key.
# Why it matters: `"Bearer " + token.decode()` works after a deployment and fails at the second call, or the reverse, depending on what an
# earlier process left. After a key was changed the old one goes on being used, and a service that knows only the new one refuses it.
set -euo pipefail
tmp=$(mktemp -d); trap 'rm -rf "$tmp"' EXIT; cd "$tmp"
python3 -m venv v
v/bin/pip install -q --disable-pip-version-check kmsauth==0.6.3 'moto[kms]==5.2.5' boto3==1.44.8
unset AWS_PROFILE AWS_REGION AWS_ENDPOINT_URL AWS_ENDPOINT_URL_KMS
AWS_ACCESS_KEY_ID=FAKE AWS_SECRET_ACCESS_KEY=fake AWS_DEFAULT_REGION=eu-west-1 v/bin/python -W ignore - <<'E'
import base64
import sys
from importlib.metadata import version

import boto3
import kmsauth
from moto import mock_aws

print("kmsauth", version("kmsauth"))
context = {"from": "mailer", "to": "store", "user_type": "service"}
with mock_aws():
    kms = boto3.client("kms")
    old, new = (kms.create_key()["KeyMetadata"]["Arn"] for _ in range(2))

    def tokens(key):
        generator = kmsauth.KMSTokenGenerator(key, context, "eu-west-1", token_cache_file="cache/token")
        for token in (generator.get_token(), generator.get_token()):
            blob = base64.b64decode(token)
            yield type(token).__name__, kms.decrypt(CiphertextBlob=blob, EncryptionContext=context)["KeyId"] == key

    seen = [*tokens(old), *tokens(new)]
for which, (kind, right) in zip(("the first", "the second", "of another key", "of that key again"), seen):
    print(f"token, {which}: {kind}; encrypted by the generator's key: {right}")
if seen != [("bytes", True), ("str", True), ("str", False), ("str", False)]:
    sys.exit("changed")
print("still so")
E
