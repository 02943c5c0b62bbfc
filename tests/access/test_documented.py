"""docs/policies.md: every policy in it may be set, and its examples decide as their tables say."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from kit.samples import key as sample_key
from tenantkms.access import conditions, key_policy, policy
from tenantkms.access.conditions import Facts
from tenantkms.access.operators import moment

TEXT = (Path(__file__).parent.parent.parent / "docs" / "policies.md").read_text("utf-8")
BLOCKS = re.findall(r"```json\n([^`]*)```\n(?:\n\| call \| \|\n\|---\|---\|\n((?:\|.*\n)+))?", TEXT)
ACCOUNT = "123456789012"
ROWS = [
    (
        document.replace("<access key id>", "me").replace("<account>", ACCOUNT),
        *(cell.strip() for cell in line.strip("|").split("|")),
    )
    for document, table in BLOCKS
    for line in table.splitlines()
]


def test_there_are_examples() -> None:
    assert len(BLOCKS) == 7
    assert sum(bool(table) for _, table in BLOCKS) == 5
    assert len(ROWS) > 20


@pytest.mark.parametrize("document", [document for document, _ in BLOCKS])
def test_they_may_be_set(document: str) -> None:
    text = document.replace("<access key id>", "me").replace("<account>", ACCOUNT)
    if "Principal" in text:
        key_policy.check(text, account=ACCOUNT)
    else:
        policy.check(text)


@pytest.mark.parametrize(("document", "call", "answer"), ROWS, ids=[f"{call}: {answer}" for _, call, answer in ROWS])
def test_they_decide_as_they_say(document: str, call: str, answer: str) -> None:
    action, *said = call.split(", ")
    words = [part.split(" ", 1) for part in said]
    given = {word: value for word, value in words if word not in ("context", "tag")}
    context, tags = (dict(v.split("=") for word, v in words if word == kind) for kind in ("context", "tag"))
    at = moment(given["at"]) if "at" in given else 0
    facts = Facts(given.get("by", "alibaba"), given.get("from", ""), at, context)
    assert not set(given) - {"by", "from", "at", "as"}
    if "Principal" in document:
        allowed = key_policy.allows(document, given.get("as", "somebody"), action, facts, tags)
    else:
        allowed = policy.may(document, action, sample_key(1, aliases=("shared",), tags=tags), facts)
    assert {True: "allowed", False: "denied"}[allowed] == answer


def test_all_that_can_be_asked_is_documented() -> None:
    asked = re.findall(r"^\| `(kms:[A-Za-z]+[:/]?)(?:<name>)?` \|", TEXT, flags=re.MULTILINE)
    assert set(asked) == set(conditions._ASKED)
    for row in conditions._ASKED.values():
        for operator in row.operators:
            assert operator in TEXT
