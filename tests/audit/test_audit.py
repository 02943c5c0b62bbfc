"""The audit log: whole lines and none lost, whoever writes and however it rotates; nothing secret; faults are told."""

from __future__ import annotations

import io
import json
import os
import resource
import signal
import stat
import subprocess
import sys
import threading
from contextlib import ExitStack, suppress
from pathlib import Path
from subprocess import PIPE
from typing import Any

import msgspec
import pytest

from kit import audit_writers
from kit.audit_writers import record
from tenantkms.audit.faults import log_fault
from tenantkms.audit.line import FileAudit, Record, StreamAudit
from tenantkms.errors import Unavailable


def lines(path: Path) -> list[dict[str, Any]]:
    """The records of the log and of its rotated files, oldest file first."""
    files = sorted(path.parent.glob(f"{path.name}.*"), key=lambda p: -int(p.suffix[1:]))
    return [json.loads(line) for file in (*files, path) for line in file.read_text("utf-8").splitlines()]


# -- the record ------------------------------------------------------------------------------------------


def test_a_record_holds_nothing_but_this() -> None:
    fields = {field.name for field in msgspec.structs.fields(Record)}
    assert fields == {
        "time",
        "request_id",
        "tenant",
        "action",
        "profile",
        "principal",
        "outcome",
        "keys",
        "source_ip",
        "dry_run",
        "note",
    }


def test_a_line_is_one_json_object_whatever_is_in_it(tmp_path: Path) -> None:
    log = tmp_path / "audit.jsonl"
    nasty = 'a "quoted"\nnew line\u2028\0 密钥'
    FileAudit(log).write(msgspec.structs.replace(record("x", 1), principal=nasty, keys=("k1", "k2"), dry_run=True))
    (line,) = log.read_bytes().splitlines()
    assert json.loads(line) == {
        "time": 1.0,
        "request_id": "x-1",
        "tenant": "test",
        "action": "Encrypt",
        "profile": "native",
        "principal": nasty,
        "outcome": "ok",
        "keys": ["k1", "k2"],
        "dry_run": True,
    }


# -- the file --------------------------------------------------------------------------------------------


def test_the_file_and_the_rotated_ones_are_the_owner_s_alone(tmp_path: Path) -> None:
    log = tmp_path / "audit.jsonl"
    before = os.umask(0)
    try:
        audit = FileAudit(log, max_bytes=300, keep=2)
        for number in range(9):
            audit.write(record("x", number))
    finally:
        os.umask(before)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
    assert modes == {"audit.jsonl": 0o600, "audit.jsonl.1": 0o600, "audit.jsonl.2": 0o600}


def test_it_goes_on_where_it_stopped(tmp_path: Path) -> None:
    log = tmp_path / "audit.jsonl"
    for number in range(3):
        FileAudit(log).write(record("x", number))
    assert [line["request_id"] for line in lines(log)] == ["x-0", "x-1", "x-2"]


def test_rotation_keeps_the_newest_and_no_file_grows_beyond_the_limit(tmp_path: Path) -> None:
    log = tmp_path / "audit.jsonl"
    audit = FileAudit(log, max_bytes=500, keep=3)
    for number in range(40):
        audit.write(record("x", number))
    assert {path.name for path in tmp_path.iterdir()} == {log.name, *(f"{log.name}.{n}" for n in (1, 2, 3))}
    assert all(path.stat().st_size <= 500 for path in tmp_path.iterdir())
    kept = [int(line["time"]) for line in lines(log)]
    assert kept == list(range(40 - len(kept), 40))
    assert len(kept) > 9


def test_a_line_longer_than_the_limit_is_written(tmp_path: Path) -> None:
    log = tmp_path / "audit.jsonl"
    audit = FileAudit(log, max_bytes=10)
    audit.write(record("x", 1))
    audit.write(record("x", 2))
    assert [line["request_id"] for line in lines(log)] == ["x-1", "x-2"]


def test_a_file_that_somebody_moved_away_is_made_again(tmp_path: Path) -> None:
    log = tmp_path / "audit.jsonl"
    audit = FileAudit(log, max_bytes=300)
    audit.write(record("x", 0))
    log.rename(tmp_path / "elsewhere")
    for number in range(1, 5):
        audit.write(record("x", number))
    written = lines(log) + lines(tmp_path / "elsewhere")
    assert {line["request_id"] for line in written} == {f"x-{number}" for number in range(5)}


