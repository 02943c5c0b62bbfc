"""seal_messages: what a queue brings is encrypted under the CMK that it names, and the ciphertext delivered.

A message that can never be sealed goes to the queue `rejected`, at its first receive, and is done. What failed for now
comes again, and the other messages of the batch are done without it.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord

from tenantkms.audit.faults import log_fault
from tenantkms_events.assemble import Messages, aws_client, messages
from tenantkms_events.errors import GivenBack, Rejected
from tenantkms_events.log import log
from tenantkms_events.message import kind_of, read
from tenantkms_events.rejected import Arrived
from tenantkms_events.sealing import Outcome


@lru_cache(maxsize=1)
def _messages() -> Messages:
    return messages(os.environ, aws_client())


def work(with_: Messages, record: SQSRecord) -> None:
    """One message. Raises `GivenBack` for every fault."""
    arrived = Arrived.of(record)
    try:
        try:
            _sealed(arrived, with_.sealer.seal(*read(arrived.body), arrived.message_id))
        except Rejected as why:
            with_.rejected.put(arrived, why)
            log("rejected", message_id=arrived.message_id, reason=why.reason, field=why.field)
    except Exception as error:  # noqa: BLE001 - nothing of it may reach Powertools, which would show it
        log_fault(arrived.message_id, error)
        raise GivenBack from None


def _sealed(arrived: Arrived, outcome: Outcome) -> None:
    """The line of a message: it says which, under which key, and where to, and nothing of what is in it."""
    row = outcome.row
    log(
        "sealed" if outcome.sealed else "superseded",
        message_id=arrived.message_id,
        request_id=outcome.request_id,
        id=row.id,
        target_type=kind_of(row.target),
        target_name=row.target.name,
        sequence=row.sequence,
        again=outcome.again,
    )


def answer(with_: Messages, event: Mapping[str, Any], context: Any) -> Mapping[str, Any]:
    """Which messages of a batch come again.

    Powertools calls the handler of a record with `record=`: under another name every record would fail. It never raises
    for a whole batch, since the text of what it would raise holds the exceptions of all records.
    """

    def record_handler(record: SQSRecord) -> None:
        work(with_, record)

    processor = BatchProcessor(event_type=EventType.SQS, raise_on_entire_batch_failure=False)
    return process_partial_response(
        event=dict(event), record_handler=record_handler, processor=processor, context=context
    )


def handler(event: Mapping[str, Any], context: Any) -> Mapping[str, Any]:
    """The Lambda handler."""
    return answer(_messages(), event, context)


if "AWS_LAMBDA_FUNCTION_NAME" in os.environ:
    _messages()
