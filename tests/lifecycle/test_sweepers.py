"""Scheduled work on many keys: all that are due and no others, in pages, again and again, whatever fails."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from kit.action_samples import SAMPLES
from kit.campaign.tenant import Process, assert_gone, assert_whole
from kit.campaign.world import DAY, START, STORES, World, make_world
from kit.due_keys import due_key, fill, finished, rows
from kit.fakes import Counting
from kit.raw_rows import raw_rows, without_mac
from kit.samples import key_id as numbered
from tenantkms.errors import Unavailable
from tenantkms.keys import maintenance
from tenantkms.model.key import Key
from tenantkms.model.states import KeyState
from tenantkms.store.port import KeyStore, PutKey, Write

MANY = [("sqlite", 1000), ("dynamodb", 120)]
"""DynamoDB under moto is slow; its keys fill more than one page, too."""


def run(world: World, job: str, **how: Any) -> tuple[int, int, int]:
    report = maintenance.run(maintenance.JOBS[job], Process(world).deps, "sweep", **how)
    return report.due, report.done, report.failed


@pytest.mark.parametrize("job", maintenance.JOBS)
@pytest.mark.parametrize(("store", "count"), MANY)
def test_all_that_is_due_is_done_in_pages(store: str, count: int, job: str, tmp_path: Path) -> None:
    world = make_world(store, tmp_path)
    fill(world, count, job)
    process, seen = Process(world, Counting), list[int]()
    report = maintenance.run(maintenance.JOBS[job], process.deps, "sweep", progress=seen.append)
    assert (report.due, report.done, report.failed) == (count, count, 0)
    # The three are to leave by now, though not for a second; a rotation is looked for in what seems to have time.
    looked = count + 3
    assert seen == list(range(1, looked + 1))
    assert finished(world, job) == (count if job == "rotate" else 3)
    calls = process.deps.keyring.store
    assert isinstance(calls, Counting)
    assert looked // 100 <= calls.calls["list_due"] <= looked // 100 + 2
    assert run(world, job) == (0, 0, 0)
    world.clock.now += 1
    assert run(world, job) == (3, 3, 0)


@pytest.mark.parametrize("job", maintenance.JOBS)
@pytest.mark.parametrize("store", STORES)
def test_a_dry_run_changes_nothing(store: str, job: str, tmp_path: Path) -> None:
    world = make_world(store, tmp_path)
    fill(world, 5, job)
    before, lines = rows(world), len(world.audit.records)
    process = Process(world, Counting)
    report = maintenance.run(maintenance.JOBS[job], process.deps, "sweep", dry_run=True)
    assert (report.due, report.done, report.failed) == (5, 0, 0)
    assert rows(world) == before
    assert len(world.audit.records) == lines
    calls = process.deps.keyring.store
    assert isinstance(calls, Counting)
    assert set(calls.calls) == {"get_watch", "list_due", "get"}
    # What seems to have time is not read: a run looks at it once a day. To leave, the three have been out of use.
    assert calls.calls["get"] == (5 if job == "rotate" else 8)


@dataclass
class Stubborn:
    """A store that does not do its part for one key."""

    inner: KeyStore
    key_id: str
    method: str

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    def get(self, key_id: str) -> Key | None:
        if self.method == "get" and key_id == self.key_id:
            raise Unavailable
        return self.inner.get(key_id)

    def commit(self, writes: list[Write]) -> None:
        ids = [write.key.id for write in writes if isinstance(write, PutKey)]
        if self.method == "commit" and self.key_id in ids:
            raise Unavailable
        self.inner.commit(writes)


@pytest.mark.parametrize("method", ["get", "commit"])
@pytest.mark.parametrize("job", maintenance.JOBS)
@pytest.mark.parametrize("store", STORES)
def test_a_key_that_fails_does_not_stop_the_others(store: str, job: str, method: str, tmp_path: Path) -> None:
    world = make_world(store, tmp_path)
    ids = fill(world, 9, job)
    process = Process(world, lambda inner: Stubborn(inner, ids[3], method))
    report = maintenance.run(maintenance.JOBS[job], process.deps, "sweep")
    assert (report.due, report.done, report.failed) == (9, 8, 1)
    assert world.keys.get(ids[3]) is not None
    assert run(world, job) == (1, 1, 0)
    assert run(world, job) == (0, 0, 0)


@pytest.mark.parametrize("job", maintenance.JOBS)
@pytest.mark.parametrize("store", STORES)
def test_a_row_that_somebody_changed_is_not_worked_on_and_stops_no_other(
    store: str, job: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing is destroyed before its time for a date that somebody wrote, nor rotated."""
    world = make_world(store, tmp_path)
    ids = fill(world, 5, job)
    raw = raw_rows(world.keys)
    ahead = numbered(9)
    for row in raw.rows():
        if ids[2] in str(row):
            raw.put(without_mac(row))
    world.keys.commit([PutKey(due_key(Process(world), 9, job, START + DAY))])
    for row in raw.rows():  # one that is not due, brought forward
        if ahead in str(row):
            due = {"due": {"S": f"{START - 1:012}#{ahead}"}} if "pk" in row else {"due": START - 1}
            raw.put({**row, **due})
    assert run(world, job) == (6, 4, 2)
    assert run(world, job, dry_run=True) == (2, 0, 2)
    logged = capsys.readouterr().err
    assert logged.count(f"{ids[2]}") == logged.count(f"{ahead}") == 2
    assert all(any(key_id in str(row) for row in raw.rows()) for key_id in (ids[2], ahead))


