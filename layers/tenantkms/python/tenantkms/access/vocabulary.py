"""What a policy may say when it is set: Actions that there are, and statements that say something.

Evaluation knows nothing of it: a stored document, whatever it says, means what it meant when it was set.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase

from tenantkms.errors import InvalidPolicy
from tenantkms.names import ACTIONS, OTHER_NAMES

_KNOWN = (*ACTIONS, *OTHER_NAMES)


def listed(patterns: str | list[str]) -> list[str]:
    return [patterns] if isinstance(patterns, str) else patterns


def complaints(statement: int, actions: str | list[str], *others: tuple[str, str | list[str]]) -> Iterator[str]:
    """What is wrong with the `statement`-th statement: its `actions`, patterns of the project's own names, match
    nothing, or one of its lists is empty; `others` are (name, list)."""
    for what, patterns in (("Action", actions), *others):
        if not listed(patterns):
            yield f"Statement {statement} of the policy says nothing: its {what} is empty."
    for pattern in listed(actions):
        if not any(fnmatchcase(action, pattern) for action in ACTIONS):
            yield f"Action {pattern!r} of statement {statement} of the policy is none: {instead(pattern)}."


def matched(actions: str | list[str]) -> dict[str, set[str]]:
    """The Actions that each pattern of the project's own names is about."""
    return {pattern: {name for name in ACTIONS if fnmatchcase(name, pattern)} for pattern in listed(actions)}


def repeats(text: str) -> Iterator[str]:
    """Names that stand twice in one object of a JSON document: what is read keeps the last of them."""
    import json  # only where a policy is set

    found: list[str] = []

    def once(pairs: list[tuple[str, object]]) -> dict[str, object]:
        counts = Counter(name for name, _ in pairs)
        found.extend(name for name, count in counts.items() if count > 1)
        return dict(pairs)

    json.loads(text, object_pairs_hook=once)
    for name in found:
        yield f"The policy gives {name!r} twice in one place."


def instead(pattern: str) -> str:
    """Which Action somebody may have meant by a pattern that matches none."""
    meant = [OTHER_NAMES[name] for name in OTHER_NAMES if fnmatchcase(name, pattern)]
    if meant:
        return f"the Action is {' or '.join(sorted(set(meant)))}"
    name = nearest(pattern.replace("*", ""), _KNOWN)
    return f"did you mean {OTHER_NAMES.get(name, name)}"


def nearest(word: str, known: Iterable[str]) -> str:
    """The one of `known` that is most like `word`."""
    from difflib import get_close_matches  # only for who made a mistake

    by_letters = {name.lower(): name for name in known}
    return by_letters[get_close_matches(word.lower(), by_letters, n=1, cutoff=0.0)[0]]


def refuse(found: Iterator[str]) -> None:
    """Raises `InvalidPolicy` with the first complaint."""
    for complaint in found:
        raise InvalidPolicy(complaint)
