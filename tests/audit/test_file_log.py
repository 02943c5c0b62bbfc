"""The files of the audit log: whole lines and none lost, whoever writes and however it rotates, ends or fails."""

from __future__ import annotations

import json
import os
import resource
import signal
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from subprocess import PIPE
from typing import Any

import msgspec
import pytest

from kit import audit_writers
from kit.audit_writers import MAC, file_log, key, record
from tenantkms.audit.file_log import FileLog
from tenantkms.audit.files import rotated
from tenantkms.errors import Unavailable
from tkms.audit.verify import NOTE, PROBLEM, verify_log


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "audit.jsonl"


def raw(path: Path) -> list[bytes]:
    return [line for file in (*rotated(path), path) for line in file.read_bytes().splitlines()]


def said(path: Path) -> list[dict[str, Any]]:
    """All lines of the log, the oldest first."""
    return [json.loads(line) for line in raw(path)]


def calls(path: Path) -> list[str]:
    return [line["request_id"] for line in said(path) if "request_id" in line]


def events(path: Path) -> list[str]:
    return [line["event"] for line in said(path) if "event" in line]


def found(path: Path) -> list[tuple[str, int]]:
    return [(finding.status, finding.seq) for finding in verify_log(path, [MAC]).findings]


def fill(path: Path, count: int, max_bytes: int = 1_000_000) -> FileLog:
    audit = file_log(path, max_bytes)
    for number in range(count):
        audit.write(record("x", number))
    audit.settle()
    return audit


# -- files and writers -----------------------------------------------------------------------------------


def test_the_files_are_the_owner_s_alone(log: Path) -> None:
    before = os.umask(0)
    try:
        fill(log, 9, 1_200)
    finally:
        os.umask(before)
    assert rotated(log)
    assert {stat.S_IMODE(path.stat().st_mode) for path in log.parent.iterdir()} == {0o600}


def test_it_goes_on_where_it_stopped(log: Path) -> None:
    for number in range(3):
        file_log(log).write(record("x", number))
    assert calls(log) == ["x-0", "x-1", "x-2"]
    assert [line["seq"] for line in said(log)] == [0, 1, 2, 3]
    assert events(log) == ["began"]
    assert found(log) == []


def test_no_file_grows_beyond_the_limit_and_the_chain_goes_through_all(log: Path) -> None:
    fill(log, 40, 1_500)
    files = rotated(log)
    assert len(files) > 5
    assert all(path.stat().st_size <= 1_500 for path in (*files, log))
    assert calls(log) == [f"x-{number}" for number in range(40)]
    assert [line["seq"] for line in said(log)] == list(range(len(said(log))))
    assert found(log) == []


def test_lines_that_are_written_together_are_as_those_that_are_not(log: Path) -> None:
    """Where a file has room for some of them only, the others are in the next."""
    audit = file_log(log, 1_500)
    numbers = iter(range(40))
    for count in (1, 7, 30, 2):
        audit.write(*(record("x", next(numbers)) for _ in range(count)))
    audit.settle()
    files = rotated(log)
    assert len(files) > 5
    assert all(path.stat().st_size <= 1_500 for path in (*files, log))
    assert calls(log) == [f"x-{number}" for number in range(40)]
    assert found(log) == []


def test_a_line_longer_than_the_limit_is_written(log: Path) -> None:
    fill(log, 2, 10)
    assert calls(log) == ["x-0", "x-1"]
    assert found(log) == []


