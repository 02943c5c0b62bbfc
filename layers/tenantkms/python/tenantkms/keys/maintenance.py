"""Scheduled work: rotating keys that are due, and destroying what is due to be destroyed.

Both are safe to run twice, concurrently, and to be killed anywhere: each step is one conditional commit, and
what is left half done is found again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Literal

from msgspec import Struct

from tenantkms.audit.faults import log_fault
from tenantkms.audit.line import INTENT, Record
from tenantkms.audit.metrics import Metrics
from tenantkms.errors import KmsError
from tenantkms.keys.deps import Deps
from tenantkms.keys.destruction import destroy_due
from tenantkms.keys.rotation import rotate_due
from tenantkms.model.key import Key
from tenantkms.store.port import RevisionConflict

_PAGE = 100
Progress = Callable[[int], None]
"""Told how many keys have been looked at so far."""


class Report(Struct, frozen=True, kw_only=True):
    """Of one run: keys that were due, how many are done, and how many failed and stay due."""

    due: int
    done: int
    failed: int


class Job(Struct, frozen=True):
    """`due_at` says when a key is due for this job (0: never); `work` does it to a key as it is stored now.

    `work` is told the time and the request id. Its audit lines, before and after, are written here.

    `counted` is what its metrics count. Its function on AWS is in the folder that is named as the job is.
    """

    name: str
    counted: str
    due_at: Callable[[Key], int]
    work: Callable[[Deps, Key, int, str], None]

    def metric(self, outcome: Literal["Due", "Done", "Failed"]) -> str:
        return f"{self.counted}{outcome}"


def _due(deps: Deps, now: int) -> Iterator[str]:
    """Ids of the keys that some work is due for, in pages; what fails does not keep the rest from its turn."""
    after = (0, "")
    while page := deps.keyring.store.list_due(now, limit=_PAGE, after=after):
        after = page[-1]
        yield from (key_id for _, key_id in page)


def run(job: Job, deps: Deps, request_id: str, *, dry_run: bool = False, progress: Progress | None = None) -> Report:
    """Do `job` for every key that is due. A key that fails is logged and stays due; the others go on."""
    now = int(deps.clock())
    due = done = failed = 0
    for key_id in _due(deps, now):
        is_due = True  # so far as is known, if the key cannot be read
        try:
            key = deps.keyring.key(key_id, fresh=True)
            is_due = key is not None and 0 < job.due_at(key) <= now
            if key is not None and is_due and not dry_run:
                _work(job, deps, key, now, request_id)
                done += 1
        except RevisionConflict:
            pass  # somebody else changed or did it; if it is still due, the next run sees it
        except KmsError as error:
            failed += 1
            log_fault(request_id, error)
        due += is_due
        if progress and is_due:
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


def _work(job: Job, deps: Deps, key: Key, now: int, request_id: str) -> None:
    _audit(deps, job, key, request_id, INTENT)
    job.work(deps, key, now, request_id)
    _audit(deps, job, key, request_id, "ok")


def _audit(deps: Deps, job: Job, key: Key, request_id: str, outcome: str) -> None:
    deps.audit.write(
        Record(
            time=deps.clock(),
            request_id=request_id,
            tenant=deps.tenant,
            action=job.name,
            profile="maintenance",
            principal="maintenance",
            outcome=outcome,
            keys=(key.id,),
        )
    )


ROTATE = Job("RotateDueKeys", "Rotations", lambda key: key.rotates_at, rotate_due)
DESTROY = Job("DeleteDueKeys", "Deletions", lambda key: key.destroys_at, destroy_due)
JOBS = {"rotate": ROTATE, "destroy": DESTROY}
"""The scheduled work, by the names that `tkms maintain` prints."""
