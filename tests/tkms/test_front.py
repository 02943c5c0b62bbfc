"""The front of one machine: HTTP becomes the request that API Gateway's event becomes, whatever the client does."""

from __future__ import annotations

import base64
import json
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import msgspec
import pytest

from kit.connections import Echo, Wire, listening, request_bytes, tencent
from kit.support import Server, Signer
from tenantkms.wire.http import Request, request_from_event


@pytest.fixture(scope="module")
def echo() -> Iterator[int]:
    """The port of the real HTTP parser, answering with the requests that it makes."""
    with listening(Echo()) as port:
        yield port


def _request(port: int, raw: bytes) -> Request:
    with Wire(port) as wire:
        wire.send(raw)
        status, _, body = wire.answer()
        assert status == 200
        return msgspec.json.decode(body, type=Request)


# -- the request ---------------------------------------------------------------------------------------


def test_a_request_field_by_field(echo: int) -> None:
    request = _request(
        echo,
        b"POST /a%2Fb/%E5?x=1&x=2 HTTP/1.1\r\nHost: kms.example.test:8480\r\nUser-Agent: test/1\r\n"
        b"Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{}",
    )
    assert request == Request(
        method="POST",
        path="/a%2Fb/%E5",
        query="x=1&x=2",
        headers={
            "host": "kms.example.test:8480",
            "user-agent": "test/1",
            "content-type": "application/json",
            "content-length": "2",
        },
        body=b"{}",
        source_ip="127.0.0.1",
    )


QUERIES = [
    "",
    "a=b+c%20d&a=%2B",
    "Signature=a/b+c==&z=%e5%AF",
    "b=2&a=1&&=&c",
    "~a-b_c.d=!'()*;:@$,/?",
    "a=%zz",
    '{"a":[1]}|^`',
]


@pytest.mark.parametrize("query", QUERIES)
def test_the_query_arrives_verbatim(echo: int, query: str) -> None:
    target = f"/?{query}" if query else "/"
    assert _request(echo, f"GET {target} HTTP/1.1\r\nHost: a\r\n\r\n".encode()).query == query


def test_an_absolute_target_is_the_path_and_the_query_in_it(echo: int) -> None:
    request = _request(echo, b"GET http://a.test/p%20q?x=%20#part HTTP/1.1\r\nHost: a\r\n\r\n")
    assert (request.path, request.query) == ("/p%20q", "x=%20")


