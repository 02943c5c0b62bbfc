#!/usr/bin/env bash
# aws-lambda-powertools 3.37.0 (PyPI) with boto3 1.44.8, moto 5.2.5. SecretsProvider of npm @aws-lambda-powertools/parameters 2.35.0 was
# run, too, and answers the current secret for AWSPREVIOUS likewise (powertools-lambda-typescript#5622, mended after that release)
# Surprise: what get_secret and get_parameter have fetched is kept under the name and the transform alone. Within max_age (5 seconds unless
# said otherwise) `get_secret("db", VersionStage="AWSPREVIOUS")` answers the current secret if that was asked for before, and
# `get_parameter("p", decrypt=True)` answers the ciphertext that a call without decrypt left there; decrypt=False answers the plaintext.
# Why it matters: who tries the previous password after the current one was refused, as during a rotation, tries the same one twice.
# `force_fetch=True` asks anew, and leaves its own answer for the next call without it.
set -euo pipefail
tmp=$(mktemp -d); trap 'rm -rf "$tmp"' EXIT; cd "$tmp"
python3 -m venv v
v/bin/pip install -q --disable-pip-version-check aws-lambda-powertools==3.37.0 boto3==1.44.8 'moto[secretsmanager,ssm]==5.2.5'
export AWS_ACCESS_KEY_ID=FAKE AWS_SECRET_ACCESS_KEY=fake AWS_DEFAULT_REGION=eu-west-1
unset AWS_PROFILE AWS_REGION AWS_ENDPOINT_URL POWERTOOLS_PARAMETERS_MAX_AGE POWERTOOLS_PARAMETERS_SSM_DECRYPT
v/bin/python - <<'E'
import sys
from importlib.metadata import version

import boto3
from aws_lambda_powertools.utilities import parameters
from moto import mock_aws

print("aws-lambda-powertools", version("aws-lambda-powertools"))
LONG = 3600  # seconds: nothing here depends on how fast this machine is
with mock_aws():
    secrets = boto3.client("secretsmanager")
    secrets.create_secret(Name="db", SecretString="the old password")
    secrets.put_secret_value(SecretId="db", SecretString="the new password")
    boto3.client("ssm").put_parameter(Name="p", Type="SecureString", Value="a secret")
    current = parameters.get_secret("db", max_age=LONG)
    previous = parameters.get_secret("db", max_age=LONG, VersionStage="AWSPREVIOUS")
    forced = parameters.get_secret("db", max_age=LONG, VersionStage="AWSPREVIOUS", force_fetch=True)
    after = parameters.get_secret("db", max_age=LONG)
    sealed = parameters.get_parameter("p", max_age=LONG, decrypt=False)
    opened = parameters.get_parameter("p", max_age=LONG, decrypt=True)
print(f"get_secret: {current!r}; with VersionStage=AWSPREVIOUS: {previous!r}")
print(f"with force_fetch=True as well: {forced!r}; then get_secret without a stage: {after!r}")
print(f"get_parameter(decrypt=False): {sealed!r}; get_parameter(decrypt=True): {opened!r}")
secret = (current, previous, forced, after)
if secret != ("the new password", "the new password", "the old password", "the old password") or opened != sealed:
    sys.exit("changed")
if opened == "a secret":
    sys.exit("changed: the parameter was not encrypted")
print("still so")
E
