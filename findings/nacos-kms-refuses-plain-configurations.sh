#!/usr/bin/env bash
# nacos-sdk-python 3.2.0 with alibabacloud-kms20160120 3.3.1 and alibabacloud-tea-openapi 0.4.6 (PyPI)
# Surprise: a dataId that begins with `cipher-` is encrypted, and others are meant to stay plain. As soon as a KMS is configured, every
# other dataId is refused, to publish and to read ("dataId prefix should start with 'cipher-'"); the filter has a function that would let
# them pass, and does not call it.
# Why it matters: switching the KMS on for one secret breaks each plain configuration of the same client. One needs two clients, one
# with the KMS and one without.
set -euo pipefail
tmp=$(mktemp -d); trap 'rm -rf "$tmp"' EXIT; cd "$tmp"
python3 -m venv v
v/bin/pip install -q --disable-pip-version-check nacos-sdk-python==3.2.0 alibabacloud-kms20160120==3.3.1 alibabacloud-tea-openapi==0.4.6
cat > run.py <<'E'
import asyncio
import os
import sys
from importlib.metadata import version

from v2.nacos import ClientConfigBuilder, ConfigParam, KMSConfig, NacosConfigService, NacosException


class Nacos:
    """In place of the connection to a Nacos server."""

    async def publish_config(self, param):
        return True

    async def query_config(self, data_id, group):
        return "colour: red", ""


async def tell(call):
    try:
        return str(await call)
    except NacosException as error:
        return f"NacosException: {error}"


async def main():
    seen = []
    for kms in False, True:
        config = ClientConfigBuilder().server_address("127.0.0.1:1").log_dir(os.getcwd()).cache_dir(os.getcwd())
        config.kms_config(KMSConfig(kms, "127.0.0.1:1", "FAKE", "fake"))
        service = NacosConfigService(config.build())
        service.grpc_client_proxy = Nacos()
        published = await tell(service.publish_config(ConfigParam(data_id="app.yaml", group="g", content="colour: red")))
        read = await tell(service.get_config(ConfigParam(data_id="app.yaml", group="g")))
        print(f"KMS {'on' if kms else 'off'}, dataId app.yaml: published: {published}; read: {read}")
        seen += [published, read]
    return seen


print("nacos-sdk-python", version("nacos-sdk-python"))
seen = asyncio.run(main())
if seen[:2] != ["True", "colour: red"] or not all(told.startswith("NacosException") and "cipher-" in told for told in seen[2:]):
    sys.exit("changed")
print("still so")
E
HOME=$PWD v/bin/python -W ignore run.py
