"""The signature check finds the rarer mistakes as well, and says of what clients do otherwise that it is served."""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest

from kit.faulty import NOW, SECRET, signed
from kit.in_node import call, exported
from kit.mistakes import MADE
from kit.mistakes_rare import RARE, SERVED

NOT_HERE = {"host-of-url"}
"""Only a command of curl tells a URL: test_received.py."""


@cache
def _said(rows: str) -> list[dict[str, Any]]:
    options = {"secret": SECRET, "now": NOW * 1000}
    of = {"rare": RARE, "served": SERVED}[rows]
    return call("verdict.js", "judge", [[signed(scheme, **wrong), options] for _, scheme, wrong in of])


@pytest.mark.parametrize("i", range(len(RARE)), ids=[row[0] for row in RARE])
def test_a_rare_mistake_is_found_by_its_name(i: int) -> None:
    said = _said("rare")[i]
    assert (said["verdict"], [row["id"] for row in said["mistakes"]]) == ("found", [RARE[i][0]])


@pytest.mark.parametrize("i", range(len(SERVED)), ids=[row[0] for row in SERVED])
def test_what_is_served_is_not_called_wrong(i: int) -> None:
    said = _said("served")[i]
    assert (said["verdict"], [row["id"] for row in said["mistakes"]]) == ("right-as-served", [SERVED[i][0]])


def test_each_mistake_that_has_a_name_is_made_by_a_test() -> None:
    known = {row["id"] for row in exported("mistakes.js", "MISTAKES")}
    made = {mistake for mistake, _, _ in (*MADE, *RARE, *SERVED)}
    assert made == known - NOT_HERE
