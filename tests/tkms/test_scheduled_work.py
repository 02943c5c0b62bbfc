"""What the server does each minute beside serving."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from tenantkms.keys.maintenance import Report
from tkms.machine import worker


def test_a_fault_that_nobody_thought_of_ends_no_scheduled_work(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    done: list[str] = []

    def run(job: Any, _deps: object, _request_id: str, *, more: object) -> None:
        done.append(job.name)
        raise TypeError("secret")

    class Keeper:
        def keep(self) -> None:
            done.append("audit log")
            if len(done) >= 6:
                raise SystemExit  # the test has seen enough

    server = object.__new__(worker.Work)
    server.should_exit = False
    server._deps, server._keeper, server._paused = None, Keeper(), lambda: False  # type: ignore[assignment]
    server._turn = lambda: True
    monkeypatch.setattr(worker, "run", run)
    monkeypatch.setattr(worker, "_MAINTENANCE_SECONDS", 0)
    with pytest.raises(SystemExit):
        asyncio.run(server._maintain())
    assert done == ["RotateDueKeys", "DeleteDueKeys", "audit log"] * 2
    said = capsys.readouterr().err
    assert said.count("TypeError") == 4
    assert "secret" not in said


def test_a_job_that_is_not_done_lets_the_rest_go_on_and_is_gone_on_with_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A server that is stopped does not wait for it."""
    left, pauses, went_on = [3, 0], list[float](), list[bool]()
    server = object.__new__(worker.Work)
    server.should_exit = False

    def run(_job: Any, _deps: object, _request_id: str, *, more: Callable[[], bool]) -> Report:
        went_on.append(more())
        server.should_exit = len(went_on) == 3
        return Report(due=1, done=1, failed=0, left=bool(left[0]))

    class Keeper:
        def keep(self) -> None:
            left[0] -= 1

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)
        if seconds:
            raise SystemExit

    server._deps, server._keeper, server._paused = None, Keeper(), lambda: False  # type: ignore[assignment]
    server._turn = lambda: True
    monkeypatch.setattr(worker, "run", run)
    monkeypatch.setattr(worker.asyncio, "sleep", sleep)
    with pytest.raises(SystemExit):
        asyncio.run(server._maintain())
    assert pauses == [0, 0, 0, worker._MAINTENANCE_SECONDS]
    assert went_on == [True] * 3 + [False, *[True] * 4]
