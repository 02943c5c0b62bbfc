"""Whatever a tenant has become, moved to an empty place it gives the answers that it would have given.

The campaign's machine goes on after each move, in the new place, and its model knows of the move what docs/export.md
says. `TKMS_CAMPAIGN=N` (make campaign) takes N times as many states, and new ones each time.
"""

from __future__ import annotations

import io
import json
import os
import re
import tarfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, seed, settings
from hypothesis.stateful import invariant, run_state_machine_as_test

from kit.action_samples import actions
from kit.campaign.questions import READ, questions
from kit.campaign.rules_aws import AwsRules
from kit.campaign.rules_names import NameRules
from kit.campaign.tenant import Process, deepen
from kit.campaign.world import DAY, Dying, ProcessDied, World, make_world
from kit.exports import empty_world, exported, imported, looked_at
from tenantkms.access.policy import ALLOW_ALL
from tenantkms.errors import Unavailable
from tenantkms.model.key import KeyFilter
from tkms.transfer.check import Own
from tkms.transfer.file import AT_ONCE, Counts

CAMPAIGN = int(os.environ.get("TKMS_CAMPAIGN", "0"))
PARTS = [(("sqlite",), 4), (("dynamodb", "sqlite"), 1)]
"""Where tenants go, one after the other, and how many states are moved at least. DynamoDB under moto takes ten times as
long."""
STEPS = 5
"""From one move to the next, and one more."""


class Moving(NameRules, AwsRules):
    """Moves its tenant after each few steps."""

    whole_every = 10
    stores: tuple[str, ...] = ("sqlite",)
    asked: Counter[str] = Counter()
    moves: Counter[str] = Counter()

    def __init__(self) -> None:
        super().__init__()
        self.moved = self.since = 0

    @invariant()
    def is_elsewhere(self) -> None:
        self.since += 1
        if self.since > STEPS:
            self.since = 0
            self.move()

    def move(self) -> None:
        before = self.answers()
        data, counts = exported(self.kms.settings)
        there = self.stores[self.moved % len(self.stores)]
        self.moved += 1
        self.world = empty_world(there, self._path / f"moved-{self.moved}", self.world)
        self.kms = self.world.process()
        found, made = imported(self.kms.settings, data)
        assert found.file == counts == made
        self.ref.watched = None
        for key in self.ref.live:
            key.token = None  # sealed under what stayed behind
            if key.state == "PendingDeletion" and key.deletion_date <= self.now:  # nothing is destroyed at once
                dates = [f'"deletion_date": {date}' for date in (key.deletion_date, self.now + DAY)]
                before = {asked: text.replace(*dates) for asked, text in before.items()}
                key.deletion_date = self.now + DAY
        after = self.answers()
        assert after == before
        self.check_store()
        for blob in self.ref.blobs:
            self.check_blob(blob)
        self.moves[there] += 1

    def answers(self) -> dict[str, str]:
        """Of every Action, on all there is."""
        told = {}
        for action, params in questions(self.ref.live, self.ref.blobs, actions()):
            self.asked[action] += 1
            told[f"{action} {params}"] = json.dumps(self.native(action, params, dry_run=action not in READ))
        self.world.audit.records.clear()
        return told


def run(where: tuple[str, ...], least: int, first: int) -> Counter[str]:
    class Run(Moving):
        stores = where
        asked: Counter[str] = Counter()
        moves: Counter[str] = Counter()

    how = settings(
        max_examples=3,
        stateful_step_count=60 if CAMPAIGN else 30,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
        print_blob=True,
    )
    while Run.moves.total() < least:
        run_state_machine_as_test(seed(first)(Run), settings=how)
        first += 1
    assert set(Run.asked) == set(actions())
    return Run.moves


@pytest.mark.parametrize(("where", "least"), PARTS)
def test_a_tenant_that_moved_answers_every_action_as_before(where: tuple[str, ...], least: int) -> None:
    moves = run(where, least * (CAMPAIGN or 1), time.time_ns() if CAMPAIGN else 0)
    print(f"{moves.total()} states were moved: {dict(moves)}")
    assert set(moves) == set(where)


