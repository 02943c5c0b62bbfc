"""`tkms audit`: who used which key when, lines as they come, and whether the log is as it was written."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from itertools import chain, islice
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import urlopen

import botocore.session
import msgspec
import pytest
from moto import mock_aws

from kit.audit_writers import MAC, file_log, key, record
from kit.support import Signer, new_directory, run_tkms, serving
from tenantkms.audit.file_audit import FileAudit
from tenantkms.audit.files import rotated
from tenantkms.audit.line import Record
from tenantkms.audit.metrics import EmbeddedMetrics
from tenantkms.errors import Unavailable
from tkms.audit.cloud import follow_stack, of_stack
from tkms.audit.lines import Line, follow_logs, in_turn, read, summarise
from tkms.audit.verify import PROBLEM, verify_lines, verify_log
from tkms.machine.worker import Keeper

Tkms = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data directory in which keys were used."""
    data = new_directory(tmp_path_factory.mktemp("audit") / "data").path
    blob = run_tkms("encrypt", "--data-dir", str(data), stdin="x").stdout
    run_tkms("decrypt", "--data-dir", str(data), stdin=blob)
    run_tkms("key", "create", "--alias", "other", "--data-dir", str(data))
    return data


@pytest.fixture
def tkms(data: Path) -> Tkms:
    return lambda *args: run_tkms("audit", *args, "--data-dir", str(data), check=False)


def _ok(done: subprocess.CompletedProcess[str]) -> str:
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def test_who_used_which_key_when(tkms: Tkms) -> None:
    uses = json.loads(_ok(tkms("--json")))
    assert {(use["principal"], use["action"], use["outcome"], use["count"]) for use in uses} >= {
        ("tkms", "Encrypt", "ok", 1),
        ("tkms", "Decrypt", "ok", 1),
        ("tkms", "CreateKey", "ok", 1),
    }
    assert all(use["first"] <= use["last"] for use in uses)
    assert "intent" not in {use["outcome"] for use in uses}
    table = _ok(tkms()).splitlines()
    assert table[0].split() == ["KEY", "PRINCIPAL", "ACTION", "OUTCOME", "CALLS", "FIRST", "LAST"]
    assert len(table) == 1 + len(uses)


def test_filters(tkms: Tkms) -> None:
    def actions(*args: str) -> set[str]:
        return {json.loads(line)["action"] for line in _ok(tkms("--lines", "--json", *args)).splitlines()}

    assert {"Encrypt", "Decrypt", "CreateKey"} <= actions()
    assert "Encrypt" in actions("--key", "alias/default")
    assert "CreateKey" in actions("--key", "alias/other", "--since", "1h")
    assert "Encrypt" not in actions("--key", "alias/other")
    assert actions("--principal", "nobody") == set()
    assert actions("--since", "2100-01-01") == set()
    assert "Encrypt" in actions("--since", "2020-01-01T00:00+02:00", "--principal", "tkms")
    assert " tkms Encrypt ok " in _ok(tkms("--lines"))


def test_lines_of_all_logs_stand_in_the_order_of_their_times(monkeypatch: pytest.MonkeyPatch) -> None:
    """Though each log is only nearly in order, and none of them is read ahead of what is shown."""
    monkeypatch.setattr("tkms.audit.lines._WINDOW", 5)
    taken = [0]

    def log(*times: float) -> Iterator[tuple[bytes, Line]]:
        for at in times:
            taken[0] += 1
            line = read(msgspec.json.encode(msgspec.structs.replace(record("x", 1), time=at)))
            assert line
            yield b"", line

    first, second = [n ^ 3 for n in range(100)], [n + 0.5 for n in range(100)]
    shown = in_turn([log(*first), log(*second)])
    assert next(shown)[1].time == 0
    assert taken[0] <= 14
    assert [line.time for _, line in shown] == sorted([*range(1, 100), *second])


def test_an_intent_without_an_outcome_is_shown() -> None:
    def lines(*records: Record) -> list[Any]:
        return [read(msgspec.json.encode(one)) for one in records]

    intent = msgspec.structs.replace(record("x", 1), outcome="intent", keys=("k",))
    assert [use.outcome for use in summarise(lines(intent))] == ["intent"]
    done = msgspec.structs.replace(intent, outcome="ok", time=2.0)
    (use,) = summarise(lines(intent, done))
    assert (use.key, use.outcome, use.count, use.first, use.last) == ("k", "ok", 1, 2, 2)
    many = msgspec.structs.replace(record("x", 2), outcome="Unsigned", count=7, since=1.0, time=3.0)
    (use,) = summarise(lines(many))
    assert (use.count, use.first, use.last) == (7, 1, 3)


