"""A disk that is full amid what SQLite writes: it is said, nothing is lost, and the next run goes on."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest

from kit.backups import act, backed_up, contents, decrypt, encrypt, here, tkms, using
from kit.resealing import parent_file
from tkms.backup.contents import PARENT, STORE
from tkms.machine.directory import RESTORING, Directory, call
from tkms.reseal.machine import OnMachine


@contextmanager
def _room(size: int) -> Iterator[None]:
    """No file of this process grows beyond `size` bytes."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


@pytest.fixture
def large(directory: Directory) -> Directory:
    """With more than fits beside what is there, where there is little room."""
    with using(directory) as settings:
        for _ in range(60):
            call(settings, "CreateKey", {"description": "x" * 2000})
        del settings
    return directory


@pytest.mark.parametrize("replacing", [False, True])
def test_a_restore_on_a_full_disk_changes_nothing_and_the_next_one_does(
    replacing: bool, large: Directory, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, blob = backed_up(large, tmp_path / "backup"), encrypt(large)
    shown = act(large, "ListKeys")["total"]
    to = large if replacing else Directory(tmp_path / "new")
    command = ("restore", file, *(("--replace", "--yes") if replacing else ("--parent", large.path / PARENT)))
    before = contents(large.path)
    most = (large.path / STORE).stat().st_size
    for size in (100, 20_000, 40_000, most - 1):
        with _room(size):
            status, _, told = here(capsys, to, *command)
        assert status == 1
        assert told.startswith("tkms: ")
        assert "parent" not in told
        assert contents(large.path) == before
        assert replacing or not to.path.exists()
        assert not (to.path / RESTORING).exists()
    assert here(capsys, to, *command)[0] == 0
    assert decrypt(to, blob) == b"secret"
    assert act(to, "ListKeys")["total"] == shown


def test_a_reseal_on_a_full_disk_loses_nothing_and_the_next_one_ends_it(
    large: Directory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("tkms.reseal.commands.OnMachine", partial(OnMachine, settle=0))
    new, blob = parent_file(tmp_path / "new.key"), encrypt(large)
    before = [(large.path / name).read_bytes() for name in (PARENT, STORE)]
    with _room(20_000):
        status, _, told = here(capsys, large, "reseal", "--to", new)
    assert (status, "cannot be opened: disk I/O error" in told) == (1, True)
    assert [(large.path / name).read_bytes() for name in (PARENT, STORE)] == before
    for again, size in enumerate((100_000, 200_000)):
        with _room(size):
            status, _, told = here(capsys, large, "reseal", *(() if again else ("--to", new)))
        assert status == 1
        assert told == (
            "tkms: It has not come to its end, and both parent keys are needed: tkms reseal ends it.\n"
            "tkms: The key store is not available. (disk I/O error)\n"
        )
        assert (large.path / PARENT).read_bytes() == new.read_bytes()
        assert decrypt(large, blob) == b"secret"
    assert here(capsys, large, "reseal")[0] == 0
    assert decrypt(large, blob) == b"secret"
    tkms(large, "audit", "verify")
    tkms(large, "doctor")