def _filled(path: Path) -> tuple[World, list[str]]:
    """A tenant with a key of many versions, and others: with it a blob under each version of some."""
    world = make_world("sqlite", path)
    process = Process(world)
    _, blobs = process.versioned(aliases=5)  # more than one commit, in any order
    deep = process.create()
    blobs += deepen(process, deep, 2 * AT_ONCE + 1)[::60]
    process.alias(deep)
    process.imported()
    settings = world.settings()
    settings.access.create("second", ("aws",), ALLOW_ALL, int(world.clock()), expires=int(world.clock()) + DAY)
    settings.access.store.note_use(world.credential[0], int(world.clock()))
    return world, blobs


def _whole_or_not_there(world: World, source: World) -> None:
    here, there = Own(world.settings()), Own(source.settings())
    _, keys = source.keys.list_keys(KeyFilter(), now=0, offset=0, limit=100)
    for key in keys:
        if row := world.keys.get(key.id):
            assert here.digest(row).value() == there.digest(key).value()
        for alias in key.aliases:
            assert (world.keys.get_alias(alias) is None) == (row is None)


def _rows(world: World) -> bytes:
    """All there is, as an export has it."""
    data, _ = exported(world.settings())
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        return b"".join(tar.extractfile(each).read() for each in tar if each.name.startswith("rows/"))  # type: ignore[union-attr]


def test_an_import_that_dies_at_any_call_of_the_store_is_finished_by_the_next(tmp_path: Path) -> None:
    source, blobs = _filled(tmp_path)
    data, _ = exported(source.settings())
    rows = _without_writes(_rows(source))
    finished = set()
    for at in range(1, 1000):  # what is after a call is before the next one
        world = empty_world("sqlite", tmp_path / f"{at}", source)
        dying = Dying(world.keys, at, after=False)
        settings = world.settings(wrap=lambda _, dying=dying: dying)  # type: ignore[misc]
        settings.access.store = dying  # type: ignore[assignment]
        try:
            imported(settings, data)
            break
        except ProcessDied:
            _whole_or_not_there(world, source)
        found, made = imported(world.settings(), data)
        finished.add(made.keys)
        assert looked_at(world.settings(), data).new == Counts()
        assert found.file.keys == 3
        assert _without_writes(_rows(world)) == rows
        assert {Process(world).opens(blob) for blob in blobs} == {"ok"}
    assert at > 20
    assert finished > {0, 3}, "what was made before is not made again"


def _without_writes(rows: bytes) -> list[bytes]:
    """Of how often a row was written, and by which write, nobody is told."""
    return [re.sub(rb'"revision":\d+,"token":"[^"]*"', b"", row) for row in sorted(rows.splitlines())]


class _Flaky:
    """A store whose calls of these names fail in passing, each third one: before it, or with its answer lost."""

    _NAMES = ("commit", "put_credential")

    def __init__(self, inner: object) -> None:
        self._inner, self.calls = inner, 0

    def __getattr__(self, name: str) -> Any:
        inner = getattr(self._inner, name)

        def call(*args: object, **kwargs: object) -> object:
            self.calls += 1
            if self.calls % 3 == 0:
                raise Unavailable
            inner(*args, **kwargs)
            if self.calls % 3 == 1:
                raise Unavailable
            return None

        return call if name in self._NAMES else inner


def test_what_fails_in_passing_is_done_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tkms.each._PAUSES", (0, 0))
    source, _ = _filled(tmp_path)
    world = empty_world("sqlite", tmp_path / "new", source)
    flaky = _Flaky(world.keys)
    settings = world.settings(wrap=lambda _: flaky)
    settings.access.store = flaky  # type: ignore[assignment]
    imported(settings, exported(source.settings())[0], at_a_time=4)
    assert flaky.calls > 6
    assert _without_writes(_rows(world)) == _without_writes(_rows(source))
