"""`tkms explain-signature` on a real server: what a client was refused for, told to the operator and to nobody else."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import re
import select
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from kit.connections import Start, starting
from kit.faulty import BODY, CONTEXT, HOST, ID, SECRET, signed
from kit.in_node import exported
from kit.mistakes import MADE
from kit.support import new_directory, run_tkms
from tkms.explain import texts
from tkms.explain.faults import FAULTS
from tkms.explain.mistakes import MISTAKES
from tkms.explain.refusal import Refusal
from tkms.machine.desk import NAME, ask

_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-8[0-9a-f]{3}-[0-9a-f]{12}")
SEED = {"credentials": [{"id": ID, "secret": SECRET}]}
TRIED = [
    *("host-without-port", "host-of-vendor", "host-local", "path-empty", "order-as-sent", "escape-plus"),
    *("query-unsigned", "body-respelled", "time-taken-twice", "scope-service", "secret-space", "text-newline"),
]
"""Mistakes of which the first one in each scheme is sent to a server."""


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Start, Path]]:
    folder = tmp_path_factory.mktemp("explain")
    (folder / "seed.json").write_text(json.dumps(SEED))
    with starting(folder / "data", "--workers", "2", "--limit", "off", "--seed", str(folder / "seed.json")) as start:
        yield start, folder / "data"


def send(port: int, raw: str, address: str = "127.0.0.1") -> str:
    """The id of the request, as its client is told it."""
    head, _, body = raw.partition("\n\n")
    data = f"{head}\nConnection: close".replace("\n", "\r\n").encode() + b"\r\n\r\n" + body.encode()
    with socket.create_connection(("127.0.0.1", port), 10, source_address=(address, 0)) as wire:
        wire.sendall(data)
        answer = b""
        while piece := wire.recv(65_536):
            answer += piece
    found = _ID.search(answer.decode())
    assert found, answer
    return found[0]


def kept(data: Path) -> dict[str, Refusal]:
    return {refusal.request_id: refusal for refusal in msgspec.msgpack.decode(ask(data), type=list[Refusal])}


def refused(running: tuple[Start, Path], raw: str, address: str = "127.0.0.1") -> Refusal:
    """What is kept of `raw`, which is sent again where there were too many."""
    start, data = running
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        request_id = send(start.port, raw, address)
        for _ in range(10):
            found = kept(data).get(request_id)
            if found and found.verdict != "searching":
                return found
            time.sleep(0.05)
    raise AssertionError("it was never kept")


def explain(data: Path, *args: str, check: bool = True, stdin: str = "") -> subprocess.CompletedProcess[str]:
    return run_tkms("explain-signature", "--data-dir", str(data), *args, check=check, stdin=stdin)


def _tried() -> list[tuple[str, str, dict[str, Any]]]:
    first: dict[tuple[str, str], tuple[str, str, dict[str, Any]]] = {}
    for row in MADE:
        if row[0] in TRIED:
            first.setdefault((row[0], row[1]), row)
    return [*first.values()]


@pytest.mark.parametrize(
    ("number", "mistake", "scheme", "wrong"),
    [(number, *row) for number, row in enumerate(_tried())],
    ids=[f"{mistake}-{scheme}" for mistake, scheme, _ in _tried()],
)
def test_a_mistake_is_named(
    running: tuple[Start, Path], number: int, mistake: str, scheme: str, wrong: dict[str, Any]
) -> None:
    found = refused(running, signed(scheme, **wrong), f"127.0.1.{number + 1}")
    assert [row.id for row in found.mistakes] == [mistake]
    assert (found.error, found.access_key_id, found.source_ip) == ("SignatureMismatch", ID, f"127.0.1.{number + 1}")


def test_the_operator_is_told_by_the_request_id(running: tuple[Start, Path]) -> None:
    found = refused(running, signed("rpc", start=f"{SECRET} &"))
    told = explain(running[1], found.request_id).stdout
    assert f"request  {found.request_id}, " in told
    assert "[secret-space]" in told
    assert "parameter       Action=Encrypt" in told
    assert re.search(r"parameter       Plaintext=<\d+ characters, [0-9a-f]{8}>", told)
    newest = explain(running[1]).stdout
    assert newest.splitlines()[0].split(", ")[0] == told.splitlines()[0].split(", ")[0]


def test_the_lines_of_a_mistake_are_marked(running: tuple[Start, Path]) -> None:
    wrong = {"headers_wrong": {"host": HOST.partition(":")[0]}}
    found = refused(running, signed("aws", **wrong), "127.0.2.1")
    marked = [line for line in explain(running[1], found.request_id).stdout.splitlines() if line.startswith("->")]
    assert marked == [f"-> host            host:{HOST}"]


def test_programs_are_told_the_same(running: tuple[Start, Path]) -> None:
    found = refused(running, signed("tc3", start=f"TC3{SECRET}\n"), "127.0.2.2")
    told = json.loads(explain(running[1], found.request_id, "--json").stdout)
    assert told["mistakes"] == [{"id": "secret-space", "place": "key", "text": texts.MISTAKES["secret-space"]}]
    assert told["body_bytes"] == len(BODY)
    every = json.loads(explain(running[1], "--all", "--json").stdout)
    assert told in every
    assert found.request_id in explain(running[1], "--all").stdout


def test_nothing_secret_is_told(running: tuple[Start, Path]) -> None:
    for number, scheme in enumerate(("aws", "tc3", "acs", "rpc", "v1", "v2")):
        found = refused(running, signed(scheme, start="wrong"), f"127.0.3.{number + 1}")
        told = explain(running[1], found.request_id).stdout + explain(running[1], found.request_id, "--json").stdout
        for text in (SECRET, "aGVsbG8", "b c*", "b%20c", CONTEXT, BODY):
            assert text not in told


# -- the client's own text --

MINE = [
    # (what the client signs, the words that say where it differs)
    ("TC3-HMAC-SHA256\n1800000000\n2027-01-15/kms/tc3_request\n" + "0" * 64, "that differs is 4. It follows"),
    (
        "POST\n/\n\ncontent-type:application/json\nhost:kms.example.test\n\ncontent-type;host\nx",
        "is 5. The port differs",
    ),
    ("POST\n/\n\ncontent-type:application/JSON\nhost:x\n", "is 4. Capital letters differ"),
    ("POST\r\n/\r\n", "is 1. The client's line ends with CR LF"),
]


@pytest.mark.parametrize(("mine", "words"), MINE)
def test_where_the_clients_own_text_differs(running: tuple[Start, Path], tmp_path: Path, mine: str, words: str) -> None:
    found = refused(running, signed("tc3", start="wrong"), "127.0.4.1")
    (tmp_path / "mine").write_bytes(mine.encode())
    assert words in explain(running[1], found.request_id, "--mine", str(tmp_path / "mine")).stdout


LOG = """\
2026-11-29 10:48:41,962 botocore.auth [DEBUG] Calculating signature using v4 auth.
2026-11-29 10:48:41,962 botocore.auth [DEBUG] CanonicalRequest:
{}
2026-11-29 10:48:41,963 botocore.auth [DEBUG] StringToSign:
{}
2026-11-29 10:48:41,963 botocore.auth [DEBUG] Signature:
0000
"""
"""What botocore 1.44 prints, with `boto3.set_stream_logger("botocore.auth")`."""


def test_the_log_of_botocore_is_taken_as_it_is(running: tuple[Start, Path]) -> None:
    found = refused(running, signed("aws", start="wrong"), "127.0.4.3")
    canonical, text = ("\n".join(line.text for line in lines) for lines in (found.lines, found.text))
    log = LOG.format("GET\n/another", "another") + LOG.format(canonical, text)
    assert "is the server's" in explain(running[1], found.request_id, "--mine", "-", stdin=log).stdout
    log = LOG.format(canonical.replace("host:", "host:x", 1), text)
    assert "host:x" in explain(running[1], found.request_id, "--mine", "-", stdin=log).stdout
    log = LOG.format(canonical, text.replace("AWS4-HMAC-SHA256", "AWS4-HMAC-SHA1"))
    assert "client AWS4-HMAC-SHA1" in explain(running[1], found.request_id, "--mine", "-", stdin=log).stdout


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("EncryptionContext=%7B%22a%22%3A%20%22b%20c%2A~%2B%2F%C3%A9%22%7D", "is the server's"),
        ("EncryptionContext=%7B%22a%22%3A+%22b+c%2A~%2B%2F%C3%A9%22%7D", "The client writes a space as +"),
        ("EncryptionContext=%7b%22a%22%3a%20%22b%20c%2a~%2b%2f%c3%a9%22%7d", "escapes are in lower case"),
        (f"EncryptionContext={CONTEXT}", "does not escape the value"),
        ("EncryptionContext=%7B%7D", "The values differ"),
    ],
)
def test_a_hidden_value_is_compared_all_the_same(running: tuple[Start, Path], value: str, words: str) -> None:
    found = refused(running, signed("acs", start="wrong"), "127.0.4.2")
    lines = [line.text for line in found.lines if line.part != "parameter"]
    canonical = "\n".join([*lines[:2], f"{value}&KeyId=alias%2Ffirst&Plaintext=aGVsbG8%3D", *lines[2:]])
    told = explain(running[1], found.request_id, "--mine", "-", stdin=canonical).stdout
    assert words in told
    assert CONTEXT not in told


# -- who may ask, and of what --


def test_only_the_owner_may_ask(running: tuple[Start, Path]) -> None:
    found = (running[1] / NAME).stat()
    assert stat.S_ISSOCK(found.st_mode)
    assert (stat.S_IMODE(found.st_mode), found.st_uid) == (0o600, os.geteuid())


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may become another user")
def test_another_user_may_not_even_where_the_directory_is_open(running: tuple[Start, Path]) -> None:
    data = running[1]
    folders = [data, *(folder for folder in data.parents if folder.stat().st_uid == 0 and len(folder.parts) > 2)]
    modes = {folder: stat.S_IMODE(folder.stat().st_mode) for folder in folders}
    try:
        for folder in folders:
            folder.chmod(0o755)
        child = os.fork()
        if child == 0:
            code = 1
            try:
                os.setgroups([])
                os.setgid(65534)
                os.setuid(65534)
                socket.socket(socket.AF_UNIX).connect(str(data / NAME))
            except OSError as error:
                code = error.errno or 1
            finally:
                os._exit(code)
        status = os.waitpid(child, 0)[1]
    finally:
        for folder, mode in modes.items():
            folder.chmod(mode)
    assert os.waitstatus_to_exitcode(status) == errno.EACCES


def test_a_request_that_nobody_knows(running: tuple[Start, Path]) -> None:
    done = explain(running[1], "00000000-0000-4000-8000-000000000000", check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert "Nothing is kept of the request 00000000-0000-4000-8000-000000000000" in done.stderr


def test_a_comparison_is_of_one_request(running: tuple[Start, Path]) -> None:
    done = explain(running[1], "--all", "--mine", "-", check=False)
    assert (done.returncode, done.stdout) == (2, "")


def test_without_a_server_it_says_so(tmp_path: Path) -> None:
    done = explain(tmp_path / "none", check=False)
    assert (done.returncode, "There is no data directory" in done.stderr) == (1, True)
    new_directory(tmp_path / "data")
    done = explain(tmp_path / "data", check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert "does not run: tkms serve" in done.stderr


# -- the socket and the server --


def test_one_that_was_left_is_no_server_and_the_next_server_has_its_own(tmp_path: Path) -> None:
    data = tmp_path / ("long" * 40) / "data"
    for signal_ in (signal.SIGKILL, signal.SIGTERM):
        with starting(data, "--workers", "1") as start:
            assert ask(data) == b"\x90"  # an empty list
            start.process.send_signal(signal_)
            start.process.communicate(timeout=20)  # until its worker has let go of its output, too
            assert "does not run" in explain(data, check=False).stderr


def test_a_server_that_takes_over_has_its_own(tmp_path: Path) -> None:
    (tmp_path / "seed.json").write_text(json.dumps(SEED))
    data, seed = tmp_path / "data", str(tmp_path / "seed.json")
    with starting(data, "--workers", "1", "--limit", "off", "--seed", seed) as start:
        before, first = (data / NAME).stat().st_ino, refused((start, data), signed("v2", start=f"{SECRET} "))
        start.process.send_signal(signal.SIGUSR2)
        assert start.process.wait(60) == 0
        (pid,) = _serving(data)
        try:
            assert (data / NAME).stat().st_ino != before
            assert first.request_id not in kept(data)
            assert refused((start, data), signed("v2", start=f"{SECRET} "), "127.0.7.1")
        finally:
            os.kill(pid, signal.SIGTERM)


def _serving(data: Path) -> list[int]:
    """The process of the server of `data`, by its command line: the supervisor, whose children are as it is."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if str(data).encode() in (folder / "cmdline").read_bytes():
                found[int(folder.name)] = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
    return [pid for pid, parent in found.items() if parent not in found]


