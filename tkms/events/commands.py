"""`tkms events`: what lies in the queues of a stack, what was rejected and why, and once more from the start."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING, Any

from tkms.output import Bar, clear, print_json, printable, shown, table, time_text

if TYPE_CHECKING:
    from tkms.stack.stack import Stack


def _stack(args: argparse.Namespace) -> Stack:
    from tkms.stack.stack import Stack  # botocore is not the other commands' to load

    return Stack(args.stack)


def status(args: argparse.Namespace) -> int:
    from tkms.events.queues import depths

    found = depths(_stack(args))
    if args.json:
        print_json(found)
    else:
        rows = [(one.queue, f"{one.waiting:,}", f"{one.in_flight:,}") for one in found]
        table([("QUEUE", "WAITING", "IN FLIGHT"), *rows])
    return 0


def rejected(args: argparse.Namespace) -> int:
    from tkms.events.queues import rejections

    found = rejections(_stack(args))
    if args.json:
        print_json(found)
    else:
        rows = [
            (time_text(one.rejected), one.source, one.message_id, one.reason or "no rejected message", one.field)
            for one in found
        ]
        table(
            [("REJECTED", "SOURCE", "MESSAGE", "REASON", "FIELD"), *([printable(cell) for cell in row] for row in rows)]
        )
    return 0


def replay(args: argparse.Namespace) -> int:
    """1 if something stays that should not."""
    from tkms.events.queues import Replay

    work = Replay(
        _stack(args),
        rejected=args.only != "dead-letters",
        dead_letters=args.only != "rejected" and not args.reason,
        why=args.reason,
        dry_run=args.dry_run,
    )
    try:
        report = work.run(Bar("replay", work.total()) if shown(args) else None)
    finally:
        if shown(args):
            clear()
    if args.json:
        print_json(report)
    else:
        for failure in report.failed:
            print(printable(f"tkms: {failure.message_id}: {failure.reason}"), file=sys.stderr)
        done = "to replay" if args.dry_run else "replayed"
        left = f", {report.left:,} of other reasons" if args.reason else ""
        print(f"{report.replayed:,} {done}, {len(report.failed):,} failed{left}")
        if report.stopped:
            print(f"tkms: stopped: {report.stopped} The same command again goes on.", file=sys.stderr)
    return 1 if report.failed or report.stopped else 0


def add(words: Any, command: Any, deployed: argparse.ArgumentParser, as_json: argparse.ArgumentParser) -> None:
    """`command(words, name, help, run, *parents, where=)` makes each, as `cli` does."""
    events = words.add_parser("events", help="the queues of secrets and objects that a stack seals")
    verbs = events.add_subparsers(metavar="VERB", required=True)
    command(verbs, "status", "say how much lies in which queue", status, as_json, where=deployed)
    command(verbs, "rejected", "list what can never be sealed, and why", rejected, as_json, where=deployed)
    again = command(
        verbs, "replay", "send what was rejected, and dead letters, once more", replay, as_json, where=deployed
    )
    again.add_argument("--only", choices=("rejected", "dead-letters"), help="of this kind (default: both)")
    again.add_argument("--reason", default="", metavar="NAME", help="rejected for this reason only")
    again.add_argument("--dry-run", action="store_true", help="only count them")
