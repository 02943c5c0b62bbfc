"""Scheduled work that ends before it is done, by a crash or since its time is up: the next run goes on behind it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from functools import partial
from math import ceil
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
from tenantkms.model.key import Key, revised
from tenantkms.model.watch import FIRST, Place
from tenantkms.store.port import KeyStore, PutKey

COUNT = 9


@pytest.fixture(autouse=True)
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(walk, "PAGE", 2)


def report(due: int, done: int, failed: int, *, left: bool, resumed: bool) -> Report:
    errors = {"Unavailable": failed} if failed else {}
    return Report(due=due, done=done, failed=failed, left=left, resumed=resumed, errors=errors)


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

    assert run() == report(3, 0, 3, left=True, resumed=False)
    assert place(world, job).after == (START - DAY * (job == "destroy"), ids[2])
    assert run() == report(3, 1, 2, left=True, resumed=True)
    assert run() == report(3, 3, 0, left=job == "destroy", resumed=True)
    if job == "destroy":  # the three that are due a second later
        assert run() == report(0, 0, 0, left=False, resumed=True)
    assert finished(world, job) == (4 if job == "rotate" else 8)
    assert [reads[name] for name in ids] == [1] * COUNT
    assert place(world, job).after == FIRST
    assert run() == report(3, 0, 3, left=True, resumed=False)


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize(("job", "today"), [("rotate", True), ("rotate", False), ("destroy", True)])
@pytest.mark.parametrize("store", STORES)
def test_after_a_crash_at_each_call_hardly_any_key_is_looked_at_again(
    store: str, job: str, today: bool, after: bool, tmp_path: Path
) -> None:
    """Keys that fail stay due: only who knows the place where the last run was passes them by. `today`: what seems to
    have time has been looked at."""
    call, crashed = 0, True
    while crashed:
        call += 7 if store == "dynamodb" else 1  # moto is slow
        path = tmp_path / f"{call}"
        path.mkdir()
        world = make_world(store, path)
        ids, reads = fill(world, COUNT, job), Counter[str]()
        if today:
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
        # What was rotated seems to have time from then on.
        again = sum(count - 1 for name, count in reads.items() if name in (ids if today else broken))
        if crashed:
            assert again <= walk.PAGE, (call, reads)
            assert report.left is False
        assert finished(world, job) == (5 if job == "rotate" else 7), call
        assert place(world, job).after == FIRST


@pytest.mark.parametrize("at_a_time", [1, 3, 14])
@pytest.mark.parametrize("store", STORES)
def test_keys_that_fail_for_long_keep_none_that_seem_to_have_time_from_their_turn(
    store: str, at_a_time: int, tmp_path: Path
) -> None:
    """Nor the other way round: in a round each key has one turn, and so many runs are enough for it."""
    world = make_world(store, tmp_path)
    ids, reads = fill(world, 6, "rotate"), Counter[str]()
    process = Process(world)
    process.deps.keyring.commit([PutKey(due_key(process, n, "rotate", START + n)) for n in range(10, 10 + COUNT)])
    seeing = Process(world, lambda inner: Seen(inner, reads, tuple(ids)))
    count = len(ids) + 3 + COUNT
    for _ in range(2):
        reads.clear()
        runs = [maintenance.run(JOBS["rotate"], seeing.deps, "sweep", more=times(at_a_time))]
        while runs[-1].left and len(runs) < 2 * count:
            runs.append(maintenance.run(JOBS["rotate"], seeing.deps, "sweep", more=times(at_a_time)))
        assert len(runs) == ceil(count / at_a_time)
        assert sum(run.failed for run in runs) == len(ids)
        assert [*reads.values()] == [1] * count
        assert place(world, "rotate") == Place(looked=int(world.clock()))
        world.clock.now += DAY
        world.watch()
        for id_ in set(reads) - set(ids):  # what is due by now
            process.deps.keyring.commit([PutKey(rotated_now(world, id_))])


@pytest.mark.parametrize("store", STORES)
def test_nor_do_those_that_become_due_as_fast_as_they_fail(store: str, tmp_path: Path) -> None:
    world = make_world(store, tmp_path)
    world.watch()
    process, reads, late = Process(world), Counter[str](), [numbered(50 + n) for n in range(COUNT)]
    process.deps.keyring.commit([PutKey(due_key(process, n, "rotate", START + DAY + n)) for n in range(1, COUNT + 1)])
    for n in range(COUNT):
        world.clock.now += 60
        process.deps.keyring.commit([PutKey(due_key(process, 50 + n, "rotate", int(world.clock())))])
        seeing = Process(world, lambda inner: Seen(inner, reads, tuple(late)))
        assert maintenance.run(JOBS["rotate"], seeing.deps, "sweep", more=times(1)).left
    assert [reads[numbered(n)] for n in range(1, COUNT + 1)] == [1] * COUNT


def rotated_now(world: World, key_id: str) -> Key:
    key = world.keys.get(key_id)
    assert key is not None
    return revised(key, "by hand", last_rotation=int(world.clock()))


@pytest.mark.parametrize("store", STORES)
def test_looking_at_what_seems_to_have_time_takes_as_many_runs_as_it_needs(store: str, tmp_path: Path) -> None:
    """In each of them what has become due since has its turn, too."""
    world = make_world(store, tmp_path)
    process, reads = Process(world), Counter[str]()
    world.watch()
    keys = [due_key(process, number, "rotate", START + 60 + number) for number in range(1, COUNT + 1)]
    wrong = replace(keys[-1], last_rotation=START + 400 * DAY)  # by a clock that was ahead
    process.deps.keyring.commit([PutKey(key) for key in [*keys[:-1], wrong]])

    def run() -> Report:
        seeing = Process(world, lambda inner: Seen(inner, reads))
        return maintenance.run(JOBS["rotate"], seeing.deps, "sweep", more=times(3))

    assert run() == report(0, 0, 0, left=True, resumed=False)
    assert [reads[key.id] for key in keys] == [1, 1, 1, 0, 0, 0, 0, 0, 0]
    world.clock.now = START + 61.0
    assert run() == report(1, 1, 0, left=True, resumed=True)
    assert [reads[key.id] for key in keys] == [2, 1, 1, 1, 1, 0, 0, 0, 0]
    assert run() == report(0, 0, 0, left=True, resumed=True)
    assert run() == report(1, 1, 0, left=False, resumed=True)
    assert [key.id for key in map(world.keys.get, map(numbered, range(1, 10))) if key and key.primary_number == 2] == [
        keys[0].id,
        wrong.id,
    ]
    assert place(world, "rotate") == Place(looked=START + 61)
    reads.clear()
    assert run() == report(0, 0, 0, left=False, resumed=False)
    assert not reads
    world.clock.now += DAY
    assert run().left


@pytest.mark.parametrize("job", JOBS)
@pytest.mark.parametrize("begun", [False, True])
@pytest.mark.parametrize("store", STORES)
def test_a_command_ends_after_one_round_in_which_each_key_that_fails_counts_once(
    store: str, begun: bool, job: str, tmp_path: Path
) -> None:
    """`begun`: by another run, which met keys that fail: they have their turn again."""
    world = make_world(store, tmp_path)
    ids, reads = fill(world, COUNT, job), Counter[str]()
    broken = tuple(ids[:5])

    def run() -> Report:
        process = Process(world, lambda inner: Seen(inner, reads, broken))
        return maintenance.run(JOBS[job], process.deps, "sweep", more=times(4))

    if begun:
        assert run().left
    *parts, whole = maintenance.complete(run)
    assert whole == report(COUNT, 4, 5, left=False, resumed=False)
    assert [part.left for part in parts] == [True] * len(parts)
    assert [reads[name] for name in ids] == [1 + begun] * 5 + [1] * 4
    assert finished(world, job) == (4 if job == "rotate" else 8)


@pytest.mark.parametrize("store", STORES)
def test_a_place_that_a_clock_left_which_was_ahead_hides_no_key(store: str, tmp_path: Path) -> None:
    """Neither one that is due by the right clock, nor those which that clock has dated."""
    world = make_world(store, tmp_path)
    fill(world, 4, "rotate", START + 30 * DAY)
    world.clock.now = START + 400.0 * DAY
    assert maintenance.run(JOBS["rotate"], Process(world).deps, "sweep", more=times(6)).done == 6
    world.clock.now = START
    process = Process(world)
    process.deps.keyring.commit([PutKey(due_key(process, 9, "rotate", START))])
    assert maintenance.run(JOBS["rotate"], process.deps, "sweep").done == 8
    assert [key.last_rotation for key in map(world.keys.get, map(numbered, (*range(1, 8), 9))) if key] == [START] * 8


@pytest.mark.parametrize("job", JOBS)
@pytest.mark.parametrize("store", STORES)
def test_what_nobody_thought_of_is_one_key_that_fails(store: str, job: str, tmp_path: Path) -> None:
    """It would keep those behind it from their turn, run by run."""
    world = make_world(store, tmp_path)
    ids = fill(world, COUNT, job)

    def work(*args: Any) -> None:
        if args[1].id == ids[2]:
            raise TypeError
        JOBS[job].work(*args)

    found = maintenance.run(replace(JOBS[job], work=work), Process(world).deps, "sweep")
    assert (found.due, found.done, found.errors) == (COUNT, COUNT - 1, {"TypeError": 1})


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
