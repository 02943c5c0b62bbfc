"""Two processes in every order that matters: one does its work between any two calls of the store that the other makes.

What a process remembers of a key may be old by `state_cache_seconds`, and not older.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest

from kit.action_samples import DIGEST, SAMPLES, in_state
from kit.campaign.tenant import Interrupted, Process, assert_gone, assert_kept, assert_whole
from kit.campaign.world import DAY, STORES, World, make_world
from tenantkms.keys import maintenance
from tenantkms.model.states import KeyState

CALLS = range(1, 15)


def sweep(world: World, job: str = "DESTROY") -> str:
    maintenance.run(getattr(maintenance, job), Process(world).deps, "sweep")
    return "swept"


@pytest.mark.parametrize("store", STORES)
def test_a_cancellation_amid_the_sweep(store: str, tmp_path: Path) -> None:
    """It saves all of the key until the sweeper has begun with it, and is refused from then on."""
    world = make_world(store, tmp_path)
    outcomes = []
    for call in CALLS:
        key_id, blobs = Process(world).versioned(3)
        Process(world).leaving(key_id)
        told: list[str] = []

        def cancel(key_id: str = key_id, told: list[str] = told) -> None:
            told.append(Process(world).act("CancelKeyDeletion", {"key_id": key_id}))

        sweeper = Process(world, lambda inner, call=call, cancel=cancel: Interrupted(inner, call, cancel))
        maintenance.run(maintenance.DESTROY, sweeper.deps, "sweep")
        if not told:
            break
        if told == ["ok"]:
            assert_kept(world, key_id, blobs)
        else:
            assert_gone(world, key_id, blobs)
        outcomes += told
    assert outcomes[:5] == ["ok"] * 5  # it looks at its watch, at what is due, and at the key, and then begins
    assert set(outcomes[5:]) == {"KeyNotPendingDeletion"}  # no call follows the one that removes it
    assert_whole(world)


@pytest.mark.parametrize("store", STORES)
def test_a_sweep_amid_the_cancellation(store: str, tmp_path: Path) -> None:
    world = make_world(store, tmp_path)
    outcomes = []
    for call in CALLS:
        key_id, blobs = Process(world).versioned(3)
        Process(world).leaving(key_id)
        swept: list[str] = []
        hook = _hook(lambda: sweep(world), swept)
        canceller = Process(world, lambda inner, call=call, hook=hook: Interrupted(inner, call, hook))
        outcome = canceller.act("CancelKeyDeletion", {"key_id": key_id})
        if not swept:
            break
        outcomes.append(outcome)
        assert_gone(world, key_id, blobs)
    assert len(outcomes) >= 2
    assert set(outcomes) <= {"KeyNotFound", "KeyNotPendingDeletion"}


def _hook(do: Callable[[], str], told: list[str]) -> Callable[[], None]:
    return lambda: told.append(do())


Other = Callable[[World, str], str]
_AMID: dict[str, tuple[str, Other, str]] = {
    "rotations": ("CreateKeyVersion", lambda w, key: Process(w).act("CreateKeyVersion", {"key_id": key}), "ok"),
    "rotation and sweep": ("CreateKeyVersion", lambda w, _: sweep(w, "ROTATE"), "ok"),
    "rotation and disable": ("CreateKeyVersion", lambda w, key: Process(w).act("DisableKey", {"key_ids": [key]}), ""),
    "one alias": ("CreateAlias", lambda w, _: Process(w).act("CreateKey", {"alias": "wanted"}), "AliasExists"),
    "alias and rotation": ("CreateAlias", lambda w, key: Process(w).act("CreateKeyVersion", {"key_id": key}), "ok"),
}
"""An Action, what happens amid it, and what the Action is told."""


@pytest.mark.parametrize("what", _AMID)
@pytest.mark.parametrize("store", STORES)
def test_a_change_amid_a_change(store: str, what: str, tmp_path: Path) -> None:
    world = make_world(store, tmp_path)
    action, other, expected = _AMID[what]
    amid = 0
    for call in CALLS:
        calm = Process(world)
        key_id = calm.create(rotate=True, rotation_seconds=7 * DAY)
        blob = calm.blob(key_id)
        world.clock.now += 7 * DAY
        told: list[str] = []
        hook = _hook(lambda key_id=key_id: other(world, key_id), told)  # type: ignore[misc]
        actor = Process(world, lambda inner, call=call, hook=hook: Interrupted(inner, call, hook))
        params = {"key_id": key_id, **({"alias": "wanted"} if action == "CreateAlias" else {})}
        outcome = actor.act(action, params)
        if not told:
            break
        amid += 1
        rotations = (action == "CreateKeyVersion" and outcome == "ok") + ("rotation" in what and "disable" not in what)
        primary = calm.stored(key_id).primary
        assert primary is not None
        assert primary.number == 1 + rotations
        assert expected in ("", outcome)
        calm.result("EnableKey", {"key_ids": [key_id]})
        assert Process(world).opens(blob) == "ok"
        assert_whole(world)
        Process(world).act("DeleteAlias", {"alias": "wanted"})
    assert amid >= 2


@pytest.mark.parametrize("alias", ["", "of-both"])
@pytest.mark.parametrize("store", STORES)
def test_a_retry_amid_its_first_try(store: str, alias: str, tmp_path: Path) -> None:
    """A client that waited no longer has repeated CreateKey: both tries answer one key."""
    world = make_world(store, tmp_path)
    amid = 0
    for call in CALLS:
        params = {"client_token": f"wish {call}", "alias": alias and f"{alias}-{call}"}
        told: list[str] = []
        hook = _hook(lambda params=params: Process(world).create(**params), told)  # type: ignore[misc]
        first = Process(world, lambda inner, call=call, hook=hook: Interrupted(inner, call, hook)).create(**params)
        if not told:
            break
        amid += 1
        assert told == [first]
        assert Process(world).opens(Process(world).blob(first)) == "ok"
    assert amid >= 2
    assert_whole(world)


# -- how long a process may be behind --------------------------------------------------------------------

_STOPS = {
    "DisableKey": KeyState.DISABLED,
    "ScheduleKeyDeletion": KeyState.PENDING_DELETION,
    "ArchiveKey": KeyState.ARCHIVED,
    "DeleteKeyMaterial": KeyState.PENDING_IMPORT,
}
_TOLD = {
    "DisableKey": "KeyDisabled",
    "ScheduleKeyDeletion": "KeyPendingDeletion",
    "ArchiveKey": "KeyArchived",
    "DeleteKeyMaterial": "KeyPendingImport",
}
_USES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "Encrypt": ({}, {"plaintext": "AAAA"}),
    "GenerateDataKey": ({}, {}),
    "AsymmetricSign": ({"spec": "EC_P256"}, {"algorithm": "ECDSA_SHA_256", "message": DIGEST}),
    "GenerateMac": ({"spec": "HMAC_SHA_256"}, {"algorithm": "HMAC_SHA_256", "message": DIGEST}),
}


_PAIRS = [
    (stop, use)
    for stop in _STOPS
    for use in _USES
    if stop != "DeleteKeyMaterial" or use in ("Encrypt", "GenerateDataKey")
]
"""Only symmetric keys are imported."""


@pytest.mark.parametrize(("stop", "use"), _PAIRS)
@pytest.mark.parametrize("seconds", [0, 1, 5])
def test_no_use_of_a_key_after_its_time(seconds: float, stop: str, use: str, tmp_path: Path) -> None:
    """By a process that used it a moment ago, and may remember it for `seconds`; 0: not at all."""
    world = make_world("sqlite", tmp_path)
    spec, params = _USES[use]
    here, there = Process(world), Process(world, state_seconds=seconds)
    key_id = here.imported() if stop == "DeleteKeyMaterial" else here.create(**spec)
    params = {"key_id": key_id, **params}
    assert there.act(use, params) == "ok"
    assert here.act(stop, SAMPLES[stop](here, key_id)) == "ok"
    assert here.act(use, params) == _TOLD[stop]
    world.clock.now += seconds
    assert there.act(use, params) == _TOLD[stop]
    assert here.stored(key_id).state is _STOPS[stop]


def test_ciphertexts_too_stop_opening_in_time(tmp_path: Path) -> None:
    """Even though the unsealed material is remembered for longer, in each process."""
    world = make_world("sqlite", tmp_path)
    here, there = Process(world), Process(world)
    key_id = here.create()
    blob = here.blob(key_id)
    assert there.opens(blob) == "ok"
    in_state(here, key_id, KeyState.DISABLED)
    world.clock.now += 1
    assert there.opens(blob) == "KeyDisabled"


def test_by_the_real_clock_encryption_stops_in_time(tmp_path: Path) -> None:
    world = make_world("sqlite", tmp_path)
    world.clock = cast("Any", time.time)
    seconds = 0.2
    here, there = Process(world), Process(world, state_seconds=seconds)
    params = {"key_id": here.create(), "plaintext": "AAAA"}
    assert there.act("Encrypt", params) == "ok"
    assert here.act("DisableKey", {"key_ids": [params["key_id"]]}) == "ok"
    acknowledged = last = time.monotonic()
    while (began := time.monotonic()) < acknowledged + seconds + 1.5:
        if there.act("Encrypt", params) == "ok":
            last = began
    assert last <= acknowledged + seconds + 1
