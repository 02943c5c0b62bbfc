"""The options of what works on files, and of `tkms rewrap`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from tenantkms.model.alias import ALIAS_PREFIX
from tkms.files import commands
from tkms.machine.directory import DEFAULT_ALIAS
from tkms.output import duration
from tkms.rewrap import commands as rewrap_commands


def add(words: Any, command: Any, as_json: argparse.ArgumentParser) -> None:
    """`command(words, name, help, run, *parents)` makes each, as `cli` does."""
    context = argparse.ArgumentParser(add_help=False)
    context.add_argument(
        "--context", action="append", default=[], metavar="NAME=VALUE", help="encryption context; repeat"
    )
    key = argparse.ArgumentParser(add_help=False)
    key.add_argument(
        "--key", default=ALIAS_PREFIX + DEFAULT_ALIAS, help="key id, alias/NAME or ARN (default: %(default)s)"
    )

    seal = command(words, "seal", "seal files of any size, each into FILE.tkms", commands.seal, key, context, as_json)
    seal.add_argument("--remove", action="store_true", help="remove each file once the sealed one was read back")
    unseal = command(words, "unseal", "open sealed files, FILE.tkms into FILE", commands.unseal, context, as_json)
    for parser in (seal, unseal):
        parser.add_argument("--to", type=Path, metavar="DIR", help="directory to write to (default: beside each file)")
        parser.add_argument(
            "files", nargs="+", type=Path, metavar="FILE", help="a file; none that is there is replaced"
        )

    watch = command(
        words,
        "watch",
        "seal all files that come into a directory, and remove them there",
        commands.watch,
        key,
        context,
        as_json,
    )
    watch.add_argument("inbox", type=Path, metavar="INBOX", help="directory that files come into, with those in it")
    watch.add_argument(
        "sealed", type=Path, metavar="SEALED", help="directory for the sealed ones, under the same names"
    )
    watch.add_argument(
        "--settle", type=duration, default="5s", metavar="TIME", help="how long a file stays as it is (default: 5s)"
    )
    watch.add_argument("--once", action="store_true", help="end once all that is there was tried")

    rewrap = command(
        words,
        "rewrap",
        "move sealed data to the newest version of its key, or to another key; no body is read",
        rewrap_commands.rewrap,
        context,
        as_json,
    )
    rewrap.add_argument(
        "--to", default="", metavar="KEY", help="key id, alias/NAME or ARN (default: the key that each is under)"
    )
    rewrap.add_argument("--dry-run", action="store_true", help="only count what lies under which key and version")
    rewrap.add_argument("--check", action="store_true", help="the same, with status 1 if something is to be moved")
    rewrap.add_argument(
        "places",
        nargs="+",
        metavar="PATH",
        help="sealed file or directory; with --stack s3://bucket/prefix, secretsmanager:prefix, ssm:prefix, table:name",
    )
