#!/usr/bin/env bash
# aws-lambda-powertools 3.37.0 (PyPI); the same in 2.43.1 and 3.0.0, which were run, too
# Surprise: the batch utility calls the record handler with the keyword `record`. A handler whose parameter has another name, as in
# `def seal(message)`, or a lambda, fails with TypeError for each record, and since the utility is there to catch what handlers raise,
# that is a record's failure and not a programming error at import.
# Why it matters: renaming a parameter sends a whole queue through its retries to the dead-letter queue. A unit test that calls the
# handler itself, by position, passes.
set -euo pipefail
tmp=$(mktemp -d); trap 'rm -rf "$tmp"' EXIT; cd "$tmp"
python3 -m venv v
v/bin/pip install -q --disable-pip-version-check aws-lambda-powertools==3.37.0
v/bin/python - <<'E'
import sys
from importlib.metadata import version

from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response

print("aws-lambda-powertools", version("aws-lambda-powertools"))
event = {"Records": [{"messageId": str(i), "body": "text", "eventSource": "aws:sqs"} for i in range(2)]}


def named_record(record):
    return record["body"]


def named_message(message):
    return message["body"]


seen = []
for handler in named_record, named_message:
    assert handler(event["Records"][0]) == "text"
    processor = BatchProcessor(event_type=EventType.SQS, raise_on_entire_batch_failure=False)
    answer = process_partial_response(event=event, record_handler=handler, processor=processor)
    failed = [item["itemIdentifier"] for item in answer["batchItemFailures"]]
    errors = {f"{kind.__name__}: {error}" for kind, error, _ in processor.exceptions}
    seen.append(failed)
    print(f"{handler.__name__}: failed records {failed} {errors or ''}")
if seen != [[], ["0", "1"]]:
    sys.exit("changed")
print("still so")
E
