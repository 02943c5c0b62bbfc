"""The options of `tkms console`."""

from __future__ import annotations

import argparse
from typing import Any


def _console(args: argparse.Namespace) -> int:
    from tkms.console.command import console  # botocore and the server are not the other commands' to load

    return console(args)


def add(words: Any, command: Any, deployed: argparse.ArgumentParser) -> None:
    """`command(words, name, help, run, *parents)` makes it, as `cli` does."""
    help_ = "serve a page on this machine that shows what the keys of a stack do, until Ctrl-C"
    made = command(words, "console", help_, _console, where=deployed)
    made.add_argument("--port", type=int, default=0, metavar="PORT", help="on 127.0.0.1 (default: any free one)")
