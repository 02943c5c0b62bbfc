"""`tkms restore`: what was backed up is there again, and nothing of what was there is lost."""

from __future__ import annotations

import gc
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import msgspec
import pytest

from kit.backups import (
    NOTHING,
    act,
    backed_up,
    contents,
    create,
    decrypt,
    encrypt,
    found,
    restored,
    tkms,
)
from kit.connections import starting
from kit.resealing import parent_file, reseal
from tenantkms.runtime.assemble import SettingsError
from tkms.backup.contents import PARENT, STORE
from tkms.backup.restore import prepared
from tkms.machine.directory import RESTORING, Directory
from tkms.machine.parents import former_files
from tkms.machine.site_file import read_site
from tkms.output import Failed


@pytest.fixture
def file(directory: Directory, tmp_path: Path) -> Path:
    """A backup of the directory as it is when the test begins."""
    return backed_up(directory, tmp_path / "backup")


# -- into nothing -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("there", ["no directory", "an empty one", "one with the parent key"])
def test_it_becomes_a_data_directory(there: str, directory: Directory, tmp_path: Path) -> None:
    keys = [create(directory, spec=spec) for spec in ("AES_256", "SM4_128")]
    act(directory, "CreateKeyVersion", key_id=keys[0])
    blobs = [encrypt(directory, key) for key in (*keys, "alias/default")]
    before = read_site(directory.path)
    file, parent = backed_up(directory, tmp_path / "b"), tmp_path / "parent"
    shutil.copy(directory.path / PARENT, parent)
    shutil.rmtree(directory.path)
    new = Directory(tmp_path / "new")
    given: Path | None = parent
    if there != "no directory":
        new.path.mkdir()
    if there == "one with the parent key":
        parent.rename(new.path / PARENT)
        (new.path / PARENT).chmod(0o600)
        given = None
    plan, aside = restored(new.path, file, parent=given)
    assert (plan.differences, aside) == (None, None)
    assert [decrypt(new, blob) for blob in blobs] == [b"secret"] * 3
    site = read_site(new.path)
    assert msgspec.structs.replace(site, restored=0, paused=False) == before
    assert site.paused
    assert abs(site.restored - time.time()) < 60
    modes = {each.stat().st_mode & 0o777 for each in new.path.iterdir()}
    assert modes == {0o600}
    assert new.path.stat().st_mode & 0o777 == 0o700
    assert not (new.path / RESTORING).exists()


def test_what_cannot_be_restored_leaves_nothing(directory: Directory, file: Path, tmp_path: Path) -> None:
    new = tmp_path / "new"
    (tmp_path / "other").write_bytes(os.urandom(32))
    (tmp_path / "short").write_bytes(b"x")
    (tmp_path / "cut").write_bytes(file.read_bytes()[:-20_000])
    (tmp_path / "empty").write_bytes(b"")
    refused = {
        (file, None): "has no parent key",
        (file, "other"): "is not the one that",
        (file, "short"): "that has 32 bytes",
        (tmp_path / "cut", None): "damaged or not whole",
        (tmp_path / "empty", None): "is no backup",
    }
    for (which, parent), why in refused.items():
        with pytest.raises(Failed, match=why):
            restored(new, which, parent=tmp_path / parent if parent else None)
        assert not new.exists()
    new.mkdir()
    with pytest.raises(Failed, match="has no parent key"):
        restored(new, file)
    assert [each.name for each in new.iterdir()] == ["setup.lock"]
    (new / "a file").touch()
    with pytest.raises(Failed, match="not empty"):
        restored(new, file, parent=directory.path / PARENT, replacing=True)


def test_a_dry_run_makes_nothing(directory: Directory, file: Path, tmp_path: Path) -> None:
    new, parent = Directory(tmp_path / "new"), directory.path / PARENT
    assert tkms(new, "restore", file, "--parent", parent, "--dry-run").endswith("Nothing is changed.\n")
    assert not new.path.exists()
    before = {path.name for path in directory.path.iterdir()}, contents(directory.path)
    tkms(directory, "restore", file, "--replace", "--dry-run")
    assert ({path.name for path in directory.path.iterdir()}, contents(directory.path)) == before


