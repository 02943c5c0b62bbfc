"""`tkms doctor` on one machine: what is spoilt is found, by its name, with what to do; and all else is in order."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from kit.backups import act, backed_up, create, restored, rewritten, using
from kit.resealing import parent_file, reseal
from kit.sdk_clients import make_certificate
from kit.support import new_directory, run_tkms
from tenantkms.access.policy import ALLOW_ALL
from tenantkms.model.profiles import DAY
from tenantkms.model.states import KeyState
from tenantkms.model.watch import Watch
from tenantkms.names import DIALECTS
from tkms.backup.container import Plain
from tkms.backup.write import back_up
from tkms.findings import OK, PROBLEM, WARNING, Finding
from tkms.machine.directory import Directory
from tkms.machine.doctor import CHECKS, examine
from tkms.machine.parents import fingerprint
from tkms.machine.server_file import ServerFile, write_server
from tkms.tls.authority import Authority
from tkms.whole import write_whole

Spoil = Callable[[Directory, Path], object]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with nothing to find: three keys, one of them with two versions, a certificate and a backup."""
    path = tmp_path_factory.mktemp("doctor")
    directory = new_directory(path / "data")
    act(directory, "CreateKeyVersion", key_id=create(directory))
    create(directory)
    Authority(directory.tls, "local").ensure()
    _watch(directory, time.time())
    back_up(directory, path / "backup", Plain(), with_parent=False, tell=None)
    return directory.path


@pytest.fixture
def directory(made: Path, tmp_path: Path) -> Directory:
    return Directory(shutil.copytree(made, tmp_path / "data"))


def found(directory: Directory, *, every: bool = False) -> list[Finding]:
    return [*examine(directory, every=every, tell=None)]


def test_one_with_nothing_to_find(directory: Directory) -> None:
    for every in (False, True):
        findings = found(directory, every=every)
        assert {finding.status for finding in findings} == {OK}
        assert {finding.check for finding in findings} == {"files", *CHECKS} - {"restore", "imported"}
        assert "4 versions of 3 keys and 1 access key open" in [finding.found for finding in findings]


# -- what is spoilt ---------------------------------------------------------------------------------------


def _sql(directory: Directory, script: str) -> None:
    with sqlite3.connect(directory.path / "kms.sqlite3") as db:
        db.executescript(script)
    db.close()


def _a_page(directory: Directory) -> None:
    """Of a table that nothing reads."""
    _sql(directory, "CREATE TABLE junk (x); INSERT INTO junk VALUES (1); PRAGMA wal_checkpoint(TRUNCATE);")
    with sqlite3.connect(directory.path / "kms.sqlite3") as db:
        ((page,),) = db.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'junk'").fetchall()
        ((size,),) = db.execute("PRAGMA page_size").fetchall()
    db.close()
    with (directory.path / "kms.sqlite3").open("r+b") as file:
        file.seek((page - 1) * size)
        file.write(b"\xff" * size)


def _watch(directory: Directory, seen: float) -> None:
    with using(directory) as settings:
        for job in ("RotateDueKeys", "DeleteDueKeys"):
            settings.deps.keyring.store.put_watch(job, Watch(since=int(seen) - 3 * DAY, seen=int(seen)))
        del settings


def _due(directory: Directory, seen: float) -> None:
    rewritten(directory, create(directory), state=KeyState.PENDING_DELETION, deletion_date=int(seen) - 2 * DAY)
    _watch(directory, seen)


def _expiring(directory: Directory) -> None:
    with using(directory) as settings:
        now = int(time.time())
        settings.access.create("app", DIALECTS, ALLOW_ALL, now, expires=now + DAY)
        del settings


def _without_key(directory: Directory, folder: Path) -> None:
    cert, _ = make_certificate(folder)
    (other := folder / "other").mkdir()
    write_server(directory.path, ServerFile("https://127.0.0.1:1", str(cert), str(make_certificate(other)[1])))


def _note(directory: Directory, days: int) -> None:
    (directory.path / "backup.json").write_text(json.dumps({"created": int(time.time()) - days * DAY, "file": "/b"}))


def _former(directory: Directory, name: str) -> None:
    file = directory.path / time.strftime(name, time.gmtime())
    file.write_bytes(os.urandom(32))
    file.chmod(0o600)


