"""`tkms key policy`: the policy of a key read, put and taken away, whatever it says."""

from __future__ import annotations

import argparse
from typing import Any

import msgspec

from tkms.keys.show import done
from tkms.output import confirm, print_json, printable, read_text
from tkms.places import find


def policy_show(args: argparse.Namespace) -> int:
    answer: Any = find(args).call("GetKeyPolicy", {"key_id": args.key})
    if args.json:
        print_json({"key_id": answer["key_id"], "policy": msgspec.json.decode(answer["policy"])})
    else:
        print(msgspec.json.format(answer["policy"], indent=2))
    return 0


def policy_set(args: argparse.Namespace) -> int:
    return _put(args, read_text(args.file))


def policy_remove(args: argparse.Namespace) -> int:
    confirm(args, f"The policy of {printable(args.key)} is taken away: access keys may again what theirs say.")
    return _put(args, None)


def _put(args: argparse.Namespace, text: str | None) -> int:
    place = find(args)
    place.call("SetKeyPolicy", {"key_id": args.key, "policy": text})
    return done(place, args, policy=msgspec.json.decode(text) if text else None)
