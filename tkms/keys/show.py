"""Keys as they are told: to people with dates and words, to machines as the Actions answer."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from typing import Any

from tenantkms.model.alias import ALIAS_PREFIX
from tkms.output import date, painted, print_json, printable
from tkms.places import Place

_SECONDS_A_DAY = 86_400


def _aliases(value: Any) -> str:
    return " ".join(ALIAS_PREFIX + alias for alias in value)


def _tags(value: Any) -> str:
    return " ".join(f"{name}={text}" for name, text in value.items())


def _yes(value: Any) -> str:
    return "yes" if value else "no"


def _interval(value: Any) -> str:
    return f"every {value / _SECONDS_A_DAY:g} days" if value else "off"


_WORDS: Mapping[str, Callable[[Any], str]] = {
    **dict.fromkeys(
        (
            "created",
            "primary_created",
            "deletion_date",
            "last_rotation",
            "next_rotation",
            "material_expires",
            "expires",
        ),
        date,
    ),
    "aliases": _aliases,
    "tags": _tags,
    "deletion_protection": _yes,
    "rotation_seconds": _interval,
    "state": painted,
}
"""How the fields of a key, and of answers about one, are told to people; others as they are. Times: 0 is never."""


def words(name: str, value: Any) -> str:
    return _WORDS.get(name, str)(value)


def show(fields: Mapping[str, Any], as_json: bool) -> int:
    """Print what an Action has answered of one thing."""
    if as_json:
        print_json(fields)
    else:
        for name, value in fields.items():
            text = words(name, value)
            print(f"{name:<24}{text if name == 'state' else printable(text)}".rstrip())
    return 0


def done(place: Place, args: argparse.Namespace, **facts: Any) -> int:
    """What was asked for holds: people are told nothing, and machines `facts` and the key's id.

    The key is not read back: another function of a stack may know it as it was for a moment.
    """
    if args.json:
        described: Any = place.call("DescribeKey", {"key_ids": [args.key]})
        print_json({"key_id": described["keys"][0]["id"], **facts})
    return 0
