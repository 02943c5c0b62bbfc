"""`tkms reseal`: everything goes under another parent key, while it is used, and wherever it is ended."""

from __future__ import annotations

import errno
import json
import os
import shutil
import sqlite3
import threading
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from moto import mock_aws

from kit.backups import backed_up, restored
from kit.connections import starting, tencent
from kit.resealing import Things, encrypted, opens, parent_file, reseal
from kit.support import Server, Signer, new_directory, run_tkms
from tenantkms.errors import InvalidImportToken, Unavailable
from tenantkms.keys.resealing import Resealer
from tenantkms.parent.aws_kms import AwsParentKey
from tenantkms.parent.file import FileParentKey
from tenantkms.parent.port import SealBroken
from tenantkms.runtime.assemble import PARENT_FILE, Settings
from tkms.backup.compare import differences
from tkms.cli import main
from tkms.machine.directory import Directory, call
from tkms.machine.lock import locked
from tkms.machine.parents import former_files
from tkms.output import Failed
from tkms.reseal import work
from tkms.whole import write_whole


@pytest.fixture
def directory(tmp_path: Path) -> Directory:
    return new_directory(tmp_path / "data")


@pytest.fixture
def new(tmp_path: Path) -> Path:
    return parent_file(tmp_path / "new.key")


def doctor(directory: Directory) -> tuple[int, str]:
    with redirect_stdout(StringIO()) as said:
        return main(["doctor", "--data-dir", str(directory.path)]), said.getvalue()


def sound(directory: Directory) -> str:
    """What the doctor says, where nothing is wrong."""
    assert main(["audit", "verify", "--data-dir", str(directory.path)]) == 0
    status, said = doctor(directory)
    assert status == 0
    return said


# -- whole --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("end_sessions", [False, True])
def test_all_is_under_the_new_parent_key_and_processes_go_on(
    directory: Directory, new: Path, end_sessions: bool
) -> None:
    running, old = directory.open(), (directory.path / PARENT_FILE).read_bytes()
    things = Things(running)
    shutil.copytree(directory.path, then := directory.path.with_name("then"))
    row_key = running.root.key("rows")
    during: list[Settings] = []
    resealed = Resealer.key

    def meanwhile(self: Resealer, key: Any) -> Any:
        if not during:  # nothing but the root is under the new one yet
            during.append(directory.open())
            things.work(running)
            things.work(during[0])
        return resealed(self, key)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Resealer, "key", meanwhile)
        report = reseal(directory, new, end_sessions=end_sessions)
    assert (directory.path / PARENT_FILE).read_bytes() == new.read_bytes()
    assert report.renewed >= report.rows > 8
    told = {found.name for found in differences(directory.path / "kms.sqlite3", then / "kms.sqlite3")}
    assert told <= {f"key {things.external}"}  # its material was imported once more, perhaps in another second
    fresh = directory.open()
    for settings in (running, during[0], fresh):
        things.work(settings)
        assert things.session_is_good(settings) is not end_sessions
        assert settings.root.key("rows") == fresh.root.key("rows") != row_key
        with pytest.raises(InvalidImportToken):
            call(settings, "ImportKeyMaterial", things.pending)
    former = Resealer("local", fresh.root)
    with pytest.MonkeyPatch.context() as patch:  # with the former one alone nothing opens
        opened = fresh.root.opened()
        other = type(opened)(opened.stored, opened.parents, FileParentKey(old), opened.record, ())
        patch.setattr(fresh.root, "_open", other)
        store = fresh.deps.keyring.store
        for key in store.keys_after((0, ""), limit=100):
            if key.primary or key.imported:
                with pytest.raises(SealBroken):
                    former.key(key)
    assert f"{former_files(directory.path)[0].name} opens nothing of what rests here" in sound(directory)
    assert reseal(directory).renewed == reseal(directory, new).renewed == 0


def test_a_second_one_keeps_the_first_one_s_lines_and_sessions(directory: Directory, tmp_path: Path) -> None:
    things = Things(directory.open())
    for number in range(2):
        reseal(directory, parent_file(tmp_path / f"{number}.key"))
    things.work(directory.open())
    assert things.session_is_good(directory.open())
    assert len(former_files(directory.path)) == 2
    sound(directory)
    (directory.path / "parent-until-x.key").write_bytes(b"none")
    with pytest.raises(Failed, match=r"parent-until-x\.key: It is no parent key"):
        reseal(directory)


