"""Of all workers of a server, and of two servers while one takes over from the other, one alone does the scheduled
work: also once the one that did it was killed."""

from __future__ import annotations

import json
import os
import signal
import time
from itertools import groupby
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from kit.connections import starting
from kit.due_keys import due_key
from kit.memory import children
from kit.support import new_directory, run_tkms
from tenantkms.model.key import KeyFilter
from tenantkms.store.port import MAX_WRITES, PutKey
from tkms.machine.directory import Directory

KEYS = 2_500


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """With so many keys whose rotation is due."""
    directory = new_directory(tmp_path / "data")
    settings = directory.open()
    tenant: Any = SimpleNamespace(deps=settings.deps)
    writes = [PutKey(due_key(tenant, number, "rotate", int(time.time()) - 60)) for number in range(1, KEYS + 1)]
    for first in range(0, len(writes), MAX_WRITES):
        settings.deps.keyring.commit(writes[first : first + MAX_WRITES])
    return directory.path


def lines(data: Path) -> list[dict[str, Any]]:
    """What the audit log has of scheduled work."""
    written = (data / "audit.jsonl").read_text().splitlines()
    return [line for line in map(json.loads, written) if line.get("principal") == "maintenance"]


def rotated(data: Path) -> list[int]:
    """How often each of the keys was rotated."""
    store = Directory(data).open().deps.keyring.store
    found = store.list_keys(KeyFilter(), now=0, offset=0, limit=2 * KEYS)[1]
    return [key.primary.number - 1 for key in found if key.primary and key.rotation_seconds]


def sweeper(data: Path) -> int:
    """The process that holds the lock, by /proc/locks (proc_locks(5)); 0: none does."""
    inode = (data / "sweep.lock").stat().st_ino
    rows = [line.split() for line in Path("/proc/locks").read_text().splitlines()]
    return next((int(row[4]) for row in rows if row[1] == "FLOCK" and row[5].endswith(f":{inode}")), 0)


def until(told: Any, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not told():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def all_done(data: Path) -> bool:
    return sum(line["outcome"] == "ok" for line in lines(data)) >= KEYS - 5 and rotated(data) == [1] * KEYS


def runs(data: Path) -> list[str]:
    """Which runs have written, in this order: of two at the same time one would be there again and again."""
    return [run for run, _ in groupby(line["request_id"] for line in lines(data))]


def test_one_of_many_sweeps_and_another_takes_over_from_who_was_killed(data: Path) -> None:
    killed: list[int] = []
    with starting(data, "--workers", "3") as start:
        for share in (0.1, 0.3, 0.5):
            until(lambda share=share: len(lines(data)) > share * 2 * KEYS)
            killed.append(gone := sweeper(data))
            assert gone in children(start.process.pid)
            os.kill(gone, signal.SIGKILL)
            until(lambda gone=gone: sweeper(data) not in (0, gone))
        until(lambda: all_done(data))
        assert sweeper(data) in children(start.process.pid)
    found = runs(data)
    assert len(set(killed)) == 3
    assert len(found) == len(set(found)) >= 4
    assert run_tkms("audit", "verify", "--data-dir", str(data)).returncode == 0


def test_of_two_servers_that_take_turns_one_alone_sweeps(data: Path) -> None:
    with starting(data, "--workers", "2") as start:
        until(lambda: len(lines(data)) > KEYS // 10)
        start.process.send_signal(signal.SIGUSR2)
        until(lambda: any(map(children, children(start.process.pid))))
        (successor,) = filter(children, children(start.process.pid))
        try:
            assert start.process.wait(timeout=30) == 0
            until(lambda: all_done(data) and sweeper(data) in children(successor))
        finally:
            os.kill(successor, signal.SIGTERM)
    found = runs(data)
    assert len(found) == len(set(found))
