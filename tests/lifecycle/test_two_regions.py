"""Two regions, of which the first is lost at each step: what holds then, when it is back, and what does not.

docs/decisions/0056-standby.md promises what stands here.
"""

from __future__ import annotations

from pathlib import Path
from typing import cast

import pytest

from kit.campaign.world import Dying, ProcessDied
from kit.samples import ROW_MACS
from kit.two_regions import FIRST, SECOND, Region, TwoRegions
from tenantkms.keys.maintenance import DESTROY, JOBS
from tenantkms.model.profiles import DAY
from tenantkms.model.states import KeyState
from tenantkms.store.dynamodb_fence import FenceRows
from tenantkms.store.sqlite import SqliteStore
from tkms.output import Failed
from tkms.standby.failover import fence_off, hand_over, take_over


@pytest.fixture
def world(tmp_path: Path) -> TwoRegions:
    return TwoRegions(SqliteStore(tmp_path / "access.sqlite3", ROW_MACS))


def lose_the_first(world: TwoRegions) -> None:
    """What has not come by now does not come until it is back; the operator says so."""
    world.note()
    take_over({SECOND: world.second.rows}, SECOND, world.clock)


def state(region: Region, key_id: str) -> str:
    key = region.store.get(key_id)
    return str(key.state) if key else "gone"


def test_in_order_nothing_is_lost_and_never_do_both_take_changes(world: TwoRegions) -> None:
    key = world.first.create()
    blob = world.first.blob(key)
    world.first.result("CreateKeyVersion", {"key_id": key})
    newer = world.first.blob(key)
    assert world.second.outcome("DisableKey", {"key_ids": [key]}) == "Unavailable"
    with pytest.raises(Failed, match="nothing is changed in either"):
        hand_over(world.replicas, SECOND, world.waits(late=True))
    for region in (world.first, world.second):  # killed here, it is safe, and the same command goes on
        assert region.outcome("CreateKey", {}) == "Unavailable"
    for _ in range(2):  # given twice, it is done once
        assert hand_over(world.replicas, SECOND, world.waits()).epoch == 2
    assert world.first.outcome("CreateKey", {}) == "Unavailable"
    assert [world.second.opens(one) for one in (blob, newer)] == ["ok", "ok"]
    world.second.result("DisableKey", {"key_ids": [key]})
    assert hand_over(world.replicas, FIRST, world.waits()).region == FIRST
    assert state(world.first, key) == KeyState.DISABLED
    world.first.result("EnableKey", {"key_ids": [key]})
    assert world.second.outcome("EnableKey", {"key_ids": [key]}) == "Unavailable"


STEPS = [
    (FIRST, 1, False),
    (FIRST, 2, False),
    (FIRST, 2, True),
    (SECOND, 2, False),
    (SECOND, 4, False),
    (SECOND, 4, True),
]
"""Of the old region's replica and of the new one's: before which call the command is killed, or after it."""


def test_killed_at_any_step_it_goes_on_and_never_do_both_take_changes(world: TwoRegions) -> None:
    regions = {FIRST: world.first, SECOND: world.second}

    def active() -> list[str]:
        return [name for name, region in regions.items() if not region.fence.behind()]

    old, new = FIRST, SECOND
    for where, at, after in STEPS:
        name = old if where == FIRST else new
        dying = {**world.replicas, name: cast("FenceRows", Dying(world.replicas[name], at, after=after))}
        with pytest.raises(ProcessDied):
            hand_over(dying, new, world.waits())
        assert len(active()) <= 1
        assert hand_over(world.replicas, new, world.waits()).region == new
        assert active() == [new]
        old, new = new, old
        world.deliver()


ROWS_OF_A_KEY = {"nothing": (), "the key": ("KEY#",), "the alias": ("ALIAS#",), "both": ("KEY#", "ALIAS#")}


def test_a_key_that_was_made_in_the_last_seconds_comes_back(world: TwoRegions) -> None:
    made, late = [], []
    for parts in ROWS_OF_A_KEY.values():
        key = world.first.create(alias=f"of-{len(made)}")
        made.append((key, world.first.blob(key), "KEY#" in parts))
        world.deliver_some(*parts)
        late += world.on_its_way
        world.on_its_way = []
    world.on_its_way = late
    lose_the_first(world)
    for key, blob, there in made:
        assert (world.second.opens(blob) == "ok") is there
        assert (world.second.outcome("DescribeKey", {"key_ids": [key]}) == "ok") is there
    world.deliver()  # the first is back
    for key, blob, _ in made:
        assert world.second.opens(blob) == "ok"
        assert world.second.outcome("DisableKey", {"key_ids": [key]}) == "ok"
    assert world.first.outcome("CreateKey", {}) == "Unavailable"  # it has heard


ROWS_OF_A_ROTATION = {"nothing": (), "the older": ("VERSION#",), "the key": ("META",)}


