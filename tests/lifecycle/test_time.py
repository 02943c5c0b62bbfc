"""A clock that jumps, and a service that stood still: what is destroyed, and when, and what is not put off."""

from __future__ import annotations

from pathlib import Path

import pytest

from kit.action_samples import SAMPLES, Params, in_state
from kit.campaign.tenant import Process, assert_gone
from kit.campaign.world import DAY, STORES, World, make_world
from tenantkms.keys.maintenance import CLOCK_TRUSTED, DESTROY, ROTATE, Report, run
from tenantkms.model.states import KeyState
from tenantkms.model.watch import SKEW, STEP

YEARS = 10 * 365 * DAY
NOTHING = Report(due=0, done=0, failed=0)
ONE = Report(due=1, done=1, failed=0)


def destroy(world: World, *, trust_clock: bool = False, dry_run: bool = False) -> Report:
    return run(DESTROY, Process(world).deps, "sweep", trust_clock=trust_clock, dry_run=dry_run)


def run_for(world: World, seconds: int) -> list[Report]:
    """What the sweeps say that run at normal intervals meanwhile, those that have something to say."""
    found = []
    end = world.clock.now + seconds
    while world.clock.now < end:
        world.clock.now = min(end, world.clock.now + STEP)
        found.append(destroy(world))
    return [report for report in found if report != NOTHING]


def leaving(process: Process) -> tuple[str, str]:
    """A key whose window has begun, with two versions: its id, and a blob."""
    key_id, blobs = process.versioned(2)
    process.result("ScheduleKeyDeletion", {"key_id": key_id, "days": 7})
    return key_id, blobs[0]


def saved(world: World, key_id: str, blob: str) -> None:
    process = Process(world)
    process.result("CancelKeyDeletion", {"key_id": key_id})
    process.result("EnableKey", {"key_ids": [key_id]})
    assert process.opens(blob) == "ok"


@pytest.mark.parametrize("store", STORES)
def test_a_key_is_destroyed_a_watched_day_after_its_date(store: str, tmp_path: Path) -> None:
    world = make_world(store, tmp_path)
    process = Process(world)
    key_id, blob = leaving(process)
    assert run_for(world, 8 * DAY - 1) == []
    assert process.opens(blob) == "KeyPendingDeletion"
    assert len(world.keys.list_versions(key_id, 1, 9)) == 1
    assert run_for(world, 1) == [ONE]
    assert_gone(world, key_id, [blob])


@pytest.mark.parametrize("store", STORES)
def test_until_it_is_destroyed_a_key_can_be_saved(store: str, tmp_path: Path) -> None:
    world = make_world(store, tmp_path)
    key_id, blob = leaving(Process(world))
    run_for(world, 8 * DAY - 1)
    saved(world, key_id, blob)
    assert run_for(world, 2 * DAY) == []
    assert Process(world).opens(blob) == "ok"


@pytest.mark.parametrize("store", STORES)
def test_a_jump_ahead_destroys_nothing(store: str, tmp_path: Path) -> None:
    """However long that clock is believed by those who sweep, and not even when it is put right again."""
    world = make_world(store, tmp_path)
    process = Process(world)
    key_id, blob = leaving(process)
    imported = process.imported(expires=int(world.clock()) + 30 * DAY)
    opens = process.blob(imported)
    run_for(world, DAY)
    right, rows = world.clock.now, [world.keys.get(key_id), world.keys.get(imported)]
    world.clock.now += YEARS
    held = Report(due=2, done=0, failed=0, held=int(right))
    assert run_for(world, 2 * DAY) == [held] * 48
    assert process.opens(opens) == "KeyPendingImport"
    world.clock.now = right
    assert run_for(world, DAY) == []
    assert [world.keys.get(key_id), world.keys.get(imported)] == rows
    assert process.opens(opens) == "ok"
    saved(world, key_id, blob)


@pytest.mark.parametrize("store", STORES)
def test_an_operator_s_word_begins_the_day_anew(store: str, tmp_path: Path) -> None:
    """Also where the service stood still, so that the time has passed: nobody has watched it."""
    world = make_world(store, tmp_path)
    key_id, blob = leaving(Process(world))
    run_for(world, DAY)
    last = int(world.clock())
    world.clock.now += 30 * DAY
    assert destroy(world) == destroy(world, dry_run=True) == Report(due=1, done=0, failed=0, held=last)
    assert destroy(world, trust_clock=True, dry_run=True) == NOTHING
    assert destroy(world) == Report(due=1, done=0, failed=0, held=last)
    told = len(world.audit.records)
    assert destroy(world, trust_clock=True) == NOTHING
    lines = [(line.action, line.outcome, line.note) for line in world.audit.records[told:]]
    assert lines == [("DeleteDueKeys", outcome, CLOCK_TRUSTED) for outcome in ("intent", "ok")]
    assert run_for(world, DAY - 1) == []
    assert world.keys.get(key_id) is not None
    assert run_for(world, 1) == [ONE]
    assert_gone(world, key_id, [blob])


