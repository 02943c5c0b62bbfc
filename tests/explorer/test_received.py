"""What is pasted into the signature check is read as the client sent it: raw HTTP, and commands of curl."""

from __future__ import annotations

import shlex
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from http.server import BaseHTTPRequestHandler, HTTPServer
from random import Random
from threading import Thread
from typing import Any

import pytest

from kit.faulty import BODY, HOST, NOW, SECRET, SIGNERS, signed
from kit.in_node import STATIC, call

FORM = "application/x-www-form-urlencoded"


def parse(*texts: str) -> list[Any]:
    return call("received.js", "parse", [[text] for text in texts])


def judge(text: str, **more: Any) -> dict[str, Any]:
    (said,) = call("verdict.js", "judge", [[text, {"secret": SECRET, "now": NOW * 1000, **more}]])
    assert isinstance(said, dict), said
    return said


def as_curl(raw: str, quote: Any = shlex.quote, options: str = "-sS") -> str:
    """The same request as a command: curl writes Host and Content-Length itself."""
    head, _, body = raw.partition("\n\n")
    first, *lines = head.split("\n")
    method, target, _ = first.split(" ")
    told = [line for line in lines if not line.startswith(("Host:", "Content-Length:"))]
    words = [f"curl {options} -X {method}", quote(f"http://{HOST}{target}"), *(f"-H {quote(line)}" for line in told)]
    return " \\\n  ".join([*words, *([f"--data-raw {quote(body)}"] if body else [])])


@pytest.mark.parametrize("scheme", SIGNERS)
def test_a_curl_command_is_the_request_that_it_sends(scheme: str) -> None:
    assert judge(as_curl(signed(scheme)))["verdict"] == "right"


def _double(text: str) -> str:
    return '"' + "".join("\\" + c if c in '"\\$`' else c for c in text) + '"'


def _ansi(text: str) -> str:
    return "$'" + "".join(f"\\x{ord(c):02x}" if c in "'\\\n" else c for c in text) + "'"


@pytest.mark.parametrize("quote", [shlex.quote, _double, _ansi], ids=["single", "double", "ansi"])
def test_quotes_are_those_of_a_shell(quote: Any) -> None:
    assert judge(as_curl(signed("tc3"), quote))["verdict"] == "right"
    assert judge("$ " + as_curl(signed("aws"), quote))["verdict"] == "right"


def test_a_url_that_is_not_the_host_header_is_the_one_that_was_signed() -> None:
    raw = signed("aws", headers_wrong={"host": "other.test:9000"})
    pasted = as_curl(raw, options=f"-H 'Host: {HOST}'").replace(f"http://{HOST}", "http://other.test:9000")
    said = judge(pasted)
    assert (said["verdict"], [row["id"] for row in said["mistakes"]]) == ("found", ["host-of-url"])
    assert said["mistakes"][0]["about"] == "other.test:9000"


COMMANDS: list[tuple[str, dict[str, Any]]] = [
    ("curl http://a.test/x?y=1", {"method": "GET", "path": "/x", "query": "y=1", "body": ""}),
    ("curl a.test:8480", {"path": "/", "headers": {"host": "a.test:8480"}}),
    ("curl http://a.test:80/", {"headers": {"host": "a.test"}}),
    ("curl https://u:p@a.test:443/", {"headers": {"host": "a.test"}}),
    ("curl http://a.test:443/", {"headers": {"host": "a.test:443"}}),
    ("curl a.test -d x=1 -d y=2", {"method": "POST", "body": "x=1&y=2"}),
    ("curl a.test -d x=1", {"headers": {"host": "a.test", "content-type": FORM}}),
    ("curl a.test -dx=1 -XPUT", {"method": "PUT", "body": "x=1"}),
    ("curl -G a.test/?z=0 -d x=1", {"method": "GET", "query": "z=0&x=1", "body": ""}),
    ("curl -I a.test", {"method": "HEAD"}),
    ("curl a.test --data-urlencode 'x=a b+*'", {"body": "x=a%20b%2B%2A"}),
    ("curl a.test --data-urlencode 'a=b'", {"body": "a=b"}),
    ("curl a.test -d $'a\\nb'", {"body": "ab"}),
    ("curl a.test --data-binary $'a\\nb'", {"body": "a\nb"}),
    ("curl a.test --json '{}'", {"method": "POST", "body": "{}"}),
    ("curl --request=PUT --url a.test/p", {"method": "PUT", "path": "/p"}),
    ("curl -o out -m 5 --retry 3 a.test/p", {"path": "/p"}),
    ("curl a.test -H 'X-Empty;'", {"headers": {"host": "a.test", "x-empty": ""}}),
    ("curl a.test -A me", {"headers": {"host": "a.test", "user-agent": "me"}}),
    ("curl.exe ^\r\n a.test ^\r\n -d x", {"body": "x"}),
    ('curl a.test -d "it\\"s $x"', {"body": 'it"s $x'}),
    ("curl 'a.test/'\\''q'", {"path": "/'q"}),
]


@cache
def _parsed() -> list[Any]:
    return parse(*(command for command, _ in COMMANDS))


@pytest.mark.parametrize("i", range(len(COMMANDS)), ids=[command for command, _ in COMMANDS])
def test_options_of_curl(i: int) -> None:
    read, expected = _parsed()[i], COMMANDS[i][1]
    assert isinstance(read, dict), read
    assert {name: read[name] for name in expected} == expected


