"""From one region to the other: what is written in which replica, and in which order.

Every step is written in the tables, so a command that was killed is given again and goes on.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from msgspec import Struct

from tenantkms.errors import Unavailable
from tenantkms.keys.maintenance import JOBS
from tenantkms.store.dynamodb_fence import FenceRows
from tenantkms.store.fence import Active
from tenantkms.store.port import RevisionConflict
from tkms.output import Failed

POLL = 2
"""Seconds between two looks at what has come."""
Progress = Callable[[int], None]


class Waits(Struct, frozen=True, kw_only=True):
    """`until` the new region has what the old one said last, at most; `settle`: how long it is given after that for
    what was written just before. Rows come each by itself, and nobody tells when all have. Seconds.
    """

    clock: Callable[[], float]
    sleep: Callable[[float], None]
    until: int = 300
    settle: int = 30


def newest(replicas: Mapping[str, FenceRows]) -> Active:
    """What was said last, as far as any of them knows. Raises `Unavailable`."""
    return max((active for rows in replicas.values() for active in rows.all()), key=lambda active: active.epoch)


def reachable(replicas: Mapping[str, FenceRows]) -> dict[str, FenceRows]:
    """Those that answer now."""
    found = {}
    for region, rows in replicas.items():
        try:
            rows.read()
        except Unavailable:
            continue
        found[region] = rows
    return found


def hand_over(replicas: Mapping[str, FenceRows], to: str, waits: Waits, progress: Progress | None = None) -> Active:
    """In order: the old region refuses changes, the new one is given time to have all, and then takes them.

    Raises `Failed` if it did not come in time, and `Unavailable` for a region that does not answer: nothing is changed
    anywhere then, and the same again goes on.
    """
    last = newest(replicas)
    if last.region and last.region != to:
        last = Active(region="", to=to, epoch=last.epoch + 1, since=int(waits.clock()))
        _say(replicas[_other(replicas, to)], last)
    if not last.region:
        _come(replicas[to], last, waits)
        for second in range(waits.settle):
            if progress:
                progress(second)
            waits.sleep(1)
        last = Active(region=to, epoch=last.epoch + 1, since=int(waits.clock()))
    _say(replicas[to], last)
    return last


def take_over(replicas: Mapping[str, FenceRows], to: str, clock: Callable[[], float]) -> Active:
    """The old region is lost: the new one takes changes from now on. Raises `Unavailable` if that does not answer.

    Nothing is destroyed or rotated there until an operator says so: a cancellation may be on its way, and a version
    that would be made a second time.
    """
    last = newest(reachable(replicas) or {to: replicas[to]})
    if last.region != to:
        last = Active(region=to, epoch=last.epoch + 1, since=int(clock()))
        for job in JOBS.values():
            replicas[to].hold(job.name, last.epoch)
    _say(replicas[to], last)
    return last


def fence_off(replicas: Mapping[str, FenceRows], taken: Active) -> bool:
    """Tell the old region's replica itself, which replication may reach late: whether that could be done."""
    try:
        _say(replicas[_other(replicas, taken.region)], taken)
    except Unavailable:
        return False
    return True


def _other(replicas: Mapping[str, FenceRows], to: str) -> str:
    (found,) = replicas.keys() - {to}
    return found


def _say(rows: FenceRows, active: Active) -> None:
    try:
        rows.write(active)
    except RevisionConflict:
        raise Failed("Somebody else has begun a failover, too: see tkms failover --dry-run.") from None


def _come(rows: FenceRows, last: Active, waits: Waits) -> None:
    waited = 0
    while rows.all() != {last}:
        if waited >= waits.until:
            raise Failed(
                f"{last.to} does not have yet what the other region has said: nothing is changed in either. The same"
                " command again goes on; with --lost it does not wait, and what is on its way may be missing."
            )
        waits.sleep(POLL)
        waited += POLL