def test_what_is_wrong_is_said(tkms: Tkms, data: Path) -> None:
    for args, text in {
        ("--since", "yesterday"): "--since takes",
        ("--key", "alias/none"): "alias does not exist",
        ("verify", "--head", "7"): "--head: a head is",
        ("verify", "missing.jsonl"): "missing.jsonl cannot be read",
    }.items():
        done = tkms(*args)
        assert (done.returncode in (1, 2), done.stdout) == (True, ""), args
        assert text in done.stderr
        assert "Traceback" not in done.stderr
    done = run_tkms("audit", "--data-dir", str(data), "verify", "--stack", "x", "--head", f"1:{'0' * 32}", check=False)
    assert "--head is of the log of a data directory" in done.stderr


def test_verify_says_that_all_is_well_and_what_is_not(tkms: Tkms, data: Path) -> None:
    first = json.loads(_ok(tkms("verify", "--json")))[0]
    assert first["findings"] == []
    # What is given before `verify` counts as well.
    assert "0 problems, 0 notes" in _ok(run_tkms("audit", "--data-dir", str(data), "verify", check=False))
    assert "0 problems" in _ok(tkms("verify", "--head", first["head"]))
    assert "0 problems" in _ok(tkms("verify", str(data / "audit.jsonl")))
    log = data / "audit.jsonl"
    kept, head = log.read_bytes(), log.with_suffix(".head").read_bytes()
    log.write_bytes(kept.replace(b'"Decrypt"', b'"Encrypt"'))
    try:
        done = tkms("verify")
        assert done.returncode == 1
        assert "!!  audit.jsonl:" in done.stdout
        assert "1 problem, " in done.stdout
        exported = tkms("verify", "--json", str(log))
        assert exported.returncode == 1
        after = json.loads(exported.stdout)[0]["findings"][0]["seq"] + 1
        assert "0 problems" in _ok(tkms("verify", "--from", str(after)))
        log.write_bytes(b'{"v":1}\n')  # no line of the chain at all
        log.with_suffix(".head").unlink()
        done = tkms("verify")
        assert (done.returncode, "!!  audit.jsonl:1" in done.stdout) == (1, True)
    finally:
        log.write_bytes(kept)
        log.with_suffix(".head").write_bytes(head)


def test_follow_shows_lines_through_a_change_of_file(tmp_path: Path) -> None:
    log = tmp_path / "audit.jsonl"
    audit = file_log(log, 2_000)
    audit.write(record("before", 1))
    number = iter(range(1_000))

    def more(_seconds: float) -> None:
        for _ in range(3):
            audit.write(record("x", next(number)))

    seen = map(json.loads, follow_logs([log], more))
    found = islice((line["request_id"] for line in seen if "request_id" in line), 30)
    assert list(found) == [f"x-{n}" for n in range(30)]
    assert len(rotated(log)) > 2


def test_follow_waits_for_the_rest_of_a_line(tmp_path: Path) -> None:
    log = tmp_path / "audit.jsonl"
    log.write_bytes(b"")
    parts = iter([b'{"a":', b"1}", b'\n{"b":2}\n'])

    def more(_seconds: float) -> None:
        with log.open("ab") as file:
            file.write(next(parts))

    lines = follow_logs([log], more)
    assert [next(lines), next(lines)] == [b'{"a":1}\n', b'{"b":2}\n']


