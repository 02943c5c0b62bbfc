"""`tkms audit`: who used which key when, and whether the log is as it was written."""

from __future__ import annotations

import argparse
import re
import time
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from itertools import chain, groupby
from pathlib import Path
from typing import Any

from tenantkms.crypto.hmacs import Hmac
from tenantkms.model.alias import ALIAS_PREFIX
from tenantkms.runtime.assemble import AUDIT_FILE, AUDIT_KEY, REFUSED_FILE
from tkms.audit.lines import Found, Line, Raw, Wanted, follow_logs, in_turn, of_files, of_log, read, summarise
from tkms.audit.verify import PROBLEM, Finding, Report, parse_head, verify_lines, verify_log
from tkms.output import Failed, UsageError, counted, painted, print_json, printable, table, time_text
from tkms.places import Place, find

_AGO = re.compile(r"(\d+)([smhd])")
_EACH = 5
"""Findings of one kind in a row that are told one by one."""
_SECONDS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}


def _since(text: str, now: float) -> float:
    """Unix seconds of a time in ISO 8601 (UTC, if it names no zone), or of so long ago: 90s, 15m, 2h, 7d."""
    if ago := _AGO.fullmatch(text):
        return now - int(ago[1]) * _SECONDS[ago[2]]
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise UsageError("--since takes 90s, 15m, 2h, 7d, or a time as 2026-11-28T12:00") from None
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()


def _wanted(args: argparse.Namespace, place: Place) -> Wanted:
    key = args.key
    if key.startswith(ALIAS_PREFIX):
        described: Any = place.call("DescribeKey", {"key_ids": [key]})
        key = described["keys"][0]["id"]
    since = _since(args.since, time.time()) if args.since else 0
    return Wanted(key=key, principal=args.principal, since=since)


def _logs(args: argparse.Namespace) -> list[Path]:
    return [args.data_dir / name for name in (AUDIT_FILE, REFUSED_FILE)]


def _stored(args: argparse.Namespace, since: float) -> list[Iterator[Raw]]:
    """Of each log."""
    if args.stack:
        from tkms.audit.cloud import of_stack
        from tkms.stack.stack import Stack

        return of_stack(Stack(args.stack), since)
    return [of_log(log) for log in _logs(args)]


def _added(args: argparse.Namespace) -> Iterator[bytes]:
    if args.stack:
        from tkms.audit.cloud import follow_stack
        from tkms.stack.stack import Stack

        return follow_stack(Stack(args.stack))
    return follow_logs(_logs(args))


def _found(log: Iterable[Raw], wanted: Wanted) -> Iterator[Found]:
    return ((raw, line) for _, raw in log if (line := read(raw)) and wanted(line))


def audit(args: argparse.Namespace) -> int:
    wanted = _wanted(args, find(args))
    stored = [_found(log, wanted) for log in _stored(args, wanted.since)]
    if not (args.lines or args.follow):
        uses = summarise(line for _, line in chain.from_iterable(stored))
        if args.json:
            print_json(uses)
        else:
            rows = []
            for use in uses:
                names = [use.key, use.principal, use.action, use.outcome]
                rows.append(
                    [*(name or "-" for name in names), str(use.count), time_text(use.first), time_text(use.last)]
                )
            table([("KEY", "PRINCIPAL", "ACTION", "OUTCOME", "CALLS", "FIRST", "LAST"), *rows])
        return 0
    # Following is set up before what is stored is read, so that nothing falls between the two.
    added = _added(args) if args.follow else iter(())
    if args.lines or args.since:
        for raw, line in in_turn(stored):
            _show(raw, line, args.json)
    for raw in added:
        if (found := read(raw)) and wanted(found):
            _show(raw, found, args.json)
    return 0


def _show(raw: bytes, line: Line, as_json: bool) -> None:
    if as_json:
        text = raw.decode().rstrip("\n")
    else:
        times = f" x{line.count} since {time_text(line.since)}" if line.since else ""
        parts = [line.profile, line.source_ip, line.principal, line.action, line.outcome + times, *line.keys]
        text = " ".join([time_text(line.time), *(part or "-" for part in parts)])
    print(printable(text), flush=True)


def verify(args: argparse.Namespace) -> int:
    try:
        noted = parse_head(args.head) if args.head else None
    except ValueError as e:
        raise UsageError(f"--head: {e}") from None
    if noted and (args.stack or args.files):
        raise UsageError("--head is of the log of a data directory")
    macs = [Hmac(key) for key in find(args).settings.root.all(AUDIT_KEY)]
    reports: list[Report]
    if args.files:
        try:
            reports = verify_lines(of_files(args.files), macs)
        except OSError as e:
            raise Failed(f"{e.filename} cannot be read: {e.strerror}") from e
    elif args.stack:
        since = _since(args.since, time.time()) if args.since else 0
        reports = verify_lines(chain.from_iterable(_stored(args, since)), macs)
    else:
        log, refused = _logs(args)
        reports = [verify_log(log, macs, noted), verify_log(refused, macs)]
    return _tell(reports, args)


def _sort(found: Finding) -> tuple[str, str]:
    """What those of many lines in a row have in common, as of all that were written under another key."""
    return found.status, found.found.removeprefix(f"line {found.seq} ")


def _tell_run(run: list[Finding]) -> None:
    for found in run if len(run) <= _EACH else run[:1]:
        _tell_one(found, found.found)
    if len(run) > _EACH:
        _tell_one(run[-1], f"and so on with {len(run) - 1} more, to line {run[-1].seq} (--json has each)")


def _tell_one(found: Finding, text: str) -> None:
    mark = "!!" if found.status == PROBLEM else " !"
    print(f"{painted(mark)}  {found.where + ': ' if found.where else ''}{text}")


def _tell(reports: list[Report], args: argparse.Namespace) -> int:
    for report in reports:
        report.findings = [found for found in report.findings if found.seq >= args.first]
    counts = {PROBLEM: 0, "note": 0}
    for report in reports:
        for found in report.findings:
            counts[found.status] += 1
    if args.json:
        print_json(reports)
    else:
        for report in reports:
            if report.lines:
                lines = counted(report.lines, "line")
                print(f"{report.chain}: {lines}, {report.first} to {report.last}; head {report.head}")
            for _, run in groupby(report.findings, _sort):
                _tell_run(list(run))
        print(f"{counted(counts[PROBLEM], 'problem')}, {counted(counts['note'], 'note')}")
    return 1 if counts[PROBLEM] else 0
