"""What each command of `tkms` does, on the place that its command line names. `cli.py` has their options."""

from __future__ import annotations

import argparse
import base64
import sys
import time
from collections.abc import Sequence
from typing import Any

from tenantkms.model.credential import Credential
from tenantkms.wire.parse import decode_base64
from tkms.output import Bar, Failed, UsageError, clear, held_text, print_json, shown, table
from tkms.places import Place, find
from tkms.snippets import SNIPPETS, render


def no_credential(wanted: str) -> Failed:
    return Failed(f"There is no credential {wanted}: tkms credential list")


def named(credentials: Sequence[Credential], wanted: str) -> list[Credential]:
    """Those with the id or name `wanted`."""
    return [c for c in credentials if wanted in (c.access_key_id, c.name)]


def only(found: Sequence[Credential], wanted: str) -> Credential:
    """The one of `found`, which is not empty. Raises `Failed` for several: what they may can differ."""
    if len(found) > 1:
        ids = ", ".join(c.access_key_id for c in found)
        raise Failed(f"{len(found)} credentials are called {wanted}: name one by its id ({ids})")
    return found[0]


def _credential_for(place: Place, wanted: str | None, dialect: str) -> Credential:
    """The active credential with the id or name `wanted`, or the first one; an empty `dialect` is any."""
    now = time.time()
    credentials = [c for c in place.access.store.list_credentials() if c.active(now)]
    if wanted:
        credentials = named(credentials, wanted)
    if not credentials:
        raise Failed("There is no active credential of that name: tkms credential list, or create")
    fitting = [c for c in credentials if not dialect or dialect in c.dialects]
    if not fitting:
        raise Failed(f"No active credential of that name is for the dialect {dialect}: tkms credential list, or create")
    return only(fitting, wanted) if wanted else fitting[0]


def snippet(args: argparse.Namespace) -> int:
    place = find(args)
    credential = _credential_for(place, args.credential, SNIPPETS[args.name].dialect if args.name else "")
    key: Any = place.call("DescribeKey", {"key_ids": [args.key]})
    names = [args.name] if args.name else [n for n, s in SNIPPETS.items() if s.dialect in credential.dialects]
    filled: dict[str, Any] = {
        "url": args.endpoint or place.url,
        "access_key_id": credential.access_key_id,
        "secret": place.access.secret(credential),
        "key": args.key,
        "key_id": key["keys"][0]["id"],
        "site": place.settings.site,
    }
    print("\n".join(render(name, **filled) for name in names), end="")
    return 0


def context(args: argparse.Namespace) -> dict[str, str]:
    pairs = [item.partition("=") for item in args.context]
    if not all(equals and name for name, equals, _ in pairs):
        raise UsageError("--context takes NAME=VALUE")
    if len({name for name, _, _ in pairs}) != len(pairs):
        raise UsageError("--context names a pair twice")
    return {name: value for name, _, value in pairs}


def encrypt(args: argparse.Namespace) -> int:
    pairs = context(args)
    plaintext = base64.b64encode(sys.stdin.buffer.read()).decode()
    answer: Any = find(args).call("Encrypt", {"key_id": args.key, "plaintext": plaintext, "context": pairs})
    if args.json:
        print_json(answer)
    else:
        print(answer["ciphertext"])
    return 0


def decrypt(args: argparse.Namespace) -> int:
    pairs = context(args)
    text = "".join(line.strip() for line in sys.stdin)  # a mail or an editor may have folded it
    if decode_base64(text) is None:
        raise Failed("The standard input is not a ciphertext blob in base64.")
    answer: Any = find(args).call("Decrypt", {"ciphertext": text, "context": pairs})
    if args.json:
        print_json(answer)
    else:
        sys.stdout.buffer.write(base64.b64decode(answer["plaintext"]))
        sys.stdout.buffer.flush()
    return 0


def maintain(args: argparse.Namespace) -> int:
    bar = Bar if shown(args) else None
    reports = find(args).maintain(bar, dry_run=args.dry_run, trust_clock=args.trust_clock)
    if bar:
        clear()
    if args.json:
        print_json(reports)
    else:
        rows = [(name, str(r.due), str(r.done), str(r.failed)) for name, r in reports.items()]
        table([("WORK", "DUE", "DONE", "FAILED"), *rows])
    held = [report.held for report in reports.values() if report.held and report.due]
    for last in held:
        print(f"tkms: {held_text(last)}", file=sys.stderr)
    return 1 if held or any(report.failed for report in reports.values()) else 0
