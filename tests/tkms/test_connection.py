"""One HTTP connection: answers in order, limits of size and time, and clients that do odd things."""

from __future__ import annotations

import asyncio
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from kit.connections import Done, Wire, listening
from tenantkms.wire.http import Request, Response
from tkms.machine import connection
from tkms.machine.connection import Connection
from tkms.machine.guests import Guests
from tkms.machine.reader import PIECE


class _App:
    """Answers with the request's target and the size of its body; `/slow` waits in a thread until it is released.

    Whoever asks for `/known` is known.
    """

    def __init__(self) -> None:
        self.pool = ThreadPoolExecutor(2)
        self.release = threading.Event()

    def begin(self, request: Request, *, together: bool = False) -> Done:
        known = request.path == "/known"
        if request.path.startswith("/slow"):
            return Done(None, request, known)
        return Done(self.finish(Done(None, request)), request, known)

    def settle(self) -> None:
        pass

    def finish(self, work: Any) -> Response:
        request = work.request
        path = request.path
        if path in ("/fails", "/slow-fails"):
            raise RuntimeError("secret")
        if path == "/slow":
            assert self.release.wait(20)
        text = "x" * 1_000_000 if path == "/large" else f"{path} {len(request.body)} {','.join(request.headers)}"
        return Response(status=200, content_type="text/plain", body=text, headers={"x-many": "a"})


@pytest.fixture
def app() -> _App:
    return _App()


@pytest.fixture
def port(app: _App) -> Iterator[int]:
    with listening(app) as port:
        yield port
        app.release.set()


def _get(path: str, *headers: str, version: str = "1.1") -> bytes:
    lines = "".join(f"{line}\r\n" for line in ("Host: a", *headers))
    return f"GET {path} HTTP/{version}\r\n{lines}\r\n".encode()


def _ended(wire: Wire) -> bool:
    """Whether the server ends the connection, with an end or with a reset."""
    wire.socket.settimeout(10)
    try:
        while wire.socket.recv(65536):
            pass
    except ConnectionError:
        pass
    return True


def test_answers_come_in_the_order_of_the_requests_also_behind_a_slow_one(port: int, app: _App) -> None:
    with Wire(port) as wire, Wire(port) as other:
        wire.send(_get("/1") + _get("/slow") + _get("/2") + _get("/slow-2") + _get("/3"))
        assert wire.answer()[2].startswith(b"/1 ")
        other.send(_get("/meanwhile"))
        assert other.answer()[2].startswith(b"/meanwhile ")
        wire.send(_get("/4"))
        app.release.set()
        assert [wire.answer()[2].split()[0] for _ in range(5)] == [b"/slow", b"/2", b"/slow-2", b"/3", b"/4"]


def test_a_request_in_single_bytes_is_one_request(port: int) -> None:
    with Wire(port) as wire:
        for byte in b"POST /x HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc":
            wire.send(bytes([byte]))
        assert wire.answer()[2] == b"/x 3 content-length"


def test_the_length_is_spelled_as_clients_that_compare_letters_want_it(port: int) -> None:
    with Wire(port) as wire:
        wire.send(_get("/x"))
        head, _, _ = wire.socket.recv(4096).partition(b"\r\n\r\n")
    assert {b"Content-Type", b"Content-Length"} <= {line.partition(b":")[0] for line in head.split(b"\r\n")}


def test_a_client_that_asks_first_is_told_to_go_on(port: int) -> None:
    with Wire(port) as wire:
        wire.send(b"POST / HTTP/1.1\r\nExpect: 100-Continue\r\nContent-Length: 3\r\n\r\n")
        assert wire.socket.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        wire.send(b"abc")
        assert wire.answer()[2].startswith(b"/ 3 ")


def test_what_came_for_other_requests_does_not_count(port: int) -> None:
    """Reads that end in the middle of a head, one after the other, while nobody waits for answers."""
    count, padding = 5_000, "X-Padding: " + "x" * 150
    with Wire(port) as wire:
        requests = b"".join(_get(f"/{n}", padding) for n in range(count))
        threading.Thread(target=wire.send, args=(requests,)).start()
        for number in range(count):
            assert wire.answer()[2].startswith(b"/%d " % number)


def test_many_upgrades_at_once_are_answered_in_turn(port: int) -> None:
    """As many as one read may bring: a call inside a call for each would end at Python's limit."""
    count = 2_000
    with Wire(port) as wire:
        upgrades = b"".join(_get(f"/{n}", "Connection: Upgrade", "Upgrade: h2c") for n in range(count))
        threading.Thread(target=wire.send, args=(upgrades,)).start()
        for number in range(count):
            assert wire.answer()[2].startswith(b"/%d " % number)


