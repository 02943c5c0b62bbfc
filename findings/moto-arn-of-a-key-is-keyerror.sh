#!/usr/bin/env bash
# moto 5.2.5 (PyPI), boto3 1.44.8
# Surprise: DisableKey, EnableKey, ScheduleKeyDeletion and CancelKeyDeletion of a key's ARN raise KeyError out of boto3's call, while the
# other operations take the ARN. KMS takes key ids and key ARNs in all of them. The reverse: CreateGrant takes an alias, which KMS refuses.
# Why it matters: the ARN is what CreateKey, stacks and configurations hand around. A test of what happens when a key is disabled dies in moto's
# own code, with an error that names the ARN and looks as if the key were not there; and a grant by alias fails only at AWS.
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
REST = {"describe_key": {}, "enable_key_rotation": {}, "update_key_description": {"Description": "text"}, "encrypt": {"Plaintext": b"text"},
        "create_grant": {"GranteePrincipal": "arn:aws:iam::123456789012:role/reader", "Operations": ["Decrypt"]}}
STATES = ("disable_key", "enable_key", "schedule_key_deletion", "cancel_key_deletion")


def tried(operation, name, **arguments):
    try:
        getattr(kms, operation)(KeyId=name, **arguments)
        return "works"
    except ClientError as error:
        return error.response["Error"]["Code"]
    except KeyError:
        return "KeyError"


with mock_aws():
    kms = boto3.client("kms")
    key = kms.create_key()["KeyMetadata"]
    kms.create_alias(AliasName="alias/tenant", TargetKeyId=key["KeyId"])
    seen = {}
    for operation in (*REST, *STATES):
        names = key["KeyId"], key["Arn"], "alias/tenant"
        seen[operation] = [tried(operation, name, **REST.get(operation, {})) for name in names]
        print(f"{operation}: key id {seen[operation][0]}, key ARN {seen[operation][1]}, alias {seen[operation][2]}")
refused, works = "NotFoundException", "works"
expected = dict.fromkeys(("describe_key", "encrypt", "create_grant"), [works] * 3)
expected |= dict.fromkeys(("enable_key_rotation", "update_key_description"), [works, works, refused])
expected |= dict.fromkeys(STATES, [works, "KeyError", refused])
if seen != expected:
    sys.exit("changed")
print("still so")
E
