"""Names and patterns of policies, in which `*` stands for any run of characters, and what evaluating them costs.

They are told apart when they are read: a name is looked up, a beginning compared, and only what has more than that is
searched for. Nothing is compiled, so that the longest document is read in less than a millisecond.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from msgspec import Struct

_STARS = re.compile(r"\*+")
GLOB_WORK = 20


class Patterns(Struct, frozen=True):
    """`globs` are (beginning, parts in between, end). `work`: what matching costs, about 1 for a microsecond."""

    every: bool
    names: frozenset[str]
    beginnings: tuple[str, ...]
    globs: tuple[tuple[str, tuple[str, ...], str], ...]
    work: int

    def match(self, name: str) -> bool:
        return self.match_any((name,))

    def match_any(self, names: tuple[str, ...]) -> bool:
        if self.every or not self.names.isdisjoint(names):
            return True
        if self.beginnings and any(name.startswith(self.beginnings) for name in names):
            return True
        return bool(self.globs) and any(_fits(name, *glob) for glob in self.globs for name in names)


def _fits(name: str, head: str, middle: tuple[str, ...], tail: str) -> bool:
    at, end = len(head), len(name) - len(tail)
    if at > end or not name.startswith(head) or not name.endswith(tail):
        return False
    for part in middle:
        at = name.find(part, at, end)
        if at < 0:
            return False
        at += len(part)
    return True


def patterns(texts: Iterable[str], *, search: int = 4) -> Patterns:
    """`search`: the work of a character that is searched for, in the longest that is searched."""
    every, names, beginnings, globs, work = False, [], [], [], 0
    for text in texts:
        head, *rest = _STARS.split(text)
        work += 1
        if not rest:
            names.append(text)
        elif not head and rest == [""]:
            every = True
        elif rest == [""]:
            beginnings.append(head)
        else:
            *middle, tail = rest
            globs.append((head, tuple(middle), tail))
            work += GLOB_WORK + search * sum(map(len, middle)) + len(middle)
    return Patterns(every, frozenset(names), tuple(beginnings), tuple(globs), work)
