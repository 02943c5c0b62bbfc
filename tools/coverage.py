"""docs/coverage.md, written from the dialects' tables: make coverage"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import msgspec

from tenantkms.wire.dialects import DIALECTS
from tenantkms.wire.translate import Dialect, In, Operation, refused

DOCS = Path(__file__).parent.parent / "docs"
CONTRACT = DOCS / "contract-actions.json"
"""Dialect -> the Actions that manage and use keys in the provider's API."""

_INTRODUCTION = """\
# API coverage

Written by `make coverage` from the tables that serve the requests; a test compares the two.

*Served by* names the project's own Action, which is also its name in policies and in the audit
lines of what an Action answered; what is refused before it reaches one has the name that the caller used.
A parameter with an asterisk is required. *Refused* parameters ask for something that is not served: they are accepted
only when blank. Parameters that stand nowhere here are refused, but in AWS's dialect: it ignores them, as AWS does.
"""
_NOTES = {
    "aws": "Answers lack what is not kept or does not exist here: an alias's `CreationDate` and `LastUpdatedDate`, the "
    "`RotationType` of versions from before it was kept, `OnDemandRotationStartDate`, and all that belongs to what is "
    "left out."
}
"""Of answers, by dialect."""
_REFUSE = refused("")[0].codec


def contract() -> dict[str, list[str]]:
    return msgspec.json.decode(CONTRACT.read_bytes(), type=dict[str, list[str]])


def _is_refused(field: In) -> bool:
    return field.codec is _REFUSE


def _names(fields: Iterable[In]) -> str:
    seen = {field.wire: field.required for field in fields}
    return ", ".join(f"{name}\\*" if required else name for name, required in seen.items())


def _row(name: str, operation: Operation) -> str:
    params = operation.params
    taken = [field for field in params if not _is_refused(field)]
    return f"| {name} | {operation.action} | {_names(taken)} | {_names(filter(_is_refused, params))} |"


def _by_reason(unsupported: Mapping[str, str]) -> Iterator[str]:
    reasons: dict[str, list[str]] = {}
    for name, reason in unsupported.items():
        reasons.setdefault(reason, []).append(name)
    for reason in sorted(reasons):
        yield f"* {reason}: {', '.join(sorted(reasons[reason]))}"


def _missing(dialect: Dialect, actions: Iterable[str]) -> list[str]:
    return sorted(name for name in actions if name not in dialect.operations and name not in dialect.unsupported)


def _counts(dialect: Dialect, actions: list[str]) -> str:
    served = sum(name in dialect.operations for name in actions)
    left = sum(name in dialect.unsupported for name in actions)
    missing = len(_missing(dialect, actions))
    beyond = len(dialect.unsupported) - left
    return f"| {dialect.title} | {len(actions)} | {served} | {left} | {missing} | {beyond} |"


def _section(dialect: Dialect, actions: list[str]) -> Iterator[str]:
    yield f"## {dialect.title}"
    yield "\n".join(
        [
            "| Action | served by | parameters | refused |",
            "|---|---|---|---|",
            *(_row(name, dialect.operations[name]) for name in sorted(dialect.operations)),
        ]
    )
    if dialect.name in _NOTES:
        yield _NOTES[dialect.name]
    if dialect.unsupported:
        yield "### Left out on purpose"
        yield "\n".join(_by_reason(dialect.unsupported))
    if missing := _missing(dialect, actions):
        yield "### Not served yet"
        yield ", ".join(missing)


def render(dialects: Mapping[str, Dialect], actions: Mapping[str, list[str]]) -> str:
    """The whole document. `actions`: the contract's names by dialect."""
    table = [
        "| API | Actions for keys | served | left out | not served yet | other Actions left out |",
        "|---|---|---|---|---|---|",
        *(_counts(dialect, actions.get(name, [])) for name, dialect in dialects.items()),
    ]
    parts = [_INTRODUCTION.rstrip(), "\n".join(table)]
    for name, dialect in dialects.items():
        parts += _section(dialect, actions.get(name, []))
    return "\n\n".join(parts) + "\n"


def main(arguments: list[str]) -> None:
    path = Path(arguments[0]) if arguments else DOCS / "coverage.md"
    path.write_text(render(DIALECTS, contract()), "utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