def _needs(directory: Directory, name: str) -> None:
    """A last backup that is under the parent key of this file, which says nothing of when it was replaced."""
    _former(directory, name)
    last = json.loads((directory.path / "backup.json").read_bytes())
    last["parent_fingerprint"] = fingerprint((directory.path / name).read_bytes())
    (directory.path / "backup.json").write_text(json.dumps(last))


SPOILT: dict[str, tuple[Spoil, str, str, str]] = {
    "open file": (lambda d, _: (d.path / "site.json").chmod(0o644), "files", WARNING, "is open to others (mode 0644)"),
    "open parent": (lambda d, _: (d.path / "parent.key").chmod(0o640), "directory", PROBLEM, "chmod 600 it"),
    "open directory": (lambda d, _: d.path.chmod(0o755), "directory", PROBLEM, "chmod 700 it"),
    "another parent": (
        lambda d, _: (d.path / "parent.key").write_bytes(os.urandom(32)),
        "directory",
        PROBLEM,
        "is not the one that this directory was sealed with",
    ),
    "a page": (lambda d, _: _a_page(d), "store", PROBLEM, "kms.sqlite3: "),
    "a clock behind": (lambda d, _: _watch(d, time.time() + 900), "clock", PROBLEM, "and something was written at"),
    "material": (
        lambda d, _: _sql(d, 'UPDATE versions SET doc = replace(doc, \'"sealed":"\', \'"sealed":"AAAA\')'),
        "versions",
        PROBLEM,
        "version 1: Sealed material",
    ),
    "a row": (lambda d, _: _sql(d, "UPDATE aliases SET mac = 'x'"), "rows", PROBLEM, "is not what its MAC says"),
    "half a row": (
        lambda d, _: _sql(d, "UPDATE keys SET doc = substr(doc, 1, 40)"),
        "versions",
        PROBLEM,
        "a row of it is not believed",
    ),
    "work that waits": (lambda d, _: _due(d, time.time()), "sweeps", WARNING, "destroy: 1 key is due"),
    "a jump": (lambda d, _: _due(d, time.time() - 7200), "sweeps", PROBLEM, "tkms maintain --trust-clock"),
    "an access key": (lambda d, _: _expiring(d), "credentials", WARNING, "(app) expires on"),
    "no access key": (
        lambda d, _: _sql(d, "DELETE FROM credentials"),
        "credentials",
        WARNING,
        "there is no active access key",
    ),
    "imported": (
        lambda d, _: rewritten(d, create(d), material_expires=int(time.time()) + DAY),
        "imported",
        WARNING,
        "expires on",
    ),
    "a wrong key": (_without_key, "certificate", PROBLEM, "is not that of the certificate"),
    "no certificate": (
        lambda d, _: write_server(d.path, ServerFile("", "/none", "/none")),
        "certificate",
        PROBLEM,
        "/none cannot be read",
    ),
    "no backup": (lambda d, _: (d.path / "backup.json").unlink(), "backup", WARNING, "has made none here yet"),
    "an old backup": (lambda d, _: _note(d, 8), "backup", WARNING, "8 days ago: /b"),
    "a backup from before a reseal": (
        lambda d, _: (_note(d, 1), _former(d, "parent-until-%Y%m%dT%H%M%SZ-0f0f.key"))[-1],
        "backup",
        WARNING,
        "under another parent key than that of now, and opens with that alone",
    ),
    "a backup that needs a parent key from before": (
        lambda d, _: _needs(d, "parent-until-someday.key"),
        "backup",
        WARNING,
        "than that of now, and opens with parent-until-someday.key alone",
    ),
}
if os.geteuid() == 0:
    SPOILT["a file of another"] = (lambda d, _: os.chown(d.path / "tls" / "ca.pem", 1, 1), "files", PROBLEM, "chown 0")


@pytest.mark.parametrize("name", SPOILT)
def test_what_is_spoilt_is_found(directory: Directory, tmp_path: Path, name: str) -> None:
    spoil, check, status, text = SPOILT[name]
    spoil(directory, tmp_path)
    told = [finding for finding in found(directory) if finding.status != OK]
    (first, *others) = [finding for finding in told if finding.check == check]
    assert first.status == status, told
    assert text in f"{first.found} {first.advice}"
    assert {finding.check for finding in told} - {check} <= ({"rows"} if check in ("versions", "rows") else set())
    assert not others or check in ("store", "credentials")