def test_what_a_process_wrote_late_is_told_and_mended(directory: Directory, new: Path) -> None:
    settings = directory.open()
    things, old = Things(settings), FileParentKey((directory.path / PARENT_FILE).read_bytes())
    reseal(directory, new)
    with pytest.MonkeyPatch.context() as patch:  # it was sealed before, and stored when all others were done
        patch.setattr(settings.root, "seal", old.seal)
        patch.setattr(settings.deps.keyring, "parent", old)
        late = str(call(settings, "CreateKey", {"alias": "late"})["key"]["id"])  # type: ignore[index]
    status, told = doctor(directory)
    assert status == 1
    assert "does not open 1 row:" in told
    assert reseal(directory).renewed == 1
    things.blobs.append(encrypted(directory.open(), late))
    things.work(directory.open())
    sound(directory)


# -- ended at any place -------------------------------------------------------------------------------------


def kill_at(number: int, directory: Directory, to: Path) -> int:
    """Do it in a process of its own, which ends before its write with that number; its status."""
    if child := os.fork():
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    left = number

    def counted(call: Any) -> Any:
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            nonlocal left
            left -= 1
            if left < 0:
                os.kill(os.getpid(), 9)
            return call(*args, **kwargs)

        return wrapped

    try:
        from tenantkms.store import sqlite_file

        class Counted(sqlite_file._Connection):
            def execute(self, sql: str, *args: Any) -> Any:  # type: ignore[override]
                return (super().execute if sql.startswith(("SELECT", "PRAGMA")) else counted(super().execute))(
                    sql, *args
                )

        sqlite_file._Connection = Counted  # type: ignore[misc]
        for name in ("replace", "rename", "chown"):
            setattr(os, name, counted(getattr(os, name)))
        Path.replace = counted(Path.replace)  # type: ignore[method-assign]
        reseal(directory, to)
    except BaseException:  # noqa: BLE001 - this process has no test to fail
        import traceback

        traceback.print_exc()
        os._exit(1)
    os._exit(0)


def test_wherever_it_is_killed_nothing_is_lost_and_it_goes_on(directory: Directory, new: Path, tmp_path: Path) -> None:
    first = directory.open()
    things = Things(first)
    if first.log:
        first.log.close()
    del first
    number, status = 0, -9
    while status == -9:
        copy = Directory(tmp_path / f"copy-{number}")
        shutil.copytree(directory.path, copy.path)
        copy.path.chmod(0o700)
        status = kill_at(number, copy, new)
        settings = copy.open()
        blobs = [*things.blobs, encrypted(settings)]
        assert all(opens(settings, blob) for blob in blobs)
        report = reseal(copy, new)
        fresh = copy.open()
        assert (number, all(opens(fresh, blob) for blob in blobs), fresh.root.opened().before) == (number, True, ())
        assert (copy.path / PARENT_FILE).read_bytes() == new.read_bytes()
        if number % 8 == 0:
            things.session_is_good(fresh)
            assert main(["audit", "verify", "--data-dir", str(copy.path)]) == 0
        assert status == -9 or report.renewed == 0
        shutil.rmtree(copy.path)
        number += 1
    assert status == 0
    assert number > 20


@pytest.fixture
def half(directory: Directory, new: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Directory, Things]:
    """One that ended when half of it was done."""
    things = Things(directory.open())
    version, left = Resealer.version, 2

    def ended(self: Resealer, key: Any, found: Any) -> Any:
        nonlocal left
        left -= 1
        if left < 0:
            raise Unavailable("The parent key is out of reach.")
        return version(self, key, found)

    with monkeypatch.context() as patch:
        patch.setattr(Resealer, "version", ended)
        patch.setattr("tenantkms.store.sqlite_reseal._PAGE", 1)
        with pytest.raises(Unavailable):
            reseal(directory, new)
    return directory, things


