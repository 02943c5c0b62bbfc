"""What each command of `tkms` does, on the place that its command line names. `cli.py` has their options."""

from __future__ import annotations

import argparse
import base64
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from tenantkms.crypto.strings import decode_base64
from tenantkms.errors import KmsError
from tenantkms.keys.maintenance import Report
from tenantkms.model.credential import Credential
from tenantkms.runtime.assemble import SettingsError
from tkms.output import (
    Bar,
    Failed,
    UsageError,
    called,
    clear,
    counted,
    held_text,
    print_json,
    read_bytes,
    read_text,
    shown,
    table,
)
from tkms.places import find


def no_credential(wanted: str) -> Failed:
    return Failed(f"There is no credential {wanted}: tkms credential list")


def only(found: Sequence[Credential], wanted: str) -> Credential:
    """The one of `found`, which is not empty. Raises `Failed` for several: what they may can differ."""
    if len(found) > 1:
        ids = ", ".join(c.access_key_id for c in found)
        raise Failed(f"{len(found)} credentials are called {wanted}: name one by its id ({ids})")
    return found[0]


def context(args: argparse.Namespace) -> dict[str, str]:
    pairs = [item.partition("=") for item in args.context]
    if not all(equals and name for name, equals, _ in pairs):
        raise UsageError("--context takes NAME=VALUE")
    if len({name for name, _, _ in pairs}) != len(pairs):
        raise UsageError("--context names a pair twice")
    return {name: value for name, _, value in pairs}


def encrypt(args: argparse.Namespace) -> int:
    pairs = context(args)
    plaintext = base64.b64encode(read_bytes(args.file)).decode()
    answer: Any = find(args).call("Encrypt", {"key_id": args.key, "plaintext": plaintext, "context": pairs})
    if args.json:
        print_json(answer)
    else:
        print(answer["ciphertext"])
    return 0


def read_blob(file: str) -> bytes:
    """A ciphertext blob in base64, of a file or standard input. Raises `Failed`."""
    text = "".join(line.strip() for line in read_text(file).splitlines())  # a mail or an editor may have folded it
    if not text:
        raise Failed(f"{called(file)} is empty: no ciphertext blob.")
    blob = decode_base64(text)
    if blob is None:
        raise Failed(f"{called(file)} is not a ciphertext blob in base64.")
    return blob


def decrypt(args: argparse.Namespace) -> int:
    pairs = context(args)
    text = base64.b64encode(read_blob(args.file)).decode()
    answer: Any = find(args).call("Decrypt", {"ciphertext": text, "context": pairs})
    if args.json:
        print_json(answer)
    else:
        sys.stdout.buffer.write(base64.b64decode(answer["plaintext"]))
        sys.stdout.buffer.flush()
    return 0


def maintain(args: argparse.Namespace) -> int:
    """What hinders it ends it; what was done until then is told before."""
    bar = Bar if shown(args) else None
    reports = dict[str, Report]()
    try:
        for name, report in find(args).maintain(bar, dry_run=args.dry_run, trust_clock=args.trust_clock):
            reports[name] = report
    except (SettingsError, KmsError):
        if reports:
            _tell_work(args, reports, bar)
        raise
    _tell_work(args, reports, bar)
    for name, report in reports.items():
        if report.left:  # of what a dry run counts in another place
            print(f"tkms: {name}: the time was up before all keys had been looked at", file=sys.stderr)
    held = [report.held for report in reports.values() if report.held and report.due]
    for last in held:
        print(f"tkms: {held_text(last)}", file=sys.stderr)
    return 1 if held or any(report.failed for report in reports.values()) else 0


def _tell_work(args: argparse.Namespace, reports: Mapping[str, Report], bar: type[Bar] | None) -> None:
    if bar:
        clear()
    if args.json:
        print_json(reports)
    elif args.dry_run:
        table([("WORK", "DUE", "FAILED"), *((name, str(r.due), str(r.failed)) for name, r in reports.items())])
        print("tkms: a dry run: nothing was done", file=sys.stderr)
    else:
        rows = [(name, str(r.due), str(r.done), str(r.failed)) for name, r in reports.items()]
        table([("WORK", "DUE", "DONE", "FAILED"), *rows])
    for name, report in reports.items():
        if report.errors:
            kinds = ", ".join(f"{kind} {count:,}" for kind, count in sorted(report.errors.items()))
            stay = counted(report.failed, "key failed and stays", "keys failed and stay")
            print(f"tkms: {name}: {stay} due ({kinds})", file=sys.stderr)
