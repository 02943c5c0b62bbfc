"""What the commands about backups ask: how a file is closed, what opens one, and whether somebody looks."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path

from tkms.backup.container import OF_AGE, UNDER_PASSPHRASE, Age, Closing, Passphrase, Plain, Secrets
from tkms.output import Bar, Failed, UsageError, called, clear, path_text, read_bytes, shown, typed

_ENDS = (".tkb", ".tke", ".age")


def check_name(file: Path, data_dir: Path) -> None:
    """Raises `Failed` for a name in the data directory itself that one of its own files may have, now or later."""
    if file.suffix not in _ENDS and file.absolute().parent.resolve() == data_dir.resolve():
        raise Failed(
            f"{path_text(file)} is in the data directory: there its name has to end with {' or '.join(_ENDS)}."
        )


def chosen_closing(args: argparse.Namespace) -> Closing:
    """Raises `UsageError`."""
    if sum((bool(args.recipient), args.plain, bool(args.passphrase_file))) > 1:
        raise UsageError("--passphrase-file, --recipient and --plain exclude each other")
    if args.recipient:
        return Age(args.recipient)
    if args.plain:
        return Plain()
    under = Passphrase(passphrase(args, new=True))
    under.begin()
    return under


def passphrase(args: argparse.Namespace, *, new: bool = False) -> bytes:
    """Of a file without the end of its line, or of who sits at the terminal: twice for a `new` one."""
    if args.passphrase_file:
        found = read_bytes(args.passphrase_file).removesuffix(b"\n").removesuffix(b"\r")
        if not found:
            raise Failed(f"{called(args.passphrase_file)} has no passphrase: it is empty.")
        return found
    if not sys.stdin.isatty():
        others = ", --recipient or --plain" if new else ""
        raise UsageError(f"without a terminal nobody can be asked for a passphrase: --passphrase-file{others}")
    found = typed("Passphrase: ")
    if not found:
        raise Failed("No passphrase was typed.")
    if new and typed("Again: ") != found:
        raise Failed("The two passphrases are not the same: nothing is made.")
    return found


def opening_secrets(args: argparse.Namespace) -> Secrets:
    """The passphrase is asked for once. Raises `UsageError`."""
    if args.passphrase_file and args.identity:
        raise UsageError("--passphrase-file and --identity exclude each other")
    closed = UNDER_PASSPHRASE if args.passphrase_file else OF_AGE if args.identity else ""
    return Secrets(cache(lambda: passphrase(args)), args.identity, closed)


class Progress:
    """A bar of megabytes, or None, for as long as the block lasts."""

    def __init__(self, args: argparse.Namespace, name: str, unit: str = " MB", shift: int = 20) -> None:
        self._bar, self._shift = (Bar(name, 0, unit) if shown(args) else None), shift

    def __enter__(self) -> Callable[[int], None] | None:
        bar, shift = self._bar, self._shift
        return (lambda count: bar(count >> shift)) if bar else None

    def __exit__(self, *_: object) -> None:
        if self._bar:
            clear()
