#!/usr/bin/env bash
# nacos-sdk-python 3.2.0 with alibabacloud-kms20160120 3.3.1 and alibabacloud-tea-openapi 0.4.6 (PyPI)
# Surprise: with a KMS configured, publish_config encrypts in place: the caller's ConfigParam holds the ciphertext afterwards, whether Nacos
# took it or not. Published again, it is encrypted again, and who reads it gets the first ciphertext as his configuration. get_config
# works on a copy.
# Why it matters: repeating a failed call with the same object, which is how one repeats, publishes garbage with success; so does an
# object that is kept and published whenever something else of it changes. Make a new ConfigParam for each try.
set -euo pipefail
tmp=$(mktemp -d); trap 'rm -rf "$tmp"' EXIT; cd "$tmp"
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout key.pem -out cert.pem -days 1 -subj /CN=127.0.0.1 \
  -addext subjectAltName=IP:127.0.0.1 2>openssl.log
python3 -m venv v
v/bin/pip install -q --disable-pip-version-check nacos-sdk-python==3.2.0 alibabacloud-kms20160120==3.3.1 alibabacloud-tea-openapi==0.4.6
cat > run.py <<'E'
import asyncio
import http.server
import json
import os
import ssl
import sys
import threading
import urllib.parse
from importlib.metadata import version

from v2.nacos import ClientConfigBuilder, ConfigParam, KMSConfig, NacosConfigService


class Kms(http.server.BaseHTTPRequestHandler):
    """Its ciphertext of X is `sealed(X)`."""

    def do_POST(self):
        query = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(self.path).query))
        if self.headers["x-acs-action"] == "Encrypt":
            answer = {"CiphertextBlob": f"sealed({query['Plaintext']})"}
        else:
            answer = {"Plaintext": query["CiphertextBlob"].removeprefix("sealed(").removesuffix(")")}
        body = json.dumps(answer | {"KeyId": "k", "RequestId": "r"}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_): ...


class Nacos:
    """In place of the connection to a Nacos server: fails once, then keeps what is published."""

    tries, kept = 0, None

    async def publish_config(self, param):
        self.tries += 1
        if self.tries == 1:
            raise ConnectionError("Nacos restarts")
        self.kept = param.content, param.encrypted_data_key
        return True

    async def query_config(self, data_id, group):
        return self.kept


async def main():
    config = ClientConfigBuilder().server_address("127.0.0.1:1").log_dir(os.getcwd()).cache_dir(os.getcwd())
    config.kms_config(KMSConfig(True, f"127.0.0.1:{server.server_port}", "FAKE", "fake"))
    service = NacosConfigService(config.build())
    service.grpc_client_proxy = Nacos()
    param = ConfigParam(data_id="cipher-app", group="g", content="password: 1", kms_key_id="k")
    try:
        await service.publish_config(param)
    except ConnectionError as error:
        print(f"first try: {error}; content of the caller's ConfigParam: {param.content}")
    print("second try:", await service.publish_config(param))
    return await service.get_config(ConfigParam(data_id="cipher-app", group="g"))


print("nacos-sdk-python", version("nacos-sdk-python"))
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Kms)
context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
context.load_cert_chain("cert.pem", "key.pem")
server.socket = context.wrap_socket(server.socket, server_side=True)
threading.Thread(target=server.serve_forever, daemon=True).start()
read = asyncio.run(main())
print("what a reader gets:", read)
if read != "sealed(password: 1)":
    sys.exit("changed")
print("still so")
E
HOME=$PWD SSL_CERT_FILE=cert.pem v/bin/python -W ignore run.py
