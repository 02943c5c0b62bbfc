"""A drill as it is done: act by act, with a row for each."""

from __future__ import annotations

from collections.abc import Sequence
from time import monotonic
from typing import Protocol

from msgspec import Struct
from msgspec.structs import replace

from tkms.drill.acts import PROMISE, Planned
from tkms.drill.shell import Shell, StepFailed

DONE, FAILED, BY_HAND, NOT_RUN = "ok", "failed", "by hand", "not run"


class Row(Struct, frozen=True, kw_only=True):
    """One act. `step` is of `steps`; `reason` says why it failed, is left to a person or was not run.

    `said` is what a failed one has printed, without secrets.
    """

    drill: str
    step: int
    steps: int
    kind: str
    title: str
    command: str
    state: str = ""
    seconds: float = 0
    reason: str = ""
    said: str = ""


class Teller(Protocol):
    def begun(self, row: Row) -> None:
        """It is begun, or would be; it has no state yet."""

    def ended(self, row: Row) -> None: ...


def rows(drill: str, planned: Sequence[Planned]) -> list[Row]:
    """As they are before anything is run."""
    return [
        Row(
            drill=drill,
            step=number,
            steps=len(planned),
            kind=one.act.kind,
            title=one.act.title,
            command=one.script,
            state=BY_HAND if one.person else "",
            reason=one.person,
        )
        for number, one in enumerate(planned, 1)
    ]


def play(drill: str, planned: Sequence[Planned], shell: Shell, teller: Teller, broken: str = "") -> list[Row]:
    """Every act in order. After one that failed none is run, but after a promise: that leaves things as they are.

    `broken` says why none is run at all.
    """
    done = list[Row]()
    for begun, one in zip(rows(drill, planned), planned, strict=True):
        teller.begun(begun)
        if one.person:
            row = begun
        elif broken:
            row = replace(begun, state=NOT_RUN, reason=broken)
        else:
            row = _run(begun, one, shell)
        if row.state == FAILED and row.kind != PROMISE:
            broken = f"step {row.step} failed"
        teller.ended(row)
        done.append(row)
    return done


def _run(row: Row, one: Planned, shell: Shell) -> Row:
    began = monotonic()
    try:
        out = shell(one.script)
        if one.act.says and (wanted := shell(f'echo "{one.act.says}"').strip()) not in out:
            raise StepFailed(f"it does not say {wanted}", out[-1000:].strip())
    except StepFailed as e:
        return replace(row, state=FAILED, seconds=_since(began), reason=e.reason, said=e.said)
    return replace(row, state=DONE, seconds=_since(began))


def _since(began: float) -> float:
    return round(monotonic() - began, 1)
