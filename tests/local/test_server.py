"""The front of one machine: HTTP becomes exactly the event that API Gateway makes, whatever the client does."""

from __future__ import annotations

import base64
import json
import socket
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from local_support import Wire, listening, request_bytes, tencent
from support import Server, Signer

from local.server import App


def _echo(event: Mapping[str, Any]) -> dict[str, Any]:
    """An endpoint whose answer is the event."""
    return {"statusCode": 200, "headers": {"content-type": "application/json"}, "body": json.dumps(event)}


@pytest.fixture(scope="module")
def echo() -> Iterator[int]:
    """The port of the application on the real HTTP parser, answering with the events that it makes."""
    with listening(App(_echo)) as port:
        yield port


def _event(port: int, raw: bytes) -> dict[str, Any]:
    with Wire(port) as wire:
        wire.send(raw)
        status, _, body = wire.answer()
        assert status == 200
        event: dict[str, Any] = json.loads(body)
        return event


# -- the event -----------------------------------------------------------------------------------------


def test_an_event_field_by_field(echo: int) -> None:
    before = int(time.time() * 1000)
    event = _event(
        echo,
        b"POST /a%2Fb/%E5?x=1&x=2 HTTP/1.1\r\nHost: kms.example.test:8480\r\nUser-Agent: test/1\r\n"
        b"Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{}",
    )
    context = event["requestContext"]
    assert before <= context.pop("timeEpoch") <= time.time() * 1000
    assert time.strptime(context.pop("time"), "%d/%b/%Y:%H:%M:%S +0000")
    assert len(context.pop("requestId")) == 32
    assert event == {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": "/a%2Fb/%E5",
        "rawQueryString": "x=1&x=2",
        "queryStringParameters": {"x": "1,2"},
        "headers": {
            "host": "kms.example.test:8480",
            "user-agent": "test/1",
            "content-type": "application/json",
            "content-length": "2",
        },
        "requestContext": {
            "accountId": "000000000000",
            "apiId": "local",
            "domainName": "kms.example.test:8480",
            "domainPrefix": "kms",
            "http": {
                "method": "POST",
                "path": "/a%2Fb/%E5",
                "protocol": "HTTP/1.1",
                "sourceIp": "127.0.0.1",
                "userAgent": "test/1",
            },
            "routeKey": "$default",
            "stage": "$default",
        },
        "body": "{}",
        "isBase64Encoded": False,
    }


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
    assert _event(echo, f"GET {target} HTTP/1.1\r\nHost: a\r\n\r\n".encode())["rawQueryString"] == query


def test_query_parameters_are_decoded_as_a_form_is(echo: int) -> None:
    query = "a=1&b=%E5%AF%86+x&a=2&&c&=d&e=&%61=3&f=%zz&g=1=2"
    found: dict[str, str] = {}
    for name, value in parse_qsl(query, keep_blank_values=True):
        found[name] = f"{found[name]},{value}" if name in found else value
    event = _event(echo, f"GET /?{query} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
    assert event["queryStringParameters"] == found


def test_an_absolute_target_is_the_path_and_the_query_in_it(echo: int) -> None:
    event = _event(echo, b"GET http://a.test/p%20q?x=%20#part HTTP/1.1\r\nHost: a\r\n\r\n")
    assert (event["rawPath"], event["rawQueryString"]) == ("/p%20q", "x=%20")


@pytest.mark.parametrize("line", [b"CONNECT a:1", b"GET a:b:c"])
def test_a_target_of_another_form_ends_that_connection_only(echo: int, line: bytes) -> None:
    with Wire(echo) as wire:
        wire.send(line + b" HTTP/1.1\r\nHost: a\r\n\r\n")
        assert wire.answer()[0] == 400
    assert _event(echo, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")["rawPath"] == "/"


@pytest.mark.parametrize("path", ["/", "/v2/index.php", "/%2e%2E/a%20b", "//a//b/", "/a;b=c/~'()"])
def test_the_path_arrives_verbatim(echo: int, path: str) -> None:
    event = _event(echo, f"GET {path}?q HTTP/1.1\r\nHost: a\r\n\r\n".encode())
    assert (event["rawPath"], event["requestContext"]["http"]["path"]) == (path, path)


def test_headers_are_in_lower_case_and_repeated_ones_joined(echo: int) -> None:
    lines = b"X-Many: one\r\nx-many: two, three\r\nX-MANY: \t four \r\nX-Odd: \xe5=\xff\r\n"
    headers = _event(echo, b"GET / HTTP/1.1\r\nHost: A.B\r\n" + lines + b"\r\n")["headers"]
    assert headers == {"host": "A.B", "x-many": "one,two, three,four", "x-odd": "å=ÿ"}


def test_cookies_have_a_list_of_their_own(echo: int) -> None:
    event = _event(echo, b"GET / HTTP/1.1\r\nHost: a\r\nCookie: a=1; b=2\r\nCookie: c=3\r\n\r\n")
    assert event["cookies"] == ["a=1", "b=2", "c=3"]
    assert "cookie" not in event["headers"]
    assert "cookies" not in _event(echo, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")


BODIES: dict[str, tuple[str, bytes, bool]] = {
    "json": ("application/json", '{"a":"密"}'.encode(), False),
    "json with a charset": ("application/json; charset=utf-8", b"{}", False),
    "text": ("text/plain", b"a\r\nb", False),
    "form": ("application/x-www-form-urlencoded", b"a=b", True),
    "bytes": ("application/octet-stream", b"{}", True),
    "no type": ("", b"a=b", True),
    "json that is not text": ("application/json", b"\xff\xfe", True),
}


@pytest.mark.parametrize(("content_type", "body", "encoded"), BODIES.values(), ids=BODIES)
def test_a_body_travels_as_text_or_in_base64(echo: int, content_type: str, body: bytes, encoded: bool) -> None:
    head = f"POST / HTTP/1.1\r\nHost: a\r\nContent-Type: {content_type}\r\nContent-Length: {len(body)}\r\n\r\n"
    event = _event(echo, head.encode() + body)
    assert event["isBase64Encoded"] is encoded
    assert (base64.b64decode(event["body"]) if encoded else event["body"].encode()) == body


def test_without_a_body_there_is_none(echo: int) -> None:
    event = _event(echo, b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n")
    assert "body" not in event
    assert event["isBase64Encoded"] is False


# -- the wire ------------------------------------------------------------------------------------------


def test_a_chunked_body_arrives_whole(echo: int) -> None:
    raw = (
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n"
        b"5\r\nhello\r\n1;note=x\r\n,\r\n6\r\n world\r\n0\r\n\r\n"
    )
    assert _event(echo, raw)["body"] == "hello, world"


def test_a_body_that_is_too_long_is_cut_where_the_endpoint_sees_it(echo: int) -> None:
    with Wire(echo) as wire:
        wire.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Type: text/plain\r\nContent-Length: 8000000\r\n\r\n")
        for _ in range(80):
            wire.send(b"x" * 100_000)
        event = json.loads(wire.answer()[2])
    assert 64 * 1024 < len(event["body"]) < 1_000_000


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
