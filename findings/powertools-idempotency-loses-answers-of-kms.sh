#!/usr/bin/env bash
# aws-lambda-powertools 3.37.0 (PyPI), boto3 1.44.8, moto 5.2.5
# Surprise: a function under `@idempotent_function` that returns bytes or a datetime does its work, and then raises
# IdempotencyPersistenceLayerError; the result is lost. Its record stays "in progress": a repeat is refused until the function's time would
# have been over, and does the work again after that. Without a Lambda context that is an hour. A datetime in the arguments is accepted.
# Why it matters: answers of a KMS hold one or the other (CreationDate of a key, CiphertextBlob of a data key), so CreateKey under the very
# decorator that should make one key makes one at each try, whose id nobody learns, and each is paid for.
set -euo pipefail
tmp=$(mktemp -d); trap 'rm -rf "$tmp"' EXIT; cd "$tmp"
python3 -m venv v
v/bin/pip install -q --disable-pip-version-check aws-lambda-powertools==3.37.0 'moto[dynamodb,kms]==5.2.5' boto3==1.44.8 botocore==1.44.8
unset AWS_PROFILE AWS_REGION AWS_ENDPOINT_URL AWS_ENDPOINT_URL_KMS AWS_ENDPOINT_URL_DYNAMODB
AWS_ACCESS_KEY_ID=FAKE AWS_SECRET_ACCESS_KEY=fake AWS_DEFAULT_REGION=eu-west-1 v/bin/python - <<'E'
import datetime
import sys
import time
from importlib.metadata import version

import boto3
from aws_lambda_powertools.utilities.idempotency import DynamoDBPersistenceLayer, IdempotencyConfig, idempotent_function
from moto import mock_aws


class Context:
    """What Lambda hands over: here a function with a second left."""

    @staticmethod
    def get_remaining_time_in_millis():
        return 1000


print("aws-lambda-powertools", version("aws-lambda-powertools"))
with mock_aws():
    boto3.client("dynamodb").create_table(
        TableName="done", KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}], BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}])
    kms = boto3.client("kms")
    config = IdempotencyConfig()
    config.register_lambda_context(Context)
    settings = {"data_keyword_argument": "order", "persistence_store": DynamoDBPersistenceLayer("done"), "config": config}

    @idempotent_function(**settings)
    def make(order):
        return kms.create_key(Description=order["tenant"])["KeyMetadata"]

    @idempotent_function(**settings)
    def make_and_tell_id(order):
        return kms.create_key(Description=order["tenant"])["KeyMetadata"]["KeyId"]

    def keys_after(call, tenant):
        before = len(kms.list_keys()["Keys"])
        try:
            call(order={"tenant": tenant, "at": datetime.datetime(2026, 1, 1)})
            outcome = "a result"
        except Exception as error:
            outcome = type(error).__name__
        return outcome, len(kms.list_keys()["Keys"]) - before

    seen = [keys_after(make, "a"), keys_after(make, "a")]
    time.sleep(1.5)
    seen.append(keys_after(make, "a"))
    alone = [keys_after(make_and_tell_id, "b"), keys_after(make_and_tell_id, "b")]
for name, (outcome, made) in zip(("first call", "at once again", "after its time", "id alone", "id alone, again"), seen + alone):
    print(f"{name}: {outcome}, keys made: {made}")
lost = "IdempotencyPersistenceLayerError", 1
if seen != [lost, ("IdempotencyAlreadyInProgressError", 0), lost] or alone != [("a result", 1), ("a result", 0)]:
    sys.exit("changed")
print("still so")
E