def test_an_access_key_that_was_rotated_with_an_overlap_is_in_order(directory: Directory) -> None:
    with using(directory) as settings:
        settings.access.create("app", DIALECTS, ALLOW_ALL, int(time.time()))
        del settings
    _expiring(directory)
    findings = found(directory)
    assert {finding.status for finding in findings} == {OK}
    assert any("and another access key of that name goes on" in finding.found for finding in findings)


def test_the_last_backup_is_of_the_parent_key_that_a_restore_took_away(directory: Directory, tmp_path: Path) -> None:
    """It is younger than all that tells of a reseal."""

    def said() -> list[tuple[str, bool]]:
        told = [finding for finding in found(directory) if finding.check == "backup"]
        return [(finding.status, "under another parent key than that of now" in finding.found) for finding in told]

    first, old = backed_up(directory, tmp_path / "first"), tmp_path / "old.key"
    write_whole(old, (directory.path / "parent.key").read_bytes())
    reseal(directory, parent_file(tmp_path / "new.key"))
    assert said() == [(WARNING, True)]
    backed_up(directory, tmp_path / "last")
    assert said() == [(OK, False)]
    restored(directory.path, first, replacing=True, parent=old)
    assert said() == [(WARNING, True)]


def test_a_parent_key_that_somebody_has_named_says_nothing_of_backups(directory: Directory) -> None:
    _former(directory, "parent-until-someday.key")
    assert {finding.status for finding in found(directory)} == {OK}


def test_indexes_that_do_not_fit_are_found_where_all_is_asked_for(directory: Directory) -> None:
    _sql(
        directory,
        "CREATE TABLE junk (x); CREATE INDEX of_junk ON junk (x); INSERT INTO junk VALUES (1);"
        " PRAGMA writable_schema=ON; UPDATE sqlite_schema SET sql = sql || ' WHERE x = 2' WHERE name = 'of_junk';",
    )
    for every in (False, True):
        assert [finding.check for finding in found(directory, every=every) if finding.status != OK] == ["store"] * every


def test_a_server_that_sweeps_no_more_is_late(directory: Directory) -> None:
    """One that has just begun is not."""
    _watch(directory, time.time() - 3000)
    with directory.serving(ServerFile("http://127.0.0.1:1")):
        assert {finding.status for finding in found(directory)} == {OK}
        os.utime(directory.path / "server.json", (1, 1))
        late = [finding for finding in found(directory) if finding.status == PROBLEM]
    assert [finding.check for finding in late] == ["sweeps", "sweeps"]
    assert "and a server runs" in late[0].found


def test_a_disk_that_is_full_soon(directory: Directory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of blocks of 4 KiB there are so many, and so many free."""
    size, rest = (directory.path / "kms.sqlite3").stat().st_size // 4096, os.statvfs(directory.path)[5:]
    for blocks, free, status, text in (
        (10**7, 256, PROBLEM, "has 1 MiB left"),
        (5 * size, size, WARNING, "too little for a backup"),
    ):
        disk = os.statvfs_result((4096, 4096, blocks, free, free, *rest))
        monkeypatch.setattr(os, "statvfs", lambda _, disk=disk: disk)
        (told,) = [finding for finding in found(directory) if finding.status != OK]
        assert (told.status, text in told.found) == (status, True)


def test_the_command_says_so_and_its_status_too(directory: Directory) -> None:
    where = ("--data-dir", str(directory.path))
    assert run_tkms("doctor", *where).stdout.endswith("\n0 problems, 0 warnings\n")
    _sql(directory, "UPDATE aliases SET mac = 'x'")
    done = run_tkms("doctor", "--all", "--json", *where, check=False)
    (row,) = [finding for finding in json.loads(done.stdout) if finding["status"] == "problem"]
    assert (done.returncode, row["check"]) == (1, "rows")
    assert "--all goes with --data-dir" in run_tkms("doctor", "--all", "--stack", "tkms-x", check=False).stderr
