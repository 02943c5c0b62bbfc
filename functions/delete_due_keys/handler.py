"""Scheduled: destroys keys whose deletion window is over, and imported material that has expired.

It counts the keys that wait for their deletion. Safe to run twice and concurrently.
The event may say `{"dry_run": true}`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from tenantkms.audit.metrics import KEYS_PENDING_DELETION
from tenantkms.keys.maintenance import DESTROY, run, tell
from tenantkms.model.states import KeyState
from tenantkms.runtime.lambda_entry import from_environment


def handler(event: Mapping[str, Any], context: Any) -> dict[str, int]:
    """How many keys were due, done and failed."""
    settings = from_environment()
    report = run(DESTROY, settings.deps, context.aws_request_id, dry_run=event.get("dry_run") is True)
    tell(settings.metrics, DESTROY, report)
    waiting = settings.deps.keyring.count_waiting(KeyState.PENDING_DELETION)
    settings.metrics.put(**{KEYS_PENDING_DELETION: waiting})
    return msgspec.structs.asdict(report)
