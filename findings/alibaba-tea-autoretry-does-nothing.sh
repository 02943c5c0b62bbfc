#!/usr/bin/env bash
# alibabacloud-tea-openapi 0.4.6 with alibabacloud-kms20160120 3.3.1 (PyPI); since tea-openapi 0.4.0: 0.3.16 sends four requests, and
# 0.4.0 and 0.4.1, which were run, too, send one
# Surprise: RuntimeOptions(autoretry=True, max_attempts=3) is still accepted and no longer does anything. A call whose
# connection is dropped is not repeated.
# Why it matters: an update takes the retries away that callers asked for, without a warning; a KMS that restarts is then seen by
# every one of them.
set -euo pipefail
tmp=$(mktemp -d); trap 'rm -rf "$tmp"' EXIT; cd "$tmp"
cat > run.py <<'E'
import socket
import sys
import threading
import warnings
from importlib.metadata import version

warnings.simplefilter("ignore")
from alibabacloud_kms20160120 import models
from alibabacloud_kms20160120.client import Client
from alibabacloud_tea_openapi.models import Config

try:
    from darabonba.runtime import RuntimeOptions
except ImportError:  # the older generation
    from alibabacloud_tea_util.models import RuntimeOptions

connections = 0


def drop_each():
    global connections
    while True:
        connection, _ = listener.accept()
        connections += 1
        connection.close()


listener = socket.create_server(("127.0.0.1", 0))
threading.Thread(target=drop_each, daemon=True).start()
endpoint = f"127.0.0.1:{listener.getsockname()[1]}"
config = Config(access_key_id="FAKE", access_key_secret="fake", region_id="cn-hangzhou", endpoint=endpoint, protocol="http")
options = RuntimeOptions(autoretry=True, max_attempts=3, backoff_policy="no")
try:
    Client(config).describe_key_with_options(models.DescribeKeyRequest(key_id="k"), options)
except Exception as error:
    print(f"tea-openapi {version('alibabacloud-tea-openapi')}: autoretry=True, max_attempts=3: {connections} connection(s), then {type(error).__name__}")
sys.exit(0 if connections == int(sys.argv[1]) else "changed")
E
for pair in 3.3.1:0.4.6:1 2.2.3:0.3.16:4; do
  IFS=: read -r kms tea expected <<<"$pair"
  python3 -m venv "v$tea"
  "v$tea/bin/pip" install -q --disable-pip-version-check "alibabacloud-kms20160120==$kms" "alibabacloud-tea-openapi==$tea" alibabacloud-tea==0.4.3
  "v$tea/bin/python" run.py "$expected"
done
echo "still so"
