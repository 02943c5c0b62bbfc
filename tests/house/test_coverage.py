"""docs/coverage.md says what the tables do, and every Action of the providers has its place in it once."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from types import MappingProxyType

import msgspec
import pytest

from tenantkms.wire.dialects import DIALECTS
from tenantkms.wire.translate import In, Operation, refused
from tools import coverage

COMMITTED = coverage.DOCS / "coverage.md"
CONTRACT = coverage.contract()


def sections(text: str) -> dict[str, str]:
    """Title -> text of each second-level section."""
    parts = re.split(r"^## (.*)$", text, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def places(section: str) -> list[str]:
    """Every name that a section gives a place: a row, or a word of a list."""
    rows = re.findall(r"^\| (\w+) \|", section, flags=re.MULTILINE)
    lists = re.findall(r"^(?:\* .*: )?((?:[A-Z]\w+, )*[A-Z]\w+)$", section, flags=re.MULTILINE)
    return [name for name in rows if name != "Action"] + [name for names in lists for name in names.split(", ")]


def test_the_committed_document_is_the_generated_one() -> None:
    assert COMMITTED.read_text("utf-8") == coverage.render(DIALECTS, CONTRACT), "run: make coverage"


def test_the_contract_is_whole() -> None:
    assert {name: len(actions) for name, actions in CONTRACT.items()} == {
        "alibaba": 46,
        "tencent": 35,
        "tencent-v2": 11,
        "aws": 56,
    }
    assert all(actions == sorted(set(actions)) for actions in CONTRACT.values())
    assert CONTRACT.keys() == DIALECTS.keys()


@pytest.mark.parametrize("name", DIALECTS)
def test_every_action_stands_in_its_section_once(name: str) -> None:
    found = places(sections(coverage.render(DIALECTS, CONTRACT))[DIALECTS[name].title])
    dialect = DIALECTS[name]
    assert sorted(found) == sorted({*CONTRACT[name], *dialect.operations, *dialect.unsupported})


@pytest.mark.parametrize("name", DIALECTS)
def test_nothing_is_both_served_and_left_out(name: str) -> None:
    assert not DIALECTS[name].operations.keys() & DIALECTS[name].unsupported.keys()


@pytest.mark.parametrize("name", DIALECTS)
def test_no_parameter_has_two_rows(name: str) -> None:
    """The second one would take back what the first one gives."""
    for action, operation in DIALECTS[name].operations.items():
        wires = [field.wire for field in operation.params]
        assert len(wires) == len(set(wires)), f"{action}: {sorted(w for w in wires if wires.count(w) > 1)}"


def test_an_action_that_is_taken_out_is_not_served_yet() -> None:
    dialect = DIALECTS["alibaba"]
    fewer = {name: row for name, row in dialect.operations.items() if name != "Encrypt"}
    text = coverage.render({"alibaba": msgspec.structs.replace(dialect, operations=fewer)}, CONTRACT)
    section = sections(text)[DIALECTS["alibaba"].title]
    assert "### Not served yet\n\nEncrypt" in section
    assert "| 46 | 45 | 0 | 1 |" in text


def test_parameters_are_told_apart() -> None:
    row = Operation(
        "Answer",
        (
            In("KeyId", "key_id", lambda _wire, value: value, required=True),
            In("Other", "other", lambda _wire, _value: {}),
            *refused("Recipient", "Hint"),
        ),
    )
    dialect = msgspec.structs.replace(
        DIALECTS["tencent-v2"], operations=MappingProxyType({"Ask": row}), unsupported={"B": "why", "A": "why"}
    )
    text = coverage.render({"x": dialect}, {"x": ["Ask"]})
    assert "| Ask | Answer | KeyId\\*, Other | Recipient, Hint |" in text
    assert "* why: A, B\n" in text


def test_it_is_the_same_in_every_process(tmp_path: Path) -> None:
    texts = set()
    for seed in ("1", "2"):
        path = tmp_path / f"{seed}.md"
        command = [sys.executable, "-m", "tools.coverage", str(path)]
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        subprocess.run(command, env=environment, cwd=coverage.DOCS.parent, check=True)
        texts.add(path.read_text("utf-8"))
    assert texts == {coverage.render(DIALECTS, CONTRACT)}


def test_the_document_of_limits_has_the_figures_of_aws() -> None:
    text = (coverage.DOCS / "limits.md").read_text("utf-8")
    table = text.partition("| AWS | a second |\n")[2].partition("\n\n")[0]
    rows = re.findall(r"^\| (.*) \| \*?([0-9,]+)\*? \|$", table, flags=re.MULTILINE)
    told = {name: int(figure.replace(",", "")) for names, figure in rows for name in re.split(r"[,:] ", names)}
    rates = DIALECTS["aws"].rates
    assert {name: told.get(name) for name in rates} == {name: rate.per_second for name, rate in rates.items()}
