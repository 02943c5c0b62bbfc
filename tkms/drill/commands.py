"""`tkms drill`: the documented commands, in a sandbox of their own."""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from tkms import checkout
from tkms.drill import page, sandbox
from tkms.drill.acts import Drill, Planned, Where, plan
from tkms.drill.drills import DRILLS
from tkms.drill.play import DONE, Row, play, rows
from tkms.drill.report import INTERRUPTED, Kept, Lines, Report, Short, show, state
from tkms.drill.sandbox import Sandbox
from tkms.drill.shell import Shell
from tkms.machine.lock import locked
from tkms.output import UsageError, print_json, say
from tkms.process import end_orderly

ALL, AWAY = "all", "away"
SANDBOX = "sandbox"
_SECONDS = 3 * 3600
"""A restore may take that long."""
_NEEDED = (page.PAGE, "Makefile", "cdk/app.py")


def drill(args: argparse.Namespace) -> int:
    """One or all of them, on one stack. Raises `UsageError` and `Failed` before anything is made."""
    root = checkout.ROOT
    checkout.require("Drills are run", *_NEEDED, root=root)
    if args.name == AWAY and not args.tenant:
        raise UsageError(f"{AWAY} takes the sandbox away that --tenant names")
    name = sandbox.tenant(args.tenant)
    where = Where(sandbox.EMULATOR in os.environ, sandbox.release(root, args.release))
    drills = DRILLS if args.name in (ALL, AWAY) else {args.name: DRILLS[args.name]}
    parts = _parts(page.sections(root=root), drills, where)
    if args.dry_run:
        return _shown(args, parts, where)
    end_orderly()
    with tempfile.TemporaryDirectory(prefix="tkms-drill-") as made:
        folder, tenants = page.checkout(Path(made, "checkout"), root), Path(made, "tenants.json")
        settings = sandbox.settings(os.environ)
        asking = Shell(folder, settings)
        found = sandbox.found(asking, name, where)
        there = sandbox.is_there(asking, found)
        if args.name != AWAY:
            sandbox.check_bootstrapped(asking, found)
        tenants.write_text(json.dumps([found.entry]), "utf-8")
        shell = Shell(folder, {**settings, **sandbox.names(found, tenants)}, _SECONDS)
        with locked(root / f"build/{found.stack}.lock", f"A drill of {found.stack} runs from here: let it end."):
            return _drilled(args, found, shell, parts, cleaning=there or bool(args.tenant))


Parts = Mapping[str, Sequence[Planned]]


def _parts(blocks: Mapping[str, Sequence[str]], drills: Mapping[str, Drill], where: Where) -> dict[str, list[Planned]]:
    """What is done, by the names that rows have."""
    shared = [blocks[section][number] for section, number in sandbox.BLOCKS]
    made = {SANDBOX: plan(sandbox.SETUP, shared, where)}
    made |= {name: plan(one.acts, blocks[one.section], where) for name, one in drills.items()}
    return made | {AWAY: plan(sandbox.away(drills), [], where)}


def _shown(args: argparse.Namespace, parts: Parts, where: Where) -> int:
    """What would be done, as `_drilled` does it."""
    planned = rows(AWAY, _cleaning(where)) if args.tenant else []
    if args.name != AWAY:
        planned += [row for name, part in parts.items() if name != AWAY or not args.keep for row in rows(name, part)]
    if args.json:
        print_json(planned)
        return 0
    lines = Lines()
    for row in planned:
        lines.begun(row)
        if row.state:
            lines.ended(row)
    return 0


def _drilled(args: argparse.Namespace, found: Sandbox, shell: Shell, parts: Parts, *, cleaning: bool) -> int:
    told = Kept(Short() if args.json else Lines())
    done = told.rows
    left = f"tkms drill {AWAY} --sandbox --tenant {found.tenant}"
    if args.name != AWAY:  # before anything is made: what is killed cannot say it any more
        place = f"{found.stack} in {found.account}, {found.region}"
        say(f"tkms: the sandbox is {place}. If this is killed: {left}", sys.stderr)
    try:
        if cleaning:  # of an earlier drill that was interrupted, or kept it
            play(AWAY, _cleaning(found.where), shell, told)
        if args.name != AWAY:
            broken = _broken(done, "what an earlier drill left cannot be taken away")
            for name, part in parts.items():
                if name == AWAY:
                    continue
                play(name, part, shell, told, broken)
                broken = broken or _broken(done, f"{name} failed")
            if not args.keep:
                play(AWAY, parts[AWAY], shell, told)
    except BaseException:  # Ctrl-C and SIGTERM, mostly
        say(
            f"tkms: interrupted. The stack {found.stack} in {found.account}, {found.region} may be there, and what the"
            f" drill has made beside it; what was begun may go on there. Take it away: {left}",
            sys.stderr,
        )
        if args.json:
            print_json(_report(found, done, INTERRUPTED, kept=True))
        raise
    report = _report(found, done, state(done), kept=args.keep and args.name != AWAY)
    if args.json:
        print_json(report)
    else:
        show(report)
    gone = [row for row in done if row.drill == AWAY]
    if report.kept or state(gone) != DONE:
        say(f"{found.stack} is there. Take it away: {left}", sys.stderr)
    return 0 if report.state == DONE else 1


def _report(found: Sandbox, done: list[Row], state: str, *, kept: bool) -> Report:
    return Report(
        stack=found.stack,
        account=found.account,
        region=found.region,
        emulator=found.where.emulator,
        release=found.where.release,
        kept=kept,
        state=state,
        rows=done,
    )


def _cleaning(where: Where) -> list[Planned]:
    """Of a stack of which nobody knows how far a drill came."""
    return plan(sandbox.away(DRILLS), [], where)


def _broken(done: Sequence[Row], why: str) -> str:
    return why if state(done) != DONE else ""
