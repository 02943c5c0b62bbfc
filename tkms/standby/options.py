"""The options of `tkms standby` and `tkms failover`."""

from __future__ import annotations

import argparse
from functools import partial
from typing import Any

from tkms.output import duration, yes_option

_STANDBY = """\
example:
  tkms standby --stack tkms-acme         as break-glass: it copies the parent key

Then put what it prints into the tenant's entry, and deploy tkms-acme-standby.
"""
_FAILOVER = """\
examples:
  tkms failover --stack tkms-acme --dry-run    which region takes changes
  AWS_REGION=eu-west-1 tkms failover --stack tkms-acme           hand over to it in order: nothing is lost
  AWS_REGION=eu-west-1 tkms failover --stack tkms-acme --lost    the other one is lost, and it goes on alone

Back is the same with the first region.
"""


def _run(name: str, args: argparse.Namespace) -> int:
    from tkms.standby import commands  # botocore is not the other commands' to load

    return int(getattr(commands, name)(args))


def add(words: Any, command: Any, deployed: argparse.ArgumentParser, as_json: argparse.ArgumentParser) -> None:
    """`command(words, name, help, run, *parents, where=)` makes each, as `cli` does."""
    made = command(
        words,
        "standby",
        "copy a stack's tables and parent key to its second region",
        partial(_run, "standby"),
        yes_option(),
        as_json,
        where=deployed,
    )
    over = command(
        words,
        "failover",
        "have keys changed in this one of a stack's two regions",
        partial(_run, "failover"),
        yes_option(),
        as_json,
        where=deployed,
    )
    over.add_argument("--to", default="", metavar="REGION", help="the region that takes over (default: this shell's)")
    over.add_argument(
        "--lost", action="store_true", help="do not wait for the other region: what it was told last may be missing"
    )
    over.add_argument("--dry-run", action="store_true", help="only say which region takes changes")
    over.add_argument(
        "--settle",
        type=duration,
        default="30s",
        metavar="TIME",
        help="how long the new region waits for what is on its way (default: %(default)s)",
    )
    for parser, text in ((made, _STANDBY), (over, _FAILOVER)):
        parser.epilog, parser.formatter_class = text, argparse.RawDescriptionHelpFormatter
