"""Backups that somebody else has made: whoever knows a recipient of age can, and anybody a plain one."""

from __future__ import annotations

import io
import json
import sqlite3
import tarfile
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from kit.backup_files import opened
from kit.backups import backed_up, restored, tkms
from kit.support import run_tkms
from tkms.backup.contents import ABOUT, EXPORTED, FORMAT, PARENT, SITE, SUMS, packed, tarred
from tkms.machine.directory import Directory
from tkms.machine.site_file import NAME, read_site, write_site
from tkms.output import Failed

_ESCAPE = "\x1b]0;a title\x07"
_AGES = 10**18


def _crafted(
    directory: Directory,
    tmp_path: Path,
    site: dict[str, Any] | None = None,
    about: dict[str, Any] | None = None,
    change: Callable[[sqlite3.Connection], object] = lambda _: None,
) -> Path:
    """A backup of the directory with these fields, and rows, made others."""
    whole = opened(backed_up(directory, tmp_path / "own"), tmp_path / "unpacked")
    with closing(sqlite3.connect(whole.store, isolation_level=None)) as db:
        change(db)
    said = {field: getattr(whole.about, field) for field in whole.about.__struct_fields__} | (about or {})
    whose = json.loads((directory.path / NAME).read_bytes()) | (site or {})
    target = tmp_path / "crafted"
    with whole.store.open("rb") as store:
        small = {ABOUT: json.dumps(said).encode(), SITE: json.dumps(whose).encode()}
        target.write_bytes(b"".join(packed(small, store, 1, None)))
    return target


_OTHERS: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("tenant", {"tenant": _ESCAPE}, {}),
    ("region", {"region": _ESCAPE}, {}),
    ("account", {"account": ""}, {}),
    ("ready", {"ready": False}, {}),
    ("ready", {"empty": True}, {}),
    ("authenticated", {"authenticated": False}, {}),
    ("restored", {"restored": _AGES}, {}),
    ("format", {}, {"format": 0}),
    ("release", {}, {"release": "1" * 1000}),
    ("date", {}, {"created": _AGES}),
    ("date", {}, {"created": -1}),
    ("keys", {}, {"keys": -1}),
    ("audit_head", {}, {"audit_head": _ESCAPE}),
    ("parent_fingerprint", {}, {"parent_fingerprint": _ESCAPE}),
]


@pytest.mark.parametrize(("field", "site", "about"), _OTHERS)
def test_what_no_release_can_have_said_is_refused(
    field: str, site: dict[str, Any], about: dict[str, Any], directory: Directory, tmp_path: Path
) -> None:
    file = _crafted(directory, tmp_path, site, about)
    with pytest.raises(Failed, match=rf"damaged or not whole \(.*its {field} is none that it can have"):
        restored(tmp_path / "new", file, parent=directory.path / PARENT)
    assert not (tmp_path / "new").exists()


def _head(name: str = "backup.json", **headers: str) -> bytes:
    info = tarfile.TarInfo(name)
    info.pax_headers = {f"GNU.sparse.{each}": value for each, value in headers.items()}
    how = tarfile.PAX_FORMAT if headers else tarfile.USTAR_FORMAT
    return info.tobuf(how, "utf-8", "surrogateescape")


_TARS = {
    "holes without numbers": _head(map="a,b"),
    "holes of no number": _head(size="x"),
    "holes that are not told": _head(major="1", minor="0"),
    "a name that is no text": _head("\udcff") + _head(SUMS),
}


