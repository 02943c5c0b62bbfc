"""Answers of several connections whose audit lines are written together: none leaves before its line."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from functions.endpoint.dispatch import InlineDispatcher
from functions.endpoint.handler import Endpoint
from kit.connections import Wire, listening, request_bytes
from kit.support import Kms, Signer
from tenantkms.audit.line import Record
from tenantkms.errors import Unavailable
from tkms.machine.app import App
from tkms.machine.connection import Connection
from tkms.machine.directory import Directory
from tkms.machine.gathering import Gathering
from tkms.machine.guests import Guests

HELLO = base64.b64encode(b"hello").decode()


class _Log:
    """The log of a data directory that tells how many lines it was given at once, and may be out of order."""

    def __init__(self, log: Any) -> None:
        self._log = log
        self.counts: list[int] = []
        self.broken = False
        self.refuse = log.refuse

    def write(self, record: Record, *more: Record) -> None:
        if self.broken:
            raise Unavailable("no room")
        self.counts.append(1 + len(more))
        self._log.write(record, *more)


class _Server:
    def __init__(self, data: Path) -> None:
        settings = Directory(data).make()
        credential = settings.access.store.list_credentials()[0]
        self.signer = Signer(credential.access_key_id, settings.access.secret(credential))
        self.kms = Kms(settings, self.signer)
        self.key = self.kms.alibaba("DescribeKey", KeyId="alias/default")["KeyMetadata"]["KeyId"]
        self.data, self.log = data, _Log(settings.log)
        endpoint = Endpoint(settings, InlineDispatcher(settings.deps))
        gathering = Gathering(endpoint, replace(settings.deps, audit=self.log))
        self.app = App(endpoint, {}, gathering=gathering)

    def encrypt(self) -> dict[str, Any]:
        return self.signer.tencent("Encrypt", {"KeyId": self.key, "Plaintext": HELLO})

    def outcomes(self, action: str) -> list[str]:
        lines = map(json.loads, (self.data / "audit.jsonl").read_text().splitlines())
        return [line["outcome"] for line in lines if line.get("action") == action]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[_Server]:
    server = _Server(tmp_path / "data")
    yield server
    server.app.pool.shutdown()


@pytest.fixture
def wire(server: _Server) -> Iterator[Wire]:
    """One of two connections."""
    with listening(server.app) as port, Wire(port) as wire, Wire(port) as other:
        other.ask(server.encrypt())
        server.log.counts.clear()
        yield wire


def test_requests_that_came_together_have_their_lines_at_once_and_answers_in_order(server: _Server, wire: Wire) -> None:
    many = [server.signer.tencent("GenerateRandom", {"NumberOfBytes": size}) for size in range(1, 31)]
    many.insert(7, server.signer.tencent("ListKeys"))  # in a thread
    many.insert(13, server.signer.tencent("MakeKey"))  # an error at once
    wire.send(b"".join(map(request_bytes, many)) + b"\x00\r\n\r\n")
    answers = [json.loads(wire.answer()[2])["Response"] for _ in many]
    assert wire.answer()[0] == 400
    assert "Keys" in answers.pop(7)
    assert "Error" in answers.pop(12)
    assert [len(base64.b64decode(answer["Plaintext"])) for answer in answers] == list(range(1, 31))
    assert max(server.log.counts) > 3
    assert sum(server.log.counts) == 30
    assert server.outcomes("GenerateRandom") == ["ok"] * 30


def test_the_last_request_of_a_connection_is_answered_last(server: _Server, wire: Wire) -> None:
    wire.send(request_bytes(server.encrypt()) * 2 + request_bytes(server.encrypt(), close=True))
    heads = [wire.answer()[1] for _ in range(3)]
    assert [head["Connection"] for head in heads] == [None, None, "close"]
    assert wire.socket.recv(1) == b""


def test_without_its_line_an_answer_is_an_error_in_its_dialect(server: _Server, wire: Wire) -> None:
    signer, aws = server.signer, {"KeyId": server.key, "Plaintext": HELLO}
    server.log.broken = True
    events = (server.encrypt(), signer.alibaba_acs3("Encrypt", aws), signer.aws("Encrypt", aws))
    wire.send(b"".join(map(request_bytes, events)))
    (_, _, tencent), (acs3, _, alibaba), (status, _, amazon) = (wire.answer() for _ in events)
    assert json.loads(tencent)["Response"]["Error"]["Code"] == "ServiceUnavailable"
    assert (acs3, json.loads(alibaba)["Code"]) == (503, "ServiceUnavailableTemporary")
    assert (status, json.loads(amazon)["__type"]) == (503, "DependencyTimeoutException")
    for said in (tencent, alibaba, amazon):
        assert b"Ciphertext" not in said
    server.log.broken = False
    assert "CiphertextBlob" in wire.ask(server.encrypt())["Response"]
    assert server.outcomes("Encrypt")[-1:] == ["ok"]


class _Transport:
    def __init__(self) -> None:
        self.sent, self.closed = b"", False

    def write(self, data: bytes) -> None:
        self.sent += data

    def close(self) -> None:
        self.closed = True

    def is_closing(self) -> bool:
        return self.closed


@pytest.mark.parametrize("then", ["the server ends", "a body is asked for"])
def test_what_waits_leaves_before_whatever_follows(server: _Server, then: str) -> None:
    async def sent() -> list[bytes]:
        guests, transport = Guests(), _Transport()
        mine, other = (Connection(server.app, guests, "192.0.2.1", "192.0.2.1") for _ in range(2))
        for guest in (mine, other):
            assert guests.admit(guest)
        made: Any = mine
        made.connection_made(transport)
        made.data_received(request_bytes(server.encrypt()))
        assert transport.sent == b""
        if then == "the server ends":
            made.shutdown()
            assert not transport.closed  # for whoever asks again: only an answer can say that it is the last
        else:
            made.data_received(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\nExpect: 100-continue\r\n\r\n")
        return [head.split(b"\r\n")[0] for head in transport.sent.split(b"HTTP/1.1 ")[1:]]

    expected = [b"200 OK"] if then == "the server ends" else [b"200 OK", b"100 Continue"]
    assert asyncio.run(sent()) == expected
