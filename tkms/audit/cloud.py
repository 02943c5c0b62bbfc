"""Lines of an audit log in the log groups of a stack's functions."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from itertools import chain

from tkms.audit.lines import Raw
from tkms.stack.stack import Stack, aws_errors

_PATTERN = "{ ($.outcome = *) && ($.principal = *) }"
_GROUP = "AWS::Logs::LogGroup"
_POLL_SECONDS = 5.0
_OVERLAP_SECONDS = 60.0
"""So long CloudWatch may take to show a line."""


def of_stack(stack: Stack, since: float) -> list[Iterator[Raw]]:
    """Of each log group of a stack. All raise `SettingsError`."""
    return [_of_group(stack, group, since) for group in _groups(stack)]


def _of_group(stack: Stack, group: str, since: float) -> Iterator[Raw]:
    with aws_errors(f"The log group {group} cannot be read"):
        pages = (
            stack.client("logs")
            .get_paginator("filter_log_events")
            .paginate(logGroupName=group, filterPattern=_PATTERN, startTime=int(since * 1000))
        )
        for page in pages:
            for event in page["events"]:
                yield f"{group}/{event['logStreamName']}", event["message"].encode()


def _groups(stack: Stack) -> list[str]:
    with aws_errors(f"The resources of {stack.name} cannot be listed"):
        pages = stack.client("cloudformation").get_paginator("list_stack_resources").paginate(StackName=stack.name)
        rows = [row for page in pages for row in page["StackResourceSummaries"]]
    return [row["PhysicalResourceId"] for row in rows if row["ResourceType"] == _GROUP]


def follow_stack(stack: Stack, sleep: Callable[[float], None] = time.sleep) -> Iterator[bytes]:
    """What is added from now on, without an end. CloudWatch shows a line some seconds after it was written."""
    seen: dict[bytes, float] = {}
    begin = time.time()
    while True:
        now = time.time()
        for _, raw in chain.from_iterable(of_stack(stack, max(begin, now - _OVERLAP_SECONDS))):
            if raw not in seen:
                yield raw
            seen[raw] = now
        seen = {raw: at for raw, at in seen.items() if at > now - 2 * _OVERLAP_SECONDS}
        sleep(_POLL_SECONDS)