def test_threads_lose_no_line(tmp_path: Path) -> None:
    log = tmp_path / "audit.jsonl"
    audit = FileAudit(log, max_bytes=2_000, keep=100)
    count, names = 300, "abcd"

    def write(name: str) -> None:
        for number in range(count):
            audit.write(record(name, number))

    threads = [threading.Thread(target=write, args=(name,)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = [line["request_id"] for line in lines(log)]
    assert sorted(found) == sorted(f"{name}-{number}" for name in names for number in range(count))


def test_processes_that_rotate_at_once_lose_no_line(tmp_path: Path) -> None:
    log = tmp_path / "audit.jsonl"
    count, names = 150, "abc"
    command = [sys.executable, audit_writers.__file__, str(log)]
    with ExitStack() as stack:
        writers = [
            stack.enter_context(
                subprocess.Popen([*command, name, str(count), "150", "500"], stdin=PIPE, stdout=PIPE, stderr=PIPE)
            )
            for name in names
        ]
        for writer in writers:
            assert writer.stdout is not None
            assert writer.stdout.readline() == b"ready\n"
        for writer in writers:
            assert writer.stdin is not None
            writer.stdin.write(b"go\n")
            writer.stdin.flush()
        errors = [writer.communicate(timeout=60)[1].decode() for writer in writers]
    assert not any(errors), "\n".join(errors)
    found = [line["request_id"] for line in lines(log)]
    assert sorted(found) == sorted(f"{name}-{number}" for name in names for number in range(count))


# -- faults ----------------------------------------------------------------------------------------------


def test_a_full_disk_is_unavailable() -> None:
    audit = FileAudit(Path("/dev/full"))
    with pytest.raises(Unavailable):
        audit.write(record("x", 1))


def test_a_line_that_was_cut_by_a_full_disk_spoils_no_other(tmp_path: Path) -> None:
    log = tmp_path / "audit.jsonl"
    audit = FileAudit(log)
    audit.write(record("x", 1))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (log.stat().st_size + 20, hard))
    try:
        with pytest.raises(Unavailable):
            audit.write(record("x", 2))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, before)
    audit.write(record("x", 3))
    whole = [json.loads(line) for line in log.read_text("utf-8").splitlines() if line.endswith("}")]
    assert [line["request_id"] for line in whole] == ["x-1", "x-3"]


def test_a_log_that_cannot_be_opened_is_unavailable(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match=r"audit\.jsonl cannot be opened"):
        FileAudit(tmp_path / "missing" / "audit.jsonl")


def test_rotation_into_a_folder_that_went_away_is_unavailable(tmp_path: Path) -> None:
    folder = tmp_path / "logs"
    folder.mkdir()
    audit = FileAudit(folder / "audit.jsonl", max_bytes=10)
    audit.write(record("x", 1))
    (folder / "audit.jsonl.1").unlink(missing_ok=True)
    (folder / "audit.jsonl").unlink()
    folder.rmdir()
    with pytest.raises(Unavailable):
        audit.write(record("x", 2))


def test_text_that_utf8_cannot_hold_is_unavailable(tmp_path: Path) -> None:
    broken = msgspec.structs.replace(record("x", 1), principal="\ud800")
    stream = io.StringIO()
    for audit in (FileAudit(tmp_path / "audit.jsonl"), StreamAudit(stream)):
        with pytest.raises(Unavailable):
            audit.write(broken)
    assert stream.getvalue() == ""
    assert (tmp_path / "audit.jsonl").read_bytes() == b""


# -- the stream ------------------------------------------------------------------------------------------


class Flushed(io.StringIO):
    """Counts the lines that had arrived at each flush."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[int] = []

    def flush(self) -> None:
        self.seen.append(self.getvalue().count("\n"))


def test_a_stream_has_each_line_before_the_next() -> None:
    stream = Flushed()
    audit = StreamAudit(stream)
    for number in range(3):
        audit.write(record("x", number))
    assert stream.seen == [1, 2, 3]
    assert [json.loads(line)["request_id"] for line in stream.getvalue().splitlines()] == ["x-0", "x-1", "x-2"]


def test_a_stream_that_is_closed_or_full_is_unavailable() -> None:
    closed = io.StringIO()
    closed.close()
    with Path("/dev/full").open("w") as full:
        for stream in (closed, full):
            with pytest.raises(Unavailable):
                StreamAudit(stream).write(record("x", 1))
        with pytest.raises(OSError, match="No space"):
            full.close()


# -- the operator's log ----------------------------------------------------------------------------------

CANARY = "c4nary-s3cret"


class Coded(Exception):
    """As botocore's errors are: with the service's answer."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.response = {"Error": {"Code": "ThrottlingException", "Message": CANARY}}


def _fail(secret: str) -> None:
    try:
        try:
            raise Coded(secret)
        except Coded as inner:
            raise ValueError(f"bad {secret}") from inner
    except ValueError as outer:
        raise Unavailable(f"not {secret}") from outer


def test_a_fault_is_told_without_its_text() -> None:
    stream = io.StringIO()
    with pytest.raises(Unavailable) as raised:
        _fail(CANARY)
    log_fault("request-1", raised.value, stream)
    (line,) = stream.getvalue().splitlines()
    assert CANARY not in line
    said = json.loads(line)
    assert set(said) == {"level", "request_id", "fault", "at"}
    assert said["request_id"] == "request-1"
    assert said["fault"] == ["Unavailable", "ValueError", "Coded(ThrottlingException)"]
    assert all(place.startswith("test_audit.py:") for place in said["at"])
    assert any(place.endswith(" _fail") for place in said["at"])


@pytest.mark.parametrize(
    "error", [KeyError(CANARY), OSError(5, CANARY, CANARY), UnicodeDecodeError("utf-8", b"c4nary", 0, 1, CANARY)]
)
def test_no_kind_of_exception_is_quoted(error: Exception, capsys: pytest.CaptureFixture[str]) -> None:
    log_fault("request-1", error)
    said = capsys.readouterr()
    assert "c4nary" not in said.err
    assert json.loads(said.err)["fault"] == [type(error).__name__]
    assert said.out == ""


def test_a_fault_that_cannot_be_told_is_lost_and_nothing_else() -> None:
    """A full disk behind standard error turned honest requests into refusals of the connection."""
    closed = io.StringIO()
    closed.close()
    log_fault("r", OSError("x"), closed)
    with Path("/dev/full").open("w") as full:
        log_fault("r", OSError("x"), full)
        with suppress(OSError):
            full.close()
