"""`tkms fleet`: a table of all tenants, what is wrong with which, and a report for programs."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from functools import partial

from tkms.fleet import deploy as deploying
from tkms.fleet.tenants import Tenant, listed
from tkms.fleet.work import Examined, Row, Status, each, examined
from tkms.fleet.work import status as status_of
from tkms.output import Bar, clear, confirm, counted, print_json, printable, say, shown, table


def status(args: argparse.Namespace) -> int:
    rows = _worked(args, listed(args.tenants, args.only), partial(status_of, role=args.role))
    cells = [
        (r.tenant, r.account, r.region, r.state, *((r.version, r.updated, r.url) if isinstance(r, Status) else "   "))
        for r in rows
    ]
    return _told(args, rows, [("TENANT", "ACCOUNT", "REGION", "STATE", "VERSION", "UPDATED", "URL"), *cells])


def doctor(args: argparse.Namespace) -> int:
    rows = _worked(args, listed(args.tenants, args.only), partial(examined, role=args.role))
    cells = [
        (
            r.tenant,
            r.account,
            r.region,
            r.state,
            *((str(r.problems), str(r.warnings)) if isinstance(r, Examined) else "  "),
        )
        for r in rows
    ]
    return _told(args, rows, [("TENANT", "ACCOUNT", "REGION", "STATE", "PROBLEMS", "WARNINGS"), *cells])


def deploy(args: argparse.Namespace) -> int:
    tenants = listed(args.tenants, args.only)
    folder = deploying.ROOT / "build/fleet"
    deploying.program()
    confirm(
        args,
        f"{counted(len(tenants), 'stack is', 'stacks are')} deployed: {', '.join(tenant.name for tenant in tenants)}.",
    )
    folder.mkdir(parents=True, exist_ok=True)
    say("writing the templates ...", sys.stderr)
    one = deploying.deployer(deploying.synthesized(args.tenants, folder), folder)
    rows = _worked(args, tenants, one)
    return _told(
        args,
        rows,
        [("TENANT", "ACCOUNT", "REGION", "STATE"), *((r.tenant, r.account, r.region, r.state) for r in rows)],
    )


def _worked(args: argparse.Namespace, tenants: Sequence[Tenant], one: Callable[[Tenant], Row]) -> list[Row]:
    bar = Bar(args.verb, len(tenants), " tenants") if shown(args) else None

    def told(row: Row, count: int) -> None:
        if bar:
            bar(count)
        else:
            say(f"{count}/{len(tenants)} {row.tenant}: {row.state}", sys.stderr)

    rows = each(tenants, one, args.parallel, told)
    if bar:
        clear()
    return rows


def _told(args: argparse.Namespace, rows: Sequence[Row], cells: Sequence[Sequence[str]]) -> int:
    """Status 1 if there is something to do for a tenant."""
    bad = [row for row in rows if row.reason]
    if args.json:
        print_json(rows)
    else:
        table(cells)
        for row in bad:
            print(f"{row.tenant}: {printable(row.reason)}")
        print(f"{counted(len(rows), 'tenant')}, {len(bad)} of them with a problem")
    return 1 if bad else 0
