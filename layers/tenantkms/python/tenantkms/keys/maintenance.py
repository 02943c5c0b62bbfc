"""Scheduled work: rotating keys that are due, and destroying what is due to be destroyed.

Both are safe to run twice, concurrently, and to be killed anywhere: each step is one conditional commit, and
what is left half done is found again. Nothing is destroyed by a clock that is not where the last run left it, until an
operator says that it is right.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Literal

from msgspec import Struct, field
from msgspec.structs import replace

from tenantkms.audit.faults import log_fault
from tenantkms.audit.line import INTENT, Record
from tenantkms.audit.metrics import Metrics
from tenantkms.keys.deps import Deps
from tenantkms.keys.destruction import destroy_due, destroys
from tenantkms.keys.rotation import rotate_due, rotates
from tenantkms.keys.walk import Walk
from tenantkms.model.key import Key
from tenantkms.model.watch import HELD, STEP, Place, Watch, watched
from tenantkms.store.port import RevisionConflict

CLOCK_TRUSTED = "clock-trusted"
"""The note of the audit line of an operator's word."""
Progress = Callable[[int], None]
"""Told how many keys have been looked at so far."""


class Report(Struct, frozen=True, kw_only=True):
    """Of one run: keys that were due, how many are done, and how many failed and stay due.

    `held` is the time of the last run (Unix seconds), if this clock is so far from it that nothing was done.
    `left`: it ended before it had looked at all keys, and the next run goes on behind the last one, unless it is held.
    `resumed`: it went on in a round that another run had begun. `errors`: how many of `failed` by each kind of error.
    """

    due: int
    done: int
    failed: int
    held: int = 0
    left: bool = False
    resumed: bool = False
    errors: dict[str, int] = field(default_factory=dict)

    def and_then(self, next_: Report) -> Report:
        """Of two runs, of which the second went on where the first had ended."""
        return Report(
            due=self.due + next_.due,
            done=self.done + next_.done,
            failed=self.failed + next_.failed,
            held=next_.held,
            left=next_.left,
            resumed=self.resumed,
            errors=dict(Counter(self.errors) + Counter(next_.errors)),
        )


def complete(sweep: Callable[[], Report]) -> Iterator[Report]:
    """Runs of a job by `sweep`, until it has looked at each key: after each the report of all of them so far.

    A round that another run had begun is brought to its end, and then there is a whole one, in which what failed has
    its turn again: each such key counts once. What is held is counted by one run, as far as it comes, since the next
    one would begin with the same key. Raises what `sweep` raises.
    """
    total = sweep()
    again = total.resumed
    while (total.left and not total.held) or again:
        yield replace(total, left=True)
        if not total.left:
            again, total = False, Report(due=total.done, done=total.done, failed=0)
        total = total.and_then(sweep())
    yield replace(total, resumed=False)


class Job(Struct, frozen=True, kw_only=True):
    """`due` says whether a key is due at a time, in time that was watched since another; `work` does it to a key as it
    is stored now.

    `work` is told the time and the request id. Its audit lines, before and after, are written here.

    `counted` is what its metrics count. Its function on AWS is in the folder that is named as the job is.
    `careful`: it does nothing by a clock that has jumped. `ahead`: a key may be due that seems to have time.
    """

    name: str
    counted: str
    careful: bool
    ahead: bool
    due: Callable[[Key, int, int], bool]
    work: Callable[[Deps, Key, int, str], None]

    def metric(self, outcome: Literal["Due", "Done", "Failed", "Held"]) -> str:
        return f"{self.counted}{outcome}"


def _always() -> bool:
    return True


