"""Scheduled: destroys keys whose deletion window is over, and imported material that has expired.

It counts the keys that wait for their deletion, and brings up to date what listings count by.
Safe to run twice and concurrently; what it has no time for the next
run does.
The event may say `{"dry_run": true}`, and `{"trust_clock": true}` for an operator who knows that the clock is right.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from tenantkms.audit.metrics import KEYS_PENDING_DELETION
from tenantkms.keys.maintenance import DESTROY, run, tell
from tenantkms.model.states import KeyState
from tenantkms.runtime.lambda_entry import from_environment, in_time


def handler(event: Mapping[str, Any], context: Any) -> dict[str, Any]:
    """`Report`: how many keys were due, done and failed, by which errors, and whether some are left."""
    settings = from_environment()
    dry_run, trust_clock = (event.get(name) is True for name in ("dry_run", "trust_clock"))
    deps, more = settings.deps, in_time(context)
    report = run(DESTROY, deps, context.aws_request_id, dry_run=dry_run, trust_clock=trust_clock, more=more)
    tell(settings.metrics, DESTROY, report)
    if not dry_run:
        deps.keyring.settle(int(deps.clock()), more)
    waiting = settings.deps.keyring.count_waiting(KeyState.PENDING_DELETION)
    settings.metrics.put(**{KEYS_PENDING_DELETION: waiting})
    return msgspec.structs.asdict(report)
