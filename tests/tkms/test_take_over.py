"""Rows of a release before MACs: taken over once, by nothing that happens to the store; and `tkms doctor` on rows."""

from __future__ import annotations

import io
import json
import shutil
import sqlite3
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from kit.moto_aws import Tables, WiredSession, kms_client
from kit.raw_rows import FIRST_LAYOUT, raw_rows, without_mac
from kit.support import new_directory, run_tkms
from tenantkms.access.policy import ALLOW_ALL
from tenantkms.errors import Unavailable
from tenantkms.names import DIALECTS
from tenantkms.runtime.assemble import SettingsError
from tkms.anchor import take_over
from tkms.cli import main
from tkms.findings import OK, PROBLEM, ROWS, Finding
from tkms.machine.directory import Directory, call
from tkms.stack import doctor, stack

# -- one machine -----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    data = tmp_path_factory.mktemp("template") / "data"
    new_directory(data)
    return data


@pytest.fixture
def data(template: Path, tmp_path: Path) -> Path:
    """A directory as a first start leaves it."""
    return Path(shutil.copytree(template, tmp_path / "data"))


def sql(data: Path, script: str) -> None:
    with closing(sqlite3.connect(data / "kms.sqlite3")) as db:
        db.executescript(script)


NO_MACS = "".join(f"UPDATE {table} SET mac = NULL;" for table in ("keys", "versions", "aliases", "credentials"))
TABLES = ("keys", "versions", "aliases", "credentials")


def as_before(data: Path) -> None:
    """As a release before MACs leaves a directory."""
    sql(data, FIRST_LAYOUT)
    site = json.loads((data / "site.json").read_bytes())
    assert site.pop("authenticated") is True
    (data / "site.json").write_text(json.dumps(site))


def tkms(data: Path, *words: str, stdin: str = "", status: int = 0) -> str:
    done = run_tkms(*words, "--data-dir", str(data), stdin=stdin, check=False)
    assert done.returncode == status, done
    return done.stderr if status else done.stdout


def test_the_first_start_takes_over_what_an_older_release_left(data: Path) -> None:
    blob = tkms(data, "encrypt", stdin="x")
    key = call(Directory(data).open(), "ListKeys", {})["keys"][0]["id"]  # type: ignore[index]
    call(Directory(data).open(), "CreateKeyVersion", {"key_id": key})
    as_before(data)
    assert tkms(data, "decrypt", stdin=blob) == "x"
    assert json.loads((data / "site.json").read_bytes())["authenticated"] is True
    assert "4 are authentic" in tkms(data, "doctor")