def test_raw_http_as_it_is_copied() -> None:
    crlf = signed("tc3").replace("\n", "\r\n")
    for text in (signed("tc3") + "\n", "\n\n" + signed("tc3"), crlf):
        assert judge(text)["verdict"] == "right"
    absolute, folded = parse("GET http://a.test:1/p?q=1 HTTP/1.1\nX: 1", "GET / HTTP/2\nHost: a\nX: 1\n  2\nx: 3")
    assert (absolute["path"], absolute["query"], absolute["headers"]) == ("/p", "q=1", {"x": "1", "host": "a.test:1"})
    assert folded["headers"] == {"host": "a", "x": "1 2,3"}


PROGRAM = """
import http.client, sys
method, target, host, body, *headers = sys.argv[1:]
http.client.HTTPConnection.debuglevel = 1
for _ in range(2):
    connection = http.client.HTTPConnection(host)
    connection.putrequest(method, target, skip_host=True, skip_accept_encoding=True)
    for header in headers:
        connection.putheader(*header.split(": ", 1))
    connection.endheaders(body.encode() or None)
    connection.getresponse()
"""


@pytest.mark.parametrize("scheme", SIGNERS)
def test_what_python_prints_of_a_request_is_that_request(scheme: str) -> None:
    """By http.client itself, which sends two here: the first is read."""
    head, _, body = signed(scheme).partition("\n\n")
    first, *headers = head.split("\n")
    method, target, _ = first.split(" ")
    with answering() as host:
        command = [sys.executable, "-c", PROGRAM, method, target, host, body, *headers]
        trace = subprocess.run(command, capture_output=True, text=True, check=True, timeout=20).stdout
    assert trace.startswith("send: b'")
    assert trace.count("HTTP/1.1\\r\\n") >= 2
    assert judge(trace)["verdict"] == "right"


@contextmanager
def answering() -> Iterator[str]:
    """A host on which every request is answered, with nothing."""

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(204)
            self.end_headers()

        def do_POST(self) -> None:
            self.do_GET()

        def log_message(self, *_: Any) -> None: ...

    with HTTPServer(("127.0.0.1", 0), Answer) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield f"127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_bytes_of_python_may_hold_any_letter() -> None:
    quoted, double = parse(
        "b'POST / HTTP/1.1\\r\\nHost: a\\r\\n\\r\\n\\xc3\\xa9\\\\\\''", 'b"GET / HTTP/1.1\\r\\nX: \'\\r\\n\\r\\n"'
    )
    assert (quoted["body"], quoted["headers"]) == ("\u00e9\\'", {"host": "a"})
    assert double["headers"] == {"x": "'"}


def test_a_body_ends_where_its_length_says() -> None:
    told, longer, untold = parse(
        "POST / HTTP/1.1\nHost: a\nContent-Length: 3\n\nab\n",
        "POST / HTTP/1.1\nHost: a\nContent-Length: 4\n\n\u00e9ab\n\n",
        "POST / HTTP/1.1\nHost: a\n\nab\n\n",
    )
    assert (told["body"], longer["body"], untold["body"]) == ("ab\n", "\u00e9ab", "ab")


UNREADABLE = {
    "nothing": " \n",
    "quotes": "curl 'a.test",
    "no-url": "curl -X POST",
    "body-of-file": "curl a.test -d @body.json",
    "no-request": "hello",
    "no-header": "GET / HTTP/1.1\nHost",
    "algorithm": "GET / HTTP/1.1\nHost: a\nAuthorization: AWS4-ECDSA-P256-SHA256 Credential=x",
    "presigned": "GET /?X-Amz-Signature=1 HTTP/1.1\nHost: a",
    "not-signed": f"POST / HTTP/1.1\nHost: a\n\n{BODY}",
}


@pytest.mark.parametrize("why", UNREADABLE)
def test_what_is_no_signed_request_is_said_so(why: str) -> None:
    said = judge(UNREADABLE[why])
    assert (said["verdict"], said["unreadable"]) == ("unreadable", why)


def test_each_way_to_be_unreadable_is_tried() -> None:
    source = (STATIC / "received.js").read_text("utf-8")
    assert {part.split('"')[0] for part in source.split('Unreadable("')[1:]} == {*UNREADABLE}


PIECES = (
    "\n",
    "\r\n\r\n",
    " ",
    "&",
    "=",
    "%",
    "%zz",
    "/",
    ":",
    ";",
    ",",
    "'",
    '"',
    "\\",
    "\u00e9",
    "\U0001f511",
    "9" * 17,
)


def _spoilt(text: str, random: Random) -> str:
    for _ in range(random.randint(1, 4)):
        at, end = sorted(random.randrange(len(text) + 1) for _ in range(2))
        end = min(end, at + random.choice((0, 1, 5, 40)))
        text = text[:at] + random.choice(PIECES) * random.randint(0, 2) + text[end:]
    return text


@pytest.mark.parametrize("seed", range(3))
def test_nothing_that_is_pasted_makes_it_fail(seed: int) -> None:
    random = Random(seed)
    whole = [form(signed(scheme)) for scheme in SIGNERS for form in (str, as_curl)]
    texts = [_spoilt(random.choice(whole), random) for _ in range(400)]
    said = call(
        "verdict.js", "judge", [[text, {"mine": {"stringToSign": text, "canonicalRequest": text}}] for text in texts]
    )
    assert [(text, one) for text, one in zip(texts, said, strict=True) if isinstance(one, str)] == []
    assert {"unreadable", "no-secret"} == {one["verdict"] for one in said}


@pytest.mark.parametrize("stamp", ["9" * 11, "9" * 13, "9" * 17, "0", "-1", "1e9", "+275760-09-13T00:00:00Z", "2027"])
def test_a_time_that_is_none_is_looked_at_like_any(stamp: str) -> None:
    raw = signed("tc3").replace(f"Timestamp: {NOW}", f"Timestamp: {stamp}")
    assert judge(raw)["verdict"] in ("found", "unknown")