@pytest.mark.parametrize("which", _TARS)
def test_a_tar_that_is_none_is_told_as_damaged(which: str, tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(_TARS[which] + bytes(4096))
    with pytest.raises(Failed, match="damaged or not whole"):
        opened(tmp_path / "a", tmp_path / "x")


def test_a_site_that_was_edited_by_hand_is_restored(directory: Directory, tmp_path: Path) -> None:
    """As one may be whose ARNs are those of another KMS."""
    file = _crafted(directory, tmp_path, {"region": "Region_1", "account": "1234567890123456"})
    restored(tmp_path / "new", file, parent=directory.path / PARENT)


def test_rows_of_others_get_no_macs_where_they_are_restored(directory: Directory, tmp_path: Path) -> None:
    """As those of an older release would, which its `site.json` says."""

    def allow(db: sqlite3.Connection) -> None:
        db.execute("UPDATE credentials SET mac = NULL, doc = json_set(doc, '$.name', 'somebody')")

    file = _crafted(directory, tmp_path, {"authenticated": False}, change=allow)
    new = Directory(tmp_path / "new")
    assert "authenticated" in tkms(new, "restore", file, "--parent", directory.path / PARENT, status=1)
    assert not new.path.exists()


@pytest.mark.parametrize("what", ["TRIGGER a AFTER UPDATE ON keys BEGIN DELETE FROM keys; END", "VIEW a AS SELECT 1"])
def test_a_store_that_acts_by_itself_is_told(what: str, directory: Directory, tmp_path: Path) -> None:
    """It has no MAC, and could undo in the restored store what is changed there later."""
    file = _crafted(directory, tmp_path, change=lambda db: db.execute(f"CREATE {what}"))
    told = f"its {what.split(maxsplit=1)[0].lower()} 'a' is none that a release makes"
    assert told in tkms(directory, "backup", "verify", file, status=1)
    new = Directory(tmp_path / "new")
    tkms(new, "restore", file, "--parent", directory.path / PARENT)
    assert told in run_tkms("doctor", "--data-dir", str(new.path), check=False).stdout


def test_dates_of_no_calendar_hide_nothing_of_what_a_restore_undoes(directory: Directory, tmp_path: Path) -> None:
    change = f"UPDATE keys SET doc = json_set(doc, '$.deletion_date', {_AGES}, '$.state', 'PendingDeletion')"
    file = _crafted(directory, tmp_path, change=lambda db: db.execute(change))
    assert f"is destroyed from second {_AGES} on" in tkms(directory, "restore", file, "--replace", "--dry-run")


def test_brackets_without_an_end_are_damage(directory: Directory, tmp_path: Path) -> None:
    for command, name in (("verify", ABOUT), ("import", EXPORTED)):
        content = b'{"what no release knows":' + b"[" * 100_000
        (tmp_path / name).write_bytes(b"".join(tarred([(name, io.BytesIO(content))], 1)))
        args = ("backup", "verify") if command == "verify" else ("import",)
        assert "is damaged or not whole" in tkms(directory, *args, tmp_path / name, status=1)


def test_what_a_file_says_is_nothing_that_a_terminal_obeys(directory: Directory, tmp_path: Path) -> None:
    newer = _crafted(directory, tmp_path, about={"format": FORMAT + 1, "release": _ESCAPE})
    told = tkms(directory, "backup", "verify", newer, status=1)
    assert told == rf"tkms: {newer} was made by a newer release, \x1b]0;a title\x07: install that." + "\n"


# -- what else goes in and out ----------------------------------------------------------------------------


def test_no_name_is_taken_that_a_file_of_the_directory_has(directory: Directory, tmp_path: Path) -> None:
    """Its own note of the backup took the place of the backup, which was told as made."""
    for command in ("backup", "export"):
        for name in ("backup.json", "kms.sqlite3-journal", "parent-until-x.key"):
            told = tkms(directory, command, "--plain", directory.path / name, status=1)
            assert "is in the data directory: there its name has to end with .tkb" in told
    assert not [*directory.path.glob("kms.sqlite3-journal")]
    tkms(directory, "backup", "--plain", directory.path / "monday.tkb")
    tkms(directory, "backup", "verify", directory.path / "monday.tkb")
    tkms(directory, "backup", "--plain", tmp_path / "backup.json")


def test_the_doctor_shows_no_name_that_a_terminal_obeys(directory: Directory, tmp_path: Path) -> None:
    tkms(directory, "backup", "--plain", tmp_path / f"{_ESCAPE}\n.tkb")
    assert rf"{tmp_path}/\x1b]0;a title\x07\n.tkb" in tkms(directory, "doctor")


def test_an_import_is_of_whom_its_command_says(directory: Directory, tmp_path: Path) -> None:
    tkms(directory, "export", "--plain", tmp_path / "kms.tke")
    new = Directory(tmp_path / "new")
    told = tkms(new, "import", tmp_path / "kms.tke", "--from-tenant", "acme", status=1)
    assert "is of tenant 'local', and not of 'acme'" in told
    assert not new.path.exists()
    tkms(new, "import", tmp_path / "kms.tke", "--from-tenant", "local")


def test_the_doctor_says_that_a_clock_was_ahead(directory: Directory) -> None:
    """As long as nobody is served, which no log says."""
    site = read_site(directory.path)
    write_site(directory.path, replace(site, restored=int(time.time()) + 100_000))
    done = run_tkms("doctor", "--data-dir", str(directory.path), check=False)
    assert done.returncode == 1
    assert "all requests are refused until" in done.stdout