@pytest.mark.parametrize("store", STORES)
def test_destruction_is_in_the_audit_log_before_it_happens(store: str, tmp_path: Path) -> None:
    """A log that takes no line keeps the key's material, which the next run destroys."""
    world = make_world(store, tmp_path)
    calm = Process(world)
    key_id, blobs = calm.versioned(3)
    calm.leaving(key_id)
    world.audit.broken = True
    assert run(world, "destroy") == (1, 0, 1)
    row = world.keys.get(key_id)
    assert row is not None
    assert row.primary is not None
    assert len(world.keys.list_versions(key_id, 1, 10)) == 2
    world.audit.broken = False
    assert run(world, "destroy") == (1, 1, 0)
    assert_gone(world, key_id, blobs)
    lines = [(r.outcome, r.keys) for r in world.audit.records if r.action == "DeleteDueKeys"]
    assert lines == [("intent", (key_id,)), ("ok", (key_id,))]


@pytest.mark.parametrize("store", STORES)
def test_a_rotation_is_in_the_audit_log_before_it_happens(store: str, tmp_path: Path) -> None:
    world = make_world(store, tmp_path)
    (key_id,) = fill(world, 1, "rotate")
    before = world.keys.get(key_id)
    world.audit.broken = True
    assert run(world, "rotate") == (1, 0, 1)
    assert world.keys.get(key_id) == before
    world.audit.broken = False
    assert run(world, "rotate") == (1, 1, 0)
    lines = [(r.outcome, r.keys) for r in world.audit.records if r.action == "RotateDueKeys"]
    assert lines == [("intent", (key_id,)), ("ok", (key_id,))]


# -- imported material -----------------------------------------------------------------------------------

_STATES = {
    "Enabled": "EnableKey",
    "Disabled": "DisableKey",
    "Archived": "ArchiveKey",
    "PendingDeletion": "ScheduleKeyDeletion",
}
"""State -> the Action that leads to it."""


@pytest.mark.parametrize("state", _STATES)
@pytest.mark.parametrize("store", STORES)
def test_expired_material_is_of_no_use_from_its_second_on(store: str, state: str, tmp_path: Path) -> None:
    """Before the sweeper has come by, whatever state the key is in; nor can it be enabled into use."""
    world = make_world(store, tmp_path)
    process = Process(world)
    key_id = process.imported(expires=int(world.clock()) + 3600)
    blob = process.blob(key_id)
    process.result(_STATES[state], SAMPLES[_STATES[state]](process, key_id))
    world.clock.now += 3599
    works = {"Enabled": "ok", "Disabled": "KeyDisabled", "Archived": "ok", "PendingDeletion": "KeyPendingDeletion"}
    assert process.opens(blob) == works[state]
    world.clock.now += 1
    refused = "KeyPendingDeletion" if state == "PendingDeletion" else "KeyPendingImport"
    for params in ({"ciphertext": blob}, {"key_id": key_id, "plaintext": "AAAA"}):
        assert process.act("Decrypt" if "ciphertext" in params else "Encrypt", params) == refused
    assert process.act("EnableKey", {"key_ids": [key_id]}) == "StateConflict"
    stored = process.stored(key_id)
    assert stored.primary is not None
    if state == "PendingDeletion":
        process.result("CancelKeyDeletion", {"key_id": key_id})
        assert process.stored(key_id).state is KeyState.PENDING_IMPORT
    in_use = process.stored(key_id).state is not KeyState.PENDING_IMPORT
    world.watch(0)
    assert run(world, "destroy") == (in_use, in_use, 0)
    stored = process.stored(key_id)
    assert stored.state is KeyState.PENDING_IMPORT
    assert stored.primary is not None
    shown = Process(world).result("DescribeKey", {"key_ids": [key_id]})["keys"][0]
    assert (shown["state"], shown["primary_version_id"], shown["material_expires"]) == ("PendingImport", "", 0)
    world.clock.now += DAY
    world.watch()
    assert run(world, "destroy") == (1, 1, 0)
    stored = process.stored(key_id)
    assert (stored.state, stored.primary, stored.material_expires) == (KeyState.PENDING_IMPORT, None, 0)
    assert process.opens(blob) == "KeyPendingImport"
    assert_whole(world)


@pytest.mark.parametrize("store", STORES)
def test_material_that_came_back_is_not_destroyed(store: str, tmp_path: Path) -> None:
    """Imported again after it expired and before the sweeper came: what is new stays, and old ciphertexts open."""
    world = make_world(store, tmp_path)
    process = Process(world)
    key_id = process.imported(expires=int(world.clock()) + 60)
    blob = process.blob(key_id)
    world.clock.now += 60
    assert process.opens(blob) == "KeyPendingImport"
    process.result("ImportKeyMaterial", SAMPLES["ImportKeyMaterial"](process, key_id))
    assert run(world, "destroy") == (0, 0, 0)
    assert process.opens(blob) == "ok"
