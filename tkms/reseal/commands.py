"""`tkms reseal`."""

from __future__ import annotations

import argparse
import sys

from msgspec import Struct

from tenantkms.errors import KmsError
from tkms.backup.write import last_backup
from tkms.machine.directory import Directory
from tkms.machine.parents import others
from tkms.output import Bar, UsageError, clear, counted, print_json, say, shown
from tkms.process import end_orderly
from tkms.reseal.machine import OnMachine
from tkms.reseal.work import Report, Target, carry_out


class _Done(Struct, frozen=True, kw_only=True):
    """`former`: files of parent keys from before, which open nothing of what rests here."""

    parent: str
    found: Report
    former: list[str]


def reseal(args: argparse.Namespace) -> int:
    end_orderly()
    bar = Bar("reseal", 0, " rows") if shown(args) else None
    if args.stack:
        parent, former, report = _stack(args, bar)
    else:
        directory = Directory(args.data_dir)
        target = OnMachine(directory)
        with target.alone():
            target.prepare(args.to, end_sessions=args.end_sessions)
            report = _carried_out(target, bar, "")
        parent, former = str(target.file), list(map(str, others(directory.path)))
    if bar:
        clear()
    if args.json:
        print_json(_Done(parent=parent, found=report, former=former))
        return 0
    rows, opened = counted(report.rows, "row is", "rows are"), counted(report.opened, "secret was", "secrets were")
    print(f"{rows} under {parent}: {opened} opened, {report.renewed:,} renewed.")
    if not args.stack:
        print(
            f"Keep a copy of {parent} apart from the backups. Those from before open with the former parent key only."
        )
        last = last_backup(args.data_dir)
        if former and not (last and last.opens(args.data_dir)):
            print("None that was made here opens with this one: make one now (tkms backup).")
    if former:
        print(f"Nothing here needs {', '.join(former)} any more: tkms doctor says so too, and what to do with it.")
    return 0


def _carried_out(target: Target, bar: Bar | None, place: str) -> Report:
    try:
        return carry_out(target, bar)
    except (KeyboardInterrupt, SystemExit, KmsError, OSError):
        if bar:
            clear()
        if target.settings.root.opened().before:
            told = f"It has not come to its end, and both parent keys are needed: tkms reseal{place} ends it."
            say(f"tkms: {told}", sys.stderr)
        raise


def _stack(args: argparse.Namespace, bar: Bar | None) -> tuple[str, list[str], Report]:
    from tkms.reseal.stack import OnStack  # botocore is not the other commands' to load

    if args.to and not args.to.startswith("arn:"):
        raise UsageError("with --stack, --to is the ARN of a key of AWS KMS")
    target = OnStack(args.stack)
    target.prepare(args.to, end_sessions=args.end_sessions)
    report = _carried_out(target, bar, f" --stack {args.stack}")
    return target.new, [arn for arn in target.arns if arn != target.new], report
