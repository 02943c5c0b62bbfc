"""`tkms rewrap`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path

from tenantkms.errors import KmsError
from tenantkms.runtime.assemble import SettingsError
from tkms.commands import context
from tkms.output import Bar, UsageError, clear, print_json, printable, shown, table
from tkms.places import Place, find, key_of, reason
from tkms.rewrap import files
from tkms.rewrap.work import Item, Report, Rewrap

_WORKERS = 16
"""Calls of AWS at a time."""
SCHEMES = ("s3://", "secretsmanager:", "ssm:", "table:")


def _items(place: Place, args: argparse.Namespace) -> tuple[Iterable[Item], int]:
    """What is to be looked at, and how much that is; 0 is not known."""
    remote = [text for text in args.places if text.startswith(SCHEMES)]
    if remote and not args.stack:
        raise UsageError(f"{remote[0]} is of a deployed stack: name it with --stack")
    local = files.items([Path(text) for text in args.places if text not in remote], context(args))
    return chain(local, _remote(place, remote)), 0 if remote else len(local)


def _remote(place: Place, places: Iterable[str]) -> Iterator[Item]:
    for text in places:
        from tkms.rewrap.remote import SOURCES  # only with a stack

        scheme = next(scheme for scheme in SCHEMES if text.startswith(scheme))
        yield from SOURCES[scheme](place, text.removeprefix(scheme))  # type: ignore[arg-type]


def rewrap(args: argparse.Namespace) -> int:
    """1 if something failed, and with `--check` if something lies under an old version."""
    place = find(args)
    dry_run = args.dry_run or args.check
    items, total = _items(place, args)
    try:
        work = Rewrap(place, key_of(place, args.to), dry_run=dry_run, workers=_WORKERS if args.stack else 1)
    except KmsError as e:
        raise SettingsError(f"--to {args.to}: {reason(e)}") from e
    try:
        report = work.run(items, Bar("rewrap", total) if shown(args) else None)
    finally:
        if shown(args):
            clear()
    if args.json:
        print_json(report)
    else:
        _show(report, dry_run)
    return 1 if report.failed or report.stopped or (args.check and report.old) else 0


def _show(report: Report, dry_run: bool) -> None:
    rows = [(c.key_id, str(c.version), f"{c.count:,}", "" if c.current else "old") for c in report.by if c.count]
    if rows:
        table([("KEY ID", "VERSION", "COUNT", ""), *rows])
    for failure in report.failed:
        print(printable(f"tkms: {failure.name}: {failure.reason}"), file=sys.stderr)
    done = f"{report.old:,} to rewrap" if dry_run else f"{report.rewrapped:,} rewrapped, {report.old:,} left"
    print(f"{report.found:,} sealed, {done}, {len(report.failed):,} failed, {report.others:,} not sealed")
    if report.stopped:
        again = " The same command again goes on where it was." if report.rewrapped else ""
        print(printable(f"tkms: stopped: {report.stopped.removesuffix('.')}.{again}"), file=sys.stderr)
