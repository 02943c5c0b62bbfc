"""The queues of a deployed stack's events: how much lies in them, and back to work with what was set aside.

What is sent again is deleted afterwards, so a replay that breaks off loses nothing; what it sends twice is done once,
since the functions know it by its id.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any, Protocol

import msgspec
from msgspec import Struct, field

from tenantkms.errors import InvalidCiphertext, KmsError
from tenantkms.runtime.assemble import SettingsError
from tenantkms_events.rejected import Rejection, opened
from tkms.output import NotDone
from tkms.places import reason
from tkms.stack.stack import aws_errors

SOURCES: Mapping[str, tuple[str, str]] = {
    "messages": ("EventsQueueUrl", "EventsDeadLetterQueueUrl"),
    "objects": ("ObjectsQueueUrl", "ObjectsDeadLetterQueueUrl"),
}
"""Source -> outputs of the stack: its queue, and its dead-letter queue."""
REJECTED = "EventsRejectedQueueUrl"
_HELD = 300
"""Seconds that a message is out of sight while it is looked at."""
_BATCH = 10
_NEVER = ("InvalidParameterValue", "InvalidMessageContents"), "is too long for its queue, or has characters of none"
"""What a queue says of a message that it will not take."""


class Cloud(Protocol):
    """`tkms.stack.stack.Stack`."""

    name: str

    @property
    def outputs(self) -> Mapping[str, str]: ...

    def client(self, service: str, **config: Any) -> Any: ...

    def call(self, action: str, params: dict[str, object]) -> dict[str, object]: ...


class Depth(Struct, frozen=True, kw_only=True):
    """`waiting` and `in_flight` are about right, as SQS says."""

    queue: str
    waiting: int
    in_flight: int


class Told(Struct, frozen=True, kw_only=True):
    """A rejected message, as far as it may be shown. Times are Unix seconds."""

    message_id: str
    source: str
    reason: str
    field: str
    sent: int
    rejected: int


class Failure(Struct, frozen=True):
    message_id: str
    reason: str


class Report(Struct, kw_only=True):
    """`left`: of another reason than was asked for. `stopped` says why it ended early, if it did."""

    replayed: int = 0
    left: int = 0
    failed: list[Failure] = field(default_factory=list)
    stopped: str = ""


class _Received(Struct, frozen=True, kw_only=True):
    message_id: str
    body: str
    handle: str


class _Event(Struct, frozen=True):
    """What EventBridge puts into a dead-letter queue: the event as it was, not the message made of it."""

    detail_type: str = field(name="detail-type")
    detail: msgspec.Raw


def queues(cloud: Cloud) -> dict[str, str]:
    """Name -> URL of those that the stack has. Raises `SettingsError` if it has none."""
    named = {"rejected": REJECTED}
    for source, (queue, dead) in SOURCES.items():
        named |= {source: queue, f"{source} dead letters": dead}
    found = {name: cloud.outputs[output] for name, output in named.items() if output in cloud.outputs}
    if not found:
        raise SettingsError(f"{cloud.name} seals no events: its tenant's entry has no `events`.")
    return found


def depths(cloud: Cloud) -> list[Depth]:
    sqs = cloud.client("sqs")
    return [_depth(sqs, name, url) for name, url in sorted(queues(cloud).items())]


def _depth(sqs: Any, name: str, url: str) -> Depth:
    wanted = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    with aws_errors(f"The queue {name} cannot be read"):
        answer = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=wanted)["Attributes"]
    waiting, in_flight = (int(answer[name]) for name in wanted)
    return Depth(queue=name, waiting=waiting, in_flight=in_flight)


class Shelf:
    """A queue that is looked through: what is not `taken` is in sight again at the end."""

    def __init__(self, sqs: Any, url: str) -> None:
        self._sqs, self._url = sqs, url
        self._held: dict[str, str] = {}

    def __iter__(self) -> Iterator[_Received]:
        """Each message once, until none is in sight."""
        while True:
            with aws_errors("The queue cannot be read"):
                answer = self._sqs.receive_message(
                    QueueUrl=self._url,
                    MaxNumberOfMessages=_BATCH,
                    VisibilityTimeout=_HELD,
                    WaitTimeSeconds=1,
                )
            if not (batch := answer.get("Messages")):
                return
            new = [one for one in batch if one["MessageId"] not in self._held]
            for one in batch:
                self._held[one["MessageId"]] = one["ReceiptHandle"]
            for one in new:
                yield _Received(message_id=one["MessageId"], body=one["Body"], handle=one["ReceiptHandle"])

    def take(self, received: _Received) -> None:
        with aws_errors("It was sent again, but cannot be deleted"):
            self._sqs.delete_message(QueueUrl=self._url, ReceiptHandle=received.handle)
        del self._held[received.message_id]

    def give_back(self) -> None:
        for handle in self._held.values():
            with aws_errors("A message stays out of sight for five minutes"):
                self._sqs.change_message_visibility(QueueUrl=self._url, ReceiptHandle=handle, VisibilityTimeout=0)


@contextmanager
def _looking(sqs: Any, url: str) -> Iterator[Shelf]:
    shelf = Shelf(sqs, url)
    try:
        yield shelf
    finally:
        shelf.give_back()


def rejections(cloud: Cloud) -> list[Told]:
    """What lies in `rejected`, oldest first. A message that is none is told as one without a reason."""
    found = []
    with _looking(cloud.client("sqs"), queues(cloud)["rejected"]) as shelf:
        for received in shelf:
            try:
                r = _rejection(received.body)
                told = Told(
                    message_id=r.message_id,
                    source=r.source,
                    reason=r.reason,
                    field=r.field,
                    sent=r.sent,
                    rejected=r.rejected,
                )
            except NotDone:
                told = Told(message_id=received.message_id, source="", reason="", field="", sent=0, rejected=0)
            found.append(told)
    return sorted(found, key=lambda told: (told.rejected, told.message_id))


def _rejection(body: str) -> Rejection:
    try:
        return msgspec.json.decode(body, type=Rejection)
    except (msgspec.DecodeError, UnicodeError):
        raise NotDone("is no rejected message") from None


Unpack = Callable[[str], tuple[str, str] | None]
"""From the body of what was set aside to (source, body) of what is sent again; None: it is left."""


class Replay:
    """Of what was rejected (`why`: for this reason only) and of dead letters."""

    def __init__(self, cloud: Cloud, *, rejected: bool, dead_letters: bool, why: str = "", dry_run: bool) -> None:
        self._cloud = cloud
        self._sqs = cloud.client("sqs")
        self._urls = queues(cloud)
        self._why = why
        self._dry_run = dry_run
        self._sent: set[str] = set()
        """What was sent again: what comes back of it waits for the next replay."""
        self._shelves: list[tuple[str, Unpack]] = []
        if rejected:
            self._shelves.append(("rejected", self._opened))
        if dead_letters:
            there = [source for source in SOURCES if source in self._urls]
            self._shelves += [(f"{source} dead letters", partial(_letter, source)) for source in there]
        self.report = Report()

    def total(self) -> int:
        """About how many there are to look at."""
        return sum(_depth(self._sqs, name, self._urls[name]).waiting for name, _ in self._shelves)

    def run(self, progress: Callable[[int], None] | None = None) -> Report:
        """Raises nothing that is foreseen: the report says what was done, and why it stopped."""
        count = 0
        try:
            for name, unpack in self._shelves:
                with _looking(self._sqs, self._urls[name]) as shelf:
                    for received in shelf:
                        self._one(shelf, received, unpack)
                        count += 1
                        if progress:
                            progress(count)
        except (SettingsError, KmsError) as e:
            self.report.stopped = reason(e)
        return self.report

    def _one(self, shelf: Shelf, received: _Received, unpack: Unpack) -> None:
        """Raises what all that follows would meet too."""
        try:
            found = unpack(received.body)
            if found is None:
                self.report.left += 1
                return
            source, body = found
            if source not in self._urls:
                raise NotDone(f"is of {source}, which the stack does not seal")
            if not self._dry_run:
                with aws_errors("It cannot be sent", *_NEVER):
                    sent = self._sqs.send_message(QueueUrl=self._urls[source], MessageBody=body)
                self._sent.add(sent["MessageId"])
                shelf.take(received)
            self.report.replayed += 1
        except (NotDone, KmsError) as e:
            if isinstance(e, KmsError) and e.retryable:
                raise
            self.report.failed.append(Failure(received.message_id, str(e)))

    def _opened(self, body: str) -> tuple[str, str] | None:
        rejection = _rejection(body)
        if self._why not in ("", rejection.reason) or rejection.message_id in self._sent:
            return None
        if self._dry_run:
            return rejection.source, ""
        try:
            return rejection.source, opened(rejection, self._decrypt)
        except (InvalidCiphertext, UnicodeError):
            raise NotDone("does not open: it was changed, or sealed for another tenant") from None

    def _decrypt(self, blob: bytes, context: dict[str, str]) -> bytes:
        params: dict[str, object] = {"ciphertext": base64.b64encode(blob).decode(), "context": context}
        return base64.b64decode(str(self._cloud.call("Decrypt", params)["plaintext"]))


def _letter(source: str, body: str) -> tuple[str, str]:
    try:
        return source, bytes(msgspec.json.decode(body, type=_Event).detail).decode()
    except (msgspec.DecodeError, UnicodeError):
        return source, body