def test_a_worker_that_ends_leaves_the_others_what_they_have(running: tuple[Start, Path]) -> None:
    start, data = running
    for number in range(4):
        refused(running, signed("aws", start=f"AWS4{SECRET} "), f"127.0.5.{number + 1}")
    before = kept(data).keys()
    process = start.process.pid
    children = Path(f"/proc/{process}/task/{process}/children")
    (first, *_) = map(int, children.read_text().split())
    os.kill(first, signal.SIGKILL)
    deadline = time.monotonic() + 10
    while str(first) in children.read_text().split() or len(children.read_text().split()) < 2:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert kept(data).keys() <= before
    assert refused(running, signed("aws", start=f"AWS4{SECRET} "), "127.0.5.99")


def test_it_follows(running: tuple[Start, Path]) -> None:
    line = [sys.executable, "-m", "tkms.cli", "explain-signature", "--data-dir", str(running[1]), "--follow", "--json"]
    with subprocess.Popen(line, stdout=subprocess.PIPE, text=True) as following:
        assert following.stdout
        try:
            sent = []
            while not select.select([following.stdout], [], [], 1)[0]:  # it has not begun yet
                sent.append(refused(running, signed("v2", start=f"{SECRET} "), f"127.0.6.{len(sent) + 1}").request_id)
                assert len(sent) < 30
            told = json.loads(following.stdout.readline())
        finally:
            following.send_signal(signal.SIGINT)
            with contextlib.suppress(subprocess.TimeoutExpired):
                following.wait(10)
    assert told["request_id"] in sent
    assert following.returncode == 130


def test_every_id_has_a_text_and_is_one_of_the_explorer() -> None:
    assert texts.MISTAKES.keys() >= {row.id for row in MISTAKES}
    assert texts.FAULTS.keys() == {row.id for row in FAULTS} == {row["id"] for row in exported("faults.js", "FAULTS")}
