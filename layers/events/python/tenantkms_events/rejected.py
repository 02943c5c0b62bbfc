"""The queue `rejected`: what can never be sealed, with the reason, and the body sealed under the quarantine CMK.

Redrive would move the body as it came, plaintext included, and no reason. So what is refused goes here, at its first
receive, and redrive is for crashes and outages only. `body_sealed` is a sealed file (FORMAT.md) in base64, which
`tkms events replay` opens and sends again.
"""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO
from typing import TYPE_CHECKING, Annotated, Any, Self

import msgspec
from msgspec import Meta, Struct

from tenantkms.crypto.context import canonical
from tenantkms.crypto.sealed import pack_head, read_head
from tenantkms.crypto.streaming import open_stream, seal_stream
from tenantkms.errors import KmsError
from tenantkms_events.actions import Actions, request_id
from tenantkms_events.aws import aws_faults
from tenantkms_events.errors import Rejected, unavailable

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord


class Arrived(Struct, frozen=True, kw_only=True):
    """A message of the queue: `sent` in Unix seconds, `received` how often by now."""

    message_id: str
    body: str
    sent: int
    received: int

    def __repr__(self) -> str:
        return f"Arrived({self.message_id})"

    @classmethod
    def of(cls, record: SQSRecord) -> Self:
        """What a record of the event of a queue tells."""
        return cls(
            message_id=record.message_id,
            body=record.body,
            sent=int(record.attributes.sent_timestamp) // 1000,
            received=int(record.attributes.approximate_receive_count),
        )


_Seconds = Annotated[int, Meta(ge=0, lt=1 << 35)]
"""Unix seconds that every calendar knows."""


class Rejection(Struct, frozen=True, kw_only=True):
    """What lies in the queue. `source` is whose message it was, `messages` or `objects`; `field` the part of the
    message that the reason is about, where it is known.
    """

    v: int
    source: str
    reason: str
    field: str
    message_id: str
    sent: _Seconds
    received: int
    rejected: _Seconds
    body_sealed: bytes


def context_of(message_id: str) -> dict[str, str]:
    """The encryption context of a rejected body."""
    return {"tkms": "rejected", "message_id": message_id}


def opened(rejection: Rejection, decrypt: Callable[[bytes, dict[str, str]], bytes]) -> str:
    """The body as it came. `decrypt` opens a data key under a context. Raises `InvalidCiphertext`."""
    source, context = BytesIO(rejection.body_sealed), context_of(rejection.message_id)
    data_key = decrypt(read_head(source), context)
    pieces = [bytes(piece) for piece in open_stream(data_key, canonical(context), source)]
    return b"".join(pieces).decode("utf-8", "surrogatepass")


class RejectedQueue:
    def __init__(
        self, source: str, tenant: str, actions: Actions, client: Any, url: str, clock: Callable[[], float]
    ) -> None:
        self._source = source
        self._tenant = tenant
        self._actions = actions
        self._client = client
        self._url = url
        self._clock = clock

    def put(self, arrived: Arrived, why: Rejected) -> None:
        """Raises `Unavailable` if it cannot be sealed or sent: then the message is to come again."""
        context = context_of(arrived.message_id)
        try:
            key = self._actions.quarantine_key(request_id(self._tenant, arrived.message_id), context)
        except KmsError as error:
            raise unavailable() from error
        body = BytesIO(arrived.body.encode("utf-8", "surrogatepass"))
        pieces = [bytes(piece) for piece in seal_stream(key.plaintext, canonical(context), body)]
        told = Rejection(
            v=1,
            source=self._source,
            reason=why.reason,
            field=why.field,
            message_id=arrived.message_id,
            sent=arrived.sent,
            received=arrived.received,
            rejected=int(self._clock()),
            body_sealed=b"".join([pack_head(key.ciphertext), *pieces]),
        )
        with aws_faults():
            self._client.send_message(QueueUrl=self._url, MessageBody=msgspec.json.encode(told).decode())
