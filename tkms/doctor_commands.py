"""`tkms doctor` and `tkms take-over`: whether what is there is in order, and the rows of an older release."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from itertools import chain

from tkms.anchor import check_rows, take_over
from tkms.findings import ENDPOINT, PROBLEM, WARNING, Finding, examine_endpoint
from tkms.machine.directory import Directory
from tkms.output import Bar, UsageError, clear, confirm, counted, painted, print_json, printable, shown

_SHOWN = 20
_STEP = 100


def _findings(args: argparse.Namespace, bar: Bar | None) -> Iterator[Finding]:
    if args.stack:
        from tkms.stack.doctor import examine  # botocore is not the other commands' to load
        from tkms.stack.stack import Stack

        return examine(Stack(args.stack), bar)
    from tkms.machine.doctor import examine as examine_here  # SQLite and certificates are not the other commands'

    return examine_here(Directory(args.data_dir), every=args.all, tell=bar)


def doctor(args: argparse.Namespace) -> int:
    if args.stack and args.all:
        raise UsageError("--all goes with --data-dir: nobody but the functions of a stack opens its keys")
    findings = []
    bar = Bar("rows") if shown(args) else None
    asked = (Finding(ENDPOINT, *found) for url in args.endpoint for found in examine_endpoint(url))
    for finding in chain(_findings(args, bar), asked):
        findings.append(finding)
        if bar:
            clear()
        if not args.json:
            mark = {PROBLEM: "!!", WARNING: " !"}.get(finding.status, "ok")
            print(f"{painted(mark)}  {finding.check:<13} {printable(finding.found)}", flush=True)
            if finding.advice:
                print(f"{'':17} -> {printable(finding.advice)}", flush=True)
    counts = {status: sum(finding.status == status for finding in findings) for status in (PROBLEM, WARNING)}
    if args.json:
        print_json(findings)
    else:
        print(f"{counted(counts[PROBLEM], 'problem')}, {counted(counts[WARNING], 'warning')}")
    return 1 if counts[PROBLEM] else 0


def take_over_rows(args: argparse.Namespace) -> int:
    """Only a word of the operator's brings it about: rows without a MAC are believed as somebody left them."""
    from tkms.stack.stack import Stack  # botocore is not the other commands' to load

    stack = Stack(args.stack)
    settings = stack.settings
    if settings.root.exists():
        bare = [fault.row for fault in check_rows(settings) if fault and fault.missing]
        if not bare:
            print("No row is without a MAC: there is nothing to take over.")
            return 0
        have = counted(len(bare), "row has", "rows have")
        print(
            f"{have} no MAC, although others have one: {', '.join(bare[:_SHOWN])}\n"
            "If an earlier take-over did not end, this is what it left. If it did, somebody wrote them: stop here."
        )
    else:
        print("All keys, aliases and access keys get their MACs as they are now, whoever wrote them.")
    confirm(args, "They are believed from then on.", stack.name)
    stack.anchor()
    count = 0
    for _ in take_over(settings):
        count += 1
        if sys.stderr.isatty() and count % _STEP == 0:
            print(f"\r{count} rows", end="", file=sys.stderr, flush=True)
    print(f"{counted(count, 'row has got its', 'rows have got their')} MAC. Now: tkms doctor --stack {stack.name}")
    return 0
