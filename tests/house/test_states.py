"""docs/keys.md says what the `@action` lines say."""

from __future__ import annotations

from kit.action_samples import rules
from tenantkms.model.states import KeyState
from tools import states


def test_the_page_has_the_table_that_is_true() -> None:
    text = states.PAGE.read_text("utf-8")
    assert text == states.page(text), "run: make coverage"


def test_every_action_is_in_it_once() -> None:
    text = states.render(states.rules())
    for name in rules():
        assert text.count(f"| {name} |") + (f" {name}," in text or f" {name}." in text) == 1, name


def test_a_cell_is_the_error_of_that_state() -> None:
    rows = [row.split(" | ") for row in states.render(states.rules()).splitlines()]
    encrypt = next(row for row in rows if row[0] == "| Encrypt")
    assert encrypt[1 + list(KeyState).index(KeyState.ARCHIVED)] == "KeyArchived"
    assert encrypt[1 + list(KeyState).index(KeyState.ENABLED)] == ""
