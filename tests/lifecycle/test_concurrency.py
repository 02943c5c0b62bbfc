"""Many at once, in threads on both stores and in processes on one file: one wins, each counts, nothing is torn."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest
from msgspec import structs

from functions.endpoint.dispatch import load
from kit.action_samples import Tenant, watch
from kit.campaign.tenant import Process, assert_gone, assert_kept, assert_whole
from kit.campaign.worker import workers
from kit.campaign.world import DAY, STORES, World, make_world
from kit.support import Kms
from tenantkms.keys import maintenance
from tenantkms.model.key import KeyFilter
from tenantkms.model.states import KeyState

CONFLICT = "ServiceUnavailableTemporary"
AT_ONCE = 64


def at_once(jobs: Sequence[Callable[[], Any]]) -> list[Any]:
    """What each answers; all begin together, at most `AT_ONCE` of them at a time."""
    together = min(AT_ONCE, len(jobs))
    barrier = Barrier(together)

    def run(number: int) -> Any:
        if number < together:
            barrier.wait()
        return jobs[number]()

    with ThreadPoolExecutor(together) as pool:
        return list(pool.map(run, range(len(jobs))))


def alibaba_code(kms: Kms, action: str, **params: str) -> str:
    code: str = kms.alibaba(action, **params).get("Code", "")
    return code


# -- rotations -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("store", STORES)
def test_concurrent_rotations_each_add_one_or_fail_cleanly(store: str, tmp_path: Path) -> None:
    world = make_world(store, tmp_path)
    calm = Process(world)
    key_id, blobs = calm.versioned(3)
    processes = [world.process() for _ in range(AT_ONCE)]
    codes = Counter(at_once([partial(alibaba_code, kms, "CreateKeyVersion", KeyId=key_id) for kms in processes]))
    assert set(codes) <= {"", CONFLICT}
    assert codes[""] > 0
    primary = calm.stored(key_id).primary
    assert primary is not None
    assert primary.number == 3 + codes[""]
    assert {Process(world).opens(blob) for blob in blobs} == {"ok"}
    assert_whole(world)


def test_rotations_of_several_processes_on_one_file(tmp_path: Path) -> None:
    tenant = Tenant(tmp_path / "data")
    key_id = tenant.create()
    old = tenant.result("Encrypt", {"key_id": key_id, "plaintext": "AAAA"})["ciphertext"]
    with workers(tmp_path / "data", 4) as started:
        for _ in range(16):
            for worker in started:
                worker.tell("act", "CreateKeyVersion", {"key_id": key_id})
        outcomes = Counter(worker.answer() for worker in started for _ in range(16))
    assert set(outcomes) <= {"ok", "Conflict"}
    primary = tenant.stored(key_id).primary
    assert primary is not None
    assert primary.number == 1 + outcomes["ok"]
    older = tenant.deps.keyring.store.list_versions(key_id, 1, 1000)
    assert [version.number for version in older] == list(range(1, primary.number))
    assert tenant.result("Decrypt", {"ciphertext": old})["plaintext"] == "AAAA"


def test_a_clock_that_is_behind_the_last_rotations_still_rotates(tmp_path: Path) -> None:
    tenant = Tenant(tmp_path / "data")
    key_id = tenant.create()
    ahead = structs.replace(tenant.deps, clock=lambda: tenant.deps.clock() + 5)
    assert "result" in load("CreateKeyVersion").run(tenant.call("CreateKeyVersion", {"key_id": key_id}), ahead)
    assert tenant.outcome("CreateKeyVersion", {"key_id": key_id}) == "ok"


# -- aliases ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("store", STORES)
def test_of_256_creators_of_one_alias_one_wins(store: str, tmp_path: Path) -> None:
    """Half of them give it to a key of theirs, half make a key with it."""
    world = make_world(store, tmp_path)
    calm = Process(world)
    keys = [calm.create() for _ in range(128)]
    processes = [world.process() for _ in range(16)]

    def give(number: int) -> str:
        kms = processes[number % len(processes)]
        return alibaba_code(kms, "CreateAlias", KeyId=keys[number], AliasName="alias/wanted")

    def make(number: int) -> str:
        answer = processes[number % len(processes)].tencent("CreateKey", Alias="wanted", Description=f"{number}")
        code: str = answer.get("Error", {}).get("Code", "")
        return code

    jobs = [partial(do, number) for do in (give, make) for number in range(128)]
    random.Random(1).shuffle(jobs)
    codes = Counter(at_once(jobs))
    assert codes[""] == 1
    assert set(codes) == {"", "AliasAlreadyExists", "InvalidParameterValue.AliasAlreadyExists"}
    total, found = world.keys.list_keys(KeyFilter(), now=0, offset=0, limit=1000)
    holders = [key.id for key in found if key.aliases]
    alias = world.keys.get_alias("wanted")
    assert alias is not None
    assert holders == [alias.key_id]
    assert total == 128 + (alias.key_id not in keys)
    assert_whole(world)


# -- cancel against the sweeper --------------------------------------------------------------------------


def raced(world: World, delay: float) -> tuple[str, list[str], str]:
    """A key whose cancellation meets two sweepers at its deadline: its id, blobs, and what the cancel was told."""
    calm = Process(world)
    key_id, blobs = calm.versioned(3)
    calm.leaving(key_id)

    def cancel() -> str:
        time.sleep(max(0.0, delay))
        return Process(world).act("CancelKeyDeletion", {"key_id": key_id})

    def sweep() -> str:
        time.sleep(max(0.0, -delay))
        maintenance.run(maintenance.DESTROY, Process(world).deps, "sweep")
        return ""

    return key_id, blobs, at_once([cancel, sweep, sweep])[0]


@pytest.mark.parametrize(("store", "rounds", "step"), [("sqlite", 40, 0.0003), ("dynamodb", 10, 0.01)])
def test_cancel_and_sweepers_meet_at_the_deadline(store: str, rounds: int, step: float, tmp_path: Path) -> None:
    """The key is saved whole and that is acknowledged, or it is gone whole; never both."""
    world = make_world(store, tmp_path)
    told = Counter[str]()
    for number in range(rounds):
        key_id, blobs, outcome = raced(world, step * (number - rounds // 2))
        told[outcome] += 1
        maintenance.run(maintenance.DESTROY, Process(world).deps, "later")
        if outcome == "ok":
            assert_kept(world, key_id, blobs)
        else:
            assert_gone(world, key_id, blobs)
    assert set(told) <= {"ok", "KeyNotPendingDeletion", "KeyNotFound"}
    assert_whole(world)


def test_cancel_and_sweepers_of_other_processes_meet(tmp_path: Path) -> None:
    tenant = Tenant(tmp_path / "data")
    with workers(tmp_path / "data", 3) as (canceller, *sweepers):
        for number in range(30):
            key_id = tenant.create()
            blob = tenant.result("Encrypt", {"key_id": key_id, "plaintext": "AAAA"})["ciphertext"]
            tenant.result("CreateKeyVersion", {"key_id": key_id})
            tenant.put(key_id, state=KeyState.PENDING_DELETION, deletion_date=int(time.time()) - DAY)
            watch(tenant.deps.keyring.store, int(time.time()))
            told = [(canceller, ("act", "CancelKeyDeletion", {"key_id": key_id}))]
            told += [(sweeper, ("sweep", "DESTROY")) for sweeper in sweepers]
            for worker, what in told if number % 2 else told[::-1]:
                worker.tell(*what)
            outcome, *_ = [worker.answer() for worker, _ in told]
            maintenance.run(maintenance.DESTROY, tenant.deps, "later")
            if outcome == "ok":
                tenant.result("EnableKey", {"key_ids": [key_id]})
                assert tenant.result("Decrypt", {"ciphertext": blob})["plaintext"] == "AAAA"
            else:
                assert outcome in ("KeyNotPendingDeletion", "KeyNotFound")
                store = tenant.deps.keyring.store
                assert (store.get(key_id), store.list_versions(key_id, 1, 100)) == (None, [])
