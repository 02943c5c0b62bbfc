"""What a command or a directory had open is closed when it ends, also where one process has one after the other."""

from __future__ import annotations

import gc
import shutil
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from kit.resealing import parent_file
from tenantkms.audit.file_audit import FileAudit
from tenantkms.parent.root import Root
from tenantkms.store.sqlite import SqliteStore
from tkms.cli import main
from tkms.machine.directory import Directory, call

HOLDERS = (FileAudit, Root, SqliteStore)
"""Who has files of a directory open, and who has what its parent key opened."""


Alive = Callable[[], list[Any]]
"""Those that have come since the test began: other tests of this process may have theirs."""


@pytest.fixture
def alive() -> Iterator[Alive]:
    """While it is there nobody looks for garbage, as for hours in a process that makes little of it."""
    gc.collect()
    gc.disable()

    def holders() -> list[Any]:
        return [each for each in gc.get_objects() if isinstance(each, HOLDERS)]

    before = [*map(id, holders())]
    yield lambda: [each for each in holders() if id(each) not in before]
    gc.enable()


def beneath(path: Path) -> list[str]:
    """Files beneath `path` that this process has open."""
    names = list[str]()
    for link in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):  # that of the listing
            names.append(str(link.readlink()))
    return sorted(name.removeprefix(str(path)) for name in names if name.startswith(str(path)))


def test_a_directory_that_is_opened_again_and_again_leaves_nothing(directory: Directory, alive: Alive) -> None:
    for _ in range(20):
        settings = directory.open()
        (key,) = call(settings, "ListKeys", {})["keys"]  # type: ignore[misc]
        call(settings, "Encrypt", {"key_id": key["id"], "plaintext": "aGVsbG8="})
        assert beneath(directory.path)
        del settings
    assert (beneath(directory.path), alive()) == ([], [])


class Work(NamedTuple):
    """What commands of one test are given."""

    data: Path
    folder: Path

    def tkms(self, *args: object) -> int:
        return main([*map(str, args)])

    def here(self, *args: object) -> int:
        return self.tkms(*args, "--data-dir", self.data)

    def secret(self, name: str) -> Path:
        path = self.folder / name
        path.write_text(f"a passphrase {name}")
        path.chmod(0o600)
        return path


@pytest.fixture
def work(directory: Directory, tmp_path: Path) -> Work:
    return Work(directory.path, tmp_path)


def _plain(work: Work) -> Iterator[int]:
    for line in ("welcome", "key list", "credential list", "maintain", "audit", "audit verify", "doctor --all", "tls"):
        yield work.here(*line.split())
    yield work.here("encrypt", work.secret("plain"))
    yield work.here("snippet", "aws")
    yield work.tkms("init", "--data-dir", work.folder / "other")


def _files(work: Work) -> Iterator[int]:
    yield work.here("seal", work.secret("file"), "--to", work.folder)
    yield work.here("rewrap", work.folder / "file.tkms")
    (work.folder / "file").unlink()
    yield work.here("unseal", work.folder / "file.tkms", "--to", work.folder)


def _copies(work: Work) -> Iterator[int]:
    closed, passphrase = work.folder / "file", ("--passphrase-file", work.secret("passphrase"))
    yield work.here("export", closed, *passphrase)
    for _ in range(2):
        yield work.tkms("import", closed, *passphrase, "--data-dir", work.folder / "imported")
    closed.unlink()
    yield work.here("backup", closed, *passphrase)
    yield work.here("backup", "verify", closed, *passphrase)
    there = "--data-dir", work.folder / "restored"
    yield work.tkms("restore", closed, *passphrase, "--parent", work.data / "parent.key", *there)
    yield work.tkms("resume", "--yes", *there)
    yield work.here("reseal", "--to", parent_file(work.folder / "new.key"))
    yield work.here("doctor")  # it looks at what the former parent key is for


@pytest.mark.parametrize("commands", [_plain, _files, _copies])
def test_a_command_leaves_nothing_open(commands: Callable[[Work], Iterator[int]], work: Work, alive: Alive) -> None:
    for number, status in enumerate(commands(work)):
        assert (number, status, beneath(work.folder), alive()) == (number, 0, [], [])


def _wrong_names(work: Work) -> Iterator[int]:
    (work.folder / "blob").write_text("AAAA")
    yield work.here("decrypt", work.folder / "blob")
    yield work.here("encrypt", work.secret("plain"), "--key", "alias/none")
    yield work.here("key", "rotate", "alias/none")
    yield work.here("policy", "check", "--credential", "nobody", "--action", "Decrypt")


def _wrong_parents(work: Work) -> Iterator[int]:
    backup, passphrase = work.folder / "file", ("--passphrase-file", work.secret("passphrase"))
    assert work.here("backup", backup, *passphrase) == 0
    there, another = ("--data-dir", work.folder / "restored"), parent_file(work.folder / "another.key")
    yield work.tkms("restore", backup, *passphrase, "--parent", another, *there)
    yield work.here("backup", "verify", backup, *passphrase, "--parent", another)
    shutil.copy(another, work.data / "parent.key")
    for line in ("key list", "doctor", "maintain"):
        yield work.here(*line.split())


def _damage(work: Work) -> Iterator[int]:
    (work.data / "kms.sqlite3").write_bytes(b"no database" * 1000)
    for line in ("key list", "doctor", "audit verify"):
        yield work.here(*line.split())
    (work.data / "audit.jsonl").unlink()
    (work.data / "audit.jsonl").mkdir()
    yield work.here("key", "list")


@pytest.mark.parametrize("commands", [_wrong_names, _wrong_parents, _damage])
def test_nor_does_one_that_is_refused(commands: Callable[[Work], Iterator[int]], work: Work, alive: Alive) -> None:
    for number, status in enumerate(commands(work)):
        assert (number, status, beneath(work.folder), alive()) == (number, 1, [], [])


def test_a_command_that_ends_has_sealed_its_last_lines(work: Work) -> None:
    """The head of the log is at the last line: to cut that off is found, by whatever process it is looked for."""
    log = work.data / "audit.jsonl"
    for _ in range(2):
        assert work.here("key", "create") == 0
    log.write_bytes(b"".join(log.read_bytes().splitlines(keepends=True)[:-1]))
    assert work.here("audit", "verify") == 1
