"""Scheduled: rotates keys whose automatic rotation is due.

Safe to run twice and concurrently; what it has no time for the next run does. The event may say `{"dry_run": true}`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from tenantkms.keys.maintenance import ROTATE, run, tell
from tenantkms.runtime.lambda_entry import from_environment, in_time


def handler(event: Mapping[str, Any], context: Any) -> dict[str, Any]:
    """`Report`: how many keys were due, done and failed, by which errors, and whether some are left."""
    settings = from_environment()
    dry_run = event.get("dry_run") is True
    report = run(ROTATE, settings.deps, context.aws_request_id, dry_run=dry_run, more=in_time(context))
    tell(settings.metrics, ROTATE, report)
    return msgspec.structs.asdict(report)
