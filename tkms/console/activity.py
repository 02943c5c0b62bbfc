"""What the end of the audit log says: calls by operation, refusals, throttles, and who used a key."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import accumulate

from msgspec import Struct

from tenantkms.audit.line import INTENT
from tenantkms.errors import Throttled
from tkms.audit.lines import Line, Use, Wanted, summarise
from tkms.audit.tail import Tail
from tkms.console.caller import Caller, Latency

SLOTS = 48
"""Parts of the time that is shown."""
_MOST_ACTIONS = 60
"""Names in a log: strangers choose what they call. The rest are shown together."""
_MOST_REFUSALS = 100
OTHERS = "…"
_OK = "ok"


class Operation(Struct, frozen=True):
    """Calls of an Action: all, those refused, those throttled, and both of the first by slot of time."""

    action: str
    total: int
    refused: int
    throttled: int
    calls: list[int]
    refusals: list[int]


class Took(Struct, frozen=True):
    """How long calls of an Action took, in microseconds: as many as `counts` says by steps from `first` on."""

    action: str
    total: int
    p50: float
    p99: float
    first: int
    counts: Sequence[int]


class Activity(Struct, frozen=True, kw_only=True):
    """Times in Unix seconds. `whole`: of the tenant; else of the caller alone."""

    since: float
    until: float
    whole: bool
    operations: list[Operation]
    refusals: list[tuple[str, int, float]]
    refused: list[Line]
    latencies: list[Took] | None


def seen_by(caller: Caller, lines: Iterable[Line]) -> Iterable[Line]:
    """Those that the caller may see: its own calls, and all where it may see the whole tenant."""
    return lines if caller.whole else filter(Wanted(principal=caller.id), lines)


class _Counted:
    def __init__(self) -> None:
        self.calls, self.refusals = [0] * SLOTS, [0] * SLOTS
        self.throttled = 0


def activity(tail: Tail, latencies: list[Latency] | None, caller: Caller, hours: int, now: float) -> Activity:
    """Of the last `hours` at most, as far as `tail` reaches."""
    since = max(tail.since, now - hours * 3_600)
    width = max(1.0, now - since) / SLOTS
    lines = [line for line in seen_by(caller, tail.lines) if line.outcome != INTENT and since <= line.time <= now]
    names = {name for name, _ in Counter(line.action for line in lines).most_common(_MOST_ACTIONS)}
    found: dict[str, _Counted] = {}
    outcomes: Counter[str] = Counter()
    last: dict[str, float] = {}
    refused: list[Line] = []
    for line in lines:
        counted = found.setdefault(line.action if line.action in names else OTHERS, _Counted())
        slot = min(SLOTS - 1, int((line.time - since) / width))
        counted.calls[slot] += line.count
        if line.outcome != _OK:
            counted.refusals[slot] += line.count
            counted.throttled += line.count if line.outcome == Throttled.__name__ else 0
            outcomes[line.outcome] += line.count
            last[line.outcome] = line.time
            refused.append(line)
    operations = [
        Operation(action, sum(one.calls), sum(one.refusals), one.throttled, one.calls, one.refusals)
        for action, one in found.items()
    ]
    operations.sort(key=lambda one: (-one.total, one.action))
    return Activity(
        since=since,
        until=now,
        whole=caller.whole,
        operations=operations,
        refusals=[(outcome, count, last[outcome]) for outcome, count in outcomes.most_common()],
        refused=refused[: -_MOST_REFUSALS - 1 : -1],
        latencies=[took(one) for one in latencies] if latencies is not None and caller.whole else None,
    )


def took(latency: Latency) -> Took:
    counts = latency.counts
    used = [at for at, count in enumerate(counts) if count]
    first, last = (used[0], used[-1] + 1) if used else (0, 0)
    total = sum(counts)
    return Took(
        latency.action, total, _within(counts, total, 0.5), _within(counts, total, 0.99), first, counts[first:last]
    )


def _within(counts: Sequence[int], total: int, part: float) -> float:
    """Microseconds that so many took at most: the end of the step that they end in."""
    wanted = total * part
    at = next((at for at, sum_ in enumerate(accumulate(counts)) if sum_ >= wanted), 0)
    return begins(at + 1)


def begins(at: int) -> float:
    """Where a step begins, in microseconds."""
    return (1 << at // 2) * (1.5 if at % 2 else 1.0)


def uses(tail: Tail, caller: Caller, key_id: str) -> list[Use]:
    """Who used a key when, the last one first."""
    wanted = Wanted(key=key_id)
    found = summarise(line for line in seen_by(caller, tail.lines) if wanted(line))
    found = [use for use in found if use.key == key_id]  # a line may be of several keys
    return sorted(found, key=lambda use: -use.last)
