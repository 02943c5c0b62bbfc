"""The options of `tkms backup`, `restore`, `resume` and `open`."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from functools import partial
from typing import Any

from tkms.output import yes_option

VERIFY = "backup verify"
"""One command in two words: what stands behind `backup` is a file else."""


def joined(argv: Sequence[str]) -> list[str]:
    """A command line with `VERIFY` as one word."""
    words = VERIFY.split()
    return [VERIFY, *argv[len(words) :]] if list(argv[: len(words)]) == words else list(argv)


def _run(name: str, args: argparse.Namespace) -> int:
    from tkms.backup import commands  # the other commands read no backups

    return int(getattr(commands, name)(args))


def _open(args: argparse.Namespace) -> int:
    from tkms.backup.offline import open_offline

    return open_offline(args)


def passphrase_option() -> argparse.ArgumentParser:
    """As those that follow, a parent of a command's parser."""
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument(
        "--passphrase-file", default="", metavar="FILE", help="has the passphrase (default: it is asked for)"
    )
    return parser


def identity_option() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument(
        "--identity", default="", metavar="FILE", help="opens what is for recipients of age: an identity of age or SSH"
    )
    return parser


def closing_options() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument(
        "--recipient",
        action="append",
        default=[],
        metavar="RECIPIENT",
        help="encrypt it to this recipient of age, age1.. or an SSH public key, or to those of a file that has one on"
        " each line, not under a passphrase; repeat",
    )
    parser.add_argument("--plain", action="store_true", help="do not encrypt it")
    return parser


def add(words: Any, command: Any, directory: argparse.ArgumentParser, as_json: argparse.ArgumentParser) -> None:
    """`command(words, name, help, run, *parents)` makes each, as `cli` does."""
    passphrase = passphrase_option()
    opening = argparse.ArgumentParser(add_help=False, parents=[passphrase, identity_option()])
    opening.add_argument(
        "--parent", default="", metavar="FILE", help="the parent key (default: the backup's, or the data directory's)"
    )

    backup = command(
        words,
        "backup",
        "make a backup, while the server runs or not",
        partial(_run, "backup"),
        passphrase,
        closing_options(),
        as_json,
        where=directory,
    )
    backup.add_argument(
        "--with-parent", action="store_true", help="put the parent key into it: whoever opens it has all keys"
    )
    backup.add_argument("file", metavar="FILE", help="which is made: none that is there is replaced")
    verify = command(
        words,
        VERIFY,
        "say whether a backup is whole, and opens under the parent key",
        partial(_run, "verify"),
        opening,
        as_json,
        where=directory,
    )
    verify.add_argument("--all", action="store_true", help="open every version of every key, not three of each")
    verify.add_argument("file", metavar="FILE", help="the backup")

    restore = command(
        words,
        "restore",
        "make a data directory of a backup, or put one in its place",
        partial(_run, "restore"),
        opening,
        yes_option(),
        as_json,
        where=directory,
    )
    restore.add_argument("--replace", action="store_true", help="in place of what is there, which is kept aside")
    restore.add_argument("--dry-run", action="store_true", help="only say what it would undo")
    restore.add_argument("file", metavar="FILE", help="the backup")
    command(
        words,
        "resume",
        "rotate and destroy keys again after a restore",
        partial(_run, "resume"),
        yes_option(),
        as_json,
        where=directory,
    )

    offline = command(
        words, "open", "open a ciphertext blob without the service", _open, opening, as_json, where=directory
    )
    offline.add_argument(
        "--offline",
        required=True,
        metavar="FILE",
        help="an export, a backup, a copy of kms.sqlite3 or of the DynamoDB table of keys, or a data directory: nothing"
        " else is asked but AWS KMS, where it has the parent key, and nothing is written",
    )
    offline.add_argument("--tenant", default="", metavar="NAME", help="of whom a bare copy is (default: its site.json)")
    offline.add_argument(
        "--context", action="append", default=[], metavar="NAME=VALUE", help="encryption context; repeat"
    )
    offline.add_argument("file", nargs="?", default="-", metavar="BLOB", help="in base64 (default: standard input)")
