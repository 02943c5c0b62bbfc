#!/usr/bin/env bash
# pymongocrypt 1.21.2 with libmongocrypt 1.21.0 (PyPI); the same in pymongocrypt 1.3.1, 1.6.1, 1.10.0 and 1.14.1
# (libmongocrypt 1.5.2, 1.8.1, 1.10.0 and 1.14.1), which were run, too
# Surprise: for one and the same masterKey.endpoint "kms.example.test:8443", the Encrypt request that wraps a data key carries (and
# signs) "Host:kms.example.test", the Decrypt request that unwraps it "Host:kms.example.test:8443". Both go to port 8443. And an endpoint
# "localhost:8443" is refused because the host lacks a dot, while "127.0.0.1:8443" is fine.
# Why it matters: a KMS or proxy that computes the signed Host from its own address, or routes by Host, serves one of the two and
# refuses the other: data keys can be made but not opened, or the other way round. Only the Host as received can be verified.
set -euo pipefail
tmp=$(mktemp -d); trap 'rm -rf "$tmp"' EXIT; cd "$tmp"
python3 -m venv v
v/bin/pip install -q --disable-pip-version-check pymongocrypt==1.21.2 pymongo==4.20.1
v/bin/python - <<'E'
import json
import re
import sys

import bson
import pymongocrypt
from pymongocrypt.errors import MongoCryptError
from pymongocrypt.mongocrypt import MongoCryptCallback, MongoCryptOptions
from pymongocrypt.synchronous.explicit_encrypter import ExplicitEncrypter

print("pymongocrypt", pymongocrypt.__version__, "libmongocrypt", pymongocrypt.libmongocrypt_version())
ARN = "arn:aws:kms:eu-west-1:111122223333:key/11111111-2222-3333-4444-555555555555"


class Driver(MongoCryptCallback):
    """What a driver does around the library, with a KMS that wraps nothing and sits in this process."""

    def __init__(self):
        self.hosts = {}

    def kms_request(self, request):
        head, body = request.message.decode().split("\r\n\r\n")
        operation = re.search(r"TrentService\.(\w+)", head)[1]
        self.hosts[operation] = re.search(r"(?m)^Host:(.*?)\r?$", head)[1], request.endpoint
        into, out = ("CiphertextBlob", "Plaintext") if operation == "Encrypt" else ("Plaintext", "CiphertextBlob")
        answer = json.dumps({into: json.loads(body)[out], "KeyId": ARN})
        request.feed(f"HTTP/1.1 200 OK\r\nContent-Length: {len(answer)}\r\n\r\n{answer}".encode())

    def insert_data_key(self, document):
        self.document = document
        return bson.decode(document)["_id"]

    def fetch_keys(self, filter):
        yield self.document

    def bson_encode(self, document):
        return bson.encode(document)

    def collection_info(self, *_): ...
    def mark_command(self, *_): ...
    def close(self): ...


def hosts(endpoint):
    driver = Driver()
    encrypter = ExplicitEncrypter(driver, MongoCryptOptions({"aws": {"accessKeyId": "FAKE", "secretAccessKey": "fake"}}))
    master = {"region": "eu-west-1", "key": ARN, "endpoint": endpoint}
    try:
        key = encrypter.create_data_key("aws", master_key=master)
        encrypter.encrypt(bson.encode({"v": "secret"}), "AEAD_AES_256_CBC_HMAC_SHA_512-Random", key_id=key)
    except MongoCryptError as error:
        return str(error)
    finally:
        encrypter.close()
    return driver.hosts


named, local = hosts("kms.example.test:8443"), hosts("localhost:8443")
for operation, (host, connects) in named.items():
    print(f"{operation}: connects to {connects}, Host: {host}")
print("localhost:8443:", local)
if named != {
    "Encrypt": ("kms.example.test", "kms.example.test:8443"), "Decrypt": ("kms.example.test:8443", "kms.example.test:8443"),
} or "dot" not in local:
    sys.exit("changed")
print("still so")
E
