#!/usr/bin/env bash
# alibabacloud-tea-openapi 0.4.6 (PyPI); alibabacloud-openapi-util 0.2.4, where the code was before, does the same
# Surprise: ACS3 signs the names of query parameters raw, where Alibaba's documentation says that names and values are
# percent-encoded, and where the same package's RPC signature does so. On the wire they are encoded.
# Why it matters: a name that needs encoding (a space, a Chinese letter) has a signature that a server by the documentation
# refuses; and {"a=1&b": "2"} and {"a": "1", "b": "2"} have one signature, so a server that verifies as the SDK signs can be
# told the one for the other.
set -euo pipefail
tmp=$(mktemp -d); trap 'rm -rf "$tmp"' EXIT; cd "$tmp"
cat > run.py <<'E'
import sys
import warnings
from importlib.metadata import version

warnings.simplefilter("ignore")
if sys.argv[1] == "alibabacloud-tea-openapi":
    from alibabacloud_tea_openapi.utils import Utils as Util
else:
    from alibabacloud_openapi_util.client import Client as Util


class Request:
    method, pathname, headers = "GET", "/", {"host": "kms.example.test"}

    def __init__(self, query):
        self.query = query


def acs3(query):
    payload = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    return Util.get_authorization(Request(query), "ACS3-HMAC-SHA256", payload, "FAKE", "fake").rpartition("=")[2]


one, other = {"a=1&b": "2"}, {"a": "1", "b": "2"}
print(f"{sys.argv[1]} {version(sys.argv[1])}")
print(f"  ACS3 of {one}: {acs3(one)[:16]}..., of {other}: {acs3(other)[:16]}...")
rpc = [Util.get_rpcsignature(query, "GET", "fake") for query in (one, other)]
print(f"  RPC v1 of the same: {rpc[0][:16]}..., {rpc[1][:16]}...")
sys.exit(0 if acs3(one) == acs3(other) and rpc[0] != rpc[1] else "changed")
E
for package in alibabacloud-tea-openapi==0.4.6 alibabacloud-openapi-util==0.2.4; do
  name=${package%%=*}
  python3 -m venv "v$name"
  "v$name/bin/pip" install -q --disable-pip-version-check "$package"
  "v$name/bin/python" run.py "$name"
done
echo "still so"
