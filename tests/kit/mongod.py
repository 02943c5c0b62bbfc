"""What of a MongoDB server a client asks that keeps data keys there: hello, insert, find. One collection, in memory."""

from __future__ import annotations

import socketserver
import struct
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from threading import Thread
from typing import Any

import bson

_QUERY, _MESSAGE, _REPLY = 2004, 2013, 1
_MORE_TO_COME = 2
_HELLO = {
    "isWritablePrimary": True,
    "helloOk": True,
    "minWireVersion": 0,
    "maxWireVersion": 25,
    "maxBsonObjectSize": 16 << 20,
    "maxMessageSizeBytes": 48_000_000,
    "maxWriteBatchSize": 100_000,
    "readOnly": False,
}


class _Mongod(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True

    def __init__(self) -> None:
        self.documents: list[dict[str, Any]] = []
        super().__init__(("127.0.0.1", 0), _Connection)

    def answer(self, command: dict[str, Any]) -> dict[str, Any]:
        match next(iter(command)).lower():
            case "hello" | "ismaster":
                return {"ok": 1, **_HELLO}
            case "insert":
                self.documents += command["documents"]
                return {"ok": 1, "n": len(command["documents"])}
            case "find":
                return {"ok": 1, "cursor": {"id": 0, "ns": "encryption.__keyVault", "firstBatch": self.documents}}
        return {"ok": 1}


class _Connection(socketserver.StreamRequestHandler):
    server: _Mongod

    def handle(self) -> None:
        with suppress(ConnectionError):
            while head := self.rfile.read(16):
                size, number, _, kind = struct.unpack("<iiii", head)
                body = self.rfile.read(size - 16)
                if kind == _QUERY:
                    command = bson.decode(body[body.index(b"\0", 4) + 9 :])
                    self._send(_REPLY, number, struct.pack("<iqii", 8, 0, 0, 1), command)
                else:
                    assert kind == _MESSAGE
                    if not body[0] & _MORE_TO_COME:
                        self._send(_MESSAGE, number, bytes(5), _command(body))

    def _send(self, kind: int, number: int, head: bytes, command: dict[str, Any]) -> None:
        body = head + bson.encode(self.server.answer(command))
        self.wfile.write(struct.pack("<iiii", 16 + len(body), 1, number, kind) + body)


def _command(body: bytes) -> dict[str, Any]:
    """Of a message's sections: the command, and lists of documents that stand beside it."""
    command: dict[str, Any] = {}
    at = 4
    while at < len(body):
        kind, (size,) = body[at], struct.unpack_from("<i", body, at + 1)
        section = body[at + 1 : at + 1 + size]
        if kind == 0:
            command = {**bson.decode(section), **command}
        else:
            name, _, documents = section[4:].partition(b"\0")
            command[name.decode()] = bson.decode_all(documents)
        at += 1 + size
    return dict(sorted(command.items(), key=lambda pair: pair[0] == "documents"))


@contextmanager
def mongod() -> Iterator[str]:
    """Its URL."""
    with _Mongod() as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"mongodb://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
