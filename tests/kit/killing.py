"""The handler of a function that events start, whose process ends at one of its calls of AWS: deployed by tests only.

The first message of a batch says at which: `kill-<n>` in its body ends the first delivery before the n-th call, and the
second one after it. Whatever is delivered a third time goes through. It knows nothing but the function and its layers.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Any

from botocore.client import BaseClient

BEFORE, AFTER = "1", "2"
"""Deliveries that end before the call, and after it."""


def ended(event: Mapping[str, Any]) -> tuple[int, str]:
    """(number of the call, which delivery this is); no call has the number -1."""
    records = event.get("Records") or [{}]
    found = re.search(r"kill-(\d+)", str(records[0].get("body")))
    delivery = str(records[0].get("attributes", {}).get("ApproximateReceiveCount"))
    return (int(found[1]) if found else -1), delivery


def handler(event: Mapping[str, Any], context: Any) -> Any:
    at, delivery = ended(event)
    calls, made = 0, BaseClient._make_api_call  # type: ignore[attr-defined]

    def call(self: Any, *args: Any) -> Any:
        nonlocal calls
        this, calls = calls, calls + 1
        if this == at and delivery == BEFORE:
            os._exit(1)
        answer = made(self, *args)
        if this == at and delivery == AFTER:
            os._exit(1)
        return answer

    BaseClient._make_api_call = call  # type: ignore[attr-defined]
    try:
        from functions.sealed_by import handler as inner  # type: ignore[import-not-found]

        return inner.handler(event, context)
    finally:
        BaseClient._make_api_call = made  # type: ignore[attr-defined]