def test_what_would_be_replaced_has_to_be_said(directory: Directory, file: Path) -> None:
    before = contents(directory.path)
    with pytest.raises(Failed, match="There is a data directory at"):
        restored(directory.path, file)
    assert contents(directory.path) == before


def test_a_file_of_another_tenant_is_refused(file: Path, tmp_path: Path) -> None:
    """Another tenant, and another KMS of that tenant's name, which has another account."""
    for number, names in enumerate(({"tenant": "acme"}, {}, {"region": "eu-central-1"})):
        other = Directory(tmp_path / f"{number}")
        other.make(**names)
        before = contents(other.path)
        with pytest.raises(Failed, match="choose another --data-dir"):
            restored(other.path, file, replacing=True)
        assert contents(other.path) == before


def test_nothing_of_it_is_open_when_it_is_put(directory: Directory, tmp_path: Path) -> None:
    """Not even what a parent key that was refused had looked at: SQLite removes its files when it is let go."""
    file = backed_up(directory, tmp_path / "backup")
    reseal(directory, parent_file(tmp_path / "new.key"))
    gc.collect()
    gc.disable()
    try:
        with prepared(directory, file, NOTHING, "", replacing=True, tell=None) as plan:
            assert not [*plan.staged.glob("*-shm")]
    finally:
        gc.enable()


