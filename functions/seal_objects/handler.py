"""seal_objects: what is put into the inbox is sealed into the bucket beside it, and taken out of the inbox.

One message of S3 for each invocation. An object that can never be sealed goes to the queue `rejected`, and stays where
it is. Once an hour a timer brings no message: then the inbox is looked through for what none came for.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord

from tenantkms.audit.faults import log_fault
from tenantkms.errors import Unavailable
from tenantkms_events.arrivals import arrivals
from tenantkms_events.assemble import ObjectsOf, aws_client, objects
from tenantkms_events.errors import GivenBack, Rejected
from tenantkms_events.rejected import Arrived

AGE = timedelta(hours=1)
"""Of what a sweep brings: younger ones may be on their way."""
MOST = 10_000
"""Objects that one sweep brings, of which each takes a few calls."""

_logger = Logger(service="seal_objects", use_rfc3339=True)


@lru_cache(maxsize=1)
def _objects() -> ObjectsOf:
    return objects(os.environ, aws_client())


def work(with_: ObjectsOf, record: SQSRecord) -> None:
    """One message. Raises `GivenBack` for every fault."""
    arrived = Arrived.of(record)
    try:
        _sealed(with_, arrived)
    except Exception as error:  # noqa: BLE001 - nothing of it may reach Powertools, which would show it
        log_fault(arrived.message_id, error)
        with suppress(Unavailable):
            with_.queue.later(record.receipt_handle, arrived.received)
        raise GivenBack from None


def _sealed(with_: ObjectsOf, arrived: Arrived) -> None:
    sources = []
    try:
        for source in arrivals(arrived.body, with_.inbox.bucket):
            sources = [source]
            outcome = with_.sealer.seal(source)
            _logger.info(
                outcome.what,
                message_id=arrived.message_id,
                key=source.key,
                version=source.version,
                sealed_as=outcome.name,
                bytes=outcome.size,
            )
    except Rejected as why:
        with_.rejected.put(arrived, why)
        for source in sources:
            with_.inbox.reject(source, why.reason)
        _logger.warning("rejected", message_id=arrived.message_id, reason=why.reason, field=why.field)


def sweep(with_: ObjectsOf, now: datetime) -> int:
    """Bring what no message came for, or came for in vain. How many there were, which an alarm counts."""
    left = 0
    for source in with_.inbox.left(now, AGE):
        with_.queue.send(source)
        left += 1
        if left == MOST:
            break
    _logger.info("swept", left=left)
    return left


def record_handler(record: SQSRecord) -> None:
    """Powertools calls it with this name of its parameter; with another one every record of a batch would fail."""
    work(_objects(), record)


# Never raises for a batch: the text of what it would raise holds the exceptions of all its records.
_processor = BatchProcessor(event_type=EventType.SQS, raise_on_entire_batch_failure=False)


def handler(event: Mapping[str, Any], context: Any) -> Mapping[str, Any]:
    """The Lambda handler: which messages come again, or, for the timer, how many objects were left."""
    if "Records" not in event:
        return {"left": sweep(_objects(), datetime.now(UTC))}
    return process_partial_response(
        event=dict(event), record_handler=record_handler, processor=_processor, context=context
    )


if "AWS_LAMBDA_FUNCTION_NAME" in os.environ:
    _objects()