@pytest.mark.parametrize("parts", ROWS_OF_A_ROTATION.values(), ids=ROWS_OF_A_ROTATION)
def test_no_version_that_was_there_is_lost_by_a_rotation(world: TwoRegions, parts: tuple[str, ...]) -> None:
    """While one of its rows is on its way, its blobs are to be tried again, and never told as if they were wrong."""
    key = world.first.create()
    older = world.first.blob(key)
    world.deliver()
    world.first.result("CreateKeyVersion", {"key_id": key})
    newer = world.first.blob(key)
    world.deliver_some(*parts)
    assert world.second.opens(older) == ("Unavailable" if parts == ("META",) else "ok")
    assert world.second.opens(newer) == ("ok" if parts == ("META",) else "Unavailable")
    lose_the_first(world)
    world.deliver()  # the first is back
    assert [world.second.opens(blob) for blob in (older, newer)] == ["ok", "ok"]
    world.second.result("CreateKeyVersion", {"key_id": key})
    assert [world.second.opens(blob) for blob in (older, newer, world.second.blob(key))] == ["ok"] * 3


def test_what_was_rotated_in_the_last_seconds_is_not_rotated_once_more(world: TwoRegions) -> None:
    key = world.first.create(rotate=True)
    world.first.put(key, last_rotation=1)
    world.deliver()
    assert world.first.sweep("rotate").done == 1
    blob = world.first.blob(key)
    lose_the_first(world)
    report = world.second.sweep("rotate")
    assert (report.due, report.done) == (1, 0)
    assert report.held
    world.deliver()
    assert world.second.sweep("rotate", trust_clock=True).due == 0
    assert world.second.opens(blob) == "ok"


def test_a_row_that_comes_without_its_other_half_is_in_no_way(world: TwoRegions) -> None:
    """The second changes the key, so that it stays as it is there: the new version of the first is not promised."""
    key = world.first.create()
    older = world.first.blob(key)
    world.deliver()
    world.first.result("CreateKeyVersion", {"key_id": key})
    lost = world.first.blob(key)
    lose_the_first(world)
    world.second.result("UpdateKeyDescription", {"key_id": key, "description": "changed"})
    world.deliver()
    assert [region.opens(older) for region in (world.first, world.second)] == ["ok", "ok"]
    assert world.second.opens(lost) == "InvalidCiphertext"
    world.second.result("CreateKeyVersion", {"key_id": key})
    assert [world.second.opens(blob) for blob in (older, world.second.blob(key))] == ["ok", "ok"]


def leave(world: TwoRegions, count: int) -> list[str]:
    """Keys of two versions whose window ends in a moment."""
    keys = [world.first.create() for _ in range(count)]
    for key in keys:
        world.first.result("CreateKeyVersion", {"key_id": key})
        world.first.result("ScheduleKeyDeletion", {"key_id": key, "days": 7})
    world.first.sweep()
    world.pass_(8 * DAY - 60, world.first)
    return keys


def test_a_cancellation_that_was_lost_is_in_time_when_it_comes(world: TwoRegions) -> None:
    kept, doomed = leave(world, 2)
    world.deliver()
    world.first.result("CancelKeyDeletion", {"key_id": kept})
    lose_the_first(world)
    world.pass_(3 * DAY, world.second)
    assert world.second.sweep().held
    assert [state(world.second, key) for key in (kept, doomed)] == [KeyState.PENDING_DELETION] * 2
    world.deliver()  # the first is back, and the operator says so
    assert state(world.second, kept) == KeyState.ENABLED
    world.second.sweep(trust_clock=True)
    world.pass_(DAY - 60, world.second)
    assert state(world.second, doomed) == KeyState.PENDING_DELETION
    for _ in range(2):
        world.pass_(60, world.second)
    assert [state(world.second, key) for key in (kept, doomed)] == [KeyState.ENABLED, "gone"]


def test_no_row_of_a_key_goes_before_both_regions_had_time_to_know(world: TwoRegions) -> None:
    """Lost at each row of a destruction: it cannot be cancelled any more, and it ends once."""
    cuts = ((), ("VERSION#",), ("META",))
    keys = leave(world, len(cuts))
    world.pass_(60, world.first)
    assert [state(world.first, key) for key in keys] == [KeyState.PENDING_DELETION] * len(cuts)  # it is only said
    world.deliver()
    world.pass_(60, world.first)
    assert [state(world.first, key) for key in keys] == ["gone"] * len(cuts)
    world.deliver_some(*(f"{key} {part}" for key, parts in zip(keys, cuts, strict=True) for part in parts))
    lose_the_first(world)
    assert [state(world.second, key) for key in keys] == [*[KeyState.PENDING_DELETION] * 2, "gone"]
    for key in keys:
        assert world.second.outcome("CancelKeyDeletion", {"key_id": key}) != "ok"
    world.second.sweep(trust_clock=True)
    world.pass_(DAY, world.second)
    world.deliver()
    for region in (world.first, world.second):
        assert [state(region, key) for key in keys] == ["gone"] * len(cuts)


def test_the_first_changes_nothing_from_the_moment_on_in_which_it_can_know(world: TwoRegions) -> None:
    key = world.first.create()
    world.deliver()
    lose_the_first(world)
    assert world.first.outcome("DisableKey", {"key_ids": [key]}) == "ok"  # it cannot: what no fence keeps off
    world.note()
    assert fence_off(world.replicas, world.second.rows.read())  # the operator reaches its replica before replication
    assert world.first.outcome("EnableKey", {"key_ids": [key]}) == "Unavailable"
    before = world.first.store.get_watch(DESTROY.name)
    assert not any(world.first.sweep(job).due for job in JOBS)
    assert world.first.store.get_watch(DESTROY.name) == before
    world.deliver()
    assert state(world.first, key) == state(world.second, key) == KeyState.DISABLED  # the last writer
