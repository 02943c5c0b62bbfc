"""What the pages of one machine tell to type, above all after an accident: read from them, and run by a shell."""

from __future__ import annotations

import json
import os
import re
import shutil
import sqlite3
import sys
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

import pytest

from cdk.tenants import ROOT
from tkms.drill.page import sections
from tkms.drill.shell import Shell
from tkms.machine.directory import Directory

ASKED = """tkms() {
  case $1 in
    backup|restore|export|import) set -- "$@" --passphrase-file "$PASSPHRASE";;
    resume) set -- "$@" --yes;;
  esac
  command tkms "$@"
}"""
"""What commands would ask for on a terminal."""
SQLITE = f"""#!{sys.executable}
import sqlite3, sys
with sqlite3.connect(sys.argv[1]) as store:
    store.executescript(sys.argv[2])
"""
"""SQLite's command line, which not every machine has."""


@pytest.fixture
def shell(directory: Directory, tmp_path: Path) -> Shell:
    """In a folder with the data directory `data`, a copy of its parent key and a ciphertext of `secret`."""
    (bin_ := tmp_path / "bin").mkdir()
    (bin_ / "sqlite3").write_text(SQLITE)
    (bin_ / "sqlite3").chmod(0o700)
    (tmp_path / "passphrase.txt").write_text("correct horse battery staple")
    (tmp_path / "passphrase.txt").chmod(0o600)
    (tmp_path / "tools").symlink_to(ROOT / "tools")
    shutil.copy(directory.path / "parent.key", tmp_path)
    environment = {
        "PATH": os.pathsep.join(map(str, (bin_, Path(sys.executable).parent, "/usr/bin", "/bin"))),
        "HOME": str(tmp_path),
        "TKMS_DATA_DIR": str(directory.path),
        "PASSPHRASE": str(tmp_path / "passphrase.txt"),
    }
    made = Shell(tmp_path, environment)
    made(ASKED)
    made("echo secret | tkms encrypt --key alias/default --context app=shop > blob.txt")
    return made


def block(page: str, section: str, places: Mapping[str, str] | None = None, *, number: int = 0) -> list[str]:
    """The lines of a section's block, the first one or of that number, with values in place of what it has."""
    text = sections(page)[section][number]
    for place, value in (places or {}).items():
        assert place in text
        text = text.replace(place, value)
    return text.splitlines()


def opened(shell: Shell, **environment: str) -> bool:
    return shell("tkms decrypt --context app=shop < blob.txt", **environment) == "secret\n"


def test_a_backup_is_made_verified_restored_and_opened_alone(shell: Shell) -> None:
    page, there = "docs/backup.md", str(shell.folder / "there")
    made, verified, *restored = block(page, "", {"/backups/": ""})
    shell(f"{made}\n{verified}")
    shell("\n".join(restored), TKMS_DATA_DIR=there)
    assert opened(shell, TKMS_DATA_DIR=there)
    by_a_timer = block(page, "Making one", {"/backups/": "", "/etc/tkms/backup-passphrase": "passphrase.txt"})
    shell("\n".join(by_a_timer))
    assert len(list(shell.folder.glob("kms-20*.tkb"))) == 1
    # The block before it is of a table of DynamoDB, and its other lines are of one or an export: test_heir.py.
    assert shell(block(page, "Opening without the service", number=1)[0]) == "secret\n"


def test_an_export_goes_into_a_new_directory(shell: Shell) -> None:
    """tests/e2e/test_deploy.py goes to a stack and back."""
    lines = block("docs/export.md", "")
    here = [line for line in lines if "--stack" not in line]
    assert len(here) == 2 < len(lines)
    shell("\n".join(here))
    assert opened(shell, TKMS_DATA_DIR="new")


def test_a_row_that_is_not_believed_is_put_back_or_taken_away(shell: Shell, directory: Directory) -> None:
    page, section = "docs/one-machine.md", "Rows that are not believed"

    def change(statement: str) -> None:
        with closing(sqlite3.connect(directory.path / "kms.sqlite3")) as store, store:
            assert store.execute(statement).rowcount == 1

    def found() -> list[str]:
        rows = json.loads(shell("tkms doctor --json || true"))
        return [row["found"] for row in rows if row["check"] == "rows" and row["status"] != "ok"]

    key = json.loads(shell("tkms key describe alias/default --json"))["id"]
    shell(f"tkms key rotate {key}\ntkms backup kms.tkb")
    change("UPDATE keys SET mac = 'x'")
    assert len(found()) == 1
    back = block(page, section, {"FILE": "../kms.tkb", "<id>": key})
    shell("\n".join(["cd data", *back]))
    assert found() == []
    assert opened(shell)
    text = (ROOT / page).read_text("utf-8").partition(f"## {section}")[2]
    aliases, versions, keys = re.findall(r"`(DELETE FROM [^`]*)`", text)
    change("UPDATE aliases SET mac = 'x'")
    shell(f'''sqlite3 data/kms.sqlite3 "{aliases.replace("<name>", "default")}"''')
    assert found() == []
    for statement in (versions, keys):
        change(statement.replace("<id>", key).replace("<number>", "1"))


def test_one_machine_goes_under_another_parent_key(shell: Shell, directory: Directory) -> None:
    *lines, to_aws, doctor = block("docs/operations.md", "Another parent key")
    assert "--to arn:aws" in to_aws
    shell("\n".join([*lines, doctor]))
    assert (directory.path / "parent.key").read_bytes() != (shell.folder / "parent.key").read_bytes()
    shell("tkms reseal --end-sessions")
    assert opened(shell)


def test_keys_are_made_and_what_is_due_is_done(shell: Shell) -> None:
    for section in ("On the command line", "Scheduled work"):
        shell("\n".join(block("docs/keys.md", section)))
    assert json.loads(shell("tkms key describe alias/ours --json"))["state"] == "Enabled"