@pytest.mark.parametrize("store", STORES)
def test_an_operator_s_word_that_cannot_be_audited_is_none(store: str, tmp_path: Path) -> None:
    world = make_world(store, tmp_path)
    leaving(Process(world))
    run_for(world, DAY)
    before = world.keys.get_watch(DESTROY.name)
    world.clock.now += 30 * DAY
    world.audit.broken = True
    with pytest.raises(Exception, match="audit log"):
        destroy(world, trust_clock=True)
    assert world.keys.get_watch(DESTROY.name) == before


@pytest.mark.parametrize("store", STORES)
def test_a_wrong_word_can_be_taken_back_for_a_day(store: str, tmp_path: Path) -> None:
    """The clock is put back: what was counted by it does not count."""
    world = make_world(store, tmp_path)
    key_id, blob = leaving(Process(world))
    run_for(world, DAY)
    right = world.clock.now
    world.clock.now += YEARS
    destroy(world, trust_clock=True)
    run_for(world, DAY - 1)
    world.clock.now = right + DAY
    assert destroy(world).held
    destroy(world, trust_clock=True)
    assert run_for(world, 6 * DAY - 1) == []
    saved(world, key_id, blob)


@pytest.mark.parametrize("store", STORES)
def test_a_clock_that_is_adjusted_a_little_is_believed(store: str, tmp_path: Path) -> None:
    world = make_world(store, tmp_path)
    key_id, blob = leaving(Process(world))
    for _ in range(8 * 24 + 1):
        assert run_for(world, STEP) in ([], [ONE])
        world.clock.now -= 1
        assert destroy(world) == NOTHING
    world.clock.now += 300
    run_for(world, STEP)
    assert_gone(world, key_id, [blob])


@pytest.mark.parametrize("store", STORES)
def test_what_was_due_before_anybody_watched_waits_for_a_day(store: str, tmp_path: Path) -> None:
    """The first sweep of a release that watches, or of a table that was restored without its watch."""
    world = make_world(store, tmp_path)
    key_id, blob = leaving(Process(world))
    world.clock.now += 30 * DAY
    assert destroy(world) == NOTHING
    assert run_for(world, DAY - 1) == []
    assert run_for(world, 1) == [ONE]
    assert_gone(world, key_id, [blob])


# -- dates that a wrong clock made -------------------------------------------------------------------------


def rotating(process: Process, now: float, **dates: int) -> str:
    key_id = process.create(rotate=True, rotation_seconds=7 * DAY)
    process.put(key_id, **dates)
    return key_id


@pytest.mark.parametrize("store", STORES)
def test_a_rotation_of_the_future_puts_none_off(store: str, tmp_path: Path) -> None:
    """Neither the one that the schedule asks for, which comes within a day, nor one by hand."""
    world = make_world(store, tmp_path)
    process, now = Process(world), int(world.clock())
    run(ROTATE, process.deps, "sweep")
    ahead = [
        rotating(process, now, last_rotation=now + YEARS),
        rotating(process, now, created=now + YEARS),
    ]
    honest = rotating(process, now, last_rotation=now + SKEW)
    for name in (*ahead, honest):
        told = process.run("CreateKeyVersion", {"key_id": name}, profile="tencent", dry_run=True)["error"]["type"]
        assert told == ("RotationTooSoon" if name == honest else "DryRunSucceeded")
    done = 0
    for _ in range(24):
        world.clock.now += STEP
        done += run(ROTATE, process.deps, "sweep").done
    assert done == 2
    numbers = [process.stored(name).primary_number for name in (*ahead, honest)]
    assert numbers == [2, 2, 1]
    assert all(now <= process.stored(name).last_rotation <= world.clock() for name in ahead)


@pytest.mark.parametrize("ahead", [False, True])
def test_import_parameters_are_good_for_a_day_by_any_clock(ahead: bool, tmp_path: Path) -> None:
    world = make_world("sqlite", tmp_path)
    process = Process(world)
    key_id = process.create(origin="EXTERNAL")
    world.clock.now += YEARS * ahead
    params: Params = SAMPLES["ImportKeyMaterial"](process, key_id)
    world.clock.now += -YEARS if ahead else YEARS
    assert process.act("ImportKeyMaterial", params) == "ExpiredImportToken"
    world.clock.now -= -YEARS if ahead else YEARS
    assert process.act("ImportKeyMaterial", params) == "ok"


def test_a_deleted_material_is_of_no_use_while_it_is_still_there(tmp_path: Path) -> None:
    world = make_world("sqlite", tmp_path)
    process = Process(world)
    key_id = process.imported()
    blob = process.blob(key_id)
    world.watch()
    process.result("DeleteKeyMaterial", {"key_id": key_id})
    assert process.opens(blob) == "KeyPendingImport"
    assert run_for(world, DAY) == [ONE]
    assert process.stored(key_id).primary is None
    in_state(process, key_id, KeyState.PENDING_DELETION)
    assert run_for(world, 7 * DAY) == []
    assert run_for(world, DAY) == [ONE]
    assert_gone(world, key_id, [blob])