def test_an_upgrade_is_not_taken_and_the_connection_stays(port: int) -> None:
    upgrade = ("Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABk")
    with Wire(port) as wire:
        # Java's HttpClient says of each request without a body that its length is 0.
        wire.send(_get("/1", *upgrade) + _get("/2", *upgrade, "Content-Length: 0") + _get("/3"))
        assert [wire.answer()[2].split()[0] for _ in range(3)] == [b"/1", b"/2", b"/3"]


@pytest.mark.parametrize("asks", ["h2c", "websocket", "x" * 10_000], ids=["h2c", "websocket", "long"])
@pytest.mark.parametrize(
    ("length", "body"),
    [
        ("Content-Length: 40", b"GET /no HTTP/1.1\r\nHost: a\r\n\r\n" + b"x" * 11),
        ("Content-Length: 00", b""),
        (
            "Transfer-Encoding: chunked",
            b"3\r\nabc\r\n25\r\n" + b"GET /no HTTP/1.1\r\n\r\n" + b"y" * 17 + b"\r\n0\r\n\r\n",
        ),
    ],
    ids=["length", "no length", "chunks"],
)
def test_an_upgrade_with_a_body_is_not_taken_and_the_body_is_one(
    port: int, asks: str, length: str, body: bytes
) -> None:
    """The parser would take the body for a request."""
    head = f"POST /3 HTTP/1.1\r\nX-One: 1\r\nConnection: Upgrade\r\nUpgrade: {asks}\r\n{length}\r\n\r\n".encode()
    name = length.partition(":")[0].lower()
    size = 0 if not body else 40
    for parts in (
        [head + body + _get("/4")],
        [head, body, _get("/4")],
        [bytes([byte]) for byte in head + body + _get("/4")],
    ):
        with Wire(port) as wire:
            for part in parts:
                wire.send(part)
            assert wire.answer()[2].decode() == f"/3 {size} x-one,connection,{name}"
            assert wire.answer()[2].startswith(b"/4 0 ")


@pytest.mark.parametrize(
    "lines",
    [
        "Content-Length: 0\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\nContent-Length: 0",
        "Content-Length: 1\r\nContent-Length: 2",
        "Transfer-Encoding: chunked, gzip",
    ],
)
def test_an_upgrade_makes_nothing_right_that_is_wrong(port: int, lines: str) -> None:
    with Wire(port) as wire:
        wire.send(
            f"POST /3 HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n{lines}\r\n\r\n0\r\n\r\n".encode() + _get("/4")
        )
        assert wire.answer()[0] == 400
        assert _ended(wire)


def test_an_upgrade_is_asked_to_go_on_once(port: int) -> None:
    with Wire(port) as wire:
        wire.send(
            b"POST / HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n"
            b"Expect: 100-continue\r\nContent-Length: 3\r\n\r\n"
        )
        assert wire.socket.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        wire.send(b"abc")
        assert wire.answer()[2].startswith(b"/ 3 ")


