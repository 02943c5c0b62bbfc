"""`tkms export` and `tkms import`, killed before steps that touch a file and statements of SQLite: nothing is lost, and
the same command ends what was begun."""

from __future__ import annotations

import gc
import json
import os
import re
import shutil
import signal
import time
from collections import Counter
from pathlib import Path

import pytest

from kit.backups import act, create, credentials_of, decrypt, encrypt, using
from kit.killed import killed_at
from tenantkms.access.policy import ALLOW_ALL
from tenantkms.model.key import KeyFilter
from tenantkms.runtime.assemble import SettingsError
from tkms import cli
from tkms.machine.directory import Directory
from tkms.note import Log
from tkms.transfer.check import Own

EACH = "TKMS_CAMPAIGN" in os.environ
"""Killed before each step (`make campaign OF=tests/tkms/test_export_kill.py`), else before some of them."""


class _Source:
    """A tenant with a key of more versions than one commit takes, others, and access keys."""

    def __init__(self, directory: Directory) -> None:
        self.directory = directory
        deep = create(directory, alias="deep")
        self.blobs = []
        for _ in range(5):
            self.blobs.append(encrypt(directory, deep))
            act(directory, "CreateKeyVersion", key_id=deep)
        self.blobs.append(encrypt(directory, create(directory, alias="app")))
        with using(directory) as settings:
            settings.access.create("second", ("aws",), ALLOW_ALL, 1_700_000_000)
            own = Own(settings)
            _, keys = own.store.list_keys(KeyFilter(), now=0, offset=0, limit=100)
            self.digests = {key.id: own.digest(key).value() for key in keys}
            del settings, own
        self.credentials = credentials_of(directory)


@pytest.fixture
def source(directory: Directory, monkeypatch: pytest.MonkeyPatch) -> _Source:
    monkeypatch.setattr("tkms.transfer.inward.MAX_WRITES", 4)
    made = _Source(directory)
    gc.collect()
    gc.freeze()
    return made


def _run(*args: str | Path) -> int:
    return cli.main(list(map(str, args)))


def test_an_export_that_is_killed_is_there_whole_or_not_at_all(
    source: _Source, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    seen = Counter[bool]()
    for step in range(0, 1000, 1 if EACH else 5):
        file, new = tmp_path / f"file {step}", tmp_path / f"new {step}"
        command = ("export", file, "--plain", "--data-dir", source.directory.path)
        if not killed_at(step, lambda command=command: _run(*command), tmp_path, statements=True):  # type: ignore[misc]
            break
        seen[file.exists()] += 1
        assert _run(*command) == (1 if file.exists() and seen[True] else 0)
        capsys.readouterr()
        assert _run("import", file, "--dry-run", "--json", "--data-dir", new) == 0
        assert json.loads(capsys.readouterr().out)["found"]["new"]["keys"] == 3
    assert step > 20
    assert seen[False] > 5
    assert credentials_of(source.directory) == source.credentials
    assert [decrypt(source.directory, blob) for blob in source.blobs] == [b"secret"] * 6


def test_an_import_that_is_killed_is_ended_by_the_next(
    source: _Source, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each key is there whole or not at all, no access key before all keys, and no request of before it is good."""
    file, seen = tmp_path / "file", Counter[int]()
    assert _run("export", file, "--plain", "--data-dir", source.directory.path) == 0
    exported = int(time.time())
    for step in range(0, 10_000, 1 if EACH else 5):
        new = Directory(tmp_path / f"new {step}")
        command = ("import", file, "--json", "--data-dir", new.path)
        if not killed_at(step, lambda command=command: _run(*command), tmp_path, statements=True):  # type: ignore[misc]
            break
        seen[_there(new, source, exported)] += 1
        capsys.readouterr()
        assert _run(*command) == 0, step
        told = json.loads(capsys.readouterr().out)
        assert told["found"]["file"]["keys"] == 3
        assert _there(new, source, exported) == 3
        assert credentials_of(new) == source.credentials
        assert [decrypt(new, blob) for blob in source.blobs] == [b"secret"] * 6
        shutil.rmtree(new.path)
    assert step > 100
    assert set(seen) >= {0, 3}
    assert seen[1] + seen[2] > 0


def _there(directory: Directory, source: _Source, since: int) -> int:
    """How many keys are."""
    if not (directory.path / "site.json").exists():
        with pytest.raises(SettingsError, match="There is no data directory"):
            directory.open()
        return 0
    with using(directory) as settings:
        own = Own(settings)
        _, keys = own.store.list_keys(KeyFilter(), now=0, offset=0, limit=100)
        assert all(source.digests[key.id] == own.digest(key).value() for key in keys)
        held = {alias for key in keys for alias in key.aliases}
        assert all((own.store.get_alias(name) is not None) == (name in held) for name in ("deep", "app", "default"))
        if settings.access.store.list_credentials():
            assert len(keys) == len(source.digests)
            assert settings.not_before() >= since
        del settings, own
    return len(keys)


@pytest.mark.parametrize("what", ["export", "import"])
def test_who_stops_it_is_told_what_is_there_and_what_to_do(
    what: str, source: _Source, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    file, new = tmp_path / "file", tmp_path / "new"
    lines = {
        "export": ("export", file, "--plain", "--data-dir", source.directory.path),
        "import": ("import", file, "--data-dir", new),
    }
    if what == "import":
        assert _run(*lines["export"]) == 0
    write, calls = Log.write, Counter[str]()

    def interrupted(log: Log, keys: list[str], outcome: str) -> None:
        calls[outcome] += 1
        if calls["ok"] == 2:
            signal.raise_signal(signal.SIGINT)
        write(log, keys, outcome)

    with monkeypatch.context() as patch:
        patch.setattr(Log, "write", interrupted)
        capsys.readouterr()
        assert _run(*lines[what]) == 130
    told = capsys.readouterr().err
    if what == "export":
        assert told == f"tkms: Stopped. {file} is not there, and nothing of it: run it again.\n"
        assert not [*tmp_path.glob(".writing-*")]
    else:
        counts = r"[12] keys? with [1-9]\d* versions?, [12] alias(es)?, 0 access keys"
        assert re.fullmatch(
            f"tkms: Stopped. {counts}, at least, were made in {new}, whole, and stay. Run it again: it goes on.\n", told
        )
    assert _run(*lines[what]) == 0
    if what == "import":
        assert credentials_of(Directory(new)) == source.credentials