@pytest.mark.parametrize("line", [b"CONNECT a:1", b"GET a:b:c"])
def test_a_target_of_another_form_ends_that_connection_only(echo: int, line: bytes) -> None:
    with Wire(echo) as wire:
        wire.send(line + b" HTTP/1.1\r\nHost: a\r\n\r\n")
        assert wire.answer()[0] == 400
    assert _request(echo, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").path == "/"


@pytest.mark.parametrize("path", ["/", "/v2/index.php", "/%2e%2E/a%20b", "//a//b/", "/a;b=c/~'()"])
def test_the_path_arrives_verbatim(echo: int, path: str) -> None:
    assert _request(echo, f"GET {path}?q HTTP/1.1\r\nHost: a\r\n\r\n".encode()).path == path


def test_headers_are_in_lower_case_and_repeated_ones_joined(echo: int) -> None:
    lines = b"X-Many: one\r\nx-many: two, three\r\nX-MANY: \t four \r\nX-Odd: \xe5=\xff\r\n"
    headers = _request(echo, b"GET / HTTP/1.1\r\nHost: A.B\r\n" + lines + b"\r\n").headers
    assert headers == {"host": "A.B", "x-many": "one,two, three,four", "x-odd": "å=ÿ"}


def test_cookies_are_no_headers_as_behind_api_gateway(echo: int) -> None:
    raw = b"GET / HTTP/1.1\r\nHost: a\r\nCookie: a=1; b=2\r\nCookie: c=3\r\n\r\n"
    assert _request(echo, raw).headers == {"host": "a"}


@pytest.mark.parametrize("body", ['{"a":"密"}'.encode(), b"a\r\nb", b"\xff\xfe", b"\0", b""])
def test_a_body_arrives_verbatim(echo: int, body: bytes) -> None:
    head = f"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {len(body)}\r\n\r\n"
    assert _request(echo, head.encode() + body).body == body


def test_one_machine_and_api_gateway_make_the_same_request(echo: int, signer: Signer) -> None:
    """Of what SDKs send: the event that tests make as API Gateway does, and the same on a connection."""
    for event in (
        signer.alibaba_acs3("Encrypt", {"Plaintext": "a b+c/密"}, form={"x": "ü"}),
        signer.alibaba_rpc("Encrypt", {"Plaintext": "a b+c/密"}, method="POST"),
        signer.tencent("Encrypt", {"Plaintext": "密"}),
        signer.tencent_v2("Encrypt", {"plaintext": "+/="}, method="GET"),
    ):
        behind_gateway = request_from_event(event)
        here = _request(echo, request_bytes(event))
        headers = {name: value for name, value in here.headers.items() if name != "content-length"}
        assert msgspec.structs.replace(here, headers=headers, source_ip="") == msgspec.structs.replace(
            behind_gateway, source_ip=""
        )


# -- the wire ------------------------------------------------------------------------------------------


def test_a_chunked_body_arrives_whole(echo: int) -> None:
    raw = (
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n"
        b"5\r\nhello\r\n1;note=x\r\n,\r\n6\r\n world\r\n0\r\n\r\n"
    )
    assert _request(echo, raw).body == b"hello, world"


def test_a_body_that_is_too_long_is_cut_where_the_endpoint_sees_it(echo: int) -> None:
    with Wire(echo) as wire:
        wire.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Type: text/plain\r\nContent-Length: 8000000\r\n\r\n")
        for _ in range(80):
            wire.send(b"x" * 100_000)
        request = msgspec.json.decode(wire.answer()[2], type=Request)
    assert 64 * 1024 < len(request.body) < 1_000_000


@pytest.fixture(scope="module")
def port(server: Server) -> int:
    return int(server.url.rpartition(":")[2])


@pytest.fixture(scope="module")
def signer(server: Server) -> Signer:
    return Signer(*server.credential("--name", "wire"))


def test_the_url_that_was_printed_is_the_one_that_answers(server: Server) -> None:
    parts = urlsplit(server.url)
    assert (parts.scheme, parts.hostname) == ("http", "127.0.0.1")


def test_one_connection_serves_many_requests_in_order(port: int, signer: Signer) -> None:
    with Wire(port) as wire:
        regions = [wire.ask(signer.tencent("GetRegions"))["Response"]["RequestId"] for _ in range(20)]
        assert len(set(regions)) == 20
        wire.send(b"".join(request_bytes(signer.tencent("GenerateRandom", {"NumberOfBytes": n})) for n in (1, 2, 3)))
        sizes = [len(base64.b64decode(json.loads(wire.answer()[2])["Response"]["Plaintext"])) for _ in range(3)]
    assert sizes == [1, 2, 3]


def test_a_signed_request_in_chunks(port: int, signer: Signer) -> None:
    head, _, body = request_bytes(signer.tencent("GenerateRandom", {"NumberOfBytes": 7})).partition(b"\r\n\r\n")
    lines = [line for line in head.split(b"\r\n") if not line.startswith(b"content-length")]
    with Wire(port) as wire:
        wire.send(b"\r\n".join([*lines, b"transfer-encoding: chunked", b"", b""]))
        for byte in body:
            wire.send(b"1\r\n" + bytes([byte]) + b"\r\n")
        wire.send(b"0\r\n\r\n")
        answer = json.loads(wire.answer()[2])["Response"]
    assert len(base64.b64decode(answer["Plaintext"])) == 7


@pytest.mark.parametrize("path", ["/", "/healthz"])
def test_head_is_get_without_the_body(port: int, path: str) -> None:
    answers = []
    for method in ("GET", "HEAD"):
        with Wire(port) as wire:
            wire.send(f"{method} {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".encode())
            answers.append(wire.answer(method))
    (get, get_headers, body), (head, head_headers, nothing) = answers
    assert (get, head, nothing) == (200, 200, b"")
    assert int(head_headers["content-length"]) == int(get_headers["content-length"]) == len(body)
    assert head_headers["content-type"] == get_headers["content-type"]


def test_a_browser_gets_a_page_and_a_stranger_gets_help(port: int) -> None:
    with Wire(port) as wire:
        for path, status, content_type, text in (
            ("/", 200, "text/html; charset=utf-8", b"<h1>"),
            ("/healthz", 200, "application/json", b'{"status":"ok"}'),
            ("/favicon.ico", 400, "application/json", b"Sign the request"),
        ):
            wire.send(f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
            got, headers, body = wire.answer()
            assert (got, headers["content-type"], text in body) == (status, content_type, True)


def test_a_body_over_64_kb_is_refused_in_the_callers_dialect(port: int, signer: Signer) -> None:
    answer = tencent(port, signer, "Encrypt", Plaintext="A" * 70_000)
    assert answer["Error"]["Code"] == "RequestSizeLimitExceeded"


def test_a_client_that_hangs_up_hurts_nobody(port: int, signer: Signer) -> None:
    raw = request_bytes(signer.tencent("CreateKey", {"Alias": "hung-up"}))
    for sent in (0, 1, 20, len(raw) // 2, len(raw) - 1):
        with Wire(port) as wire:
            wire.send(raw[:sent])
    found = tencent(port, signer, "ListKeyDetail", SearchKeyAlias="hung-up")
    assert found["TotalCount"] == 0
    with Wire(port) as wire:
        wire.send(raw)
    deadline = time.monotonic() + 10
    while not tencent(port, signer, "ListKeyDetail", SearchKeyAlias="hung-up")["TotalCount"]:
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.parametrize("raw", [b"\x16\x03\x01\x00\x05hello", b"GET\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"\r\n" * 99])
def test_what_is_not_http_ends_that_connection_only(port: int, signer: Signer, raw: bytes) -> None:
    with Wire(port) as wire:
        wire.send(raw)
        wire.socket.shutdown(socket.SHUT_WR)
        assert b"200 OK" not in wire.socket.recv(4096)
    assert "Regions" in tencent(port, signer, "GetRegions")


def test_many_connections_at_once(port: int, signer: Signer) -> None:
    count = 200
    wires = [Wire(port) for _ in range(count)]
    try:

        def ask(number: int) -> int:
            fields = {"NumberOfBytes": number + 1}
            answer = wires[number].ask(signer.tencent("GenerateRandom", fields))["Response"]
            return len(base64.b64decode(answer["Plaintext"]))

        with ThreadPoolExecutor(16) as pool:
            for _ in range(2):
                assert list(pool.map(ask, range(count))) == [n + 1 for n in range(count)]
    finally:
        for wire in wires:
            wire.close()
