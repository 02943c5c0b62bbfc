"""One server in several processes: what is true of one process must be true of all of them together."""

from __future__ import annotations

import base64
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest

from kit.connections import Start, Wire, command, request_bytes, starting, tencent
from kit.memory import children, open_files
from kit.support import Server, Signer, run_tkms
from tenantkms.store.shared import Memory
from tenantkms.wire.http import Response
from tkms.machine.answers import SharedAnswers
from tkms.machine.crew import Crew

WORKERS = 3
PRIVATE_BYTES = 25_000_000
"""What a further worker may cost."""


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Start, Path, Signer]]:
    data = tmp_path_factory.mktemp("workers") / "data"
    with starting(data, "--workers", str(WORKERS), "--limit", "off") as start:
        yield start, data, Signer(*Server(start.url, data, start.process).credential())


def workers(start: Start) -> list[int]:
    return children(start.process.pid)


def private(process: int) -> int:
    rollup = Path(f"/proc/{process}/smaps_rollup").read_text()
    return sum(int(line.split()[1]) * 1024 for line in rollup.splitlines() if line.startswith("Private_"))


def connections(process: int, port: int) -> int:
    """Open ones of clients to `port`, by /proc/net/tcp (proc_net_tcp(5)): a process has other sockets, too."""
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    established = {f"socket:[{row[9]}]" for row in rows if row[1].endswith(f":{port:04X}") and row[3] == "01"}
    return len(established & open_files(process))


def key_of(start: Start, signer: Signer) -> str:
    keys: list[dict[str, str]] = tencent(start.port, signer, "ListKeys")["Keys"]
    return keys[0]["KeyId"]


