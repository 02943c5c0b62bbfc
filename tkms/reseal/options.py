"""The options of `tkms reseal`."""

from __future__ import annotations

import argparse
from typing import Any

_EPILOG = """\
examples:
  head -c 32 /dev/urandom > new.key && chmod 600 new.key
  tkms reseal --to new.key                     another file, whose content becomes that of parent.key
  tkms reseal --to arn:aws:kms:eu-central-1:111122223333:key/5c438b18-05be-40ad-b6c2-3be6752cfa7e
  tkms reseal                                  end one that was ended; else: look whether all is under the parent key
"""


def _run(args: argparse.Namespace) -> int:
    from tkms.reseal.commands import reseal  # the other commands seal nothing anew

    return reseal(args)


def add(words: Any, command: Any, as_json: argparse.ArgumentParser) -> None:
    """`command(words, name, help, run, *parents)` makes it, as `cli` does."""
    reseal = command(
        words, "reseal", "put everything that is sealed under another parent key, while it is used", _run, as_json
    )
    reseal.epilog, reseal.formatter_class = _EPILOG, argparse.RawDescriptionHelpFormatter
    reseal.add_argument(
        "--to", default="", metavar="PARENT", help="a file that has a parent key, or the ARN of a key of AWS KMS"
    )
    reseal.add_argument(
        "--end-sessions",
        action="store_true",
        help="sessions issued before end at once, not when their time is over: the parent key may be somebody's",
    )
