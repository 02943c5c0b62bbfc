"""What the console tells of the audit log: its end within a bound, by operation and key, and how long calls took."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

import pytest

from tenantkms.names import ACTIONS
from tenantkms.store.shared import Memory
from tkms.audit.lines import Line
from tkms.audit.tail import Tail, tail_of
from tkms.console.activity import OTHERS, activity, begins, took, uses
from tkms.console.caller import Caller, Latency
from tkms.machine.timings import STEPS, Timings

NOW = 1_000_000.0
WHOLE = Caller(id="TKMSwhole", dialect="aws", policy="", whole=True)
OWN = Caller(id="TKMSown", dialect="aws", policy="", whole=False)


def line(time: float, action: str = "Encrypt", outcome: str = "ok", principal: str = "TKMSown", **more: object) -> Line:
    every = {"time": time, "request_id": str(time), "profile": "aws", "action": action, "outcome": outcome}
    return Line(**{**every, "principal": principal, **more})  # type: ignore[arg-type]


def written(path: Path, lines: Iterable[Line]) -> None:
    path.write_text("".join(f"{json.dumps({n: getattr(x, n) for n in x.__struct_fields__})}\n" for x in lines))


# -- the end of a log ------------------------------------------------------------------------------------


def test_all_of_a_short_log_is_read_with_its_closed_files(tmp_path: Path) -> None:
    log, refused = tmp_path / "audit.jsonl", tmp_path / "refused.jsonl"
    written(tmp_path / "audit-000000000001.jsonl", [line(1), line(2)])
    written(log, [line(4)])
    written(refused, [line(3)])
    tail = tail_of([log, refused])
    assert ([one.time for one in tail.lines], tail.since) == ([1, 2, 3, 4], 0)
    assert tail_of([tmp_path / "none.jsonl"]) == Tail([], 0)


@pytest.mark.parametrize("most", range(1, 1_400, 37))
def test_of_a_long_one_the_end_and_how_far_it_reaches(most: int, tmp_path: Path) -> None:
    log = tmp_path / "audit.jsonl"
    written(tmp_path / "audit-000000000004.jsonl", map(line, range(1, 6)))
    written(log, map(line, range(6, 9)))
    tail = tail_of([log], most)
    times = [one.time for one in tail.lines]
    assert times == [*range(9 - len(times), 9)], "whole lines without a gap, up to the last one"
    assert tail.since == (0 if len(times) == 8 else (times or [0])[0])


def test_what_is_no_line_is_passed_over(tmp_path: Path) -> None:
    log = tmp_path / "audit.jsonl"
    written(log, [line(1)])
    with log.open("ab") as file:
        file.write(b'\xff\n{}\n[]\n{"time":2,"event":"closed"}\n{"time":3,"requ')
    assert [one.time for one in tail_of([log]).lines] == [1]


# -- by operation and key --------------------------------------------------------------------------------


def test_calls_are_counted_by_operation_and_time() -> None:
    lines = [
        line(NOW - 7_200),  # too long ago
        line(NOW - 3_599, "CreateKey", "intent"),
        line(NOW - 3_598, "CreateKey"),
        line(NOW - 10, outcome="AccessDenied"),
        line(NOW - 10, outcome="Throttled", count=3),
        line(NOW - 5, principal="TKMSother"),
    ]
    told = activity(Tail(lines, 0), [], WHOLE, 1, NOW)
    encrypt, create = told.operations
    assert (encrypt.action, encrypt.total, encrypt.refused, encrypt.throttled) == ("Encrypt", 5, 4, 3)
    assert (encrypt.calls[-1], encrypt.refusals[-1], sum(encrypt.calls)) == (5, 4, 5)
    assert (create.total, create.calls[0], create.refused) == (1, 1, 0)
    assert told.refusals == [("Throttled", 3, NOW - 10), ("AccessDenied", 1, NOW - 10)]
    assert [one.outcome for one in told.refused] == ["Throttled", "AccessDenied"], "the last one first"
    assert (told.since, told.until, told.whole) == (NOW - 3_600, NOW, True)


def test_who_may_not_see_the_whole_sees_its_own_calls() -> None:
    lines = [line(NOW - 2), line(NOW - 1, "Decrypt", principal="TKMSother")]
    told = activity(Tail(lines, 0), [Latency("Encrypt", [1])], OWN, 1, NOW)
    assert [one.action for one in told.operations] == ["Encrypt"]
    assert told.latencies is None


def test_it_says_no_more_than_the_log_reaches() -> None:
    assert activity(Tail([line(NOW - 60)], NOW - 60), None, WHOLE, 24, NOW).since == NOW - 60


def test_names_that_strangers_make_up_are_one() -> None:
    lines = [line(NOW - 1, f"Made{n}", "UnknownAction") for n in range(500)]
    operations = activity(Tail(lines, 0), [], WHOLE, 1, NOW).operations
    assert len(operations) == 61
    assert operations[0].action == OTHERS
    assert operations[0].total == 440


def test_uses_of_a_key_the_last_first() -> None:
    lines = [line(1, keys=("k",)), line(2, "Decrypt", keys=("k", "l")), line(3, principal="TKMSother", keys=("k",))]
    assert [(use.principal, use.action) for use in uses(Tail(lines, 0), WHOLE, "k")] == [
        ("TKMSother", "Encrypt"),
        ("TKMSown", "Decrypt"),
        ("TKMSown", "Encrypt"),
    ]
    assert [use.action for use in uses(Tail(lines, 0), OWN, "k")] == ["Decrypt", "Encrypt"]
    assert [use.action for use in uses(Tail(lines, 0), OWN, "l")] == ["Decrypt"]


# -- how long calls take ---------------------------------------------------------------------------------


def step(seconds: float) -> int:
    """Where a call that took so long is counted."""
    timings = Timings(Memory())
    timings.took("Encrypt", seconds)
    ((_, counts, _),) = timings.all()
    return counts.index(1)


def test_each_step_begins_where_it_says() -> None:
    for at in range(2, 50):
        assert step(begins(at) / 1e6 + 1e-9) == at
        assert step((begins(at + 1) - 0.5) / 1e6) == at
    assert (step(0), step(-1e-9), step(1e9)) == (0, 0, STEPS - 1)


def test_workers_count_apart_and_are_read_together() -> None:
    memory = Memory()
    start = memory._used
    workers = []
    for number in range(3):
        memory._used = start  # as each process asks for it after the fork
        workers.append(Timings(memory, 3))
        workers[-1].join(number)
    for worker in workers:
        worker.took("Encrypt", 100e-6)
    workers[0].took(ACTIONS[-1], 2.0)
    assert [[*worker.all()] for worker in workers] == [[*workers[0].all()]] * 3
    counts = {action: steps for action, steps, _ in workers[1].all()}
    assert counts.keys() == {"Encrypt", ACTIONS[-1]}
    assert (sum(counts["Encrypt"]), counts["Encrypt"][step(100e-6)]) == (3, 3)


def test_percentiles_are_ends_of_steps() -> None:
    counts = [0] * STEPS
    counts[step(100e-6)], counts[step(10e-3)] = 98, 2
    told = took(Latency("Encrypt", counts))
    assert told.total == 100
    assert 100 <= told.p50 <= 150
    assert 10_000 <= told.p99 <= 15_000
    assert (told.counts[0], told.counts[-1], sum(told.counts)) == (98, 2, 100)
