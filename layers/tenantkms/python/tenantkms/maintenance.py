"""Scheduled work: rotating keys that are due, and destroying what is due to be destroyed.

Both are safe to run twice, concurrently, and to be killed anywhere: each step is one conditional commit, and
what is left half done is found again. Key material is destroyed only here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Literal

from msgspec import Struct

from tenantkms.action import Deps
from tenantkms.audit import Record, log_fault
from tenantkms.errors import KmsError
from tenantkms.keystore import (
    MAX_WRITES,
    DeleteAlias,
    DeleteKey,
    DeleteVersion,
    PutKey,
    RevisionConflict,
)
from tenantkms.metrics import Metrics
from tenantkms.model import Alias, Key, KeyState, revised
from tenantkms.rotation import rotation

_PAGE = 100
Progress = Callable[[int], None]
"""Told how many keys have been looked at so far."""


class Report(Struct, frozen=True, kw_only=True):
    """Of one run: keys that were due, how many are done, and how many failed and stay due."""

    due: int
    done: int
    failed: int


class Job(Struct, frozen=True):
    """`due_at` says when a key is due for this job (0: never); `work` does it and is told the request id.

    `counted` is what its metrics count. Its function on AWS is in the folder that is named as the job is.
    """

    name: str
    counted: str
    due_at: Callable[[Key], int]
    work: Callable[[Deps, Key, int, str], None]

    def metric(self, outcome: Literal["Due", "Done", "Failed"]) -> str:
        return f"{self.counted}{outcome}"


def _due(deps: Deps, job: Job, now: int) -> Iterator[Key]:
    """The keys that are due for `job`, in pages; what fails does not keep the rest from its turn."""
    after = (0, "")
    while page := deps.keyring.store.list_due(now, limit=_PAGE, after=after):
        after = (page[-1].due, page[-1].id)
        yield from (key for key in page if 0 < job.due_at(key) <= now)


def run(job: Job, deps: Deps, request_id: str, *, dry_run: bool = False, progress: Progress | None = None) -> Report:
    """Do `job` for every key that is due. A key that fails is logged and stays due; the others go on."""
    now = int(deps.clock())
    due = done = failed = 0
    for key in _due(deps, job, now):
        due += 1
        if not dry_run:
            try:
                job.work(deps, key, now, request_id)
                done += 1
            except RevisionConflict:
                pass  # somebody else changed or did it; if it is still due, the next run sees it
            except KmsError as error:
                failed += 1
                log_fault(request_id, error)
        if progress:
            progress(due)
    return Report(due=due, done=done, failed=failed)


def tell(metrics: Metrics, job: Job, report: Report) -> None:
    """The job's metrics, where there is something to count: no value is zero, and a metric that is silent is free."""
    counts = {
        job.metric("Due"): report.due,
        job.metric("Done"): report.done,
        job.metric("Failed"): report.failed,
    }
    if some := {name: count for name, count in counts.items() if count}:
        metrics.put(**some)


def _audit(deps: Deps, key: Key, action: str, request_id: str) -> None:
    deps.audit.write(
        Record(
            time=deps.clock(),
            request_id=request_id,
            tenant=deps.tenant,
            action=action,
            profile="maintenance",
            principal="maintenance",
            outcome="ok",
            keys=(key.id,),
        )
    )


def _fresh(deps: Deps, key: Key, due_at: Callable[[Key], int], now: int) -> Key | None:
    """The key as it is stored now, if it is still due."""
    found = deps.keyring.key(key.id, fresh=True)
    return found if found is not None and 0 < due_at(found) <= now else None


def _rotate(deps: Deps, key: Key, now: int, request_id: str) -> None:
    current = _fresh(deps, key, ROTATE.due_at, now)
    if current is None:
        return
    _, writes = rotation(deps, current, revised(current, request_id), now)
    deps.keyring.commit(writes)
    _audit(deps, current, ROTATE.name, request_id)


def _destroy(deps: Deps, key: Key, now: int, request_id: str) -> None:
    current = _fresh(deps, key, DESTROY.due_at, now)
    if current is None:
        return
    if current.state is not KeyState.PENDING_DELETION:
        _audit(deps, current, DESTROY.name, request_id)
        deps.keyring.commit([PutKey(_without_material(current, request_id))])
        return
    if not current.destroying:
        # From this commit on a cancellation comes too late: before it nothing of the key is gone.
        started = revised(current, request_id, destroying=True)
        deps.keyring.commit([PutKey(started)])
        current = started
    _audit(deps, current, DESTROY.name, request_id)
    last = current.primary.number if current.primary else 0
    for first in range(1, last, MAX_WRITES):
        numbers = range(first, min(first + MAX_WRITES, last))
        deps.keyring.commit([DeleteVersion(current.id, number) for number in numbers])
    aliases = [DeleteAlias(Alias(name=name, key_id=current.id)) for name in current.aliases]
    deps.keyring.commit([*aliases, DeleteKey(current)])


def _without_material(key: Key, request_id: str) -> Key:
    """A key of origin EXTERNAL whose imported material has expired or was deleted."""
    return revised(key, request_id, primary=None, material_expires=0, state=KeyState.PENDING_IMPORT)


ROTATE = Job("RotateDueKeys", "Rotations", lambda key: key.rotates_at, _rotate)
DESTROY = Job("DeleteDueKeys", "Deletions", lambda key: key.destroys_at, _destroy)
JOBS = {"rotate": ROTATE, "destroy": DESTROY}
"""The scheduled work, by the names that `tkms maintain` prints."""
