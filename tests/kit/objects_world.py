"""Objects on their way from an inbox to sealed, on moto's S3, with every call of a worker open to faults."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path
from typing import Any

import botocore.session
import msgspec
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
from botocore.exceptions import ClientError, ReadTimeoutError
from moto import mock_aws

from functions.endpoint.dispatch import InlineDispatcher
from functions.seal_objects.handler import work
from kit.action_samples import Tenant
from tenantkms.crypto.context import canonical
from tenantkms.crypto.sealed import read_metadata
from tenantkms.crypto.streaming import open_stream
from tenantkms_events.arrivals import Source
from tenantkms_events.assemble import ObjectsOf, objects
from tenantkms_events.errors import GivenBack

REGION = "eu-central-1"
INBOX, SEALED = "tkms-acme-inbox", "tkms-acme-sealed"
KEY, CONTEXT = "alias/inbox", {"purpose": "uploads"}
REJECTED, QUEUE = "rejected", "objects"
Call = Callable[[], Any]


class Killed(BaseException):
    """The process is gone: nothing that follows runs."""


def refused(code: str, operation: str = "operation") -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": "refused"}}, operation)


def _killed_before(_call: Call) -> Any:
    raise Killed


def _killed_after(call: Call) -> Any:
    _tried(call)
    raise Killed


def _refused(_call: Call) -> Any:
    raise refused("SlowDown")


def _lost(call: Call) -> Any:
    _tried(call)
    raise ReadTimeoutError(endpoint_url="https://example.test")


def _twice(call: Call) -> Any:
    _tried(call)
    return call()


def _tried(call: Call) -> None:
    with suppress(ClientError):
        call()


FAULTS: Mapping[str, Callable[[Call], Any]] = {
    "killed before": _killed_before,
    "killed after": _killed_after,
    "refused": _refused,
    "answer lost": _lost,
    "made twice": _twice,
}


class Meter:
    """Every call of a worker, by name; at the call `at` there is `fault`, or `meanwhile` runs first."""

    def __init__(self, at: int = -1, fault: Callable[[Call], Any] | None = None, meanwhile: Call | None = None) -> None:
        self._at, self._fault, self._meanwhile = at, fault, meanwhile
        self.names: list[str] = []

    def __call__(self, name: str, call: Call) -> Any:
        self.names.append(name)
        if len(self.names) - 1 == self._at:
            if self._meanwhile:
                self._meanwhile()
            if self._fault:
                return self._fault(call)
        return call()


class Client:
    """A client of moto whose calls are metered, and that keeps the condition that moto does not, and says as S3 does
    that an upload was ended."""

    def __init__(self, inner: Any, meter: Meter) -> None:
        self._inner, self._meter = inner, meter

    def __getattr__(self, name: str) -> Any:
        own = {"complete_multipart_upload": self._completed, "upload_part": self._part}
        made = own.get(name) or getattr(self._inner, name)
        return lambda **given: self._meter(name, lambda: made(**given))

    def get_paginator(self, name: str) -> Any:
        pages, meter = self._inner.get_paginator(name), self._meter

        class Paginator:
            def paginate(self, **given: Any) -> list[Any]:
                found: list[Any] = meter(name, lambda: list(pages.paginate(**given)))
                return found

        return Paginator()

    def _part(self, **given: Any) -> Any:
        try:
            return self._inner.upload_part(**given)
        except KeyError:
            raise refused("NoSuchUpload") from None

    def _completed(self, *, IfMatch: str = "", **given: Any) -> Any:  # noqa: N803 - AWS's names
        if IfMatch:
            try:
                there = self._inner.head_object(Bucket=given["Bucket"], Key=given["Key"])["ETag"]
            except ClientError:
                raise refused("NoSuchKey") from None
            if there != IfMatch:
                raise refused("PreconditionFailed")
        return self._inner.complete_multipart_upload(**given)


class World:
    """An inbox, what is sealed, and what is told."""

    def __init__(self, path: Path) -> None:
        session = botocore.session.get_session()
        session.set_credentials("test", "test")
        self.s3, self._sqs, self._events = (
            session.create_client(service, region_name=REGION) for service in ("s3", "sqs", "events")
        )
        for bucket in (INBOX, SEALED):
            self.s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": REGION})
            self.s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
        self.urls = {name: self._sqs.create_queue(QueueName=name)["QueueUrl"] for name in (REJECTED, QUEUE)}
        self.tenant = Tenant(path)
        self.key_id = self.tenant.create(alias=KEY.removeprefix("alias/"))
        self.told: list[tuple[str, dict[str, Any]]] = []
        self._order = count(1)

    # -- the inbox --

    def put(self, key: str, content: bytes) -> Source:
        version = self.s3.put_object(Bucket=INBOX, Key=key, Body=content)["VersionId"]
        return Source(INBOX, key, version, f"{next(self._order):016X}")

    def versions(self, bucket: str) -> list[Any]:
        found = self.s3.list_object_versions(Bucket=bucket)
        return [*found.get("Versions", []), *found.get("DeleteMarkers", [])]

    # -- a worker --

    def worker(self, meter: Meter | None = None, context: Mapping[str, str] = CONTEXT) -> ObjectsOf:
        meter = meter or Meter()
        dispatch = InlineDispatcher(self.tenant.deps)
        clients = {"s3": Client(self.s3, meter), "sqs": Client(self._sqs, meter), "events": _Bus(self.told, meter)}
        clients["lambda"] = _Functions(dispatch, meter)
        environment = {
            "TENANT": "acme",
            "FUNCTION_PREFIX": "tkms-acme-",
            "INBOX_BUCKET": INBOX,
            "SEALED_BUCKET": SEALED,
            "OBJECTS_KEY": KEY,
            "OBJECTS_CONTEXT": json.dumps(context),
            "OBJECTS_QUEUE_URL": self.urls[QUEUE],
            "REJECTED_QUEUE_URL": self.urls[REJECTED],
            "EVENT_BUS": "tkms-acme",
        }
        return objects(environment, clients.__getitem__)

    def deliver(self, body: str, meter: Meter | None = None) -> str:
        """What becomes of a message: "done", "given back", or "killed"."""
        try:
            work(self.worker(meter), record(body))
        except GivenBack:
            return "given back"
        except Killed:
            return "killed"
        return "done"

    # -- what came of it --

    def opened(self, name: str, version: str = "") -> bytes:
        """A sealed object, opened as anybody may who has the right to the key."""
        given = {"VersionId": version} if version else {}
        found = self.s3.get_object(Bucket=SEALED, Key=name, **given)
        blob, context = read_metadata(found["Metadata"]) or (b"", {})
        opened = self.tenant.result("Decrypt", {"ciphertext": _text(blob), "context": context})["plaintext"]
        return b"".join(bytes(piece) for piece in open_stream(_bytes(opened), canonical(context), found["Body"]))

    def sent(self, queue: str) -> list[dict[str, Any]]:
        found = self._sqs.receive_message(QueueUrl=self.urls[queue], MaxNumberOfMessages=10, VisibilityTimeout=0)
        return [json.loads(message["Body"]) for message in found.get("Messages", [])]


class _Bus:
    def __init__(self, told: list[tuple[str, dict[str, Any]]], meter: Meter) -> None:
        self._told, self._meter = told, meter

    def put_events(self, *, Entries: list[dict[str, Any]]) -> Any:  # noqa: N803 - AWS's names
        def put() -> dict[str, int]:
            self._told.extend((entry["DetailType"], json.loads(entry["Detail"])) for entry in Entries)
            return {"FailedEntryCount": 0}

        return self._meter("put_events", put)


class _Functions:
    """AWS Lambda, as the dispatcher invokes it."""

    def __init__(self, dispatch: InlineDispatcher, meter: Meter) -> None:
        self._dispatch, self._meter = dispatch, meter

    def invoke(self, *, FunctionName: str, Payload: bytes) -> Any:  # noqa: N803 - AWS's names
        return self._meter(FunctionName.removeprefix("tkms-acme-"), lambda: self._answer(Payload))

    def _answer(self, payload: bytes) -> Any:
        return {"Payload": io.BytesIO(msgspec.json.encode(self._dispatch(json.loads(payload))))}


def _text(content: bytes) -> str:
    return base64.b64encode(content).decode()


def _bytes(text: Any) -> bytes:
    return text if isinstance(text, bytes) else base64.b64decode(text)


def record(body: str, received: int = 1) -> SQSRecord:
    attributes = {"SentTimestamp": "1800000000000", "ApproximateReceiveCount": str(received)}
    return SQSRecord({"messageId": "m-1", "receiptHandle": "r-1", "body": body, "attributes": attributes})


@contextmanager
def world(path: Path) -> Iterator[World]:
    with mock_aws():
        yield World(path)
