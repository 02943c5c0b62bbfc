"""The command line of `tkms credential`."""

from __future__ import annotations

import argparse
from typing import Any

from tenantkms.names import DIALECTS
from tkms import credential_commands
from tkms.output import duration, yes_option
from tkms.policies import READY


def add(words: Any, command: Any, as_json: argparse.ArgumentParser) -> None:
    """`command(words, name, help, run, *parents)` makes them, as `cli` does."""
    credential = words.add_parser("credential", help="create and manage access keys")
    verbs = credential.add_subparsers(metavar="VERB", required=True)
    create = command(
        verbs, "create", "create an access key; its secret is shown once", credential_commands.create, as_json
    )
    create.add_argument("--name", default="", help="who uses it; a name has at most two active access keys")
    create.add_argument(
        "--dialect", action="append", choices=DIALECTS, help="dialect that it may be used in; repeat (default: all)"
    )
    create.add_argument(
        "--policy",
        default="",
        metavar="NAME|FILE",
        help=f"a ready-made policy ({', '.join(READY)}) or a document (default: everything is allowed)",
    )
    rotate = command(
        verbs,
        "rotate",
        "create an access key beside an active one, of the same name, dialects, policy and lifetime",
        credential_commands.rotate,
        as_json,
    )
    rotate.add_argument("credential", metavar="NAME|ID", help="name or access key id")
    rotate.add_argument(
        "--overlap", type=duration, metavar="TIME", help="when the old one expires (default: disable it yourself)"
    )
    for parser, otherwise in ((create, "for ever"), (rotate, "as long as the old one")):
        parser.add_argument(
            "--expires", type=duration, metavar="TIME", help=f"how long it works: 90d, 12h, 15m (default: {otherwise})"
        )
    session = command(
        verbs, "session", "issue a temporary access key with a security token", credential_commands.session, as_json
    )
    session.add_argument("--name", required=True, metavar="NAME|ID", help="name or id of the access key that it is of")
    session.add_argument(
        "--duration", type=duration, default="1h", metavar="TIME", help="15m to 12h (default: %(default)s)"
    )
    session.add_argument(
        "--policy",
        metavar="NAME|FILE",
        help="a ready-made policy or a document that narrows the access key's own (default: nothing does)",
    )
    command(
        verbs, "list", "list access keys, and when they were last used, to the hour", credential_commands.list_, as_json
    )
    for verb, help_, run in (
        ("disable", "disable an access key; it stops working within a second", credential_commands.switch),
        ("enable", "enable an access key again", credential_commands.switch),
        ("delete", "delete an access key for good", credential_commands.delete),
    ):
        asks = (yes_option(),) if verb == "delete" else ()
        command(verbs, verb, help_, run, *asks, as_json).add_argument("access_key_id", metavar="ID")