def run(
    job: Job,
    deps: Deps,
    request_id: str,
    *,
    dry_run: bool = False,
    trust_clock: bool = False,
    progress: Progress | None = None,
    more: Callable[[], bool] = _always,
) -> Report:
    """Do `job` for every key that is due, from where the last run was. A key that fails is logged and stays due; the
    others go on.

    `dry_run` counts what is due by its date, from the first key on. `trust_clock` is an operator's word that the clock
    is right, though it is not where the last run left it. `more` is asked before each key whether there is time for it.
    """
    if deps.fence.behind() and not dry_run:
        return Report(due=0, done=0, failed=0)  # the region that changes keys does it
    now, store = int(deps.clock()), deps.keyring.store
    last = store.get_watch(job.name)
    watch = watched(last, now)
    waits = last is not None and (job.careful or last.seen == HELD)
    held = last.seen if last and waits and not watch and not trust_clock else 0
    since = watch.since if watch else 0 if held else now
    # A place that a clock left which was ahead has keys before it that were not due by it.
    place = last.place if last and last.seen <= now + STEP else Place()
    works = not held and not dry_run
    if works:
        _remember(job, deps, watch or Watch(since=now, seen=now, place=place), request_id, told=watch is None)
    walk = Walk(store, job.name, now, place if works else Place(), ahead=job.ahead and works)
    due = done = 0
    errors = Counter[str]()
    left = False
    for looked, key_id in enumerate(walk, 1):
        left = not more()
        if left:
            break
        is_due = True  # so far as is known, if the key cannot be read
        try:
            key = deps.keyring.key(key_id, fresh=True)
            is_due = key is not None and job.due(key, now, since)
            if key is not None and is_due and works:
                _work(job, deps, key, now, request_id)
                done += 1
        except RevisionConflict:
            pass  # somebody else changed or did it; if it is still due, the next run sees it
        except Exception as error:  # noqa: BLE001 - whatever it is, the others have their turn
            errors[type(error).__name__] += 1
            log_fault(request_id, error)
        due += is_due
        if progress:
            progress(looked)
    if works:
        walk.keep()
    return Report(
        due=due,
        done=done,
        failed=errors.total(),
        held=held,
        left=left,
        resumed=walk.resumed,
        errors=dict(errors),
    )


def _remember(job: Job, deps: Deps, watch: Watch, request_id: str, *, told: bool) -> None:
    """Keep the time of this run. `told`: a watch begins with it, which of a careful job is an operator's word."""
    told = told and job.careful
    if told:
        _audit(deps, job, request_id, INTENT, note=CLOCK_TRUSTED)
    deps.keyring.store.put_watch(job.name, watch)
    if told:
        _audit(deps, job, request_id, "ok", note=CLOCK_TRUSTED)


def counted(job: Job, report: Report) -> dict[str, int]:
    """The job's metrics of a run."""
    return {
        job.metric("Due"): report.due,
        job.metric("Done"): report.done,
        job.metric("Failed"): report.failed,
        job.metric("Held"): report.due if report.held else 0,
    }


def tell(metrics: Metrics, job: Job, report: Report) -> None:
    """The job's metrics, where there is something to count: no value is zero, and a metric that is silent is free."""
    if some := {name: count for name, count in counted(job, report).items() if count}:
        metrics.put(**some)


def _work(job: Job, deps: Deps, key: Key, now: int, request_id: str) -> None:
    _audit(deps, job, request_id, INTENT, key.id)
    job.work(deps, key, now, request_id)
    _audit(deps, job, request_id, "ok", key.id)


def _audit(deps: Deps, job: Job, request_id: str, outcome: str, *keys: str, note: str = "") -> None:
    deps.audit.write(
        Record(
            time=deps.clock(),
            request_id=request_id,
            tenant=deps.tenant,
            action=job.name,
            profile="maintenance",
            principal="maintenance",
            outcome=outcome,
            keys=keys,
            note=note,
        )
    )


ROTATE = Job(name="RotateDueKeys", counted="Rotations", careful=False, ahead=True, due=rotates, work=rotate_due)
DESTROY = Job(name="DeleteDueKeys", counted="Deletions", careful=True, ahead=False, due=destroys, work=destroy_due)
JOBS = {"rotate": ROTATE, "destroy": DESTROY}
"""The scheduled work, by the names that `tkms maintain` prints."""
