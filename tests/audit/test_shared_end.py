"""Processes of one server write one log by turns, and know where it ends without reading it."""

from __future__ import annotations

import os
from collections.abc import Callable
from itertools import count
from pathlib import Path
from unittest.mock import patch

import pytest

from kit.audit_writers import MAC, file_log, key, record
from tenantkms.audit.chain import link
from tenantkms.audit.file_log import FileLog
from tenantkms.audit.files import end_of, read_head, rotated
from tenantkms.audit.shared_end import SharedEnd
from tenantkms.errors import Unavailable
from tenantkms.store.shared import Memory
from tkms.audit.verify import verify_log


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "audit.jsonl"


def shared(path: Path, memory: Memory, max_bytes: int = 1_000_000) -> FileLog:
    return FileLog(path, key, max_bytes=max_bytes, end=SharedEnd(memory))


def pair(path: Path, max_bytes: int = 1_000_000) -> tuple[FileLog, FileLog]:
    """As two processes have them, each with its own view of the same memory."""
    memory = Memory()
    one = shared(path, memory, max_bytes)
    memory._used = 0
    return one, shared(path, memory, max_bytes)


def numbers(path: Path) -> list[int]:
    lines = [line for file in (*rotated(path), path) for line in file.read_bytes().splitlines()]
    return [found.seq for line in lines if (found := link(line))]


def test_turns_make_one_chain_without_reading_it(log: Path) -> None:
    one, two = pair(log)
    for writer in (one, two):
        writer.write(record("first", 0))
    with patch.object(FileLog, "_resume", side_effect=AssertionError):
        for number in range(20):
            (one, two)[number % 2].write(record("turns", number))
    one.settle()
    two.settle()
    assert numbers(log) == list(range(23))
    with log.with_suffix(".head").open("rb") as head:
        found = read_head(head.fileno())
    last = end_of(log)[0]
    assert found
    assert last
    assert (found.seq, found.shown) == (last.seq, last.shown)


@pytest.mark.parametrize("memory", [None, Memory()], ids=["alone", "shared"])
def test_who_took_the_lock_without_a_look_looks_with_the_next_line(log: Path, memory: Memory | None) -> None:
    """The lock is kept for a moment, in which no other process writes; what was written before it is to be seen."""
    later: list[Callable[[], None]] = []
    writer = FileLog(log, key, later=later.append, end=SharedEnd(memory) if memory else None)
    writer.write(record("first", 0))
    later.pop()()
    file_log(log).write(record("of another", 0))
    writer.retain(1_000, 1_000)
    writer.write(record("second", 0))
    assert numbers(log) == [0, 1, 2, 3]
    later.pop()()
    file_log(log).write(record("of another", 1))
    with patch("tenantkms.audit.file_log.os.open", side_effect=OSError), pytest.raises(Unavailable):
        writer.write(record("no file is free", 0))
    writer.write(record("third", 0))
    later.pop()()
    assert numbers(log) == [0, 1, 2, 3, 4, 5]
    assert verify_log(log, [MAC]).findings == []


def test_a_line_of_a_stranger_to_the_memory_is_seen(log: Path) -> None:
    one, two = pair(log)
    one.write(record("one", 0))
    two.write(record("two", 0))
    file_log(log).write(record("a command", 0))
    two.write(record("two", 1))
    one.write(record("one", 1))
    assert numbers(log) == list(range(6))


def test_a_line_that_was_written_and_not_noted_is_seen(log: Path) -> None:
    """Its process was killed in between."""
    one, two = pair(log)
    one.write(record("one", 0))
    two.write(record("two", 0))
    with patch.object(SharedEnd, "note"):
        one.write(record("one", 1))
    two.write(record("two", 1))
    assert numbers(log) == list(range(5))


def test_a_note_that_ends_anywhere_is_none(tmp_path: Path) -> None:
    """Its process was killed while it wrote where the log ends, after any byte."""
    for at in count():
        log = tmp_path / f"audit-{at}" / "audit.jsonl"
        log.parent.mkdir()
        one, two = pair(log)
        one.write(record("one", 0))
        two.write(record("two", 0))
        assert one._end
        noted = one._end._bytes
        before = bytes(noted)
        one.write(record("one", 1))
        after = bytes(noted)
        if at == len(after):
            break
        noted[at:] = before[at:]
        two.write(record("two", 1))
        one.write(record("one", 2))
        assert (at, numbers(log)) == (at, list(range(6)))
        assert (at, verify_log(log, [MAC]).findings) == (at, [])
    assert at > 40


def test_lines_that_were_cut_off_are_missed(log: Path) -> None:
    one, two = pair(log)
    one.write(record("one", 0))
    size = log.stat().st_size
    one.write(record("one", 1))
    one.settle()
    os.truncate(log, size)
    two.write(record("two", 0))
    assert numbers(log) == [0, 1, 3, 4]
    assert b'"event":"lost"' in log.read_bytes()


def test_who_has_not_closed_the_file_writes_to_the_next(log: Path) -> None:
    one, two = pair(log, 2_000)
    for number in range(60):
        (one if number % 7 else two).write(record("turns", number))
    assert len(rotated(log)) > 3
    assert numbers(log)[:1] == [0]
    assert numbers(log) == list(range(len(numbers(log))))


def test_who_is_killed_between_two_files_leaves_nobody_in_the_old_one(log: Path) -> None:
    one, two = pair(log)
    one.write(record("one", 0))
    two.write(record("two", 0))

    def killed(path: Path, target: Path, rename: Callable[[Path, Path], Path] = Path.rename) -> None:
        rename(path, target)
        raise KeyboardInterrupt

    with patch.object(Path, "rename", killed), pytest.raises(KeyboardInterrupt):
        one.settle(-1)  # it is old enough to be closed
    (closed,) = rotated(log)
    size = closed.stat().st_size
    two.write(record("two", 1))
    assert closed.stat().st_size == size
    assert verify_log(log, [MAC]).findings == []


def test_processes_make_one_chain(log: Path) -> None:
    memory = Memory()
    children = []
    for name in "abcd":
        child = os.fork()
        if child == 0:
            code = 1
            try:
                writer = shared(log, memory, 20_000)
                for number in range(300):
                    writer.write(record(name, number))
                code = 0
            finally:
                os._exit(code)
        children.append(child)
    assert [os.waitpid(child, 0)[1] for child in children] == [0] * 4
    file_log(log).settle()
    found = [line for file in (*rotated(log), log) for line in file.read_text().splitlines()]
    assert sum('"action":"Encrypt"' in line for line in found) == 1200
    assert numbers(log) == list(range(len(found)))
    assert not [line for line in found if '"event":"torn"' in line or '"event":"lost"' in line]
    assert verify_log(log, [MAC]).findings == []
