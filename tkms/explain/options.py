"""The options of `tkms explain-signature`."""

from __future__ import annotations

import argparse
from typing import Any


def _explain(args: argparse.Namespace) -> int:
    from tkms.explain.command import explain  # what it looks for is not the other commands' to load

    return explain(args)


def add(words: Any, command: Any, directory: argparse.ArgumentParser, as_json: argparse.ArgumentParser) -> None:
    """`command(words, name, help, run, *parents)` makes it, as `cli` does."""
    parser = command(
        words,
        "explain-signature",
        "say why the running server has refused a client's signature in the last 10 minutes",
        _explain,
        as_json,
        where=directory,
    )
    either = parser.add_mutually_exclusive_group()
    either.add_argument(
        "request_id", nargs="?", default="", metavar="REQUEST_ID", help="as the client was told (default: the newest)"
    )
    either.add_argument("--all", action="store_true", help="list all that the server keeps")
    either.add_argument("--follow", action="store_true", help="explain each from now on, until Ctrl-C")
    parser.add_argument(
        "--mine",
        dest="file",
        default="",
        metavar="FILE",
        help="the client's own string to sign or canonical request: say where it differs from the server's",
    )
