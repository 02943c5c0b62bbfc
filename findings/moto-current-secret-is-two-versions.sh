#!/usr/bin/env bash
# moto 5.2.5 (PyPI)
# Surprise: UpdateSecretVersionStage moves AWSCURRENT in what DescribeSecret tells and in GetSecretValue(VersionStage="AWSCURRENT"), but
# GetSecretValue without a stage, which AWS documents as the same, goes on reading the version that was put last.
# Why it matters: a test of a rotation or a rollback that ends by moving the label reads the old value, or a wrong one passes.
set -euo pipefail
tmp=$(mktemp -d); trap 'rm -rf "$tmp"' EXIT; cd "$tmp"
python3 -m venv v
v/bin/pip install -q --disable-pip-version-check 'moto[secretsmanager]==5.2.5' boto3
AWS_DEFAULT_REGION=eu-central-1 AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test v/bin/python - <<'E'
import sys
from importlib.metadata import version

import boto3
from moto import mock_aws

print("moto", version("moto"))
first, second = "1" * 32, "2" * 32
with mock_aws():
    client = boto3.client("secretsmanager")
    client.create_secret(Name="a", ClientRequestToken=first, SecretString="first")
    client.put_secret_value(SecretId="a", ClientRequestToken=second, SecretString="second")
    client.update_secret_version_stage(
        SecretId="a", VersionStage="AWSCURRENT", MoveToVersionId=first, RemoveFromVersionId=second
    )
    stages = client.describe_secret(SecretId="a")["VersionIdsToStages"]
    labelled = client.get_secret_value(SecretId="a", VersionStage="AWSCURRENT")["SecretString"]
    plain = client.get_secret_value(SecretId="a")["SecretString"]
print("AWSCURRENT is at", next(v[0] for v, labels in stages.items() if "AWSCURRENT" in labels))
print("read by the label:", labelled)
print("read without one: ", plain)
if (labelled, plain) != ("first", "second"):
    sys.exit("changed")
print("still so")
E
