"""How the metrics of one machine are called, and what is said of each: those of a deployment, and some of its own."""

from __future__ import annotations

import re
from collections.abc import Mapping

from tenantkms.audit import metrics
from tenantkms.keys.maintenance import JOBS
from tkms.machine.counts import AUDIT_TROUBLE, REQUESTS

_WORD = re.compile("(?<=[a-z])(?=[A-Z])")
_SECONDS = (metrics.LATENCY, metrics.PARENT_KEY_LATENCY)

HELP: Mapping[str, str] = {
    REQUESTS: "Calls that came in, by Action, whatever became of them.",
    metrics.LATENCY: "How long calls took whose Action ran.",
    metrics.ERRORS: "Calls that a fault of ours, or of what we depend on, has ended.",
    metrics.REFUSED: "Calls that were refused for what the caller did.",
    metrics.THROTTLED: "Calls beyond a limit.",
    metrics.AUTHENTICATION_FAILURES: "Calls whose signature, access key, nonce or time was refused.",
    metrics.INTEGRITY_FAULTS: "Rows that were read and not believed.",
    metrics.PARENT_KEY_CALLS: "What the parent key sealed and unsealed.",
    metrics.PARENT_KEY_LATENCY: "How long the parent key took.",
    metrics.COLD_START: "Workers that were started.",
    metrics.KEYS_PENDING_DELETION: "Keys that wait for their deletion.",
    AUDIT_TROUBLE: "Workers for which the audit log takes no line, or soon will not.",
    **{job.metric("Done"): f"{job.counted}: keys that are done." for job in JOBS.values()},
    **{job.metric("Failed"): f"{job.counted}: keys that failed and stay due." for job in JOBS.values()},
    **{job.metric("Due"): f"{job.counted}: keys that the last run found due." for job in JOBS.values()},
    **{job.metric("Held"): f"{job.counted}: keys that wait, since the clock has jumped." for job in JOBS.values()},
    "Connections": "Open connections of clients.",
    "Workers": "Workers of the server.",
    "StoreUp": "Whether the store could be read.",
    "Keys": "Keys, by state.",
    "SweepAge": "Seconds since the last run of scheduled work, or since the server began if there was none yet.",
}


def name_of(metric: str) -> str:
    """`tkms_keys_pending_deletion` of `KeysPendingDeletion`; what AWS has in milliseconds is in seconds here."""
    return f"tkms_{_WORD.sub('_', metric).lower()}" + ("_seconds" if metric in _SECONDS else "")
