"""The options of `tkms fleet`."""

from __future__ import annotations

import argparse
import os
from functools import partial
from typing import Any

from tkms.fleet.tenants import VARIABLE
from tkms.output import up_to, yes_option

_HELP = {
    "status": "say how the stack of each tenant is",
    "doctor": "check the stack of each tenant, as tkms doctor does",
    "deploy": "deploy the stack of each tenant, from a checkout",
}
_EXAMPLE = """\
example:
  tkms fleet %(verb)s --tenants /etc/tkms/tenants.json --parallel 8
  tkms fleet %(verb)s --only acme shop --json > report.json

One tenant that fails stops no other; the status is 1 if one did.
"""


def _run(verb: str, args: argparse.Namespace) -> int:
    from tkms.fleet import commands  # botocore is not the other commands' to load

    return int(getattr(commands, verb)(args))


def add(words: Any, command: Any, as_json: argparse.ArgumentParser) -> None:
    """`command(words, name, help, run, *parents)` makes each, as `cli` does."""
    help_ = "work through the stacks of many tenants, several at a time"
    verbs = words.add_parser("fleet", help=help_, description=f"{help_[:1].upper()}{help_[1:]}.")
    verbs = verbs.add_subparsers(metavar="VERB", required=True)
    whose = argparse.ArgumentParser(add_help=False)
    whose.add_argument(
        "--tenants",
        default=os.environ.get(VARIABLE, ""),
        metavar="FILE",
        help=f"the list of tenants that is deployed (default: ${VARIABLE})",
    )
    whose.add_argument("--only", nargs="+", default=[], metavar="NAME", help="these tenants (default: all)")
    whose.add_argument(
        "--parallel", type=up_to(64), default=4, metavar="N", help="how many at a time (default: %(default)s)"
    )
    for verb, line in _HELP.items():
        asks = (yes_option(),) if verb == "deploy" else ()
        made = command(verbs, verb, line, partial(_run, verb), *asks, as_json, where=whose)
        if verb != "deploy":  # the CDK takes the roles that its bootstrap made in each account
            made.add_argument(
                "--role", default="", metavar="NAME", help="a role to take in each account (default: the shell's own)"
            )
        made.epilog, made.formatter_class = _EXAMPLE % {"verb": verb}, argparse.RawDescriptionHelpFormatter