def test_follow_from_the_command_line(data: Path) -> None:
    command = [sys.executable, "-m", "tkms.cli", "audit", "--follow", "--json", "--data-dir", str(data)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as follower:
        assert follower.stdout is not None
        seen: list[str] = []
        os.set_blocking(follower.stdout.fileno(), False)
        deadline = time.monotonic() + 60
        while not seen and time.monotonic() < deadline:
            run_tkms("key", "list", "--data-dir", str(data))
            time.sleep(0.6)
            seen += [line for line in follower.stdout.readlines() if "ListKeys" in line]
        follower.send_signal(signal.SIGINT)
        assert follower.wait(10) == 130
    assert json.loads(seen[0])["principal"] == "tkms"


# -- a stack ---------------------------------------------------------------------------------------------


class Stack:
    """A stack with the log groups of two functions, which have written as they do."""

    name = "tkms-acme"

    def __init__(self) -> None:
        self.logs = botocore.session.get_session().create_client("logs", region_name="eu-central-1")
        self.written = 0

    def client(self, service: str, **_: Any) -> Any:
        return self if service == "cloudformation" else self.logs

    def get_paginator(self, _operation: str) -> Any:
        return self

    def paginate(self, **_: Any) -> Any:
        groups = [("AWS::Logs::LogGroup", f"/{name}") for name in ("endpoint", "encrypt")]
        rows = [
            {"ResourceType": kind, "PhysicalResourceId": name} for kind, name in [*groups, ("AWS::S3::Bucket", "b")]
        ]
        return [{"StackResourceSummaries": rows}]

    def run(self, group: str, stream: str, count: int) -> list[str]:
        """A process of a function: its start, and lines of calls."""
        text = io.StringIO()
        metrics = EmbeddedMetrics("acme", key, text)
        for number in range(count):
            metrics.begin(("Encrypt",))
            metrics.write(msgspec.structs.replace(record(stream, number), time=time.time()))
        metrics.put(ColdStart=1)
        lines = ["START RequestId: x", *text.getvalue().splitlines(keepends=True), "END RequestId: x"]
        self.put(group, stream, lines)
        return lines

    def put(self, group: str, stream: str, lines: list[str]) -> None:
        now = int(time.time() * 1000)
        self.logs.create_log_stream(logGroupName=group, logStreamName=stream)
        events = [{"timestamp": now + at, "message": line} for at, line in enumerate(lines)]
        self.logs.put_log_events(logGroupName=group, logStreamName=stream, logEvents=events)


@pytest.fixture
def stack() -> Iterator[Stack]:
    with mock_aws():
        made = Stack()
        for group in ("/endpoint", "/encrypt"):
            made.logs.create_log_group(logGroupName=group)
        yield made


def test_a_stack_s_lines_are_read_and_each_process_s_chain_is_verified(stack: Any) -> None:
    stack.run("/endpoint", "a", 3)
    stack.run("/encrypt", "b", 4)
    lines = [raw for _, raw in chain.from_iterable(of_stack(stack, time.time() - 60))]
    (use, other) = summarise(line for raw in lines if (line := read(raw)))
    assert (use.principal, use.count, other.principal, other.count) == ("a", 3, "b", 4)
    assert [(r.lines, r.findings) for r in verify_lines(chain.from_iterable(of_stack(stack, 0)), [MAC])] == [
        (3, []),
        (4, []),
    ]


def test_a_hole_in_a_stack_s_lines_is_found(stack: Any) -> None:
    lines = stack.run("/endpoint", "a", 5)
    stack.put("/encrypt", "copy", lines[:2] + lines[3:])
    stack.logs.delete_log_stream(logGroupName="/endpoint", logStreamName="a")
    (report,) = verify_lines(chain.from_iterable(of_stack(stack, 0)), [MAC])
    assert [(finding.status, finding.seq) for finding in report.findings] == [(PROBLEM, 2)]


def test_a_stack_is_followed_and_no_line_comes_twice(stack: Any) -> None:
    stack.run("/endpoint", "old", 1)
    names = iter("abcd")

    def more(_seconds: float) -> None:
        stack.run("/encrypt", next(names), 2)

    seen = (line.request_id for raw in follow_stack(stack, more) if (line := read(raw)))
    found = islice((name for name in seen if not name.startswith("old")), 6)
    assert list(found) == [f"{name}-{n}" for name in "abc" for n in (0, 1)]


# -- the server ------------------------------------------------------------------------------------------


def test_the_server_tells_what_strangers_tried_and_seals_the_log(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with serving(data, "--workers", "1") as server:  # each worker counts what it has refused
        stranger = Signer("TKMstranger", "wrong")
        for _ in range(20):
            event = stranger.alibaba_rpc("ListKeys")
            with pytest.raises(HTTPError):
                urlopen(f"{server.url}/?{event['rawQueryString'] or event['body']}", timeout=20)
    lines = [json.loads(line) for line in (data / "refused.jsonl").read_text().splitlines()]
    assert sum(line.get("count", 1) for line in lines if "event" not in line) == 20
    assert len(lines) == 3
    log = (data / "audit.jsonl").read_text()
    assert "UnknownAccessKey" not in log
    assert "0 problems, 0 notes" in run_tkms("audit", "verify", "--data-dir", str(data)).stdout


def test_the_operator_is_warned_once_an_hour_and_what_is_too_much_is_removed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    audit = FileAudit(tmp_path / "audit.jsonl", tmp_path / "refused.jsonl", key, max_bytes=2_000)
    for number in range(50):
        audit.write(record("x", number))
    keeper = Keeper(audit, 365, 6_000)
    keeper.keep()
    assert capsys.readouterr().err == ""
    assert sum(path.stat().st_size for path in tmp_path.glob("audit*.jsonl")) < 6_500
    assert verify_log(tmp_path / "audit.jsonl", [MAC]).findings == []
    (tmp_path / "refused.jsonl").unlink()
    (tmp_path / "refused.jsonl").symlink_to("/dev/full")
    broken = FileAudit(tmp_path / "audit.jsonl", tmp_path / "refused.jsonl", key)
    with pytest.raises(Unavailable):
        broken.refuse(record("x", 1))
    keeper = Keeper(broken, 365, 6_000)
    for _ in range(3):
        keeper.keep()
    (warning,) = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert warning["level"] == "warning"
    assert "refused.jsonl could not be written: No space left on device" in warning["warning"]


@pytest.mark.parametrize("option", ["--audit-days", "--audit-mb"])
def test_a_log_of_nothing_is_refused(tmp_path: Path, option: str) -> None:
    done = run_tkms("serve", option, "0", "--port", "0", "--data-dir", str(tmp_path / "data"), check=False)
    assert done.returncode == 1
    assert "are 1 or more" in done.stderr
