"""Data directories that are backed up and restored by tests."""

from __future__ import annotations

import base64
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from kit.support import run_tkms
from tenantkms.model.key import Key
from tenantkms.runtime.assemble import Settings
from tenantkms.store.port import PutKey
from tkms import cli
from tkms.backup.container import Plain, Secrets
from tkms.backup.restore import Plan, prepared, put
from tkms.backup.write import back_up
from tkms.machine.directory import Directory, call

NOTHING = Secrets(lambda: b"")
DAY = 86_400


def backed_up(directory: Directory, target: Path) -> Path:
    back_up(directory, target, Plain(), with_parent=False, tell=None)
    return target


def restored(
    path: Path, file: Path, *, replacing: bool = False, parent: Path | None = None
) -> tuple[Plan, Path | None]:
    named = str(parent) if parent else ""
    with prepared(Directory(path), file, NOTHING, named, replacing=replacing, tell=None) as plan:
        return plan, put(plan, time.time())


@contextmanager
def using(directory: Directory) -> Iterator[Settings]:
    """Its settings, of which nothing is open afterwards: who reads a file lets go of the locks on it."""
    yield directory.open()


def act(directory: Directory, action: str, **params: object) -> Any:
    with using(directory) as settings:
        answer = call(settings, action, params)
        del settings
    return answer


def create(directory: Directory, **params: object) -> str:
    return str(act(directory, "CreateKey", **params)["key"]["id"])


def encrypt(directory: Directory, key: str = "alias/default", text: bytes = b"secret") -> str:
    return str(act(directory, "Encrypt", key_id=key, plaintext=base64.b64encode(text).decode())["ciphertext"])


def decrypt(directory: Directory, blob: str) -> bytes:
    return base64.b64decode(act(directory, "Decrypt", ciphertext=blob)["plaintext"])


def found(directory: Directory, key_id: str) -> Key | None:
    with using(directory) as settings:
        key = settings.deps.keyring.key(key_id, fresh=True)
        del settings
    return key


def rewritten(directory: Directory, key_id: str, **changes: object) -> None:
    """A key as somebody else's clock would have left it."""
    key = found(directory, key_id)
    assert key
    with using(directory) as settings:
        keyring = settings.deps.keyring
        keyring.commit([PutKey(msgspec.structs.replace(key, revision=key.revision + 1, **changes))])
        del settings, keyring


def credentials_of(directory: Directory) -> dict[str, str]:
    """Names -> ids."""
    with using(directory) as settings:
        rows = {c.name: c.access_key_id for c in settings.access.store.list_credentials()}
        del settings
    return rows


def tkms(directory: Directory, *args: str | Path, status: int = 0) -> str:
    done = run_tkms(*map(str, args), "--data-dir", str(directory.path), check=False)
    assert done.returncode == status, done.stderr
    return done.stderr if status else done.stdout


def here(capsys: pytest.CaptureFixture[str], directory: Directory, *args: str | Path) -> tuple[int, str, str]:
    """A command in this process: its status, and what it says."""
    status = cli.main([*map(str, args), "--data-dir", str(directory.path)])
    told = capsys.readouterr()
    return status, told.out, told.err


def contents(path: Path) -> dict[str, bytes]:
    """Every file of a directory, but locks."""
    files = (each for each in path.rglob("*") if each.is_file() and each.suffix != ".lock")
    return {str(each.relative_to(path)): each.read_bytes() for each in files}