def test_a_backup_from_within_opens_with_the_new_parent_key_alone(
    half: tuple[Directory, Things], new: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    directory, things = half
    file = backed_up(directory, tmp_path / "backup")
    assert "not come to its end" in doctor(directory)[1]
    plan, _ = restored(tmp_path / "other", file, parent=new)
    assert (plan.report.problems, plan.report.bad) == ([], 0)
    for number, blob in enumerate(things.blobs):
        (text := tmp_path / f"blob-{number}").write_text(blob)
        assert main(["open", "--offline", str(file), "--parent", str(new), str(text)]) == 0
    other = Directory(tmp_path / "other")
    things.work(other.open())
    assert reseal(other).renewed > 0
    things.work(other.open())
    capfd.readouterr()


def _told(directory: Directory) -> list[tuple[str, str]]:
    """(request id, outcome) of the audit log's lines of reseals."""
    lines = [json.loads(line) for line in (directory.path / "audit.jsonl").read_bytes().splitlines()]
    return [(line["request_id"], line["outcome"]) for line in lines if line.get("action") == "Reseal"]


def test_one_whose_parent_key_cannot_be_written_is_told(
    directory: Directory, new: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("tkms.reseal.machine.write_whole", full)
    with pytest.raises(OSError, match="No space"):
        reseal(directory, new)
    assert [outcome for _, outcome in _told(directory)] == ["intent", "OSError"]
    assert len({request_id for request_id, _ in _told(directory)}) == 1


def test_the_audit_log_says_what_came_of_each(half: tuple[Directory, Things]) -> None:
    directory, _ = half
    reseal(directory)
    reseal(directory)  # there is nothing to do
    told = _told(directory)
    assert [outcome for _, outcome in told] == ["intent", "Unavailable", "intent", "ok"]
    (first, _), (second, _), (third, _), (fourth, _) = told
    assert (first, third, first == third) == (second, fourth, False)
    sound(directory)


def test_one_that_goes_on_is_no_problem(half: tuple[Directory, Things]) -> None:
    directory, _ = half
    with locked(directory.path / "reseal.lock", "held"):
        status, said = doctor(directory)
    assert (status, "a reseal is under way" in said) == (0, True)
    status, said = doctor(directory)
    assert (status, "has not come to its end" in said) == (1, True)


def test_another_one_is_refused_until_it_has_come_to_its_end(
    half: tuple[Directory, Things], new: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    directory, things = half
    at = ["--data-dir", str(directory.path)]
    assert main(["reseal", "--to", str(parent_file(tmp_path / "third.key")), *at]) == 1
    assert "An earlier reseal has not come to its end" in capsys.readouterr().err
    with locked(directory.path / "reseal.lock", "held"):
        assert main(["reseal", *at]) == 1
    assert "is under way" in capsys.readouterr().err
    things.work(directory.open())
    reseal(directory)
    things.work(directory.open())
    sound(directory)


def test_one_that_has_only_begun_may_go_to_another_parent_key(
    directory: Directory, new: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    things, old = Things(directory.open()), (directory.path / PARENT_FILE).read_bytes()
    with monkeypatch.context() as patch:
        patch.setattr("tkms.reseal.machine.write_whole", lambda *_: (_ for _ in ()).throw(OSError(28, "No space")))
        assert main(["reseal", "--to", str(new), "--data-dir", str(directory.path)]) == 1
    assert (directory.path / PARENT_FILE).read_bytes() == old
    things.work(directory.open())
    assert main(["reseal", "--data-dir", str(directory.path)]) == 1
    assert "name its parent key once more" in capsys.readouterr().err
    third = parent_file(tmp_path / "third.key")
    reseal(directory, third)
    assert (directory.path / PARENT_FILE).read_bytes() == third.read_bytes()
    things.work(directory.open())
    sound(directory)


def test_what_cannot_be_is_refused_before_anything_is_changed(
    directory: Directory, new: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (short := tmp_path / "short").write_bytes(bytes(31))
    (open_ := tmp_path / "open").write_bytes(bytes(32))
    short.chmod(0o600)
    open_.chmod(0o644)
    before = directory.open().root.opened().stored
    for to, said in (
        (str(short), "has 32 bytes"),
        (str(open_), "chmod 600"),
        (
            str(tmp_path / "none"),
            f"tkms: The parent key {tmp_path / 'none'} cannot be read: No such file or directory.\n",
        ),
        ("arn:aws:kms:eu-central-1:1:alias/x", "is not the ARN"),
    ):
        assert main(["reseal", "--to", to, "--data-dir", str(directory.path)]) == 1
        assert said in capsys.readouterr().err
    assert directory.open().root.opened().stored == before
    same = tmp_path / "same"
    write_whole(same, (directory.path / PARENT_FILE).read_bytes())
    assert reseal(directory, same).renewed == 0
    assert former_files(directory.path) == []


def test_a_row_that_is_not_believed_holds_the_end_up(directory: Directory, new: Path) -> None:
    things = Things(directory.open())
    with sqlite3.connect(directory.path / "kms.sqlite3") as db:
        db.execute("UPDATE keys SET creator = 'somebody' WHERE id = ?", (things.waiting,))
    with pytest.raises(work.Failed, match=f"keys {things.waiting} is not what its MAC says"):
        reseal(directory, new)
    with sqlite3.connect(directory.path / "kms.sqlite3") as db:
        db.execute("DELETE FROM keys WHERE id = ?", (things.waiting,))
    things.work(directory.open())
    reseal(directory)
    things.work(directory.open())


# -- at AWS -------------------------------------------------------------------------------------------------


def test_to_a_key_of_aws_kms_and_back(
    directory: Directory, new: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    with mock_aws():
        import boto3

        arn = boto3.client("kms", "eu-central-1").create_key()["KeyMetadata"]["Arn"]
        running = directory.open()
        things, seal, left = Things(running), AwsParentKey.seal, 4

        def unreachable(self: AwsParentKey, *args: Any) -> bytes:
            nonlocal left
            left -= 1
            if left < 0:
                raise Unavailable("The parent key did not seal.")
            return seal(self, *args)

        with monkeypatch.context() as patch:
            patch.setattr(AwsParentKey, "seal", unreachable)
            with pytest.raises(Unavailable):
                reseal(directory, arn)
        things.work(running)
        assert reseal(directory, arn).renewed > 0
        assert (directory.path / PARENT_FILE).read_text().strip() == arn
        for settings in (running, directory.open()):
            things.work(settings)
        assert reseal(directory, arn).renewed == 0
        assert reseal(directory, new).renewed > 0
        things.work(running)
    things.work(directory.open())  # AWS is needed no more
    assert things.session_is_good(directory.open())


# -- while it is served -------------------------------------------------------------------------------------


def test_no_request_of_a_server_fails_meanwhile(tmp_path: Path, new: Path) -> None:
    data = tmp_path / "data"
    with starting(data, "--workers", "2", "--limit", "off") as start:
        signer = Signer(*Server(start.url, data, start.process).credential())
        key = tencent(start.port, signer, "ListKeys")["Keys"][0]["KeyId"]
        blob = tencent(start.port, signer, "Encrypt", KeyId=key, Plaintext="aGVsbG8=")["CiphertextBlob"]
        ended, answers = threading.Event(), list[dict[str, Any]]()

        def client() -> None:
            while not ended.is_set():
                made = tencent(start.port, signer, "Encrypt", KeyId=key, Plaintext="aGVsbG8=")
                answers.append(made)
                for each in (blob, made.get("CiphertextBlob", "")):
                    answers.append(tencent(start.port, signer, "Decrypt", CiphertextBlob=each))
                answers.append(tencent(start.port, signer, "CreateKey", Alias=f"k{len(answers)}"))

        threads = [threading.Thread(target=client) for _ in range(2)]
        for thread in threads:
            thread.start()
        done = run_tkms("reseal", "--to", str(new), "--json", "--data-dir", str(data))
        ended.set()
        for thread in threads:
            thread.join()
        assert json.loads(done.stdout)["found"]["renewed"] > 0
        assert [answer for answer in answers if "Error" in answer] == []
        made = [answer["KeyId"] for answer in answers if "CreateTime" in answer]
        assert len(made) > 2
        for each in made:
            assert "CiphertextBlob" in tencent(start.port, signer, "Encrypt", KeyId=each, Plaintext="aGVsbG8=")
        assert "opens nothing of what rests here" in sound(Directory(data))
