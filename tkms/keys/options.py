"""The options of `tkms key`."""

from __future__ import annotations

import argparse
from typing import Any

from tenantkms.model.specs import KeySpec, Origin
from tkms.keys import commands, policy
from tkms.output import duration, yes_option

KEY = "key id, alias/NAME or ARN"


def _import(args: argparse.Namespace) -> int:
    from tkms.keys.material import import_  # what wraps keys is not the other commands' to load

    return import_(args)


def _public_key(args: argparse.Namespace) -> int:
    from tkms.keys.material import public_key

    return public_key(args)


_PLAIN = {
    "describe": ("describe a key", commands.describe),
    "disable": ("disable a key: nothing works with it until it is enabled", commands.disable),
    "enable": ("enable a key again", commands.enable),
    "rotate": ("make a new version of a key, which encrypts from now on; older ones go on decrypting", commands.rotate),
    "cancel-deletion": ("keep a key whose deletion is scheduled", commands.cancel_deletion),
    "versions": ("list the versions of a key, and when they were made", commands.versions),
    "public-key": ("print the public key of an asymmetric key, in PEM", _public_key),
}
"""Verbs that take a key, and no more but what is added below."""


def add(words: Any, command: Any, as_json: argparse.ArgumentParser) -> None:
    """`command(words, name, help, run, *parents)` makes each, as `cli` does."""
    one = argparse.ArgumentParser(add_help=False)
    one.add_argument("key", metavar="KEY", help=KEY)
    asks = yes_option()
    key = words.add_parser("key", help="create, list and manage keys", description="Create, list and manage keys.")
    verbs = key.add_subparsers(metavar="VERB", required=True)
    command(verbs, "list", "list all keys", commands.list_, as_json)
    _create(command(verbs, "create", "create a key", commands.create, as_json))
    made = {name: command(verbs, name, help_, run, one, as_json) for name, (help_, run) in _PLAIN.items()}
    made["public-key"].add_argument(
        "--version-id", default="", metavar="ID", help="of this version (default: the primary one)"
    )
    going = command(
        verbs,
        "schedule-deletion",
        "stop a key now, and destroy its material after a number of days",
        commands.schedule_deletion,
        one,
        asks,
        as_json,
    )
    going.add_argument("--days", type=int, default=30, metavar="N", help="7 to 366 (default: %(default)s)")
    _aliases(verbs, command, one, asks, as_json)
    _tags(verbs, command, one, as_json)
    _policies(verbs, command, one, asks, as_json)
    coming = command(
        verbs, "import", "import the material of a key that was made with --origin EXTERNAL", _import, one, as_json
    )
    coming.add_argument(
        "file",
        metavar="FILE",
        help="the bytes themselves; of an asymmetric key PKCS #8 in PEM or DER; - is standard input",
    )
    coming.add_argument(
        "--expires", type=duration, metavar="TIME", help="how long the key has it: 90d, 12h, 15m (default: for ever)"
    )


def _create(create: argparse.ArgumentParser) -> None:
    create.add_argument("--alias", default="", help="alias for it")
    create.add_argument("--description", default="", help="description")
    for option, names, default in (("--spec", KeySpec, KeySpec.AES_256), ("--origin", Origin, Origin.KMS)):
        plain = [name.value for name in names]
        create.add_argument(
            option,
            default=default.value,
            choices=plain,
            metavar=option[2:].upper(),
            help=f"one of {', '.join(plain)} (default: %(default)s)",
        )


def _aliases(verbs: Any, command: Any, one: Any, asks: Any, as_json: Any) -> None:
    words = verbs.add_parser("alias", help="add, move and remove names of keys", description="Names of keys.")
    verbs = words.add_subparsers(metavar="VERB", required=True)
    name = argparse.ArgumentParser(add_help=False)
    name.add_argument("alias", metavar="ALIAS", help="alias/NAME, or NAME")
    command(verbs, "add", "give a key a name that is free", commands.alias_add, name, one, as_json)
    command(verbs, "move", "let a name mean another key from now on", commands.alias_move, name, one, as_json)
    command(verbs, "remove", "take a name away; the key stays", commands.alias_remove, name, asks, as_json)


def _tags(verbs: Any, command: Any, one: Any, as_json: Any) -> None:
    words = verbs.add_parser("tag", help="add and remove tags of a key", description="Tags of a key.")
    verbs = words.add_subparsers(metavar="VERB", required=True)
    add = command(verbs, "add", "set tags of a key", commands.tag_add, one, as_json)
    add.add_argument("tags", nargs="+", metavar="NAME=VALUE", help="a tag; one that is there gets the new value")
    remove = command(verbs, "remove", "remove tags of a key", commands.tag_remove, one, as_json)
    remove.add_argument("names", nargs="+", metavar="NAME", help="name of a tag")


def _policies(verbs: Any, command: Any, one: Any, asks: Any, as_json: Any) -> None:
    help_ = "show, set and remove the policy of a key, whatever it says"
    words = verbs.add_parser("policy", help=help_, description=f"{help_.capitalize()}.")
    verbs = words.add_subparsers(metavar="VERB", required=True)
    command(verbs, "show", "print the policy of a key", policy.policy_show, one, as_json)
    set_ = command(verbs, "set", "put a policy on a key", policy.policy_set, one, as_json)
    set_.add_argument("file", metavar="FILE", help="the document (docs/policies.md); - is standard input")
    command(verbs, "remove", "take the policy of a key away", policy.policy_remove, one, asks, as_json)
