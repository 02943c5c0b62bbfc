"""What a drill is made of: blocks of the page, what it does besides, and what it promises."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from tkms.drill.page import filled, unrun
from tkms.output import Failed

PAGE, OWN, PROMISE = "page", "drill", "promise"


class Where(NamedTuple):
    """What decides which acts there are. `release` is the tag to go back to; empty: the same sources."""

    emulator: bool
    release: str = ""


def anywhere(_where: Where) -> bool:
    return True


def nobody(_where: Where) -> str:
    return ""


@dataclass(frozen=True, kw_only=True)
class Act:
    """One thing that is done. Without a `script` it is the next block of the section, with `values` put into it.

    `says` is what it must print, as the shell expands it; `person` says why it is left to one, or nothing.
    """

    title: str
    kind: str
    script: str = ""
    values: Mapping[str, str] = field(default_factory=dict)
    says: str = ""
    only: Callable[[Where], bool] = anywhere
    person: Callable[[Where], str] = nobody


def page(title: str, *, says: str = "", person: Callable[[Where], str] = nobody, **values: str) -> Act:
    """The next block of the section."""
    return Act(title=title, kind=PAGE, says=says, person=person, values=values)


def own(title: str, script: str, *, only: Callable[[Where], bool] = anywhere) -> Act:
    """What the page leaves to its reader, or what a sandbox needs."""
    return Act(title=title, kind=OWN, script=script, only=only)


def promise(
    title: str, script: str, *, only: Callable[[Where], bool] = anywhere, person: Callable[[Where], str] = nobody
) -> Act:
    """What holds if the drill is worth something: the script succeeds."""
    return Act(title=title, kind=PROMISE, script=script, only=only, person=person)


@dataclass(frozen=True, kw_only=True)
class Drill:
    """Of one section of the page. `away` takes away what it makes outside of its stack, if it is there."""

    section: str
    acts: Sequence[Act]
    away: Sequence[Act] = ()


class Planned(NamedTuple):
    """An act whose text is known. `person` says why it is left to one; empty: it is run."""

    act: Act
    script: str
    person: str


def plan(acts: Sequence[Act], blocks: Sequence[str], where: Where) -> list[Planned]:
    """What is done there, in order; each block has its act. Raises `Failed` if the page has others."""
    left, planned = list(blocks), list[Planned]()
    for act in acts:
        script = act.script.strip("\n")
        if act.kind == PAGE:
            if not left:
                raise Failed(f"the page has no block for: {act.title}")
            script = left.pop(0).rstrip("\n")
        reason = act.person(where) or unrun(script)
        if act.only(where):
            planned.append(Planned(act, filled(script, act.values), reason))
    if left:
        raise Failed(f"the page has a block that no drill knows:\n{left[0]}")
    return planned
