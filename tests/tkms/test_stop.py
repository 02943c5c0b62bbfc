"""Clients go on asking while the server ends, and while another one takes its place."""

from __future__ import annotations

import json
import os
import signal
import socket
import ssl
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from kit.callers import Callers
from kit.connections import Start, Wire, request_bytes, starting
from kit.memory import children
from kit.support import Server, Signer
from tkms import cli
from tkms.machine.last_in import let_nobody_in
from tkms.machine.server_file import read_server


def signer(start: Start, data: Path) -> Signer:
    return Signer(*Server(start.url, data, start.process).credential())


def test_who_is_on_the_way_in_is_let_in_and_nobody_else() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        address = listening.getsockname()
        with socket.create_connection(address, timeout=5) as early:
            early.sendall(b"asked")
            let_nobody_in(listening)
            with pytest.raises(TimeoutError):
                socket.create_connection(address, timeout=0.2)
            taken, _ = listening.accept()
            with taken:
                assert taken.recv(10) == b"asked"
                taken.sendall(b"told")
            assert early.recv(10) == b"told"
        listening.setblocking(False)
        with pytest.raises(BlockingIOError):
            listening.accept()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(address, timeout=5)


def ended(process: int) -> bool:
    """Of proc_pid_stat(5): Z is who has ended, and whom nobody has asked for."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(") ")[2][0] == "Z"
    except FileNotFoundError:
        return True


@pytest.mark.parametrize(
    ("word", "status", "options"),
    [(signal.SIGTERM, -signal.SIGTERM, ()), (signal.SIGINT, 130, ()), (signal.SIGTERM, -signal.SIGTERM, ("--tls",))],
    ids=["SIGTERM", "SIGINT", "TLS"],
)
def test_who_was_let_in_has_the_answer_to_what_it_asked(
    tmp_path: Path, word: signal.Signals, status: int, options: tuple[str, ...]
) -> None:
    data = tmp_path / "data"
    with starting(data, "--workers", "2", "--limit", "off", *options) as start:
        tls = ssl.create_default_context(cafile=str(data / "tls" / "ca.pem")) if options else None
        with Callers(start.port, signer(start, data), tls=tls) as calls:
            calls.more(200)
            assert calls.refused == 0
            start.process.send_signal(word)
            calls.wait()
            assert start.process.wait(timeout=20) == status
    assert calls.lost == []
    assert calls.refused == 9


def test_who_does_not_look_whether_it_has_ended_keeps_no_server(tmp_path: Path) -> None:
    """By TLS a client is to answer that it has seen the end; one that is idle does so when it asks next."""
    data = tmp_path / "data"
    with starting(data, "--tls") as start:
        tls = ssl.create_default_context(cafile=str(data / "tls" / "ca.pem"))
        with Wire(start.port, tls=tls) as wire:
            wire.send(b"GET /healthz HTTP/1.1\r\nHost: here\r\n\r\n")
            assert wire.answer()[0] == 200
            start.process.send_signal(signal.SIGTERM)
            assert start.process.wait(timeout=20) == -signal.SIGTERM
        assert start.process.stderr is not None
        assert start.process.stderr.read() == ""  # it would say that its time was up


def test_nobody_is_refused_while_another_server_takes_over_and_over(tmp_path: Path) -> None:
    """And what one has answered is answered by no other."""
    data = tmp_path / "data"
    with starting(data, "--workers", "2", "--limit", "off") as start:
        server, key, codes = start.process.pid, signer(start, data), list[str]()
        try:
            with Callers(start.port, key) as calls:
                for _ in range(3):
                    calls.more(100)
                    once = request_bytes(key.alibaba_rpc("ListKeys"))
                    codes.append(_code(start.port, once))
                    server = _successor(server, calls)
                    codes.append(_code(start.port, once))
                calls.more(100)
        finally:
            os.kill(server, signal.SIGTERM)
    assert calls.lost == []
    assert calls.refused == 0
    assert codes == ["ok", "SignatureNonceUsed"] * 3


def test_who_ends_a_server_at_the_moment_another_one_is_ready_leaves_that_one(tmp_path: Path) -> None:
    with starting(tmp_path / "data") as start:
        before = set(children(start.process.pid))
        start.process.send_signal(signal.SIGUSR2)
        assert start.process.stdout is not None
        assert any(line.startswith("tkms: ready on ") for line in start.process.stdout)
        (server,) = set(children(start.process.pid)) - before
        try:
            start.process.send_signal(signal.SIGTERM)
            start.process.wait(timeout=20)
            with Wire(start.port) as wire:
                wire.send(b"GET /healthz HTTP/1.1\r\nHost: here\r\n\r\n")
                assert wire.answer()[0] == 200
        finally:
            os.kill(server, signal.SIGTERM)


def _code(port: int, request: bytes) -> str:
    with Wire(port) as wire:
        wire.send(request)
        return str(json.loads(wire.answer()[2]).get("Code", "ok"))


def _successor(server: int, calls: Callers) -> int:
    """The server that has taken over from `server`, which has ended."""
    os.kill(server, signal.SIGUSR2)
    calls.until(lambda: any(map(children, children(server))))
    (taking,) = filter(children, children(server))
    calls.until(lambda: ended(server))
    return taking


def test_an_upgrade_by_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["upgrade", "--data-dir", str(tmp_path / "data")]
    with starting(tmp_path / "data", "--workers", "1") as start:
        before, taking = start.process.pid, 0
        site = (tmp_path / "data/site.json").read_bytes()
        try:
            (tmp_path / "data/site.json").write_text("damaged")
            assert cli.main([*command, "--wait", "3s"]) == 1
            assert f"Nobody has taken over from process {before}" in capsys.readouterr().err
            (tmp_path / "data/site.json").write_bytes(site)
            assert cli.main(command) == 0
            taking = read_server(tmp_path / "data").process
            assert capsys.readouterr().out == f"process {taking} serves, in the place of {before}\n"
            assert start.process.wait(20) == 0
            assert cli.main(command) == 0
            last, taking = taking, read_server(tmp_path / "data").process
            assert f"in the place of {last}" in capsys.readouterr().out
        finally:
            if taking:
                os.kill(taking, signal.SIGTERM)


def test_who_serves_by_the_file_is_not_ended_with_the_one_before(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with starting(data, "--workers", "1") as start:
        start.process.send_signal(signal.SIGUSR2)
        deadline = time.monotonic() + 20
        while (taking := read_server(data).process) == start.process.pid:
            assert time.monotonic() < deadline
        start.process.terminate()
        start.process.wait(20)
        try:
            with Wire(start.port) as wire:
                wire.send(b"GET /healthz HTTP/1.1\r\nHost: here\r\n\r\n")
                assert wire.answer()[0] == 200
        finally:
            os.kill(taking, signal.SIGTERM)


def test_an_upgrade_of_a_server_that_ends_does_not_wait(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = tmp_path / "data"
    with starting(data, "--workers", "1") as start, ThreadPoolExecutor(1) as pool:
        os.kill(start.process.pid, signal.SIGSTOP)
        upgrade = pool.submit(cli.main, ["upgrade", "--data-dir", str(data)])
        time.sleep(0.3)
        for process in (*children(start.process.pid), start.process.pid):
            os.kill(process, signal.SIGKILL)
        start.process.wait(20)
        assert upgrade.result(20) == 1
    assert "has ended, and nobody has taken over from it" in capsys.readouterr().err