def test_threads_lose_no_line(log: Path) -> None:
    audit = file_log(log, 5_000)
    count, names = 300, "abcd"

    def write(name: str) -> None:
        for number in range(count):
            audit.write(record(name, number))

    threads = [threading.Thread(target=write, args=(name,)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(calls(log)) == sorted(f"{name}-{number}" for name in names for number in range(count))
    assert found(log) == []


def test_processes_that_write_and_rotate_at_once_make_one_chain(log: Path) -> None:
    count, names = 150, "abc"
    command = [sys.executable, audit_writers.__file__, str(log)]
    with ExitStack() as stack:
        writers = [
            stack.enter_context(
                subprocess.Popen([*command, name, str(count), "2000"], stdin=PIPE, stdout=PIPE, stderr=PIPE)
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
    assert sorted(calls(log)) == sorted(f"{name}-{number}" for name in names for number in range(count))
    assert found(log) == []


def test_a_process_that_is_killed_leaves_a_whole_chain(log: Path) -> None:
    """At whatever point of its writing: the next one goes on."""
    command = [sys.executable, audit_writers.__file__, str(log), "x", "1000000", "4000"]
    for attempt in range(5):
        with subprocess.Popen(command, stdin=PIPE, stdout=PIPE) as writer:
            assert writer.stdin is not None
            assert writer.stdout is not None
            assert writer.stdout.readline() == b"ready\n"
            writer.stdin.write(b"go\n")
            writer.stdin.flush()
            time.sleep(0.004 * attempt)
            writer.kill()
        fill(log, 1)
        assert not [finding for finding in found(log) if finding[0] == PROBLEM]


def test_a_log_of_an_earlier_release_goes_on_as_a_chain(log: Path) -> None:
    older = b'{"time":1.0,"request_id":"old-1"}\n{"time":2.0,"request_id":"old-2"}\n'
    log.write_bytes(older)
    Path(f"{log}.1").write_bytes(b'{"time":0.5,"request_id":"old-0"}\n')
    fill(log, 1)
    assert calls(log) == ["old-0", "old-1", "old-2", "x-0"]
    assert found(log) == [(NOTE, 0), (NOTE, 1)]
    log.write_bytes(log.read_bytes().replace(b"old-2", b"new-2"))
    assert (PROBLEM, 0) in found(log)


# -- faults ----------------------------------------------------------------------------------------------


def test_a_full_disk_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "audit.jsonl").symlink_to("/dev/full")
    with pytest.raises(Unavailable):
        file_log(tmp_path / "audit.jsonl").write(record("x", 1))


@contextmanager
def room(size: int) -> Iterator[None]:
    """No file grows beyond `size`: a write is cut there."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, before)


@pytest.mark.parametrize("again", [False, True])
def test_a_line_that_was_cut_by_a_full_disk_is_told_and_spoils_no_other(log: Path, again: bool) -> None:
    audit = fill(log, 1)
    size = log.stat().st_size
    for cut in (20, 40) if again else (20,):
        with room(size + cut), pytest.raises(Unavailable):
            audit.write(record("y", 1))
    (audit if again else file_log(log)).write(record("z", 1))
    lines = raw(log)
    assert len(lines) == 5 + again
    assert json.loads(lines[-2])["event"] == "torn"
    assert json.loads(lines[-1])["request_id"] == "z-1"
    assert found(log) == [(NOTE, 2)]
    # What stands there cannot be changed or taken away without being missed.
    for changed in (log.read_bytes().replace(lines[2], b"x" * 20), log.read_bytes().replace(lines[2] + b"\n", b"")):
        assert changed != log.read_bytes()
        kept = log.read_bytes()
        log.write_bytes(changed)
        assert (PROBLEM, 2) in found(log)
        log.write_bytes(kept)


@pytest.mark.parametrize("again", [False, True])
def test_lines_of_which_some_were_cut_by_a_full_disk_spoil_no_other(log: Path, again: bool) -> None:
    audit = fill(log, 1)
    with room(log.stat().st_size + 400), pytest.raises(Unavailable):
        audit.write(*(record("y", number) for number in range(5)))
    (audit if again else file_log(log)).write(record("z", 1))
    whole = [json.loads(line) for line in raw(log) if line.endswith(b"}")]
    assert [line.get("request_id") or line["event"] for line in whole] == ["began", "x-0", "y-0", "torn", "z-1"]
    assert [status for status, _ in found(log)] == [NOTE]


@pytest.mark.parametrize("first", [0, 20])
def test_a_line_of_which_only_the_end_was_cut_is_one(log: Path, first: int) -> None:
    """Of a call, and of what tells of another one that was cut."""
    fill(log, 1)
    files = (log, log.with_suffix(".head"))
    kept = [file.read_bytes() for file in files]
    size = log.stat().st_size
    for cut in range(first + 1, first + 300):
        for more in (first, cut) if first else (cut,):
            with room(size + more), suppress(Unavailable):
                file_log(log).write(record("y", 1))
        file_log(log).write(record("z", 1))
        assert PROBLEM not in [status for status, _ in found(log)], cut
        numbers = [int(line.partition(b'"seq":')[2].partition(b",")[0]) for line in raw(log) if line.endswith(b'"}')]
        assert numbers == sorted(set(numbers)), cut
        for file, data in zip(files, kept, strict=True):
            file.write_bytes(data)


def test_a_line_that_is_being_written_is_no_problem(log: Path) -> None:
    fill(log, 2)
    with log.open("ab") as file:
        file.write(b'{"v":1,"time":3.0,"req')
    assert found(log) == [(NOTE, 2)]


def test_a_log_that_cannot_be_opened_is_unavailable(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match=r"audit\.jsonl cannot be opened"):
        file_log(tmp_path / "missing" / "audit.jsonl")


def test_a_folder_that_went_away_is_unavailable(tmp_path: Path) -> None:
    folder = tmp_path / "logs"
    folder.mkdir()
    audit = fill(folder / "audit.jsonl", 1, 10)
    for file in folder.iterdir():
        file.unlink()
    folder.rmdir()
    with pytest.raises(Unavailable):
        audit.write(record("x", 2))


def test_text_that_utf8_cannot_hold_is_unavailable(log: Path) -> None:
    audit = file_log(log)
    with pytest.raises(Unavailable):
        audit.write(msgspec.structs.replace(record("x", 1), principal="\ud800"))
    assert log.read_bytes() == b""


def test_a_key_that_cannot_be_had_is_unavailable(log: Path) -> None:
    def no_key() -> bytes:
        raise Unavailable("The tenant is not set up.")

    with pytest.raises(Unavailable):
        FileLog(log, no_key).write(record("x", 1))


def test_a_file_that_cannot_be_closed_is_written_to_further(log: Path) -> None:
    """Another file has its name: it is not written over, and no line is lost."""
    audit = file_log(log, 2_000)
    for number in range(1, 100):
        (log.parent / f"audit-{number:012d}.jsonl").mkdir()
    for number in range(30):
        audit.write(record("x", number))
    assert audit.unclosed == "File exists"
    lines = [json.loads(line) for line in log.read_bytes().splitlines()]
    assert [line["request_id"] for line in lines if "request_id" in line] == [f"x-{n}" for n in range(30)]
    assert len([line for line in lines if line.get("event") == "closed"]) < 30
    for number in range(1, 100):
        (log.parent / f"audit-{number:012d}.jsonl").rmdir()
    for number in range(30, 40):
        audit.write(record("x", number))
    assert rotated(log)
    assert audit.unclosed == ""
    assert found(log) == []


@pytest.mark.parametrize("before", ["rename", "create"])
def test_a_process_that_ends_while_it_rotates_loses_nothing(log: Path, before: str) -> None:
    fill(log, 3)
    lines = said(log)
    audit = file_log(log)
    audit.write(record("x", 3))
    with audit._turn():
        chain = audit._ready()
        audit._tell(chain, audit._event("closed"))
    if before == "create":
        log.rename(log.parent / f"audit-{len(lines) + 1:012d}.jsonl")
    fill(log, 2)
    assert calls(log) == ["x-0", "x-1", "x-2", "x-3", "x-0", "x-1"]
    assert found(log) == []


def test_a_file_that_somebody_moved_away_is_made_again_and_missed(log: Path) -> None:
    audit = fill(log, 1, 2_000)
    log.rename(log.parent / "elsewhere")
    for number in range(1, 20):
        audit.write(record("x", number))
    written = calls(log) + calls(log.parent / "elsewhere")
    assert sorted(written) == sorted(f"x-{number}" for number in range(20))
    assert events(log)[0] == "lost"
    assert [status for status, _ in found(log)] == [PROBLEM]


@pytest.mark.parametrize("put", ["nothing", "a file", "a directory"])
def test_a_file_that_was_taken_away_gets_no_line_a_moment_later(log: Path, put: str) -> None:
    audit = fill(log, 2)
    away = log.rename(log.parent / "elsewhere")
    if put == "a file":  # as any `tkms` command makes, which opens the log
        log.touch()
    elif put == "a directory":
        log.mkdir()
    before = away.read_bytes()
    audit.settle()  # each second
    if put == "a directory":
        with pytest.raises(Unavailable):
            audit.write(record("y", 0))
        log.rmdir()
    audit.write(record("y", 1))
    assert away.read_bytes() == before
    assert (calls(log), events(log)) == (["y-1"], ["lost"])
    assert [status for status, _ in found(log)] == [PROBLEM]


# -- keeping ---------------------------------------------------------------------------------------------


class Now:
    def __init__(self) -> None:
        self.time = 1_000_000.0

    def __call__(self) -> float:
        return self.time


def dated(log: Path, days: int, now: Now, per_day: int = 10) -> FileLog:
    audit = FileLog(log, key, max_bytes=1_500, clock=now)
    for _ in range(days):
        now.time += 86_400
        for number in range(per_day):
            audit.write(msgspec.structs.replace(record("x", number), time=now.time))
    audit.settle()
    return audit


def test_the_oldest_files_go_when_they_are_too_many(log: Path) -> None:
    audit = dated(log, 10, Now())
    count = len(rotated(log))
    audit.retain(float("inf"), 6_000)
    left = rotated(log)
    assert 2 <= len(left) < count
    said_so = 300 * events(log).count("dropped")
    assert sum(path.stat().st_size for path in (*left, log)) <= 6_000 + said_so
    assert events(log)[-1] == "dropped"
    assert found(log) == []
    # And not one more without being missed.
    left[0].unlink()
    assert [status for status, _ in found(log)] == [PROBLEM]


def test_a_line_that_says_what_was_removed_is_not_believed_before_it_is_checked(log: Path) -> None:
    dated(log, 10, Now()).retain(float("inf"), 6_000)
    assert found(log) == []
    lines = log.read_bytes()
    at = lines.rindex(b'"shown":"') + len(b'"shown":"')
    for shown in (b"no hexadecimal digits at all....", b"0" * 32):
        log.write_bytes(lines[:at] + shown + lines[at + 32 :])
        assert PROBLEM in [status for status, _ in found(log)]


def test_the_oldest_files_go_when_they_are_old(log: Path) -> None:
    now = Now()
    audit = dated(log, 10, now)
    before = rotated(log)
    audit.retain(3 * 86_400, 1_000_000)
    removed = set(before) - set(rotated(log))
    times = [line["time"] for line in said(log)]
    assert now.time - 5 * 86_400 < times[0] <= now.time - 2 * 86_400
    assert found(log) == []
    audit.retain(3 * 86_400, 1_000_000)
    assert 1 < events(log).count("dropped") == len(removed)


def test_files_that_were_removed_and_are_there_again_are_checked(log: Path) -> None:
    audit = dated(log, 10, Now())
    kept = {path: path.read_bytes() for path in rotated(log)}
    audit.retain(float("inf"), 6_000)
    *_, last = removed = [path for path in kept if not path.exists()]
    for first in removed:  # the process ended before it removed these
        for path in removed[removed.index(first) :]:
            path.write_bytes(kept[path])
        assert found(log) == []
        for path in removed:
            path.unlink(missing_ok=True)
    lines = kept[last].splitlines(keepends=True)[3:]
    last.write_bytes(b"".join([lines[0].replace(b'"principal":"x"', b'"principal":"y"'), *lines[1:]]))
    assert [status for status, _ in found(log)] == [PROBLEM]


def test_a_clock_that_jumps_ahead_removes_nothing(log: Path) -> None:
    now = Now()
    audit = dated(log, 3, now)
    count = len(rotated(log))
    now.time += 3_650 * 86_400
    audit.retain(30 * 86_400, 1_000_000)
    audit.settle(30 * 86_400)  # the file is old by that clock, and is closed
    audit.retain(30 * 86_400, 1_000_000)
    assert len(rotated(log)) == count + 1
    now.time -= 3_650 * 86_400
    for _ in range(2):
        for number in range(10):
            audit.write(record("x", number))
        audit.retain(30 * 86_400, 1_000_000)
    assert events(log).count("dropped") == 0


def test_a_small_file_is_closed_when_it_is_old(log: Path) -> None:
    now = Now()
    audit = FileLog(log, key, clock=now)
    audit.write(record("x", 1))
    audit.settle(86_400)
    assert not rotated(log)
    now.time += 86_401
    audit.settle(86_400)
    assert len(rotated(log)) == 1
    audit.settle(86_400)
    assert len(rotated(log)) == 1
