"""`tkms key`: each verb is an Action called as the operator, so that states refuse what they refuse of the API."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from itertools import chain, count
from typing import Any

from tenantkms.model.alias import ALIAS_PREFIX
from tkms.keys.show import done, show, words
from tkms.output import (
    Failed,
    UsageError,
    confirm,
    counted,
    date,
    print_json,
    print_json_rows,
    printable,
    table,
)
from tkms.places import Place, find, key_of

_PAGE = 1000


def _pages(place: Place, action: str, rows: str, **params: object) -> Iterator[Any]:
    """All `rows` of a listing, a page of them in memory."""
    for offset in count(0, _PAGE):
        page: Any = place.call(action, {**params, "offset": offset, "limit": _PAGE})
        yield from page[rows]
        if offset + _PAGE >= page["total"]:
            return


def list_(args: argparse.Namespace) -> int:
    keys = _pages(find(args), "ListKeys", "keys")
    if args.json:
        print_json_rows(keys)
    else:
        rows = ((k["id"], k["spec"], k["state"], words("aliases", k["aliases"])) for k in keys)
        table(chain([("KEY ID", "SPEC", "STATE", "ALIASES")], rows))
    return 0


def describe(args: argparse.Namespace) -> int:
    answer: Any = find(args).call("DescribeKey", {"key_ids": [args.key]})
    return show(answer["keys"][0], args.json)


def create(args: argparse.Namespace) -> int:
    params = {
        "alias": args.alias.removeprefix(ALIAS_PREFIX),
        "description": args.description,
        "spec": args.spec,
        "origin": args.origin,
    }
    answer: Any = find(args).call("CreateKey", params)
    return show(answer["key"], args.json)


def disable(args: argparse.Namespace) -> int:
    place = find(args)
    place.call("DisableKey", {"key_ids": [args.key]})
    return done(place, args, state="Disabled")


def enable(args: argparse.Namespace) -> int:
    place = find(args)
    place.call("EnableKey", {"key_ids": [args.key]})
    return done(place, args, state="Enabled")


def rotate(args: argparse.Namespace) -> int:
    return show(find(args).call("CreateKeyVersion", {"key_id": args.key}), args.json)


def schedule_deletion(args: argparse.Namespace) -> int:
    confirm(
        args,
        f"{printable(args.key)} stops working now, and {counted(args.days, 'day')} later its material is destroyed.",
    )
    return show(find(args).call("ScheduleKeyDeletion", {"key_id": args.key, "days": args.days}), args.json)


def cancel_deletion(args: argparse.Namespace) -> int:
    """Whether it is enabled then or waits for material is not known here, so machines are told no state."""
    place = find(args)
    place.call("CancelKeyDeletion", {"key_id": args.key})
    return done(place, args)


def versions(args: argparse.Namespace) -> int:
    place = find(args)
    described: Any = place.call("DescribeKey", {"key_ids": [args.key]})
    key = described["keys"][0]
    rows = _pages(place, "ListKeyVersions", "versions", key_id=key["id"])
    if args.json:
        print_json([{**row, "primary": row["key_version_id"] == key["primary_version_id"]} for row in rows])
        return 0
    how = {True: "by schedule", False: "by hand", None: ""}
    table(
        [
            ("VERSION ID", "CREATED", "ROTATED", ""),
            *(
                (
                    row["key_version_id"],
                    date(row["created"]),
                    how[row["scheduled"]],
                    "primary" if row["key_version_id"] == key["primary_version_id"] else "",
                )
                for row in rows
            ),
        ]
    )
    return 0


# -- aliases ---------------------------------------------------------------------------------------------


def _alias(place: Place, args: argparse.Namespace) -> str:
    """Without its prefix."""
    return key_of(place, args.alias).removeprefix(ALIAS_PREFIX)


def alias_add(args: argparse.Namespace) -> int:
    return _point(args, "CreateAlias")


def alias_move(args: argparse.Namespace) -> int:
    return _point(args, "UpdateAlias")


def _point(args: argparse.Namespace, action: str) -> int:
    place = find(args)
    name = _alias(place, args)
    place.call(action, {"key_id": args.key, "alias": name})
    return done(place, args, alias=ALIAS_PREFIX + name)


def alias_remove(args: argparse.Namespace) -> int:
    confirm(args, f"The alias {printable(args.alias)} is taken away, and who uses the key by it is refused.")
    place = find(args)
    name = _alias(place, args)
    place.call("DeleteAlias", {"alias": name})
    if args.json:
        print_json({"alias": ALIAS_PREFIX + name})
    return 0


# -- tags ------------------------------------------------------------------------------------------------


def tag_add(args: argparse.Namespace) -> int:
    pairs = [text.partition("=") for text in args.tags]
    if not all(equals and name for name, equals, _ in pairs):
        raise UsageError("a tag is NAME=VALUE")
    tags = {name: value for name, _, value in pairs}
    if len(tags) < len(pairs):
        raise UsageError("a tag is named twice")
    place = find(args)
    place.call("TagResources", {"key_ids": [args.key], "tags": tags})
    return done(place, args, added=tags)


def tag_remove(args: argparse.Namespace) -> int:
    """A name that is nowhere is a mistake of a person's, which the vendors' APIs overlook."""
    place = find(args)
    described: Any = place.call("DescribeKey", {"key_ids": [args.key]})
    if missing := [name for name in args.names if name not in described["keys"][0]["tags"]]:
        raise Failed(f"The key has no tag {printable(', '.join(missing))}: nothing is changed.")
    place.call("UntagResources", {"key_ids": [args.key], "names": args.names})
    return done(place, args, removed=args.names)
