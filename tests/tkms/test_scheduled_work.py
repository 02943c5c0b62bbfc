"""What the server does each minute beside serving."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tkms.machine import worker


def test_a_fault_that_nobody_thought_of_ends_no_scheduled_work(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    done: list[str] = []

    def run(job: Any, _deps: object, _request_id: str) -> None:
        done.append(job.name)
        raise TypeError("secret")

    class Keeper:
        def keep(self) -> None:
            done.append("audit log")
            if len(done) >= 6:
                raise SystemExit  # the test has seen enough

    server = object.__new__(worker.Work)
    server._deps, server._keeper = None, Keeper()  # type: ignore[assignment]
    monkeypatch.setattr(worker, "run", run)
    monkeypatch.setattr(worker, "_MAINTENANCE_SECONDS", 0)
    with pytest.raises(SystemExit):
        asyncio.run(server._maintain())
    assert done == ["RotateDueKeys", "DeleteDueKeys", "audit log"] * 2
    said = capsys.readouterr().err
    assert said.count("TypeError") == 4
    assert "secret" not in said
