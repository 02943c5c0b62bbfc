"""The options of `tkms drill`."""

from __future__ import annotations

import argparse
from typing import Any

_EXAMPLE = """\
examples:
  tkms drill restore --sandbox                 with the AWS settings of this shell, or of an emulator
  tkms drill all --sandbox --json > report.json
  tkms drill rollback --sandbox --dry-run      only print what would be done
  tkms drill away --sandbox --tenant drill-x   take away what an interrupted drill has left

The status is 1 if a step or a promise failed. What is left to a person is said to be by hand, and never passed.
"""
NAMES = ("restore", "move", "break-glass", "rollback", "all", "away")


def _drill(args: argparse.Namespace) -> int:
    from tkms.drill import commands  # its tables are not the other commands' to load

    return commands.drill(args)


def add(words: Any, command: Any, as_json: argparse.ArgumentParser) -> None:
    """`command(words, name, help, run, *parents)` makes it, as `cli` does."""
    nowhere = argparse.ArgumentParser(add_help=False)
    line = "run the documented drills in a sandbox, step by step, from a checkout"
    made = command(words, "drill", line, _drill, as_json, where=nowhere)
    made.add_argument("name", choices=NAMES, metavar="NAME", help=", ".join(NAMES))
    made.add_argument(
        "--sandbox", action="store_true", required=True, help="in a stack of its own, which is made and taken away"
    )
    made.add_argument(
        "--tenant",
        default="",
        metavar="NAME",
        help="the sandbox's name, which begins with drill-; what a drill left of it goes first (default: a new name)",
    )
    made.add_argument("--keep", action="store_true", help="leave the stack and what is beside it")
    made.add_argument(
        "--release",
        default="",
        metavar="TAG",
        help="what rollback goes back to; none: the same sources (default: the newest tag before)",
    )
    made.add_argument("--dry-run", action="store_true", help="only print what would be done")
    made.epilog, made.formatter_class = _EXAMPLE, argparse.RawDescriptionHelpFormatter
