"""`tkms import-from`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from tkms.commands import context
from tkms.moving import items
from tkms.moving.keys import KeysReport, MakeKeys, read_map
from tkms.moving.vendor import Vendor, Where
from tkms.moving.work import KeyMap, Move, Report
from tkms.output import Bar, Failed, UsageError, clear, counted, print_json, printable, shown, table
from tkms.places import Place, find


def _aws(where: Where) -> Vendor:
    from tkms.moving.aws import Aws  # each vendor's SDK is loaded where it is asked

    return Aws(where)


def _alibaba(where: Where) -> Vendor:
    from tkms.moving.alibaba import Alibaba

    return Alibaba(where)


def _tencent(where: Where) -> Vendor:
    from tkms.moving.tencent import Tencent

    return Tencent(where)


VENDORS: Mapping[str, Callable[[Where], Vendor]] = {"aws": _aws, "alibaba": _alibaba, "tencent": _tencent}


@contextmanager
def _progress(args: argparse.Namespace, total: int) -> Iterator[Bar | None]:
    try:
        yield Bar("import-from", total) if shown(args) else None
    finally:
        if shown(args):
            clear()


def import_from(args: argparse.Namespace) -> int:
    """1 if something was not moved, and with `--check` if something is to be moved."""
    _check(args)
    place = find(args)
    vendor = VENDORS[args.vendor](Where(endpoint=args.endpoint, region=args.region, profile=args.profile))
    return _make_keys(args, place, vendor) if args.keys else _move(args, place, vendor)


def _check(args: argparse.Namespace) -> None:
    if args.profile and args.vendor != "aws":
        raise UsageError("--profile is of AWS")
    if args.keys and (args.files or not args.key_map):
        raise UsageError("--keys makes keys, and writes which became which to --key-map FILE: it takes no --files")
    if args.files and not args.to:
        raise UsageError("--to names the directory that the new ciphertexts are written to")
    if not args.keys and not (args.key_map or args.key):
        raise UsageError("--key names the key here for all, or --key-map the file that --keys has written")
    if args.key_map and not args.keys and not args.key_map.exists():
        raise Failed(f"there is no file {args.key_map}: --keys writes it")
    if not args.files and args.context:
        raise UsageError("--context is of files: each line has its own")
    if args.json and not (args.keys or args.to or args.check):
        raise UsageError("the lines go to standard output unless --to names a file, and so would --json")


def _make_keys(args: argparse.Namespace, place: Place, vendor: Vendor) -> int:
    work = MakeKeys(vendor, place, args.key_map, check=args.check)
    with _progress(args, 0) as progress:
        report = work.run(progress)
    counts = f"{report.moved:,} made, {report.already:,} made before, {report.others:,} not yours or going"
    if report.keys and not args.json:
        table([("KEY THERE", "KEY HERE"), *report.keys.items()])
    return _tell(args, report, f"{counted(report.found, 'key')}, {counts}")


def _move(args: argparse.Namespace, place: Place, vendor: Vendor) -> int:
    keys = KeyMap(place, read_map(args.key_map) if args.key_map else {}, args.key)
    work = Move(vendor, place, keys, check=args.check, alone=not args.stack)
    if args.files:
        every = items.of_files(args.files, args.to, context(args), keys.ids)
        with _progress(args, len(every)) as progress:
            report = work.run(every, progress)
    else:
        with _lines(args) as lines, _progress(args, 0) as progress:
            report = work.run(lines.items(sys.stdin.buffer), progress)
    return _tell(args, report, f"{report.found:,} found, {report.moved:,} moved, {report.already:,} moved before")


@contextmanager
def _lines(args: argparse.Namespace) -> Iterator[items.Lines]:
    if not args.to or (args.check and not args.to.exists()):
        yield items.Lines(sys.stdout.buffer)
        return
    with items.appended(args.to) as lines:
        yield lines


def _tell(args: argparse.Namespace, report: Report | KeysReport, counts: str) -> int:
    left = report.found - report.moved
    if args.json:
        print_json(report)
    else:
        for failure in report.failed:
            print(printable(f"tkms: {failure.name}: {failure.reason}"), file=sys.stderr)
        out = sys.stdout if args.keys or args.to else sys.stderr
        print(f"{counts}, {len(report.failed):,} failed", file=out)
        if report.stopped:
            again = " The same command again goes on where it was." if args.keys or args.to else ""
            print(printable(f"tkms: stopped: {report.stopped.removesuffix('.')}.{again}"), file=sys.stderr)
    return 1 if left or report.failed or report.stopped else 0