def until(told: Any, seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not told():
        assert time.monotonic() < deadline
        time.sleep(0.02)


# -- one server ------------------------------------------------------------------------------------------


def test_there_are_as_many_as_was_said_and_each_costs_little(running: tuple[Start, Path, Signer]) -> None:
    start, _, signer = running
    for _ in range(20):
        tencent(start.port, signer, "ListKeys")
    found = workers(start)
    assert len(found) == WORKERS
    assert max(map(private, found)) < PRIVATE_BYTES


def test_connections_are_spread_evenly(running: tuple[Start, Path, Signer]) -> None:
    """Where every worker gets its turn: one that the machine lets wait can take none, so there are some tries."""
    start, _, signer = running

    def unevenness() -> int:
        with ExitStack() as stack:
            wires = [stack.enter_context(Wire(start.port)) for _ in range(4 * WORKERS)]
            for wire in wires:
                assert wire.ask(signer.tencent("ListKeys", {}))["Response"]["Keys"]
            spread = [connections(process, start.port) for process in workers(start)]
        assert sum(spread) == 4 * WORKERS
        return max(spread) - min(spread)

    assert any(unevenness() <= 2 for _ in range(10))


def test_a_nonce_that_one_has_seen_all_have_seen(running: tuple[Start, Path, Signer]) -> None:
    start, _, signer = running
    data = request_bytes(signer.alibaba_rpc("ListKeys"))
    with ExitStack() as stack:
        wires = [stack.enter_context(Wire(start.port)) for _ in range(64)]
        for wire in wires:
            wire.send(data)
        answers = [json.loads(wire.answer()[2]) for wire in wires]
    assert sorted(answer.get("Code", "ok") for answer in answers) == ["SignatureNonceUsed"] * 63 + ["ok"]


def test_a_change_is_seen_by_all_at_once(running: tuple[Start, Path, Signer]) -> None:
    start, _, signer = running
    made = tencent(start.port, signer, "CreateKey", Alias="changing")["KeyId"]
    with ExitStack() as stack:
        wires = [stack.enter_context(Wire(start.port)) for _ in range(2 * WORKERS)]
        encrypt = {"KeyId": made, "Plaintext": "aGVsbG8="}
        for wire in wires:
            assert "Error" not in wire.ask(signer.tencent("Encrypt", encrypt))["Response"]
        tencent(start.port, signer, "DisableKey", KeyId=made)
        answers = [wire.ask(signer.tencent("Encrypt", encrypt))["Response"] for wire in wires]
    assert [answer["Error"]["Code"] for answer in answers] == ["ResourceUnavailable.CmkDisabled"] * 2 * WORKERS


def test_attempts_at_one_call_are_one_call(running: tuple[Start, Path, Signer]) -> None:
    start, data, _ = running
    signer = Signer(*Server(start.url, data, start.process).credential("--dialect", "aws"))
    with Wire(start.port) as wire:
        key = wire.ask(signer.aws("CreateKey"))["KeyMetadata"]["Arn"]
    with ExitStack() as stack:
        wires = [stack.enter_context(Wire(start.port)) for _ in range(3 * WORKERS)]
        for wire in wires:
            wire.send(request_bytes(signer.aws("RotateKeyOnDemand", {"KeyId": key}, invocation="one")))
        answers = {wire.answer()[2] for wire in wires}
        listed = wires[0].ask(signer.aws("ListKeyRotations", {"KeyId": key}))
    assert answers == {json.dumps({"KeyId": key}, separators=(",", ":")).encode()}
    assert len(listed["Rotations"]) == 1


def test_all_write_one_log(running: tuple[Start, Path, Signer]) -> None:
    start, data, signer = running
    key = key_of(start, signer)

    def ask(_: int) -> int:
        with Wire(start.port) as wire:
            for _ in range(25):
                wire.ask(signer.tencent("GenerateDataKey", {"KeyId": key, "KeySpec": "AES_256"}))
        return 25

    before = (data / "audit.jsonl").read_text().count('"GenerateDataKey"')
    with ThreadPoolExecutor(8) as pool:
        asked = sum(pool.map(ask, range(8)))
    assert (data / "audit.jsonl").read_text().count('"GenerateDataKey"') - before == asked
    verified = run_tkms("audit", "verify", "--data-dir", str(data))
    assert verified.returncode == 0, verified.stdout


def test_requests_count_together(tmp_path: Path) -> None:
    with starting(tmp_path / "data", "--workers", "3", "--limit", "GenerateRandom=40") as start:
        signer = Signer(*Server(start.url, tmp_path / "data", start.process).credential())

        def ask(_: int) -> int:
            with Wire(start.port) as wire:
                answers = [wire.ask(signer.tencent("GenerateRandom", {"NumberOfBytes": 1})) for _ in range(20)]
            return sum("Error" not in answer["Response"] for answer in answers)

        began = time.monotonic()
        with ThreadPoolExecutor(6) as pool:
            passed = sum(pool.map(ask, range(6)))
        took = time.monotonic() - began
    assert 40 <= passed <= 40 + 40 * took + 1


def test_refusals_of_strangers_count_together(tmp_path: Path) -> None:
    """Asked in turns on connections of all workers, so that none misses what another one just counts."""
    with (
        starting(tmp_path / "data", "--workers", str(WORKERS), "--limit", "strangers=20") as start,
        ExitStack() as stack,
    ):
        stranger = Signer("TKMSnobody", "wrong")
        wires = [stack.enter_context(Wire(start.port)) for _ in range(2 * WORKERS)]
        began = time.monotonic()
        answers = [wire.ask(stranger.tencent("ListKeys")) for _ in range(20) for wire in wires]
        took = time.monotonic() - began
        assert all(connections(process, start.port) for process in workers(start))
    codes = [answer["Response"]["Error"]["Code"] for answer in answers]
    assert set(codes) == {"AuthFailure.SecretIdNotFound", "RequestLimitExceeded"}
    assert 20 <= codes.count("AuthFailure.SecretIdNotFound") <= 20 + 20 * took + 1


# -- ends --------------------------------------------------------------------------------------------------


def test_children_of_others_are_none_of_its_workers(tmp_path: Path) -> None:
    """A shell that becomes the server leaves it what it had started, and the first process of a container has all
    that lost its parent."""
    (served := tmp_path / "data").mkdir(mode=0o700)
    script = 'for i in 1 2 3 4 5 6 7 8; do sleep 0.$i & done; sleep 1 & sleep 2 & exec "$@"'
    line = ["sh", "-c", script, "sh", *command("serve", "--data-dir", str(served), "--port", "0", "--workers", "1")]
    with subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            assert any(text.startswith("tkms: ready on ") for text in process.stdout)
            time.sleep(1)
        finally:
            process.terminate()
            _, errors = process.communicate(timeout=20)
    assert (process.returncode, errors) == (-signal.SIGTERM, "")


def test_a_worker_that_cannot_start_says_why(tmp_path: Path) -> None:
    with starting(tmp_path / "data", "--workers", "1") as start:
        site = (tmp_path / "data" / "site.json").read_bytes()
        (tmp_path / "data" / "site.json").write_text("damaged")
        os.kill(workers(start)[0], signal.SIGKILL)
        assert start.process.stderr is not None
        # The first one may tell of the file before, when it asks whether it is to sweep.
        assert any("SIGKILL" in line for line in start.process.stderr)
        said = [start.process.stderr.readline() for _ in range(2)]
        (tmp_path / "data" / "site.json").write_bytes(site)
        until(lambda: len(workers(start)) == 1)
    assert "site.json is damaged" in said[0]
    assert "ended (exit code 1)" in said[1]


def test_what_is_meant_for_the_supervisor_ends_no_worker(tmp_path: Path) -> None:
    """Whoever sends it to all processes of a name, or of a unit, sends it to the workers too."""
    with starting(tmp_path / "data", "--workers", "2") as start:
        (gone, other) = workers(start)
        os.kill(other, signal.SIGUSR2)
        os.kill(gone, signal.SIGKILL)
        until(lambda: gone not in workers(start))
        for _ in range(100):  # while its successor begins
            start.process.send_signal(signal.SIGHUP)
            for process in workers(start):
                os.kill(process, signal.SIGHUP)
            time.sleep(0.02)
        assert other in workers(start)
        assert len(workers(start)) == 2
        start.process.terminate()
        _, errors = start.process.communicate(timeout=20)
    assert errors.count("another takes its place") == 1


def memory(process: int) -> bytes:
    found = b""
    with Path(f"/proc/{process}/mem").open("rb", 0) as file:
        for line in Path(f"/proc/{process}/maps").read_text().splitlines():
            where, mode, *_ = line.split()
            start, end = (int(text, 16) for text in where.split("-"))
            if mode.startswith("rw"):
                file.seek(start)
                found += file.read(end - start)
    return found


def test_nothing_secret_is_in_the_supervisor(tmp_path: Path) -> None:
    material, secret = os.urandom(32), "a-secret-that-a-seed-gives"
    seed, data = tmp_path / "seed.json", tmp_path / "data"
    seed.touch(0o600)
    encoded = base64.b64encode(material).decode()
    key = {"id": "11111111-2222-3333-4444-555555555555", "material": encoded}
    seed.write_text(json.dumps({"keys": [key], "credentials": [{"id": "seeded", "secret": secret}]}))
    with starting(data, "--workers", "1", "--seed", str(seed), "--tls") as start:
        parent = (data / "parent.key").read_bytes()
        tls = (data / "tls" / "server.pem").read_bytes().splitlines()[1]
        secrets = {
            "parent": parent,
            "material": material,
            "text": encoded.encode(),
            "secret": secret.encode(),
            "tls": tls,
        }
        (worker,) = workers(start)
        found = {who: memory(process) for who, process in (("worker", worker), ("supervisor", start.process.pid))}
    assert parent in found["worker"]
    assert [name for name, text in secrets.items() if text in found["supervisor"]] == []


def test_workers_do_not_outlive_their_supervisor(tmp_path: Path) -> None:
    with starting(tmp_path / "data", "--workers", "2") as start:
        found = workers(start)
        start.process.kill()
        start.process.wait(timeout=20)
        until(lambda: not any(Path(f"/proc/{process}").exists() for process in found))
    with starting(tmp_path / "data", "--workers", "1") as start:
        assert len(workers(start)) == 1


def test_a_successor_that_cannot_start_changes_nothing(tmp_path: Path) -> None:
    with starting(tmp_path / "data", "--workers", "2") as start:
        signer = Signer(*Server(start.url, tmp_path / "data", start.process).credential())
        site = (tmp_path / "data" / "site.json").read_bytes()
        (tmp_path / "data" / "site.json").write_text("damaged")
        start.process.send_signal(signal.SIGUSR2)
        assert start.process.stderr is not None
        said = [start.process.stderr.readline(), start.process.stderr.readline()]
        (tmp_path / "data" / "site.json").write_bytes(site)
        assert "damaged" in said[0]
        assert said[1] == "tkms: the other server did not start, so this one goes on\n"
        assert tencent(start.port, signer, "ListKeys")["Keys"]


def given_by_systemd(listening: socket.socket, number: int, *args: str) -> int:
    """A process that is to serve. As sd_listen_fds(3) has it: files begin with 3, and LISTEN_PID is the process."""
    child = os.fork()
    if child == 0:
        for file in range(3, 3 + number):
            os.dup2(listening.fileno(), file)
        os.environ |= {"LISTEN_FDS": str(number), "LISTEN_PID": str(os.getpid())}
        os.execv(sys.executable, [sys.executable, "-m", "tkms.cli", "serve", "--workers", "1", *args])
    return child


def test_the_socket_may_be_systemd_s(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        child = given_by_systemd(listening, 1, "--data-dir", str(tmp_path / "data"))
        try:
            until((tmp_path / "data" / "server.json").exists, 20)
            with Wire(port) as wire:
                wire.send(b"GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n")
                assert wire.answer()[0] == 200
        finally:
            os.kill(child, signal.SIGTERM)
            os.waitpid(child, 0)
        with Wire(port):  # who comes now waits for the next server
            pass


@pytest.mark.parametrize(
    ("family", "kind", "number", "said"),
    [
        (socket.AF_INET, socket.SOCK_STREAM, 2, "gives 2 sockets"),
        (socket.AF_INET, socket.SOCK_DGRAM, 1, "is not of TCP"),
        (socket.AF_UNIX, socket.SOCK_STREAM, 1, "is not of TCP"),
    ],
)
def test_another_socket_of_systemd_is_refused(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], family: int, kind: int, number: int, said: str
) -> None:
    with socket.socket(family, kind) as listening:
        child = given_by_systemd(listening, number, "--data-dir", str(tmp_path / "data"))
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 1
    assert said in capfd.readouterr().err
    assert not (tmp_path / "data").exists()


def test_systemd_is_told_who_takes_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It ends what the main process of a unit leaves behind."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as told, ExitStack() as stack:
        told.bind(str(tmp_path / "notify"))
        told.settimeout(20)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        start = stack.enter_context(starting(tmp_path / "data", "--workers", "1"))
        assert told.recv(100) == b"READY=1"
        start.process.send_signal(signal.SIGUSR2)
        assert told.recv(100) == b"READY=1"
        name, _, successor = told.recv(100).decode().partition("=")
        stack.callback(os.kill, int(successor), signal.SIGTERM)
        assert name == "MAINPID"
        assert start.process.wait(timeout=20) == 0
        assert children(int(successor))


# -- in memory ---------------------------------------------------------------------------------------------


def test_who_has_more_connections_leaves_the_next_to_others() -> None:
    one = Crew(2)
    assert one.alone
    assert not one.crowded
    one.count("10.0.0.1", 1)
    assert one.crowded
    assert one.alone
    two = Crew.__new__(Crew)
    two.__dict__.update(one.__dict__, number=1)
    assert not two.crowded
    assert not two.alone
    two.count("10.0.0.1", 1)
    assert not one.crowded
    assert not one.alone
    assert (one.of("10.0.0.1"), one.of("10.0.0.2"), one.connections) == (2, 0, 2)
    two.join(1)
    assert (one.of("10.0.0.1"), one.connections) == (1, 1)


def test_answers_are_those_of_all_processes(tmp_path: Path) -> None:
    memory = Memory()
    one = SharedAnswers(memory, tmp_path / "lock")
    memory._used = 0
    two = SharedAnswers(memory, tmp_path / "lock")
    with closing(one._file), closing(two._file):
        check_answers(one, two)


def check_answers(one: SharedAnswers, two: SharedAnswers) -> None:
    made = Response(status=200, content_type="a/b", body='{"a": "\u00fc"}', headers={"x": "y"})
    one.put(("id", b"call"), made, 100)
    assert two.get(("id", b"call"), 100) == made
    assert two.get(("id", b"call"), 101) is None
    assert two.get(("other", b"call"), 100) is None
    one.put(("id", b"long"), Response(status=200, content_type="", body="a" * 9_000), 100)
    assert two.get(("id", b"long"), 100) is None
    for number in range(1_500):
        two.put(("id", number.to_bytes(2)), made, 100)
    assert one.get(("id", b"call"), 100) is None
    assert one.get(("id", (1_499).to_bytes(2)), 100) == made
