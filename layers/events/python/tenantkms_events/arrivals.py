"""S3's notifications, as a queue brings them: which versions of which objects have come, and when they come again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote_plus, unquote_plus

import msgspec
from aws_lambda_powertools.utilities.data_classes import S3Event
from msgspec import Struct

from tenantkms_events.aws import aws_faults
from tenantkms_events.errors import FOREIGN_BUCKET, INVALID_MESSAGE, Rejected

CREATED = "ObjectCreated:"
_PAUSE = 10
_TEST = "s3:TestEvent"
_NO_VERSION = "null"
"""Of a bucket that keeps no versions: such an object may change while it is sealed."""
_decode = msgspec.json.Decoder(dict[str, Any]).decode


class Source(Struct, frozen=True):
    """A version of an object. `sequencer`: S3's order of the versions of one name; empty if it is not known."""

    bucket: str
    key: str
    version: str
    sequencer: str


def arrivals(body: str, bucket: str) -> list[Source]:
    """The versions that a notification of `bucket` tells of; none in S3's test of the queue, and of what was deleted.

    Raises `Rejected` for what is no notification, and for one of another bucket.
    """
    try:
        told = _decode(body)
        if told.get("Event") == _TEST and "Records" not in told:
            return []
        found = list(_sources(told))
    except (msgspec.DecodeError, UnicodeError, KeyError, TypeError, AttributeError):
        raise Rejected(INVALID_MESSAGE) from None
    if any(source.bucket != bucket for source in found):
        raise Rejected(FOREIGN_BUCKET)
    return found


def _sources(told: Mapping[str, Any]) -> Iterator[Source]:
    for record in S3Event(dict(told)).records:
        if not record.event_name.startswith(CREATED):
            continue
        about = record.s3.get_object
        key = unquote_plus(about.key, errors="strict")
        source = Source(record.s3.bucket.name, key, about.version_id or _NO_VERSION, about.get("sequencer") or "")
        if not all(isinstance(part, str) for part in msgspec.structs.astuple(source)) or source.version == _NO_VERSION:
            raise TypeError
        key.encode()  # no lone surrogates
        yield source


def notification(source: Source) -> str:
    """What S3 would have sent."""
    about = {"key": quote_plus(source.key), "versionId": source.version}
    record = {
        "eventSource": "aws:s3",
        "eventName": f"{CREATED}Swept",
        "s3": {"bucket": {"name": source.bucket}, "object": about},
    }
    return msgspec.json.encode({"Records": [record]}).decode()


class ObjectsQueue:
    """The queue that S3 sends to. Raises `Unavailable` for every fault of it."""

    def __init__(self, client: Any, url: str) -> None:
        self._client = client
        self._url = url

    def send(self, source: Source) -> None:
        """As if S3 had told of it now."""
        with aws_faults():
            self._client.send_message(QueueUrl=self._url, MessageBody=notification(source))

    def later(self, receipt: str, received: int) -> None:
        """Let a message come again soon: left alone it waits for the longest time that a function may take, six times.

        20 s after its first delivery, then twice as long each time: 40 minutes until the last one.
        """
        with aws_faults():
            self._client.change_message_visibility(
                QueueUrl=self._url, ReceiptHandle=receipt, VisibilityTimeout=_PAUSE * 2 ** min(received, 8)
            )
