#!/usr/bin/env bash
# pymongocrypt 1.21.2 with libmongocrypt 1.21.0, and uvicorn 0.54.0 (PyPI); the same in pymongocrypt 1.3.1, 1.6.1, 1.10.0
# and 1.14.1 (libmongocrypt 1.5.2, 1.8.1, 1.10.0 and 1.14.1), and with uvicorn 0.20.0, which were run, too
# Surprise: libmongocrypt's reader of KMS answers compares header names by case and knows only "Content-Length". An answer of a server
# that writes names in lower case, as ASGI asks for and uvicorn does, is refused with "Unexpected extra
# HTTP content", a message that speaks of the body.
# Why it matters: client-side field level encryption of MongoDB works with AWS and fails with a KMS behind an ASGI server or a proxy
# that writes lower case, whose bytes are right by RFC 9110. The server must spell this one header.
set -euo pipefail
tmp=$(mktemp -d); trap 'rm -rf "$tmp"' EXIT; cd "$tmp"
python3 -m venv v
v/bin/pip install -q --disable-pip-version-check pymongocrypt==1.21.2 pymongo==4.20.1 uvicorn==0.54.0
v/bin/python - <<'E'
import asyncio
import json
import re
import sys

import bson
import pymongocrypt
import uvicorn
from pymongocrypt.errors import MongoCryptError
from pymongocrypt.mongocrypt import MongoCrypt, MongoCryptCallback, MongoCryptOptions
from pymongocrypt.options import DataKeyOpts

print("pymongocrypt", pymongocrypt.__version__, "libmongocrypt", pymongocrypt.libmongocrypt_version(), "uvicorn", uvicorn.__version__)
ARN = "arn:aws:kms:eu-west-1:111122223333:key/11111111-2222-3333-4444-555555555555"
BODY = json.dumps({"CiphertextBlob": "AAAA", "KeyId": ARN}).encode()


async def app(scope, receive, send):
    headers = [(b"content-type", b"application/x-amz-json-1.1"), (b"content-length", str(len(BODY)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": BODY})


async def answer_of_uvicorn():
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, lifespan="off", log_level="error"))
    running = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.05)
    port = server.servers[0].sockets[0].getsockname()[1]
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}")
    answer = await reader.read(-1)
    writer.close()
    server.should_exit = True
    await running
    return answer


class NoDriver(MongoCryptCallback):
    def bson_encode(self, document):
        return bson.encode(document)

    def kms_request(self, *_): ...
    def insert_data_key(self, *_): ...
    def fetch_keys(self, *_): ...
    def collection_info(self, *_): ...
    def mark_command(self, *_): ...
    def close(self): ...


def read_by_libmongocrypt(answer):
    crypt = MongoCrypt(MongoCryptOptions({"aws": {"accessKeyId": "FAKE", "secretAccessKey": "fake"}}), NoDriver())
    with crypt.data_key_context("aws", DataKeyOpts({"region": "eu-west-1", "key": ARN}, [], None)) as context:
        with next(context.kms_contexts()) as request:
            try:
                request.feed(answer)
                return "accepted" if request.bytes_needed == 0 else f"waits for {request.bytes_needed} bytes more"
            except MongoCryptError as error:
                return str(error)


sent = asyncio.run(answer_of_uvicorn())
spelt = sent.replace(b"content-length", b"Content-Length")
print(sent.decode())
as_sent, as_spelt = read_by_libmongocrypt(sent), read_by_libmongocrypt(spelt)
print("as uvicorn sent it:", as_sent)
print("with Content-Length in place of content-length:", as_spelt)
if not re.search("extra HTTP content", as_sent) or as_spelt != "accepted":
    sys.exit("changed")
print("still so")
E
