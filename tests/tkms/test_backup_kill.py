"""`tkms backup` and `tkms restore`, killed at each step that touches a file: nothing is lost, and the next goes on."""

from __future__ import annotations

import gc
import shutil
import time
from pathlib import Path

import pytest

from kit.killed import killed_at
from kit.support import new_directory
from tenantkms.crypto.hmacs import Hmac
from tenantkms.runtime.assemble import AUDIT_FILE, AUDIT_KEY, SettingsError
from tkms.audit.verify import PROBLEM, verify_log
from tkms.backup.announced import announced
from tkms.backup.container import Plain, Secrets
from tkms.backup.contents import PARENT, STORE, unpack
from tkms.backup.restore import prepared, put
from tkms.backup.write import back_up
from tkms.machine.directory import Directory, call
from tkms.machine.site_file import read_site

NOTHING = Secrets(lambda: b"")


@pytest.fixture
def directory(tmp_path: Path) -> Directory:
    made = new_directory(tmp_path / "data")
    gc.collect()
    gc.freeze()  # what is here by now need not be looked at after each step, nor be copied for each process
    return made


def _create(directory: Directory) -> str:
    made = call(directory.open(), "CreateKey", {})
    return str(made["key"]["id"])  # type: ignore[index]


def _has(directory: Directory, key_id: str) -> bool:
    return directory.open().deps.keyring.key(key_id) is not None


def _whole(file: Path, folder: Path) -> bool:
    folder.mkdir()
    with file.open("rb") as source:
        return unpack(NOTHING.opened(source, "it"), "it", folder).about.keys == 1


def test_a_backup_that_is_killed_is_there_whole_or_not_at_all(directory: Directory, tmp_path: Path) -> None:
    target = tmp_path / "out"

    def work() -> None:
        back_up(directory, target / "a", Plain(), with_parent=False, tell=None)

    for step in range(1000):
        shutil.rmtree(target, ignore_errors=True)
        target.mkdir()
        if not killed_at(step, work, tmp_path):
            break
        if (target / "a").exists():
            assert _whole(target / "a", tmp_path / f"{step}")
            (target / "a").unlink()
        work()
        assert _whole(target / "a", tmp_path / f"again {step}")
        assert not [*directory.path.glob("backup.sqlite3*")]
    assert step > 5


def _restore(path: Path, file: Path, parent: Path, *, replacing: bool) -> None:
    with (
        prepared(Directory(path), file, NOTHING, str(parent), replacing=replacing, tell=None) as plan,
        announced(plan, "") as behind,
    ):
        put(plan, time.time())
    behind(Directory(path).open())


@pytest.mark.parametrize("replacing", [False, True])
def test_a_restore_that_is_killed_loses_nothing(replacing: bool, directory: Directory, tmp_path: Path) -> None:
    """What is there is what was there, or what was in the backup, or no command uses it; and the next restore works."""
    then = _create(directory)
    file, parent = tmp_path / "backup", tmp_path / "parent"
    back_up(directory, file, Plain(), with_parent=False, tell=None)
    shutil.copy(directory.path / PARENT, parent)
    now = _create(directory)
    seen = set()
    for step in range(1000):
        path = tmp_path / f"at {step}"
        if replacing:
            shutil.copytree(directory.path, path)
        if not killed_at(step, lambda path=path: _restore(path, file, parent, replacing=replacing), path):  # type: ignore[misc]
            break
        try:
            paused = read_site(path).paused
            assert _has(Directory(path), then)
            assert _has(Directory(path), now) is not paused
            seen.add("restored" if paused else "as before")
        except (SettingsError, FileNotFoundError):
            assert not (path / "site.json").exists()
            with pytest.raises(SettingsError, match=r"did not come to its end|There is no data directory|not empty"):
                Directory(path).open()
            seen.add("neither")
        _restore(path, file, parent, replacing=replacing or (path / "site.json").exists())
        assert _has(Directory(path), then)
        assert not _has(Directory(path), now)
        assert _log_is_whole(path), step
        if replacing:  # what was there is there, in one of the folders
            kept = [each for each in path.glob(f"before-*/{STORE}") if _keeps(each, now)]
            assert kept, step
        shutil.rmtree(path)
    assert step > 10
    assert seen == ({"as before", "neither", "restored"} if replacing else {"neither", "restored"})


def _log_is_whole(path: Path) -> bool:
    mac = Hmac(Directory(path).open().root.key(AUDIT_KEY))
    return PROBLEM not in [finding.status for finding in verify_log(path / AUDIT_FILE, [mac]).findings]


def _keeps(store: Path, key_id: str) -> bool:
    return key_id.encode() in store.read_bytes()
