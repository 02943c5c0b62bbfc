"""Whether a change of a key's aliases or tags makes a policy allow more on it: nobody may allow themselves more."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from tenantkms.access.conditions import Condition, Facts, Tags
from tenantkms.access.patterns import Patterns

_NOTHING = Facts("", "", 0)


class Change(NamedTuple):
    """What a change of a key's aliases or tags is to a statement: whether it is about the key `before` and `after`,
    as far as its names say."""

    allow: bool
    actions: Patterns
    conditions: tuple[Condition, ...]
    before: bool
    after: bool


def more(changes: Iterable[Change], old: Tags, new: Tags, permissions: Iterable[str]) -> bool:
    """Whether statements may allow any of `permissions` on a key with the tags `new` that they did not allow with
    `old`: all that their documents know.

    Other conditions may hold at one time and not at another, so what depends on them counts as more.
    """
    rows = [
        (
            change,
            all(c.of_tags for c in change.conditions),
            change.before and _tagged(change, old),
            change.after and _tagged(change, new),
        )
        for change in changes
    ]
    if all(before is after for _, _, before, after in rows):
        return False
    return any(_more([row for row in rows if row[0].actions.match(permission)]) for permission in permissions)


def lifts(changes: Iterable[Change], old: Tags, new: Tags) -> bool:
    """Whether a statement that denies something on a key with the tags `old` does not with `new`. Where something else
    than these statements allows, as a grant does, that is more."""
    return any(
        not change.allow and change.before and _tagged(change, old) and not (change.after and _tagged(change, new))
        for change in changes
    )


def _tagged(change: Change, tags: Tags) -> bool:
    return all(c.met(_NOTHING, tags) for c in change.conditions if c.of_tags)


def _more(rows: list[tuple[Change, bool, bool, bool]]) -> bool:
    """Of the statements about one Action, as (.., whether tags alone decide, whether it is about the key before and
    after)."""
    allowing = [row for row in rows if row[0].allow]
    denying = [row for row in rows if not row[0].allow]
    if not any(after for *_, after in allowing) or any(sure and after for _, sure, _, after in denying):
        return False
    if any(before and not after for *_, before, after in denying):
        return True
    was_sure = any(sure and before for _, sure, before, _ in allowing)
    return not was_sure and any(after and not before for *_, before, after in allowing)
