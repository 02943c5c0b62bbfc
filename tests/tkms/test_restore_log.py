"""A restore has a line before and behind it, and without the first one nothing is put."""

from __future__ import annotations

import errno
import json
import os
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from kit.backups import NOTHING, backed_up, contents, create, decrypt, encrypt, found, here, tkms
from kit.resealing import parent_file, reseal
from tenantkms.errors import Unavailable
from tkms.backup.contents import PARENT, STORE, unpack
from tkms.backup.parents import candidates, rows_of
from tkms.machine.directory import Directory
from tkms.machine.site_file import read_site


@pytest.fixture
def file(directory: Directory, tmp_path: Path) -> Path:
    """A backup of the directory as it is when the test begins."""
    return backed_up(directory, tmp_path / "backup")


def _lines(directory: Directory) -> list[tuple[str, str]]:
    """What the audit log has of restores: request id and outcome."""
    rows = [json.loads(line) for line in (directory.path / "audit.jsonl").read_text().splitlines()]
    return [(row["request_id"], row["outcome"]) for row in rows if row.get("action") == "Restore"]


def _outcomes(directory: Directory) -> list[str]:
    """Of one restore."""
    lines = _lines(directory)
    assert len({request for request, _ in lines}) == 1
    return [outcome for _, outcome in lines]


def _full(patch: pytest.MonkeyPatch, when: Callable[[], bool]) -> None:
    """Lines of logs are what is written by descriptors: there is no room for one `when` that is so."""
    write = os.write

    def wrote(file: int, data: bytes) -> int:
        if when():
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write(file, data)

    patch.setattr("tenantkms.audit.file_log.os.write", wrote)


# -- the line before it -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "why"),
    [
        ("full", "is not available. ([Errno 28] No space left on device)"),
        ("folder", "cannot be opened: Is a directory."),
    ],
)
def test_with_a_log_that_takes_no_line_nothing_is_replaced(
    fault: str, why: str, directory: Directory, file: Path
) -> None:
    since = create(directory)
    log = directory.path / "audit.jsonl"
    kept = log.rename(directory.path.parent / "log")
    if fault == "full":
        log.symlink_to("/dev/full")
    else:
        log.mkdir()
    before = contents(directory.path)
    told = tkms(directory, "restore", file, "--replace", "--yes", status=1)
    assert told.startswith("tkms: The audit log ")
    assert told.endswith(f"{why}\n")
    assert contents(directory.path) == before
    assert not [*directory.path.glob("before-*")]
    if fault == "full":
        log.unlink()
    else:
        log.rmdir()
    kept.rename(log)
    assert found(directory, since)
    tkms(directory, "restore", file, "--replace", "--yes")
    assert found(directory, since) is None
    assert _outcomes(directory) == ["intent", "ok"]
    tkms(directory, "audit", "verify")


def test_with_a_log_that_takes_no_line_nothing_is_made(
    directory: Directory,
    file: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    new = Directory(tmp_path / "new")
    command = ("restore", file, "--parent", directory.path / PARENT)
    with monkeypatch.context() as patch:
        _full(patch, lambda: True)
        status, _, told = here(capsys, new, *command)
    assert (status, told) == (1, "tkms: The audit log is not available. ([Errno 28] No space left on device)\n")
    assert not new.path.exists()
    assert here(capsys, new, *command)[0] == 0
    assert _outcomes(new) == ["intent", "ok"]
    tkms(new, "audit", "verify")


def test_one_that_is_refused_says_so_behind_its_line(directory: Directory, file: Path) -> None:
    """Both are under the key that the log has, which is not that of the backup."""
    reseal(directory, parent_file(directory.path.parent / "new.key"))
    with closing(sqlite3.connect(directory.path / STORE)) as db:
        db.execute("SELECT * FROM keys").fetchone()
        told = tkms(directory, "restore", file, "--replace", "--yes", status=1)
    assert "A process works with" in told
    assert _outcomes(directory) == ["intent", "Failed"]
    tkms(directory, "audit", "verify")


@pytest.mark.parametrize("damage", [STORE, PARENT, "site.json"])
def test_what_does_not_open_is_restored_and_the_log_goes_on(
    damage: str, directory: Directory, file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    blob, parent = encrypt(directory), tmp_path / PARENT
    shutil.copy(directory.path / PARENT, parent)
    if damage == STORE:
        (directory.path / STORE).write_bytes(b"\xff" * 30_000)
    else:
        (directory.path / damage).unlink()
    status, out, told = here(capsys, directory, "restore", file, "--replace", "--yes", "--parent", parent)
    assert (status, f"{directory.path} is restored." in out) == (0, True)
    assert ("What is there does not open" in told) is (damage != "site.json")
    assert decrypt(directory, blob) == b"secret"
    assert _outcomes(directory) == ["intent", "ok"]
    tkms(directory, "audit", "verify")


# -- the line behind it -----------------------------------------------------------------------------------


def test_one_that_only_lacks_its_last_line_says_that_it_is_done(
    directory: Directory, file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    since = create(directory)
    with monkeypatch.context() as patch:
        _full(patch, lambda: (directory.path / "site.json").exists() and read_site(directory.path).paused)
        status, out, told = here(capsys, directory, "restore", file, "--replace", "--yes")
    assert f"{directory.path} is restored. What was there is in" in out
    assert status == 1
    assert told == (
        "tkms: It is restored; only the audit log has no line that says so: The audit log is not available."
        " ([Errno 28] No space left on device)\n"
    )
    assert found(directory, since) is None
    assert _outcomes(directory) == ["intent"]
    tkms(directory, "audit", "verify")


# -- parent keys ------------------------------------------------------------------------------------------


def test_a_store_that_cannot_be_used_is_not_blamed_on_a_parent_key(
    directory: Directory, file: Path, tmp_path: Path
) -> None:
    reseal(directory, parent_file(tmp_path / "new.key"))
    (folder := tmp_path / "unpacked").mkdir()
    with file.open("rb") as source:
        unpacked = unpack(NOTHING.opened(source, "it"), "it", folder)
    with closing(sqlite3.connect(unpacked.store)) as db:
        db.execute("PRAGMA user_version=999")
    keys = candidates("", b"", directory.path, "it")
    assert len(keys) == 2
    with pytest.raises(Unavailable) as told:
        rows_of(unpacked, keys, "it")
    assert str(told.value) == "The key store was written by a newer release of tenant-kms."
