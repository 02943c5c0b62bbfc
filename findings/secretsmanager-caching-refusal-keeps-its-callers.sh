#!/usr/bin/env bash
# aws-secretsmanager-caching 1.2.0 (PyPI), boto3 1.44.8, CPython 3.11; before 1.2.0 the pauses are milliseconds, so little gathers
# Surprise: while a secret is refused, every call raises one and the same exception object, and Python adds each caller's frames to
# its traceback. So the cache keeps the local variables of all calls since the last try, the requests among them. A traceback that is
# printed shows the calls of all others.
# Why it matters: the pause between two tries grows to an hour. A service that is refused a secret, as by a disabled KMS key, grows by each
# request that it answers with an error until the next try, and its log by a longer traceback for each.
set -euo pipefail
tmp=$(mktemp -d); trap 'rm -rf "$tmp"' EXIT; cd "$tmp"
python3 -m venv v
v/bin/pip install -q --disable-pip-version-check aws-secretsmanager-caching==1.2.0 boto3==1.44.8
unset AWS_PROFILE AWS_REGION AWS_ENDPOINT_URL AWS_ENDPOINT_URL_SECRETS_MANAGER
AWS_ACCESS_KEY_ID=FAKE AWS_SECRET_ACCESS_KEY=fake AWS_DEFAULT_REGION=eu-west-1 v/bin/python - <<'E'
import gc
import sys
import traceback
import weakref
from importlib.metadata import version

import boto3
from aws_secretsmanager_caching import SecretCache, SecretCacheConfig
from botocore.exceptions import ClientError
from botocore.stub import Stubber

print("aws-secretsmanager-caching", version("aws-secretsmanager-caching"))
CALLS = 100


class Request:
    """What a handler has in a local variable."""


def handle(cache, requests):
    request = Request()
    requests.append(weakref.ref(request))
    try:
        cache.get_secret_string("db")
    except ClientError as error:
        return id(error), len(traceback.extract_tb(error.__traceback__))


client = boto3.client("secretsmanager")
with Stubber(client) as stub:
    stub.add_client_error("describe_secret", "AccessDeniedException", "no", 400)
    cache, requests = SecretCache(config=SecretCacheConfig(exception_retry_delay_base=60), client=client), []
    raised = [handle(cache, requests) for _ in range(CALLS)]
gc.collect()
alive = sum(reference() is not None for reference in requests)
objects, first, last = len({identity for identity, _ in raised}), raised[0][1], raised[-1][1]
print(f"{CALLS} calls raised {objects} exception object; entries in its traceback: {first} at the first call, {last} at the last")
print(f"of {CALLS} handled requests still in memory: {alive}")
del cache
gc.collect()
print("after the cache is gone:", sum(reference() is not None for reference in requests))
if objects != 1 or last < CALLS or alive != CALLS:
    sys.exit("changed")
print("still so")
E
