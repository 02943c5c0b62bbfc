"""Accepting connections: when there is no room, during TLS handshakes, and without file descriptors."""

from __future__ import annotations

import http.client
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from kit.connections import Echo, Wire, listening
from kit.sdk_clients import make_certificate
from tkms.machine import listener
from tkms.machine.guests import Guests

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
KNOWN = b"GET /known HTTP/1.1\r\nHost: a\r\n\r\n"


class _App(Echo):
    """Whoever asks for `/known` is known."""

    def begin(self, request: object, *, together: bool = False) -> object:
        done = super().begin(request, together=together)
        done.admitted = request.path == "/known"
        return done


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def _ask(wire: Wire, request: bytes = GET) -> int:
    wire.send(request)
    return wire.answer()[0]


def _ends(wire: Wire) -> bool:
    try:
        return wire.socket.recv(1) == b""
    except ConnectionResetError:
        return True


def test_when_full_strangers_make_room_and_who_is_known_stays(stack: ExitStack) -> None:
    port = stack.enter_context(listening(_App(), Guests(3)))
    known, stranger, silent = (stack.enter_context(Wire(port)) for _ in range(3))
    assert (_ask(known, KNOWN), _ask(stranger)) == (200, 200)
    new = stack.enter_context(Wire(port))
    assert _ask(new, KNOWN) == 200
    assert _ends(stranger)
    another = stack.enter_context(Wire(port))
    assert _ask(another, KNOWN) == 200
    assert _ends(silent)
    late = stack.enter_context(Wire(port))
    assert late.answer()[0] == 503
    assert [_ask(wire) for wire in (known, new, another)] == [200] * 3


def test_a_thousand_who_say_nothing_keep_nobody_out(stack: ExitStack) -> None:
    port = stack.enter_context(listening(_App(), Guests(1000, 1000)))
    known = stack.enter_context(Wire(port))
    assert _ask(known, KNOWN) == 200
    silent = [stack.enter_context(Wire(port)) for _ in range(1000)]
    assert _ask(stack.enter_context(Wire(port))) == 200
    assert _ask(known) == 200
    assert _ends(silent[0])


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return make_certificate(tmp_path_factory.mktemp("tls"))


def _https(port: int, certificate: Path) -> int:
    client = http.client.HTTPSConnection(
        "127.0.0.1", port, context=ssl.create_default_context(cafile=str(certificate)), timeout=20
    )
    try:
        client.request("GET", "/")
        return client.getresponse().status
    finally:
        client.close()


def test_handshakes_that_stand_still_keep_nobody_out(certificate: tuple[Path, Path], stack: ExitStack) -> None:
    port = stack.enter_context(listening(_App(), Guests(5, 5), certificate))
    stalled = [stack.enter_context(Wire(port)) for _ in range(20)]
    for wire in stalled[10:]:
        wire.send(b"\x16\x03\x01\x02")
    assert _https(port, certificate[0]) == 200
    assert all(map(_ends, stalled[:15]))


def test_a_client_s_hello_may_come_in_pieces(certificate: tuple[Path, Path], stack: ExitStack) -> None:
    port = stack.enter_context(listening(_App(), Guests(), certificate))
    received, sent = ssl.MemoryBIO(), ssl.MemoryBIO()
    context = ssl.create_default_context(cafile=str(certificate[0]))
    client = context.wrap_bio(received, sent, server_hostname="127.0.0.1")
    wire = stack.enter_context(Wire(port))
    done = False
    while not done:
        try:
            client.do_handshake()
            done = True
        except ssl.SSLWantReadError:
            data = sent.read()
            for piece in filter(None, (data[:1], data[1:5], data[5:6], data[6:])):
                wire.send(piece)
                time.sleep(0.02)
            received.write(wire.socket.recv(1 << 16))


def test_a_handshake_has_its_time(
    certificate: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch, stack: ExitStack
) -> None:
    assert 5 <= listener.HANDSHAKE_SECONDS <= 10
    monkeypatch.setattr(listener, "HANDSHAKE_SECONDS", 0.5)
    guests = Guests()
    port = stack.enter_context(listening(_App(), guests, certificate))
    stalled = stack.enter_context(Wire(port))
    start = time.monotonic()
    assert _ends(stalled)
    assert time.monotonic() - start < 5
    deadline = time.monotonic() + 5
    while guests.all and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not guests.all


def test_who_does_not_speak_tls_is_forgotten(certificate: tuple[Path, Path], stack: ExitStack) -> None:
    guests = Guests()
    port = stack.enter_context(listening(_App(), guests, certificate))
    short, huge = b"\x16\x03\x01\x00\xff", b"\x16\x03\x01\xff\xff"
    for said, told in ((GET, b"400"), (huge, b"400"), (short, b""), (b"", b"")):
        with Wire(port) as wire:
            wire.send(said)
            wire.socket.shutdown(socket.SHUT_WR)
            assert wire.socket.recv(100)[9:12] == told
    assert _https(port, certificate[0]) == 200
    deadline = time.monotonic() + 5
    while guests.all and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not guests.all


# A process of its own, which runs out of file descriptors. It prints its port and then, for each line that it gets,
# the processor time that it has used.
_PROGRAM = """
import os, resource, sys, time
from kit.connections import Echo, listening
class App(Echo):
    def begin(self, request, *, together):
        done = super().begin(request, together=together)
        done.admitted = request.path == "/known"
        return done
with listening(App()) as port:
    used = len(os.listdir("/proc/self/fd"))
    resource.setrlimit(resource.RLIMIT_NOFILE, (used + 10, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
    print(port, flush=True)
    for line in sys.stdin:
        print(time.process_time(), flush=True)
"""


def test_without_file_descriptors_nothing_spins_and_nobody_is_kept_out(stack: ExitStack) -> None:
    process = stack.enter_context(
        subprocess.Popen(
            [sys.executable, "-c", _PROGRAM],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).parent.parent,
        )
    )
    stdin, stdout = process.stdin, process.stdout
    assert stdin is not None
    assert stdout is not None

    def used() -> float:
        stdin.write("\n")
        stdin.flush()
        return float(stdout.readline())

    try:
        port = int(stdout.readline())
        wires = [stack.enter_context(Wire(port)) for _ in range(60)]
        before = used()
        time.sleep(2)
        assert used() - before < 1
        last = stack.enter_context(Wire(port))
        assert _ask(last, KNOWN) == 200
        assert all(map(_ends, wires[:20]))
        more = [stack.enter_context(Wire(port)) for _ in range(20)]
        for wire in more:  # who is known makes no room: some of them are refused
            with suppress(ConnectionError):
                assert _ask(wire, KNOWN) in (200, 503)
        assert _ask(last) == 200
    finally:
        process.kill()
