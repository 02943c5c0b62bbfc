"""A process may die at every call of the store, before it or with its answer lost; a retry finds all done, or none."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from kit.action_samples import SAMPLES, Params, actions, new_key, source
from kit.campaign.tenant import Process, assert_gone, assert_kept, assert_whole, deepen
from kit.campaign.world import DAY, STORES, Dying, ProcessDied, World, make_world
from kit.fakes import Counting
from tenantkms.keys import maintenance
from tenantkms.model.states import KeyState
from tenantkms.names import CHANGING

Prepare = Callable[[Process], str]
CRASHES = [(call, after) for call in range(1, 16) for after in (False, True)]


def _in(state: KeyState) -> Prepare:
    def prepare(process: Process) -> str:
        key_id = process.create()
        process.put(key_id, state=state, deletion_date=int(process.deps.clock()) + DAY)
        return key_id

    return prepare


def _tagged(process: Process) -> str:
    return process.create(tags={"name": "value"})


def _new(process: Process) -> str:
    return process.create()


def _external(process: Process) -> str:
    return process.create(origin="EXTERNAL")


RETRIES: dict[str, tuple[Prepare, str]] = {
    "CancelKeyArchive": (_in(KeyState.ARCHIVED), "StateConflict"),
    "CancelKeyDeletion": (_in(KeyState.PENDING_DELETION), "KeyNotPendingDeletion"),
    "CreateAlias": (_new, "AliasExists"),
    "DeleteAlias": (_new, "AliasNotFound"),
    "DeleteKeyMaterial": (Process.imported, "ok"),
    "EnableKey": (_in(KeyState.DISABLED), "ok"),
    "ImportKeyMaterial": (_external, "ok"),
    "RetireGrant": (_new, "ResourceNotFound"),
    "RevokeGrant": (_new, "ResourceNotFound"),
    "ScheduleKeyDeletion": (_new, "StateConflict"),
    "UntagResources": (_tagged, "ok"),
}
"""Action -> a key that it changes, and what a retry is told when the first try was done but its answer lost; where
that is not a new key, and "ok"."""
MUTATING = {
    name: RETRIES.get(name, (_new, "ok")) for name in actions() if re.search(r"scope\.(update|switch)\(", source(name))
}


def shown(process: Process, key_id: str) -> Params:
    """What a user sees of a key, without the names, times and ids that differ between two of them."""
    view: Params = process.result("DescribeKey", {"key_ids": [key_id]})["keys"][0]
    times = {"deletion_date", "material_expires", "last_rotation", "next_rotation", "rotation_seconds"}
    hidden = {"id", "aliases", "created", "primary_created", "primary_version_id", "newest_version_id"}
    kept = {name: value for name, value in view.items() if name not in times | hidden}
    return {**kept, **{name: bool(view[name]) for name in times}, "aliases": len(view["aliases"])}


def attempt(world: World, action: str, params: Params, call: int, *, after: bool) -> bool:
    """Run an Action in a process that dies at that call of the store; whether it came so far."""
    process = Process(world, lambda store: Dying(store, call, after=after))
    try:
        process.act(action, params)
    except ProcessDied:
        return True
    return False


def is_done(world: World, key_id: str, revision: int, count: int) -> bool:
    key = world.keys.get(key_id)
    assert key is not None
    return key.revision > revision or _keys(world) > count


def _keys(world: World) -> int:
    total: int = Process(world).result("ListKeys", {"limit": 1})["total"]
    return total


@pytest.mark.parametrize("action", MUTATING)
@pytest.mark.parametrize("store", STORES)
def test_a_retry_finds_all_or_nothing_done(store: str, action: str, tmp_path: Path) -> None:
    world = make_world(store, tmp_path)
    prepare, already = MUTATING[action]
    calm = Process(world)
    example = prepare(calm)
    assert calm.act(action, SAMPLES[action](calm, example)) == "ok"
    expected = shown(calm, example)
    crashes = 0
    for call, after in CRASHES:
        key_id = prepare(calm)
        params = SAMPLES[action](calm, key_id)
        key, count = calm.stored(key_id), _keys(world)
        if not attempt(world, action, params, call, after=after):
            break
        crashes += 1
        landed = is_done(world, key_id, key.revision, count)
        retry = Process(world)
        assert retry.act(action, params) == (already if landed else "ok"), (call, after)
        assert shown(retry, key_id) == expected, (call, after)
        assert _number(retry, key_id) == key.primary_number + _made(action, landed)
    assert crashes >= 2
    assert_whole(world)


@pytest.mark.parametrize("store", STORES)
def test_a_retry_with_a_client_token_finds_its_key(store: str, tmp_path: Path) -> None:
    world = make_world(store, tmp_path)
    crashes = 0
    for call, after in CRASHES:
        params, before = {"client_token": f"wish {call} {after}"}, _keys(world)
        if not attempt(world, "CreateKey", params, call, after=after):
            break
        crashes += 1
        made = [Process(world).create(**params) for _ in range(2)]
        assert len(set(made)) == 1, (call, after)
        assert _keys(world) == before + 1, (call, after)
        assert Process(world).opens(Process(world).blob(made[0])) == "ok"
    assert crashes >= 3
    assert_whole(world)


def _number(process: Process, key_id: str) -> int:
    key = process.stored(key_id)
    return key.primary_number


def _made(action: str, landed: bool) -> int:
    """Versions that there are more of."""
    return {"CreateKeyVersion": 1 + landed, "ImportKeyMaterial": 1}.get(action, 0)


def test_every_action_that_writes_is_tried(tmp_path: Path) -> None:
    world = make_world("sqlite", tmp_path)
    writing = set()
    for action in actions():
        process = Process(world, Counting)
        store = process.deps.keyring.store
        assert isinstance(store, Counting)
        key_id = MUTATING[action][0](process) if action in MUTATING else new_key(process, action)
        params = SAMPLES[action](process, key_id)
        store.calls.clear()
        assert process.act(action, params) == "ok"
        if store.calls["commit"]:
            writing.add(action)
    assert writing == set(MUTATING) == CHANGING, "names.CHANGING is what a signature may do only once"


@pytest.mark.parametrize("action", MUTATING)
@pytest.mark.parametrize("store", STORES)
def test_nothing_takes_effect_without_a_line_before_it(store: str, action: str, tmp_path: Path) -> None:
    """With a log that is full before the change, and one that is full after it."""
    world = make_world(store, tmp_path)
    process = Process(world)
    for lines in (0, 1):
        key_id = MUTATING[action][0](process)
        params = SAMPLES[action](process, key_id)
        key, count, told = process.stored(key_id), _keys(world), len(world.audit.records)
        world.audit.left = lines
        assert process.act(action, params) == "Unavailable"
        world.audit.left = 1_000
        assert is_done(world, key_id, key.revision, count) == bool(lines)
        said = [line for line in world.audit.records[told:] if line.action == action]
        assert [(line.action, line.outcome) for line in said] == [(action, "intent")] * lines
        assert all(line.keys for line in said)
        if not lines:
            assert process.stored(key_id) == key


def test_a_change_is_announced_once_and_then_told(tmp_path: Path) -> None:
    world = make_world("sqlite", tmp_path)
    process = Process(world)
    key_id = process.create()
    told = len(world.audit.records)
    assert process.act("DisableKey", {"key_ids": [key_id]}) == "ok"
    assert process.act("DisableKey", {"key_ids": [key_id]}) == "ok"  # it is disabled: nothing is to be announced
    assert process.act("CreateKey", {}) == "ok"
    said = [(line.action, line.outcome, len(line.keys)) for line in world.audit.records[told:]]
    assert said == [
        ("DisableKey", "intent", 1),
        ("DisableKey", "ok", 1),
        ("DisableKey", "ok", 1),
        ("CreateKey", "intent", 1),
        ("CreateKey", "ok", 1),
    ]
    assert len({line.request_id for line in world.audit.records[told:]}) == 3


# -- scheduled work --------------------------------------------------------------------------------------


def sweep(world: World, job: str, call: int = 0, *, after: bool = False) -> bool:
    """Run a sweeper in a process that dies at that call of the store, or never; whether it came so far."""
    process = Process(world, lambda store: Dying(store, call, after=after))
    try:
        maintenance.run(getattr(maintenance, job), process.deps, "sweep")
    except ProcessDied:
        return True
    return False


@pytest.mark.parametrize("store", STORES)
def test_a_crash_of_the_rotating_sweeper(store: str, tmp_path: Path) -> None:
    world = make_world(store, tmp_path)
    calm = Process(world)
    for call, after in CRASHES:
        keys = [calm.create(rotate=True, rotation_seconds=7 * DAY) for _ in range(2)]
        blobs = [calm.blob(key_id) for key_id in keys]
        world.clock.now += 7 * DAY
        crashed = sweep(world, "ROTATE", call, after=after)
        sweep(world, "ROTATE")
        assert [_number(calm, key_id) for key_id in keys] == [2, 2], (call, after)
        assert [calm.opens(blob) for blob in blobs] == ["ok", "ok"]
        for key_id in keys:
            calm.result("UpdateRotationPolicy", {"key_id": key_id, "enabled": False})
        if not crashed:
            break
    assert not crashed
    assert call > 4
    assert_whole(world)


@pytest.mark.parametrize("cancels", [False, True])
@pytest.mark.parametrize(("store", "versions"), [("sqlite", 250), ("dynamodb", 3)])
def test_a_crash_of_the_destroying_sweeper(store: str, versions: int, cancels: bool, tmp_path: Path) -> None:
    """What it began, the next run ends. A cancellation after the crash saves all of the key, or is refused."""
    world = make_world(store, tmp_path)
    outcomes = []
    for call, after in CRASHES:
        calm = Process(world)
        key_id, _ = calm.versioned(1)
        blobs = deepen(calm, key_id, versions)[-3:]
        calm.leaving(key_id)
        crashed = sweep(world, "DESTROY", call, after=after)
        saved = cancels and Process(world).act("CancelKeyDeletion", {"key_id": key_id}) == "ok"
        if saved:
            assert_kept(world, key_id, blobs)
        sweep(world, "DESTROY")
        if saved:
            assert_kept(world, key_id, blobs)
        else:
            assert_gone(world, key_id, blobs)
        outcomes.append(saved)
        if not crashed:
            break
    assert not crashed
    assert len(outcomes) > 8
    assert any(outcomes) == cancels
    assert_whole(world)


@pytest.mark.parametrize("destroyed", [False, True])
@pytest.mark.parametrize("store", STORES)
def test_a_crash_while_imported_material_is_withdrawn_or_destroyed(store: str, destroyed: bool, tmp_path: Path) -> None:
    world = make_world(store, tmp_path)
    calm = Process(world)
    for call, after in CRASHES:
        key_id = calm.imported(expires=int(world.clock()) + 60)
        blob = calm.blob(key_id)
        world.clock.now += 60 + destroyed * DAY
        world.watch()
        if destroyed:
            calm.put(key_id, state=KeyState.PENDING_IMPORT)
        crashed = sweep(world, "DESTROY", call, after=after)
        assert Process(world).opens(blob) == "KeyPendingImport"
        sweep(world, "DESTROY")
        assert calm.stored(key_id).state is KeyState.PENDING_IMPORT
        assert (calm.stored(key_id).primary is None) == destroyed
        calm.result("ImportKeyMaterial", SAMPLES["ImportKeyMaterial"](calm, key_id))
        assert Process(world).opens(blob) == "ok"
        if not crashed:
            break
    assert not crashed
    assert call > 2
