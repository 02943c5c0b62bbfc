"""Scheduled work that ends before it is done, by a crash or since its time is up: the next run goes on behind it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from kit.campaign.tenant import Process
from kit.campaign.world import DAY, START, STORES, Dying, ProcessDied, World, make_world
from kit.due_keys import due_key, fill, finished
from kit.samples import key_id as numbered
from tenantkms.errors import Unavailable
from tenantkms.keys import maintenance, walk
from tenantkms.keys.maintenance import JOBS, Report
from tenantkms.model.key import Key
from tenantkms.model.watch import FIRST, Place
from tenantkms.store.port import KeyStore, PutKey

COUNT = 9


@pytest.fixture(autouse=True)
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(walk, "PAGE", 2)


class Seen:
    """A store that counts which keys are read, some of which cannot be."""

    def __init__(self, inner: KeyStore, reads: Counter[str], broken: tuple[str, ...] = ()) -> None:
        self._inner, self._reads, self._broken = inner, reads, broken

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def get(self, key_id: str) -> Key | None:
        self._reads[key_id] += 1
        if key_id in self._broken:
            raise Unavailable
        return self._inner.get(key_id)


def times(count: int) -> Callable[[], bool]:
    """Time for so many keys."""
    left = iter([True] * count)
    return lambda: next(left, False)


def place(world: World, job: str) -> Place:
    watch = world.keys.get_watch(JOBS[job].name)
    assert watch is not None
    return watch.place


def looked_today(world: World) -> None:
    """What seems to have time is not looked at any more, today."""
    for job in JOBS.values():
        watch = world.keys.get_watch(job.name)
        assert watch is not None
        world.keys.put_watch(job.name, replace(watch, place=Place(looked=int(world.clock()))))


@pytest.mark.parametrize("job", JOBS)
@pytest.mark.parametrize("store", STORES)
def test_keys_that_fail_keep_no_others_from_their_turn(store: str, job: str, tmp_path: Path) -> None:
    """More of them than a run has time for: each run begins where the last one ended, and then with the first again."""
    world = make_world(store, tmp_path)
    ids, reads = fill(world, COUNT, job), Counter[str]()
    looked_today(world)
    broken = tuple(ids[:5])

    def run() -> Report:
        process = Process(world, lambda inner: Seen(inner, reads, broken))
        return maintenance.run(JOBS[job], process.deps, "sweep", more=times(3))

    assert run() == Report(due=3, done=0, failed=3, left=True)
    assert place(world, job).after == (START - DAY * (job == "destroy"), ids[2])
    assert run() == Report(due=3, done=1, failed=2, left=True)
    assert run() == Report(due=3, done=3, failed=0, left=job == "destroy")
    if job == "destroy":  # the three that are due a second later
        assert run() == Report(due=0, done=0, failed=0, left=False)
    assert finished(world, job) == (4 if job == "rotate" else 8)
    assert [reads[name] for name in ids] == [1] * COUNT
    assert place(world, job).after == FIRST
    assert run() == Report(due=3, done=0, failed=3, left=True)


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("job", JOBS)
@pytest.mark.parametrize("store", STORES)
def test_after_a_crash_at_each_call_hardly_any_key_is_looked_at_again(
    store: str, job: str, after: bool, tmp_path: Path
) -> None:
    """Keys that fail stay due: only who knows the place where the last run was passes them by."""
    call, crashed = 0, True
    while crashed:
        call += 7 if store == "dynamodb" else 1  # moto is slow
        path = tmp_path / f"{call}"
        path.mkdir()
        world = make_world(store, path)
        ids, reads = fill(world, COUNT, job), Counter[str]()
        looked_today(world)
        broken = tuple(ids[1::2])

        seen = partial(Seen, reads=reads, broken=broken)
        crashed = False
        try:
            dying = Process(world, lambda inner, seen=seen, at=call: Dying(seen(inner), at, after=after))
            maintenance.run(JOBS[job], dying.deps, "sweep")
        except ProcessDied:
            crashed = True
        report = maintenance.run(JOBS[job], Process(world, seen).deps, "sweep")
        again = sum(count - 1 for name, count in reads.items() if name in ids)
        if crashed:
            assert again <= walk.PAGE, (call, reads)
            assert report.left is False
        assert finished(world, job) == (5 if job == "rotate" else 7), call
        assert place(world, job).after == FIRST


@pytest.mark.parametrize("store", STORES)
def test_looking_at_what_seems_to_have_time_takes_as_many_runs_as_it_needs(store: str, tmp_path: Path) -> None:
    """In each of them what is due comes first, also what has become due since."""
    world = make_world(store, tmp_path)
    process, reads = Process(world), Counter[str]()
    world.watch()
    keys = [due_key(process, number, "rotate", START + 60 + number) for number in range(1, COUNT + 1)]
    wrong = replace(keys[-1], last_rotation=START + 400 * DAY)  # by a clock that was ahead
    process.deps.keyring.commit([PutKey(key) for key in [*keys[:-1], wrong]])

    def run() -> Report:
        seeing = Process(world, lambda inner: Seen(inner, reads))
        return maintenance.run(JOBS["rotate"], seeing.deps, "sweep", more=times(3))

    assert run() == Report(due=0, done=0, failed=0, left=True)
    assert [reads[key.id] for key in keys] == [1, 1, 1, 0, 0, 0, 0, 0, 0]
    world.clock.now = START + 61.0
    assert run() == Report(due=1, done=1, failed=0, left=True)
    assert [reads[key.id] for key in keys] == [2, 1, 1, 1, 1, 0, 0, 0, 0]
    assert run() == Report(due=0, done=0, failed=0, left=True)
    assert run() == Report(due=1, done=1, failed=0, left=False)
    assert [key.id for key in map(world.keys.get, map(numbered, range(1, 10))) if key and key.primary_number == 2] == [
        keys[0].id,
        wrong.id,
    ]
    assert place(world, "rotate") == Place(looked=START + 61)
    reads.clear()
    assert run() == Report(due=0, done=0, failed=0, left=False)
    assert not reads
    world.clock.now += DAY
    assert run().left


@pytest.mark.parametrize("store", STORES)
def test_a_place_does_not_undo_what_an_operator_has_said_meanwhile(store: str, tmp_path: Path) -> None:
    world = make_world(store, tmp_path)
    fill(world, COUNT, "destroy")
    name = JOBS["destroy"].name

    def word() -> bool:
        watch = world.keys.get_watch(name)
        assert watch is not None
        world.keys.put_watch(name, replace(watch, since=START - 1))
        return True

    maintenance.run(JOBS["destroy"], Process(world).deps, "sweep", more=word)
    watch = world.keys.get_watch(name)
    assert watch is not None
    assert (watch.since, watch.seen) == (START - 1, START)
