"""The lock that a process keeps for a moment."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from fcntl import LOCK_EX, LOCK_NB, LOCK_UN, flock
from pathlib import Path

import pytest

from tenantkms.errors import Unavailable
from tenantkms.store import nonces
from tenantkms.store.file_lock import FileLock, at_once
from tenantkms.store.nonces import NonceFiles


def _open(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT, 0o600)


def _free(path: Path) -> bool:
    """Whether another open file, as another process has one, gets the lock at once."""
    file = _open(path)
    try:
        flock(file, LOCK_EX | LOCK_NB)
        flock(file, LOCK_UN)
    except BlockingIOError:
        return False
    finally:
        os.close(file)
    return True


def test_it_is_given_back_at_once_where_nothing_else_is_said(tmp_path: Path) -> None:
    lock = FileLock(_open(tmp_path / "lock"), at_once)
    for _ in range(2):
        with lock as taken:
            assert taken
            assert not _free(tmp_path / "lock")
        assert _free(tmp_path / "lock")


def test_it_is_kept_until_it_is_called_for_and_told_of_once(tmp_path: Path) -> None:
    later: list[Callable[[], None]] = []
    lock = FileLock(_open(tmp_path / "lock"), later.append)
    for expected in (True, False, False):
        with lock as taken:
            assert taken is expected
    assert len(later) == 1
    assert not _free(tmp_path / "lock")
    later.pop()()
    assert _free(tmp_path / "lock")
    with lock as taken:
        assert taken
    assert len(later) == 1


def test_what_fails_within_leaves_it_in_order(tmp_path: Path) -> None:
    later: list[Callable[[], None]] = []
    lock = FileLock(_open(tmp_path / "lock"), later.append)
    with pytest.raises(ZeroDivisionError), lock:
        raise ZeroDivisionError
    later.pop()()
    assert _free(tmp_path / "lock")


def test_a_lock_that_cannot_be_had_keeps_no_thread_waiting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lock = FileLock(_open(tmp_path / "lock"), at_once)

    def fails(_file: int, _how: int) -> None:
        raise OSError("No locks available.")

    with monkeypatch.context() as patch:
        patch.setattr("tenantkms.store.file_lock.flock", fails)
        with pytest.raises(OSError, match="No locks"), lock:
            pass
    with lock as taken:
        assert taken


def test_a_lock_that_is_dropped_while_it_is_kept_stays_its_own(tmp_path: Path) -> None:
    later: list[Callable[[], None]] = []
    with FileLock(_open(tmp_path / "lock"), later.append):
        pass
    assert not _free(tmp_path / "lock")  # its file is open: no other one can have its number
    later.pop()()
    assert _free(tmp_path / "lock")


def test_nonces_of_others_are_seen_once_the_lock_was_theirs(tmp_path: Path) -> None:
    later: list[Callable[[], None]] = []
    kept, other = NonceFiles(tmp_path, later=later.append), NonceFiles(tmp_path)
    assert kept.use(b"a", now=1_800_000_000, expires=1_800_000_600)
    later.pop()()
    assert other.use(b"b", now=1_800_000_000, expires=1_800_000_600 + 3 * nonces.SECONDS)  # a file of its own
    assert not kept.use(b"b", now=1_800_000_000, expires=1_800_000_600)
    assert not kept.use(b"a", now=1_800_000_000, expires=1_800_000_600)


def test_files_that_could_not_be_looked_at_are_looked_at_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert NonceFiles(tmp_path).use(b"a", now=1_800_000_000, expires=1_800_000_600)
    later: list[Callable[[], None]] = []
    files = NonceFiles(tmp_path, later=later.append)

    def fails(*_: object) -> bytes:
        raise OSError("Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(nonces.os, "pread", fails)
        with pytest.raises(Unavailable):
            files.use(b"a", now=1_800_000_000, expires=1_800_000_600)
    assert not files.use(b"a", now=1_800_000_000, expires=1_800_000_600)


def test_who_waits_keeps_none_that_another_one_waits_for(tmp_path: Path) -> None:
    """Two processes, each of which keeps what the other is about to take, and gives nothing back by itself."""
    there, here = (os.pipe() for _ in range(2))
    child = os.fork()
    first, second = ("a", "b") if child else ("b", "a")
    kept, wanted = (FileLock(_open(tmp_path / name), [].append) for name in (first, second))
    with kept:
        pass
    os.write((there if child else here)[1], b".")
    os.read((here if child else there)[0], 1)
    if not child:
        signal.alarm(20)
    with wanted as taken:
        pass
    if not child:
        os._exit(not taken)
    for lock in (wanted, kept):  # who was the first to take both has waited for nothing, and keeps them
        lock.release_kept()
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert taken
