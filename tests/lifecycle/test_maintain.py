"""`tkms maintain`: the scheduled work by hand, what it says, and its exit status."""

from __future__ import annotations

import json
import sqlite3
import time
from pathlib import Path

import pytest

from kit.action_samples import Tenant, watch
from kit.support import run_tkms
from tenantkms.model.states import KeyState

DAY = 86_400


@pytest.fixture
def tenant(tmp_path: Path) -> Tenant:
    """With two keys to rotate, one to destroy, and one that is due tomorrow."""
    tenant = Tenant(tmp_path / "data")
    now = int(time.time())
    for _ in range(2):
        tenant.put(tenant.create(alias=""), rotation_seconds=7 * DAY, created=now - 7 * DAY)
    watch(tenant.deps.keyring.store, now)
    for date in (now - DAY, now + DAY):
        tenant.put(tenant.create(), state=KeyState.PENDING_DELETION, deletion_date=date)
    return tenant


def counts(answer: str) -> dict[str, list[int]]:
    return {job: [report["due"], report["done"], report["failed"]] for job, report in json.loads(answer).items()}


def maintain(tmp_path: Path, *args: str, check: bool = True) -> tuple[int, str]:
    done = run_tkms("maintain", "--data-dir", str(tmp_path / "data"), *args, check=check)
    return done.returncode, done.stdout


def keys(tenant: Tenant) -> int:
    total: int = tenant.result("ListKeys", {})["total"]
    return total


def test_it_does_what_is_due_once(tenant: Tenant, tmp_path: Path) -> None:
    before = keys(tenant)
    status, printed = maintain(tmp_path, "--dry-run", "--json")
    assert (status, counts(printed)) == (0, {"rotate": [2, 0, 0], "destroy": [1, 0, 0]})
    assert keys(tenant) == before
    status, printed = maintain(tmp_path, "--json")
    assert (status, counts(printed)) == (0, {"rotate": [2, 2, 0], "destroy": [1, 1, 0]})
    assert keys(tenant) == before - 1
    status, printed = maintain(tmp_path, "--json")
    assert (status, counts(printed)) == (0, {"rotate": [0, 0, 0], "destroy": [0, 0, 0]})


def test_after_a_jump_it_says_what_to_do_and_gives_status_1(tenant: Tenant, tmp_path: Path) -> None:
    """Nothing is destroyed; with an operator's word a new day begins, after which there is nothing left to say."""
    watch(tenant.deps.keyring.store, 1_700_000_000)
    before = keys(tenant)
    done = run_tkms("maintain", "--data-dir", str(tmp_path / "data"), check=False)
    assert done.returncode == 1
    assert "the last run was at 2023-11-14T22:13:20Z" in done.stderr
    assert "tkms maintain --trust-clock" in done.stderr
    status, printed = maintain(tmp_path, "--trust-clock", "--json")
    assert (status, counts(printed)["destroy"]) == (0, [0, 0, 0])
    status, printed = maintain(tmp_path, "--json")
    assert (status, counts(printed)["destroy"]) == (0, [0, 0, 0])
    assert keys(tenant) == before


def test_a_dry_run_says_that_nothing_was_done(tenant: Tenant, tmp_path: Path) -> None:
    before = keys(tenant)
    done = run_tkms("maintain", "--data-dir", str(tmp_path / "data"), "--dry-run")
    assert [line.split() for line in done.stdout.splitlines()] == [
        ["WORK", "DUE", "FAILED"],
        ["rotate", "2", "0"],
        ["destroy", "1", "0"],
    ]
    assert done.stderr == "tkms: a dry run: nothing was done\n"
    assert keys(tenant) == before


def test_it_prints_a_table(tenant: Tenant, tmp_path: Path) -> None:
    _, printed = maintain(tmp_path)
    assert [line.split() for line in printed.splitlines()] == [
        ["WORK", "DUE", "DONE", "FAILED"],
        ["rotate", "2", "2", "0"],
        ["destroy", "1", "1", "0"],
    ]


def test_a_key_that_fails_gives_status_1_and_the_others_are_done(tenant: Tenant, tmp_path: Path) -> None:
    """The file refuses to delete keys; the next run, without that, ends what was begun."""
    with sqlite3.connect(tmp_path / "data" / "kms.sqlite3") as db:
        db.execute("CREATE TRIGGER stubborn BEFORE DELETE ON keys BEGIN SELECT RAISE(ABORT, 'no'); END")
    db.close()
    status, printed = maintain(tmp_path, "--json", check=False)
    assert (status, counts(printed)) == (1, {"rotate": [2, 2, 0], "destroy": [1, 0, 1]})
    with sqlite3.connect(tmp_path / "data" / "kms.sqlite3") as db:
        db.execute("DROP TRIGGER stubborn")
    db.close()
    status, printed = maintain(tmp_path, "--json")
    assert (status, counts(printed)) == (0, {"rotate": [0, 0, 0], "destroy": [1, 1, 0]})
