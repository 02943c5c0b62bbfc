"""`tkms standby` and `tkms failover`."""

from __future__ import annotations

import argparse
import sys
import time
from typing import Literal

from msgspec import Struct

from tenantkms.errors import Unavailable
from tenantkms.keys.maintenance import DESTROY, ROTATE
from tenantkms.names import folder
from tenantkms.runtime.assemble import SettingsError
from tenantkms.store.dynamodb_fence import FenceRows
from tenantkms.store.fence import Active
from tkms.output import Bar, Failed, clear, confirm, print_json, shown, table, time_text
from tkms.stack.stack import Stack, aws_errors
from tkms.standby import copies
from tkms.standby.failover import Waits, fence_off, hand_over, reachable, take_over

_STOPPED = ("endpoint", folder(ROTATE.name), folder(DESTROY.name))


class _Done(Struct, frozen=True, kw_only=True):
    """`fenced`: by what the other region was told that it takes no changes any more."""

    region: str
    epoch: int
    since: int
    fenced: Literal["store", "functions", "nothing"] = "store"


def _of_two_regions(stack: Stack) -> Stack:
    if "Peer" not in stack.outputs:
        raise SettingsError(f"{stack.name} has one region only: give the tenant's entry a standby, and deploy it.")
    return stack


def standby(args: argparse.Namespace) -> int:
    return copy(_of_two_regions(Stack(args.stack)), args)


def failover(args: argparse.Namespace) -> int:
    return change_over(_of_two_regions(Stack(args.stack)), args)


def copy(stack: Stack, args: argparse.Namespace) -> int:
    peer = stack.outputs["Peer"]
    if stack.outputs["Here"] != stack.outputs["First"]:
        raise SettingsError(f"{stack.name} in {stack.outputs['Here']} is the standby: AWS_REGION={peer}")
    confirm(args, f"Keys, access keys and the parent key are copied to {peer}.", stack.name)
    for line in copies.make(stack):
        print(line, file=sys.stderr)
    if not args.json:
        print("In the tenant's entry, and then deploy it and its standby:")
    print_json({"standby": copies.entry(stack)})
    return 0


def _replicas(stack: Stack) -> dict[str, FenceRows]:
    """By region, the one of the stack first."""
    first, name = stack.outputs["First"], stack.outputs["KeysTable"]
    regions = (stack.outputs["Here"], stack.outputs["Peer"])
    retries = {"total_max_attempts": 2}
    return {
        region: FenceRows(stack.client("dynamodb", region=region, retries=retries), name, first) for region in regions
    }


def change_over(stack: Stack, args: argparse.Namespace) -> int:
    """1 where the other region could not be told, as for what fails."""
    replicas = _replicas(stack)
    known = reachable(replicas)
    if args.dry_run:
        return _show(args, replicas, known)
    if not known:
        raise Failed("Neither region's keys table answers.")
    to = args.to or stack.outputs["Here"]  # given twice, it is done once
    if to not in replicas:
        raise Failed(f"{to} is none of the stack's regions: {', '.join(replicas)}.")
    other = next(region for region in replicas if region != to)
    if missing := [region for region in replicas if region not in known and (region == to or not args.lost)]:
        raise Failed(f"The keys table in {missing[0]} does not answer. If {other} is lost: --to {to} --lost")
    if args.lost:
        confirm(args, f"What {other} was told in its last seconds may be missing in {to}.", stack.name)
        done = _lost(stack, replicas, to, other)
    else:
        confirm(args, f"For about {args.settle} seconds nothing is changed; then it is in {to}.", stack.name)
        waits = Waits(clock=time.time, sleep=time.sleep, settle=args.settle)
        done = _told(hand_over(replicas, to, waits, Bar("waiting", args.settle, "s") if shown(args) else None))
        if shown(args):
            clear()
    if args.json:
        print_json(done)
    else:
        print(f"Keys are changed in {done.region} since {time_text(done.since)}.")
        if args.lost:
            print(f"Nothing is rotated or destroyed. When {other} is back, or given up: tkms maintain --trust-clock")
    if done.fenced == "nothing":
        print(
            f"tkms: {other} could not be told: it takes changes from whoever reaches it until its replica has come up"
            " to date. Turn clients away from it, and give the same command again when it answers.",
            file=sys.stderr,
        )
    return 1 if done.fenced == "nothing" else 0


def _told(active: Active) -> _Done:
    return _Done(region=active.region, epoch=active.epoch, since=active.since)


def _lost(stack: Stack, replicas: dict[str, FenceRows], to: str, other: str) -> _Done:
    taken = take_over(replicas, to, time.time)
    done = _told(taken)
    if fence_off(replicas, taken):
        return done
    return _Done(
        region=done.region,
        epoch=done.epoch,
        since=done.since,
        fenced="functions" if _stop(stack, other) else "nothing",
    )


def _stop(stack: Stack, region: str) -> bool:
    """Take away what the old region's functions run with; whether that could be done."""
    client = stack.client("lambda", region=region, retries={"total_max_attempts": 2})
    try:
        for name in _STOPPED:
            with aws_errors(f"{name} in {region} cannot be stopped"):
                client.put_function_concurrency(
                    FunctionName=stack.outputs["FunctionPrefix"] + name, ReservedConcurrentExecutions=0
                )
    except SettingsError as e:
        print(f"tkms: {e}", file=sys.stderr)
        return False
    return True


def _show(args: argparse.Namespace, replicas: dict[str, FenceRows], known: dict[str, FenceRows]) -> int:
    """1 where a region does not answer, or the two do not say the same."""
    said: dict[str, list[Active]] = {region: [] for region in replicas}
    for region, rows in known.items():
        try:
            said[region] = sorted(rows.all(), key=lambda active: active.epoch)
        except Unavailable:
            continue
    if args.json:
        print_json(said)
    else:
        rows_ = [
            (region, active.region or f"nowhere, on the way to {active.to}", str(active.epoch), time_text(active.since))
            for region, found in said.items()
            for active in found or [Active(region="it does not answer")]
        ]
        table([("REPLICA", "CHANGES ARE MADE IN", "EPOCH", "SINCE"), *rows_])
    return 0 if len({tuple(found) for found in said.values()}) == 1 and all(said.values()) else 1
