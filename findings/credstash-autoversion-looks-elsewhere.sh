#!/usr/bin/env bash
# credstash 1.17.1 (PyPI, its newest), boto3 1.44.8, moto 5.2.5
# Surprise: `putSecretAutoversion(name, secret, region=..)` takes the last version from the table of the default region, and writes the next
# one into the table of `region`. If that table is further on, the new secret is stored below the newest version: "has been stored" is
# printed, and getSecret goes on returning the old secret. Credentials given as arguments are not used for the look-up either. The command
# line's `put -a` looks where it should.
# Why it matters: a rotated password is stored and never read. It works wherever the default region is the one that is meant, as in most
# tests. As a library it has another habit of a command: if the KMS refuses, putSecretAutoversion ends the process by sys.exit.
set -euo pipefail
tmp=$(mktemp -d); trap 'rm -rf "$tmp"' EXIT; cd "$tmp"
python3 -m venv v
v/bin/pip install -q --disable-pip-version-check credstash==1.17.1 boto3==1.44.8 botocore==1.44.8 'moto[dynamodb,kms]==5.2.5'
export AWS_ACCESS_KEY_ID=FAKE AWS_SECRET_ACCESS_KEY=fake AWS_DEFAULT_REGION=us-east-1
unset AWS_PROFILE AWS_REGION AWS_ENDPOINT_URL AWS_ENDPOINT_URL_KMS AWS_ENDPOINT_URL_DYNAMODB
v/bin/python - <<'E'
import sys

import boto3
import credstash
from moto import mock_aws

HERE, THERE = "us-east-1", "eu-west-1"
with mock_aws():
    keys = {}
    for region in (HERE, THERE):
        keys[region] = boto3.client("kms", region_name=region).create_key()["KeyMetadata"]["KeyId"]
        credstash.createDdbTable(region=region)

    def put(region, version):
        how = {"kms_key": keys[region], "region": region}
        credstash.putSecret("db", f"secret {version}", version=credstash.paddedInt(version), **how)

    put(HERE, 4)
    for version in (1, 2, 8):
        put(THERE, version)
    credstash.putSecretAutoversion("db", "the new secret", kms_key=keys[THERE], region=THERE)
    versions = sorted(int(row["version"]) for row in credstash.listSecrets(region=THERE))
    read = credstash.getSecret("db", region=THERE)
    print(f"versions in {THERE}: {versions}; getSecret there: {read!r}")
    try:
        credstash.putSecretAutoversion("db", "x", kms_key="00000000-0000-4000-8000-000000000000", region=THERE)
        ended = "no"
    except SystemExit as error:
        ended = f"SystemExit({error.code})"
    print("with a key that does not exist:", ended)
if (versions, read, ended) != ([1, 2, 5, 8], "secret 8", "SystemExit(1)"):
    sys.exit("changed")
print("still so")
E
