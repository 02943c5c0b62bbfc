#!/usr/bin/env bash
# aws-lambda-powertools 3.37.0 (PyPI)
# Surprise: extra fields of a line are keyword arguments, `logger.info("sealed", secret_id="a")`. `name=`, `module=`, `process=` and the other
# attributes of a standard LogRecord raise KeyError ("Attempt to overwrite 'name' in LogRecord") instead of being written, though the line
# has no such key of its own.
# Why it matters: a log line in the last step of a record handler turns a record that is done into a failed one, which comes again and
# again; a test whose logger is a fake passes.
set -euo pipefail
tmp=$(mktemp -d); trap 'rm -rf "$tmp"' EXIT; cd "$tmp"
python3 -m venv v
v/bin/pip install -q --disable-pip-version-check aws-lambda-powertools==3.37.0
v/bin/python - <<'E'
import io
import json
import sys
from importlib.metadata import version

from aws_lambda_powertools import Logger

print("aws-lambda-powertools", version("aws-lambda-powertools"))
out = io.StringIO()
logger = Logger(service="finding", stream=out)
seen = {}
for field in "secret_id", "name", "module", "process", "args", "message":
    try:
        logger.info("sealed", **{field: "value"})
        seen[field] = "written"
    except (KeyError, TypeError) as error:
        seen[field] = f"{type(error).__name__}: {error}"
    print(f"{field}=: {seen[field]}")
plain = json.loads(out.getvalue().splitlines()[0])
assert plain["secret_id"] == "value" and "name" not in plain and "module" not in plain
if seen["secret_id"] != "written" or any("KeyError" not in seen[f] for f in ("name", "module", "process")):
    sys.exit("changed")
print("still so")
E