def test_a_take_over_that_dies_is_ended_by_the_next_start(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    as_before(data)
    monkeypatch.setattr("tkms.machine.directory.take_over", lambda settings: [next(iter(take_over(settings))), die()])
    with pytest.raises(KeyboardInterrupt):
        Directory(data).open()
    monkeypatch.undo()
    assert len(Directory(data).open().access.store.list_credentials()) == 1
    assert "3 are authentic" in tkms(data, "doctor")


def die() -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize(
    "script", [NO_MACS, f"DELETE FROM root; {NO_MACS}", "DELETE FROM root"], ids=["no MACs", "neither", "no root"]
)
def test_who_writes_to_the_store_brings_no_take_over_about(data: Path, script: str) -> None:
    sql(data, f"{script}; UPDATE credentials SET doc = replace(doc, 'alibaba', 'tencent');")
    said = tkms(data, "credential", "list", status=1)
    if "root" in script:
        assert "kms.sqlite3 has no root secret, so no row of it is believed: restore it from a backup" in said
    else:
        assert "The row credentials TKMS" in said
        assert "has no MAC: tkms doctor finds all such rows." in said


def test_a_backup_of_an_older_release_is_taken_over_by_the_operators_word(data: Path) -> None:
    as_before(data)
    site = json.loads((data / "site.json").read_bytes())
    (data / "site.json").write_text(json.dumps({**site, "authenticated": True}))
    assert 'set "authenticated" in site.json to false, once' in tkms(data, "credential", "list", status=1)
    (data / "site.json").write_text(json.dumps({**site, "authenticated": False}))
    assert "TKMS" in tkms(data, "credential", "list")


def test_the_doctor_names_every_row_that_is_not_believed(data: Path) -> None:
    site = Directory(data).open().site
    told = tkms(data, "doctor").splitlines()
    assert [line for line in told if line.split()[1] in ("arns", "rows")] == [
        f"ok  arns          arn:aws:kms:{site.region}:{site.account}: stands in messages of encryption SDKs, for ever",
        "ok  rows          3 are authentic",
    ]
    assert told[-1] == "0 problems, 1 warning"  # there is no backup
    sql(data, "UPDATE aliases SET mac = 'x'; UPDATE keys SET due = 5; UPDATE credentials SET mac = NULL;")
    done = run_tkms("doctor", "--json", "--data-dir", str(data), check=False)
    assert done.returncode == 1
    found = [finding["found"] for finding in json.loads(done.stdout) if finding["check"] == ROWS]
    assert [text.split()[0] for text in found] == ["keys", "aliases", "credentials"]
    assert found[1] == "aliases default is not what its MAC says"
    sql(data, "DELETE FROM aliases; DELETE FROM keys")
    credential = found[2].split()[1]
    tkms(data, "credential", "delete", "--yes", credential)
    assert "0 are authentic" in tkms(data, "doctor")


def test_many_rows_are_not_all_named(data: Path) -> None:
    settings = Directory(data).make()
    for number in range(24):
        settings.access.create(f"n{number}", DIALECTS, ALLOW_ALL, number)
    sql(data, "UPDATE credentials SET mac = NULL")
    found = tkms_lines(data)
    assert len([line for line in found if "has no MAC" in line]) == 20
    assert any("and 5 more" in line for line in found)


def tkms_lines(data: Path) -> list[str]:
    return run_tkms("doctor", "--data-dir", str(data), check=False).stdout.splitlines()


# -- a stack ---------------------------------------------------------------------------------------------

NAME = "tkms-acme"
Stack = stack.Stack


class Deployed:
    """A stack on moto; `stack` is a new one, as each command makes it."""

    def __init__(self) -> None:
        self.tables = Tables.fresh()
        self.outputs = {
            "Tenant": "acme",
            "Region": "eu-central-1",
            "Account": "123456789012",
            "KeysTable": self.tables.keys,
            "AccessTable": self.tables.access,
            "ParentKeyArn": kms_client(self.tables.wire).create_key()["KeyMetadata"]["Arn"],
            "Url": "http://127.0.0.1:9",
            "FunctionPrefix": "tkms-acme-",
        }

    def stack(self, name: str = NAME) -> Stack:
        made = Stack.__new__(Stack)
        made.name, made.outputs, made._session = name, self.outputs, WiredSession(self.tables.wire)
        return made

    def fill(self) -> None:
        place = self.stack()
        place.access.create("first", DIALECTS, ALLOW_ALL, 1)
        call(place.settings, "CreateKey", {"alias": "a"})

    def as_before(self, *, root: bool = False) -> None:
        """As a release before MACs left it; `root`: and as if a take-over had begun."""
        settings = self.stack().settings
        for store in (settings.deps.keyring.store, settings.access.store):
            raw = raw_rows(store)
            for row in raw.rows():
                raw.put(without_mac(row))
        if not root:
            self.tables.client.delete_item(TableName=self.tables.keys, Key={"pk": {"S": "ROOT"}, "sk": {"S": "META"}})


@pytest.fixture
def deployed(monkeypatch: pytest.MonkeyPatch) -> Deployed:
    deployed = Deployed()
    monkeypatch.setattr(stack, "Stack", deployed.stack)
    return deployed


def rows(deployed: Deployed) -> list[Finding]:
    stack = deployed.stack()
    return [Finding(ROWS, *found) for found in doctor.CHECKS[ROWS](stack, doctor.Listing(stack, None))]


def test_a_new_stack_needs_no_take_over(deployed: Deployed) -> None:
    assert [(f.status, f.found) for f in rows(deployed)] == [(OK, "there is none yet")]
    assert not deployed.stack().settings.root.exists()
    deployed.fill()
    assert [(f.status, f.found) for f in rows(deployed)] == [(OK, "3 are authentic")]


def test_rows_without_a_root_secret_are_not_taken_over_by_the_way(deployed: Deployed) -> None:
    deployed.fill()
    deployed.as_before()
    with pytest.raises(SettingsError, match="tkms take-over --stack tkms-acme"):
        _ = deployed.stack().access
    with pytest.raises(Unavailable, match="not set up"):
        deployed.stack().settings.deps.keyring.store.get_alias("a")
    (finding,) = rows(deployed)
    assert (finding.status, "tkms take-over" in finding.advice) == (PROBLEM, True)
    assert not deployed.stack().settings.root.exists()


def test_the_operators_word_takes_them_over(deployed: Deployed, capsys: pytest.CaptureFixture[str]) -> None:
    deployed.fill()
    deployed.as_before()
    assert main(["take-over", "--stack", NAME, "--yes"]) == 0
    assert "3 rows have got their MAC" in capsys.readouterr().out
    assert [f.found for f in rows(deployed)] == ["3 are authentic"]
    assert len(deployed.stack().access.store.list_credentials()) == 1
    assert main(["take-over", "--stack", NAME]) == 0
    assert "nothing to take over" in capsys.readouterr().out


def test_a_take_over_that_was_ended_is_begun_again_with_what_is_left_by_name(
    deployed: Deployed, capsys: pytest.CaptureFixture[str]
) -> None:
    deployed.fill()
    deployed.as_before(root=True)
    assert [f.status for f in rows(deployed)] == [PROBLEM] * 3
    assert main(["take-over", "--stack", NAME, "--yes"]) == 0
    said = capsys.readouterr().out
    assert "3 rows have no MAC" in said
    assert "ALIAS#a META" in said
    assert "stop here" in said
    assert [f.status for f in rows(deployed)] == [OK]


@pytest.mark.parametrize(("typed", "status"), [(NAME, 0), ("yes", 1), ("", 1)])
def test_it_asks_on_a_terminal(deployed: Deployed, monkeypatch: pytest.MonkeyPatch, typed: str, status: int) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    deployed.fill()
    deployed.as_before()
    monkeypatch.setattr(sys, "stdin", Terminal(f"{typed}\n"))
    assert main(["take-over", "--stack", NAME]) == status
    assert deployed.stack().settings.root.exists() is (status == 0)


def test_without_a_terminal_it_does_nothing_unless_told(
    deployed: Deployed, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    deployed.fill()
    deployed.as_before()
    monkeypatch.setattr(sys, "stdin", io.StringIO(NAME))
    assert main(["take-over", "--stack", NAME]) == 2
    assert "--yes" in capsys.readouterr().err
    assert not deployed.stack().settings.root.exists()


def test_another_parent_key_takes_nothing_over(deployed: Deployed, capsys: pytest.CaptureFixture[str]) -> None:
    deployed.fill()
    deployed.as_before()
    deployed.outputs["ParentKeyArn"] = kms_client(deployed.tables.wire).create_key()["KeyMetadata"]["Arn"]
    assert main(["take-over", "--stack", NAME, "--yes"]) == 1
    assert "The parent key did not unseal" in capsys.readouterr().err
    assert not deployed.stack().settings.root.exists()


def test_a_listing_with_a_bad_row_says_which(deployed: Deployed, capsys: pytest.CaptureFixture[str]) -> None:
    deployed.fill()
    store = deployed.stack().settings.access.store
    raw: Any = raw_rows(store)
    (row,) = raw.rows()
    raw.put(without_mac(row))
    assert main(["credential", "list", "--stack", NAME]) == 1
    name = row["pk"]["S"]
    assert f"The row {name} has no MAC" in capsys.readouterr().err
    assert main(["credential", "delete", "--yes", "--stack", NAME, name.removeprefix("CREDENTIAL#")]) == 0
    assert main(["credential", "list", "--stack", NAME]) == 0