@pytest.mark.parametrize("release", ["this", "before fingerprints"])
def test_one_from_before_a_reseal_opens_with_the_parent_key_that_it_left(
    release: str, directory: Directory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if release != "this":
        monkeypatch.setattr("tkms.backup.write.fingerprint", lambda _: "")
    (blob := tmp_path / "blob").write_text(encrypt(directory))
    file = backed_up(directory, tmp_path / "backup")
    reseal(directory, parent_file(tmp_path / "new.key"))
    (former,) = former_files(directory.path)
    (directory.path / "parent-until-99991231T235959Z-0000.key").write_bytes(b"tried before it, and none")
    assert tkms(directory, "backup", "verify", file).endswith(f"It opens with {former}\n")
    assert json.loads(tkms(directory, "backup", "verify", file, "--json"))["parent"] == str(former)
    assert tkms(directory, "open", "--offline", file, blob) == "secret"
    told = tkms(directory, "restore", file, "--replace", "--dry-run")
    assert told.endswith(
        "The parent key becomes that one again, and the one of now is kept aside with what is there.\n"
        "Nothing is changed.\n"
    )
    assert f"It opens with {former}\n" in tkms(directory, "restore", file, "--replace", "--yes")
    assert decrypt(directory, blob.read_text()) == b"secret"
    for each in (directory.path / PARENT, former):
        each.write_bytes(os.urandom(32))
    told = tkms(directory, "backup", "verify", file, status=1)
    assert "is not the one that" in told
    assert "Nor does" in told


# -- in place of something --------------------------------------------------------------------------------


def test_what_was_there_is_kept_aside_and_can_be_brought_back(directory: Directory, file: Path) -> None:
    before = encrypt(directory)
    since = create(directory)
    blob = encrypt(directory, since, b"since")
    _, aside = restored(directory.path, file, replacing=True)
    assert decrypt(directory, before) == b"secret"
    assert found(directory, since) is None
    assert aside
    assert aside.parent == directory.path
    tkms(directory, "audit", "verify")  # the log goes on
    again = aside / STORE
    with sqlite3.connect(again) as db:
        assert db.execute("SELECT count(*) FROM keys").fetchone() == (2,)
    for name in ("site.json", STORE):
        (aside / name).rename(directory.path / name)
    assert decrypt(directory, blob) == b"since"


def test_the_right_parent_key_takes_the_place_of_a_wrong_one(directory: Directory, file: Path, tmp_path: Path) -> None:
    blob = encrypt(directory)
    shutil.copy(directory.path / PARENT, tmp_path / PARENT)
    wrong = os.urandom(32)
    (directory.path / PARENT).write_bytes(wrong)
    _, aside = restored(directory.path, file, replacing=True, parent=tmp_path / PARENT)
    assert decrypt(directory, blob) == b"secret"
    assert aside
    assert (aside / PARENT).read_bytes() == wrong


@pytest.mark.parametrize("replacing", [False, True])
def test_one_that_is_stopped_while_it_moves_files_is_ended_by_the_next(
    replacing: bool, directory: Directory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By Ctrl-C, SIGTERM or the disk, which takes away what a killed process leaves."""
    then, rename = create(directory), Path.rename
    file, parent = backed_up(directory, tmp_path / "b"), tmp_path / "parent"
    shutil.copy(directory.path / PARENT, parent)
    reseal(directory, parent_file(tmp_path / "new"))
    now = create(directory)
    for step in range(100):
        path, left = tmp_path / f"at {step}", iter(range(step, -1, -1))
        if replacing:
            shutil.copytree(directory.path, path)

        def moved(self: Path, to: Path, left: Iterator[int] = left) -> Path:
            if not next(left, 1):
                raise KeyboardInterrupt
            return rename(self, to)

        with monkeypatch.context() as patch, suppress(KeyboardInterrupt):
            patch.setattr(Path, "rename", moved)
            restored(path, file, replacing=replacing, parent=parent)
            break
        there = (path / "site.json").exists()
        if not there:
            with pytest.raises(SettingsError, match="A restore did not come to its end"):
                Directory(path).open()
        restored(path, file, replacing=there, parent=parent)
        assert found(Directory(path), then)
        assert found(Directory(path), now) is None
        assert not (path / RESTORING).exists()
        assert [*path.glob(f"before-*/{STORE}")] or not replacing
    assert step > 2  # the parent key, the store and what says whose they are


@pytest.mark.parametrize("damage", ["torn", "missing", "site", "no site"])
def test_a_damaged_directory_is_restored(damage: str, directory: Directory, file: Path) -> None:
    blob = encrypt(directory)
    store, site = directory.path / STORE, directory.path / "site.json"
    if damage == "torn":
        store.write_bytes(b"\xff" * 30_000)
    elif damage == "missing":
        store.unlink()
    elif damage == "site":
        site.write_text("{")
    else:
        site.unlink()
    plan, aside = restored(directory.path, file, replacing=True)
    assert decrypt(directory, blob) == b"secret"
    assert aside
    if damage in ("torn", "missing"):
        assert plan.differences is None
        assert "cannot be read" in plan.why


def test_a_server_and_whoever_works_with_the_store_are_waited_for(directory: Directory, file: Path) -> None:
    with starting(directory.path):
        said = tkms(directory, "restore", file, "--replace", "--dry-run")
        told = tkms(directory, "restore", file, "--replace", "--yes", status=1)
    assert said.endswith("What is there is the same.\nNothing is changed.\n")
    assert told == f"tkms: A server runs on {directory.path}: stop it.\n"
    before = contents(directory.path)
    holding = "import sqlite3, sys; db = sqlite3.connect(sys.argv[1]); db.execute('SELECT * FROM keys').fetchone(); "
    with running(holding, str(directory.path / STORE)):
        told = tkms(directory, "restore", file, "--replace", "--yes", status=1)
    assert "A process works with" in told
    assert {name for name in before if not name.startswith(STORE)} <= contents(directory.path).keys()
    assert not [*directory.path.glob("before-*")]
    assert not read_site(directory.path).paused


class running:  # noqa: N801 - it is used as a function
    """A Python program that waits behind its end."""

    def __init__(self, program: str, *args: str) -> None:
        code = f"{program}print('ready', flush=True); sys.stdin.read()"
        self._process = subprocess.Popen(
            [sys.executable, "-c", code, *args], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )

    def __enter__(self) -> None:
        assert self._process.stdout
        assert self._process.stdout.readline() == b"ready\n"

    def __exit__(self, *_: object) -> None:
        self._process.communicate(timeout=20)
