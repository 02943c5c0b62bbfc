"""What `tkms restore` undoes is told, nothing is destroyed until `tkms resume`, and no old request is served."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from kit.backups import (
    DAY,
    NOTHING,
    act,
    backed_up,
    contents,
    create,
    credentials_of,
    found,
    restored,
    rewritten,
    tkms,
    using,
)
from kit.connections import Wire, starting, tencent
from kit.support import Signer, run_tkms
from tenantkms.model.states import KeyState
from tkms.backup.compare import BACK, CHANGED, DELETION, GONE, ROTATED, STATE, differences
from tkms.backup.contents import PARENT, STORE
from tkms.backup.restore import prepared
from tkms.machine.directory import Directory
from tkms.machine.site_file import read_site


@pytest.fixture
def file(directory: Directory, tmp_path: Path) -> Path:
    """A backup of the directory as it is when the test begins."""
    return backed_up(directory, tmp_path / "backup")


# -- what it undoes ---------------------------------------------------------------------------------------


def test_what_it_undoes_is_told(directory: Directory, tmp_path: Path) -> None:
    names = ("rotated", "disabled", "cancelled", "scheduled", "destroyed", "described", "same")
    keys = {name: create(directory, alias=name) for name in names}
    act(directory, "ScheduleKeyDeletion", key_id=keys["cancelled"], days=7)
    for name in ("kept", "dropped", "stopped"):
        tkms(directory, "credential", "create", "--name", name)
    credentials = credentials_of(directory)
    then = backed_up(directory, tmp_path / "b")

    act(directory, "CreateKeyVersion", key_id=keys["rotated"])
    act(directory, "DisableKey", key_ids=[keys["disabled"]])
    act(directory, "CancelKeyDeletion", key_id=keys["cancelled"])
    act(directory, "ScheduleKeyDeletion", key_id=keys["scheduled"], days=7)
    rewritten(directory, keys["destroyed"], state=KeyState.PENDING_DELETION, deletion_date=1)
    tkms(directory, "maintain", "--trust-clock")
    with using(directory) as settings:
        store = settings.deps.keyring.store
        for job in ("RotateDueKeys", "DeleteDueKeys"):  # a day went by
            watch = store.get_watch(job)
            assert watch
            store.put_watch(job, msgspec.structs.replace(watch, since=watch.since - DAY - 1))
        del settings, store
    tkms(directory, "maintain")
    assert found(directory, keys["destroyed"]) is None
    act(directory, "UpdateKeyDescription", key_id=keys["described"], description="new")
    act(directory, "UpdateAlias", alias="same", key_id=keys["described"])
    keys["made"] = create(directory, alias="made")
    tkms(directory, "credential", "create", "--name", "new")
    tkms(directory, "credential", "delete", credentials["dropped"], "--yes")
    tkms(directory, "credential", "disable", credentials["stopped"])
    credentials |= credentials_of(directory)

    with prepared(directory, then, NOTHING, "", replacing=True, tell=None) as plan:
        assert plan.differences
        told = {(d.what, d.name) for d in plan.differences}
        texts = {d.name: d.text for d in plan.differences}
    called = {key: f"key {id_} (alias/{key})" for key, id_ in keys.items()}
    assert told == {
        (GONE, called["made"]),
        (GONE, "alias made"),
        (GONE, f"access key {credentials['new']}"),
        (BACK, called["destroyed"]),
        (BACK, "alias destroyed"),
        (BACK, f"access key {credentials['dropped']}"),
        (ROTATED, called["rotated"]),
        (DELETION, called["cancelled"]),
        (STATE, called["scheduled"]),
        (STATE, called["disabled"]),
        (STATE, f"access key {credentials['stopped']}"),
        (CHANGED, called["described"]),
        (CHANGED, called["same"]),
        (CHANGED, "alias same"),
    }
    assert texts[called["rotated"]] == "version 2 now, 1 then"
    assert texts[called["disabled"]] == "Disabled now, Enabled then"
    assert texts[f"access key {credentials['stopped']}"] == "disabled now, enabled then"
    assert texts[called["cancelled"]].startswith("is destroyed from 20")

    before = contents(directory.path)
    said = tkms(directory, "restore", then, "--replace", "--dry-run")
    assert "1 rotated since: the newest versions are gone" in said
    assert "1 whose deletion was cancelled since" in said
    assert said.endswith("Nothing is changed.\n")
    rows = json.loads(tkms(directory, "restore", then, "--replace", "--dry-run", "--json"))
    assert {(row["what"], row["name"]) for row in rows["undone"]} == told
    assert contents(directory.path) == before
    assert "asks before it begins" in tkms(directory, "restore", then, "--replace", status=2)
    assert contents(directory.path) == before


def test_it_compares_many_keys_without_reading_those_that_are_the_same(directory: Directory, tmp_path: Path) -> None:
    create(directory)
    copy = tmp_path / "copy"
    back = sqlite3.connect(copy)
    with sqlite3.connect(directory.path / STORE) as db:
        db.backup(back)
    back.close()
    assert [*differences(directory.path / STORE, copy)] == []


# -- nothing is swept, and nothing is sent twice ----------------------------------------------------------


def test_nothing_is_swept_until_that_is_said(directory: Directory, tmp_path: Path) -> None:
    key, rotated = create(directory), create(directory)
    rewritten(directory, key, state=KeyState.PENDING_DELETION, deletion_date=1)
    rewritten(directory, rotated, rotation_seconds=DAY, created=int(time.time()) - 3 * DAY)
    plan, _ = restored(directory.path, backed_up(directory, tmp_path / "b"), replacing=True)
    assert plan.due == [key]
    told = tkms(directory, "maintain", "--trust-clock", status=1)
    assert "this directory was restored" in told
    assert "destroy" in tkms(directory, "maintain", "--dry-run")
    assert "nothing is rotated or destroyed since it was restored" in tkms(directory, "doctor")
    with starting(directory.path) as start:
        time.sleep(2)  # the scheduled work comes first, as the server starts
        start.process.terminate()
        assert "this directory was restored" in start.process.communicate(timeout=20)[1]
    assert found(directory, key)
    assert _versions(directory, rotated) == 1

    assert "asks before it begins" in tkms(directory, "resume", status=2)
    said = tkms(directory, "resume", "--yes")
    assert f"1 key is past its date ({key})" in said
    assert not read_site(directory.path).paused
    assert tkms(directory, "resume") == "Nothing waits for that.\n"
    tkms(directory, "maintain")
    assert _versions(directory, rotated) == 2
    assert found(directory, key), "a day of watched time begins with the word of the operator"
    assert [line["action"] for line in _log(directory) if line["action"] in ("Restore", "Resume")] == ["Resume"]


def _versions(directory: Directory, key_id: str) -> int:
    key = found(directory, key_id)
    assert key
    return key.primary_number


def _log(directory: Directory) -> Iterator[dict[str, Any]]:
    for line in (directory.path / "audit.jsonl").read_text().splitlines():
        row = json.loads(line)
        if "action" in row:
            yield row


def test_a_request_from_before_is_not_served_again(directory: Directory, file: Path, tmp_path: Path) -> None:
    """What was served is forgotten by a new directory: an older request is refused, whatever its nonce."""
    made = json.loads(run_tkms("credential", "create", "--json", "--data-dir", str(directory.path)).stdout)
    signer = Signer(made["access_key_id"], made["access_key_secret"])
    file = backed_up(directory, tmp_path / "with the credential")
    old = signer.tencent("ListKeys", {})
    with starting(directory.path) as start, Wire(start.port) as wire:
        assert "Error" not in wire.ask(old)["Response"]
    new = tmp_path / "new"
    restored(new, file, parent=directory.path / PARENT)
    wait_until(read_site(new).restored)
    with starting(new) as start, Wire(start.port) as wire:
        assert wire.ask(old)["Response"]["Error"]["Code"] == "AuthFailure.SignatureExpire"
        assert "Regions" in tencent(start.port, signer, "GetRegions")
    tkms(Directory(new), "resume", "--yes")
    with starting(new) as start, Wire(start.port) as wire:
        assert wire.ask(old)["Response"]["Error"]["Code"] == "AuthFailure.SignatureExpire"


def wait_until(moment: float) -> None:
    time.sleep(max(0.0, moment - time.time()))


def test_the_command_says_what_it_did(directory: Directory, file: Path, tmp_path: Path) -> None:
    new = Directory(tmp_path / "new")
    said = tkms(new, "restore", file, "--parent", directory.path / PARENT)
    assert f"{new.path} is restored." in said
    assert "tkms resume" in said
    assert [(line["action"], line["outcome"]) for line in _log(new)] == [("Restore", "intent"), ("Restore", "ok")]
    done = json.loads(tkms(directory, "restore", file, "--replace", "--yes", "--json"))
    assert (done["done"], done["undone"], done["found"]["bad"]) == (True, [], 0)
    assert Path(done["aside"]).is_dir()