def test_what_follows_a_body_in_chunks_is_no_header(port: int) -> None:
    with Wire(port) as wire:
        wire.send(b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nX-Late: 1\r\n\r\n")
        assert wire.answer()[2] == b"/ 1 transfer-encoding"


@pytest.mark.parametrize("raw", [_get("/", "Connection: close"), _get("/", version="1.0")], ids=["close", "HTTP/1.0"])
def test_the_last_answer_says_so_and_ends_the_connection(port: int, raw: bytes) -> None:
    with Wire(port) as wire:
        wire.send(raw + _get("/never"))
        _, headers, _ = wire.answer()
        assert headers["connection"] == "close"
        assert wire.socket.recv(100) == b""


BAD = {
    "two lengths": b"POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\na",
    "a length and chunks": b"POST / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "no chunk": b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    "a space before the colon": b"GET / HTTP/1.1\r\nHost : a\r\n\r\n",
}


@pytest.mark.parametrize("raw", BAD.values(), ids=BAD)
def test_what_two_readers_could_read_differently_is_refused(port: int, raw: bytes) -> None:
    with Wire(port) as wire:
        wire.send(raw)
        assert wire.answer()[0] == 400
        assert wire.socket.recv(100) == b""


@pytest.mark.parametrize("path", ["/fails", "/slow-fails"])
def test_a_failure_of_the_application_says_nothing(port: int, path: str, capfd: pytest.CaptureFixture[str]) -> None:
    with Wire(port) as wire:
        wire.send(_get(path))
        status, _, body = wire.answer()
        assert (status, body) == (500, b"The request failed.")
        assert _ended(wire)
    logged = capfd.readouterr().err
    assert "RuntimeError" in logged
    assert "secret" not in logged


def _send_for_ever(wire: Wire, start: bytes, part: bytes) -> None:
    wire.send(start)
    for _ in range(100_000_000 // len(part)):
        wire.send(part)


@pytest.mark.parametrize(
    ("start", "part"),
    [
        (b"GET /", b"a" * 65536),
        (b"GET / HTTP/1.1\r\nX: ", b"a" * 65536),
        (b"GET / HTTP/1.1\r\n", b"a: b\r\n" * 10_000),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", b"10000\r\n" + b"a" * 65536 + b"\r\n"),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX: ", b"a" * 65536),
    ],
    ids=["target", "header", "headers", "body", "trailer"],
)
def test_what_never_ends_is_cut(port: int, start: bytes, part: bytes) -> None:
    with Wire(port) as wire, pytest.raises(ConnectionError):
        _send_for_ever(wire, start, part)


def test_a_client_that_reads_nothing_is_not_served_on(port: int) -> None:
    with Wire(port) as wire:
        wire.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        wire.socket.settimeout(1)
        with pytest.raises(TimeoutError):
            _send_for_ever(wire, b"", _get("/large") * 1000)


class _Transport:
    """Notes what is done to it."""

    def __init__(self) -> None:
        self.written = b""
        self.done: list[str] = []

    def get_extra_info(self, _name: str) -> tuple[str, int]:
        return ("192.0.2.1", 1)

    def write(self, data: bytes) -> None:
        self.written += data

    def is_closing(self) -> bool:
        return "close" in self.done or "abort" in self.done

    def __getattr__(self, name: str) -> Callable[[], None]:
        return lambda: self.done.append(name)


def _connection(guests: Guests | None = None) -> tuple[Any, _Transport]:
    guests = guests or Guests()
    made: Any = Connection(_App(), guests, "192.0.2.1", "192.0.2.1")
    assert guests.admit(made)
    transport = _Transport()
    made.connection_made(transport)
    return made, transport


async def _expires(*steps: tuple[str, Any]) -> float:
    """How many seconds after these steps the connection is ended."""
    made, transport = _connection()
    for name, argument in steps:
        getattr(made, name)(*argument)
    now = asyncio.get_running_loop().time()
    for seconds in range(200):
        made.expire(now + seconds)
        if "abort" in transport.done:
            return seconds
    return 0


_KNOWN = ("data_received", (_get("/known"),))


@pytest.mark.parametrize(
    ("steps", "seconds"),
    [
        ((), connection.FIRST_SECONDS),
        ((("data_received", (b"GET / HT",)),), connection.FIRST_SECONDS),
        ((("data_received", (_get("/"),)),), connection.IDLE_SECONDS),
        ((("data_received", (_get("/") + b"G",)),), connection.FIRST_SECONDS),
        ((_KNOWN, ("data_received", (b"GET / HT",))), connection.REQUEST_SECONDS),
        (
            (_KNOWN, ("data_received", (b"POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\n",))),
            connection.REQUEST_SECONDS,
        ),
        ((_KNOWN,), connection.IDLE_SECONDS),
        ((_KNOWN, ("data_received", (_get("/") + b"G",))), connection.REQUEST_SECONDS),
        ((("pause_writing", ()),), connection.REQUEST_SECONDS),
        ((("pause_writing", ()), ("resume_writing", ())), connection.IDLE_SECONDS),
    ],
    ids=[
        "nothing sent",
        "half a first head",
        "answered",
        "the next begun by a stranger",
        "half a head",
        "half a body",
        "known and answered",
        "the next begun",
        "unread",
        "read after all",
    ],
)
def test_a_client_has_its_time(steps: tuple[tuple[str, Any], ...], seconds: int) -> None:
    assert asyncio.run(_expires(*steps)) == pytest.approx(seconds, abs=1.5)


def test_the_end_of_the_server_waits_for_the_answer_that_is_being_made(app: _App) -> None:
    with listening(app) as port:
        busy, idle = Wire(port), Wire(port)
        for wire, path in ((busy, "/slow-1"), (idle, "/")):
            wire.send(_get(path))
            assert wire.answer()[0] == 200
        busy.send(_get("/slow"))
        time.sleep(0.1)
        threading.Timer(0.5, app.release.set).start()
    status, headers, _ = busy.answer()
    assert (status, headers["connection"]) == (200, "close")
    assert _ended(idle)
    busy.close()
    idle.close()


def test_the_end_of_the_server_waits_for_who_goes_on_asking(app: _App, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "SOON_SECONDS", 1)
    monkeypatch.setattr(connection, "LINGER_SECONDS", 3)
    with listening(app) as port:
        wires = again, slow, _ = Wire(port), Wire(port), Wire(port)
        for wire in wires:
            wire.send(_get("/"))
            assert wire.answer()[0] == 200
        slow.send(_get("/")[:10])
        for seconds, wire, data in ((0.3, again, _get("/")), (2, slow, _get("/")[10:])):
            threading.Timer(seconds, wire.send, (data,)).start()
    for wire in (again, slow):
        status, headers, _ = wire.answer()
        assert (status, headers["connection"]) == (200, "close")
    assert all(map(_ended, wires))
    for wire in wires:
        wire.close()


async def _callbacks_after_an_answer(connections: int) -> tuple[int, int]:
    """What keeps the loop from sleeping: at once, and some time later."""
    loop: Any = asyncio.get_running_loop()
    guests = Guests()
    for _ in range(connections):
        made, _transport = _connection(guests)
    made.data_received(_get("/"))
    at_once = len(loop._ready)
    await asyncio.sleep(10 * connection.SPIN_SECONDS)
    return at_once, len(loop._ready)


@pytest.mark.parametrize(("connections", "callbacks"), [(1, 1), (2, 0)])
def test_the_loop_stays_awake_for_a_moment_after_an_answer_on_the_only_connection(
    connections: int, callbacks: int
) -> None:
    assert asyncio.run(_callbacks_after_an_answer(connections)) == (callbacks, 0)


# -- what a stranger may send ----------------------------------------------------------------------------


def _headers(count: int, size: int = 1) -> bytes:
    return b"".join(b"X-%d: %b\r\n" % (number, b"a" * size) for number in range(count))


@pytest.mark.parametrize(
    ("lines", "status"),
    [
        (_headers(100), 200),
        (_headers(101), 431),
        (b"X: a\r\n" * 100, 200),
        (b"X: a\r\n" * 101, 431),
        (b"X: a\r\n" * 51_000, 431),
        (_headers(3, 16_384), 200),
        (_headers(1, 16_385), 431),
        (b"X: %b\r\n" % (b"a" * 8200) * 2, 431),
        (b"%b: a\r\n" % (b"x" * 16_385), 431),
        (_headers(21, 10_000), 431),
    ],
    ids=["100", "101", "100 alike", "101 alike", "51,000 alike", "16 KB", "more", "more in two", "name", "200 KB"],
)
def test_a_head_has_its_limits(port: int, lines: bytes, status: int) -> None:
    with Wire(port) as wire:
        with suppress(ConnectionError):
            wire.send(b"GET / HTTP/1.1\r\n" + lines + b"\r\n")
        assert wire.answer()[0] == status


@pytest.mark.parametrize(
    "begin",
    [
        b"GET / HTTP/1.1\r\n" + b"X: a\r\n" * 1000,
        b"GET / HTTP/1.1\r\n" + _headers(1000),
        b"GET / HTTP/1.1\r\nX: " + b"a" * 30_000,
        b"GET /" + b"a" * 250_000,
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n" + b"1\r\na\r\n" * 1025,
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n" + _headers(1000),
    ],
    ids=["headers alike", "headers", "header", "target", "chunks", "trailers"],
)
def test_what_is_too_large_is_refused_before_it_is_whole(port: int, begin: bytes) -> None:
    with Wire(port) as wire:
        with suppress(ConnectionError):
            wire.send(begin)
        assert wire.answer()[0] in (413, 431)


def test_a_target_may_be_longer_than_a_header(port: int) -> None:
    with Wire(port) as wire:
        wire.send(_get("/" + "a" * 100_000))
        assert wire.answer()[2].startswith(b"/aaaa")


def test_a_body_may_come_in_many_chunks(port: int) -> None:
    with Wire(port) as wire:
        wire.send(b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n" + b"3\r\nabc\r\n" * 1023 + b"0\r\n\r\n")
        assert wire.answer()[2].startswith(b"/ 3069 ")


async def _served_in_each_step(requests: bytes) -> list[int]:
    """How many requests are served in each step of the loop, when all of it comes at once."""
    made, transport = _connection()
    made.data_received(requests)
    seen = [transport.written.count(b"HTTP/1.1 200")]
    while made._waiting or made._unparsed:
        await asyncio.sleep(0)
        seen.append(transport.written.count(b"HTTP/1.1 200"))
    return [after - before for before, after in pairwise([0, *seen])]


@pytest.mark.parametrize("count", [100, 1000])
def test_of_one_connection_at_most_16_are_served_in_a_turn(count: int) -> None:
    steps = asyncio.run(_served_in_each_step(_get("/") * count))
    assert sum(steps) == count
    assert max(steps) <= 16


@pytest.mark.parametrize(("end", "pieces"), [(0.0, 1), (float("inf"), 5)])
def test_a_turn_ends_by_time_whatever_it_is_that_takes_it(end: float, pieces: int) -> None:
    async def parsed() -> int:
        made, _ = _connection()
        made.data_received(b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n" + b"1\r\na\r\n" * 900 + b"0")
        made.data_received(b"x" * (5 * PIECE - len(made._unparsed)))
        fed: list[int] = []
        made.feed = lambda piece: fed.append(len(piece))
        made.take_turn(end)
        return len(fed)

    assert asyncio.run(parsed()) == pieces


def test_what_arrives_is_counted_and_let_go(port: int) -> None:
    async def held() -> list[int]:
        guests = Guests()
        made, _ = _connection(guests)
        found = []
        for data in (b"POST / HTTP/1.1\r\nContent-Length: 3000\r\n\r\n", b"x" * 2000, b"x" * 1000, _get("/") + b"GET"):
            made.data_received(data)
            found.append(made.held)
        made.connection_lost(None)
        return [*found, made.held, guests._arriving]

    first, second, whole, begun, gone, total = asyncio.run(held())
    assert 0 < first < second - 1999
    assert (whole, gone, total) == (0, 0, 0)
    assert 3 <= begun < 100


def test_more_than_all_may_send_at_once_ends_who_sends_most() -> None:
    with listening(_App(), Guests(arriving=300_000)) as port, ExitStack() as stack:
        small = stack.enter_context(Wire(port))
        small.send(b"POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\nab")
        large = [stack.enter_context(Wire(port)) for _ in range(8)]
        for wire in large:
            wire.send(b"POST / HTTP/1.1\r\nContent-Length: 64000\r\n\r\n" + b"x" * 60_000)
        small.send(b"c")
        assert small.answer()[2].startswith(b"/ 3 ")
        ended = 0
        for wire in large:
            with suppress(ConnectionError):
                wire.send(b"x" * 4000)
                ended -= wire.answer()[0] == 200
            ended += 1
        assert 0 < ended < len(large)


def test_java_s_http_client_is_served(port: int, tmp_path: Path) -> None:
    """With its defaults it asks each time for h2c, with a body too; the second request goes on the same connection."""
    if shutil.which("java") is None:
        pytest.skip("not installed: java (a JDK, 11 or newer)")
    source = tmp_path / "Post.java"
    source.write_text(_JAVA)
    line = ["java", "-Xshare:auto", "-XX:TieredStopAtLevel=1", str(source), f"http://127.0.0.1:{port}"]
    done = subprocess.run(line, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    seen = [line.split() for line in done.stdout.splitlines()]
    assert [(status, path, size) for status, path, size, _ in seen] == [
        ("200", "/posted", "5"),
        ("200", "/chunked", "60000"),
        ("200", "/got", "0"),
    ]
    assert all("http2-settings" in names and "upgrade" not in names.split(",") for *_, names in seen)


_JAVA = """
import java.net.URI;
import java.net.http.*;
import java.io.ByteArrayInputStream;

public class Post {
    public static void main(String[] args) throws Exception {
        HttpClient client = HttpClient.newHttpClient();
        HttpRequest[] requests = {
            HttpRequest.newBuilder(URI.create(args[0] + "/posted"))
                .POST(HttpRequest.BodyPublishers.ofString("hello")).build(),
            HttpRequest.newBuilder(URI.create(args[0] + "/chunked"))
                .POST(HttpRequest.BodyPublishers.ofInputStream(() -> new ByteArrayInputStream(new byte[60000])))
                .build(),
            HttpRequest.newBuilder(URI.create(args[0] + "/got")).build(),
        };
        for (HttpRequest request : requests) {
            HttpResponse<String> answer = client.send(request, HttpResponse.BodyHandlers.ofString());
            System.out.println(answer.statusCode() + " " + answer.body());
        }
    }
}
"""
