"""Who does not show all access keys to people has a few of them in memory, however many there are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from kit.backups import backed_up, here
from kit.exports import exported, imported, looked_at
from kit.support import new_directory
from tenantkms.access.policy import ALLOW_ALL
from tenantkms.names import DIALECTS
from tenantkms.runtime.assemble import Settings
from tenantkms.store.sqlite import SqliteStore
from tkms.anchor import _sealed_secrets
from tkms.backup.rows import Rows
from tkms.console.here import credentials
from tkms.machine.directory import Directory


@pytest.fixture
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Directory:
    """Whose access keys nobody may ask for all at once."""
    made = new_directory(tmp_path / "data")
    monkeypatch.setattr(SqliteStore, "list_credentials", lambda _: pytest.fail("all access keys at once"))
    return made


def create(settings: Settings, name: str, dialects: tuple[str, ...] = DIALECTS, **how: Any) -> str:
    return settings.access.create(name, dialects, ALLOW_ALL, **how)[0].access_key_id


def test_a_snippet_is_of_the_oldest_that_fits(directory: Directory, capsys: pytest.CaptureFixture[str]) -> None:
    settings = directory.open()
    create(settings, "newer", now=2_000_000_000)
    older = create(settings, "older", ("tencent",), now=1)
    create(settings, "off", ("aws",), now=0, expires=1)
    fits = create(settings, "fits", ("aws",), now=2)
    assert older in here(capsys, directory, "snippet", "tencent")[1]
    assert fits in here(capsys, directory, "snippet", "aws")[1]
    for id_ in (older, fits):
        settings.access.change(id_, 3, enabled=False)
    status, said, _ = here(capsys, directory, "snippet", "aws")
    assert (status, older in said, fits in said) == (0, False, False)


def test_a_file_is_checked_and_opened(directory: Directory, tmp_path: Path) -> None:
    settings = directory.open()
    assert len([*_sealed_secrets(settings)]) == 1
    file = backed_up(directory, tmp_path / "backup")
    assert file.exists()
    rows = Rows(directory.path / "kms.sqlite3", "local", (directory.path / "parent.key").read_bytes(), "it")
    assert rows.check(every=True).credentials == 1


def test_an_export_and_an_import_look_at_those_that_move(directory: Directory, tmp_path: Path) -> None:
    settings, other = directory.open(), Directory(tmp_path / "other").make(empty=True)
    for number in range(5):
        create(other, f"there {number}", now=1)
        create(settings, f"here {number}", now=1)
    data, counts = exported(settings)
    assert counts.credentials == 6
    assert imported(other, data)[1].credentials == 6
    assert imported(other, data)[1].credentials == 0


def test_what_an_import_finds_wrong_is_of_the_names_that_arrive(directory: Directory, tmp_path: Path) -> None:
    settings, other = directory.open(), Directory(tmp_path / "other").make(empty=True)
    for name in ("app", "full", ""):
        create(settings, name, now=1)
    for name in ("full", "full", "app", "", "", ""):
        create(other, name, now=1)
    data, _ = exported(settings)
    problems = looked_at(other, data).problems
    assert [text for text in problems if "active access keys" in text] == [
        "full would have 3 active access keys: 2 at most"
    ]
    (app,) = other.access.store.credentials_named("app")
    other.access.change(app.access_key_id, 1, policy="{}")
    (told,) = (text for text in looked_at(other, data).problems if "another policy" in text)
    assert f"its name app is that of {app.access_key_id} here" in told


def test_who_sees_its_own_access_key_alone_has_no_other_read(
    directory: Directory, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = directory.open()
    own = create(settings, "own", now=1)
    monkeypatch.setattr(SqliteStore, "credentials", lambda _: pytest.fail("all access keys"))
    found = [{"id": own, "name": "own", "enabled": True, "expires": 0}]
    assert credentials(settings.access.store, own) == found
    assert credentials(settings.access.store, "gone") == []
