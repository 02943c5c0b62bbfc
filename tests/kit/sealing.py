"""A deployed stack that seals what events bring, on an emulator: what is put in, and all places where it may be."""

from __future__ import annotations

import base64
import io
import json
import time
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from cdk import bundles
from kit.deployment import tkms
from kit.emulator import ACCOUNT, REGION, Emulator
from tenantkms.crypto.context import canonical
from tenantkms.crypto.sealed import read_metadata
from tenantkms.crypto.streaming import open_stream
from tkms.stack.stack import Stack

STACK = "tkms-shop"
ITEMS, BUS = "shop-secrets", "shop"
TARGETS = [
    {"type": "secretsmanager", "name": "shop/*"},
    {"type": "ssm", "name": "/shop/*"},
    {"type": "s3", "name": "in/*"},
    {"type": "dynamodb", "name": ITEMS},
    {"type": "eventbridge", "name": BUS},
]
TENANT = {
    "name": "shop",
    "account": ACCOUNT,
    "region": REGION,
    "events": {
        "messages": {"targets": TARGETS, "keys": ["alias/shop"], "bus": True},
        "objects": {"key": "alias/inbox", "context": {"purpose": "uploads"}},
    },
}
VISIBILITY = 30
"""Seconds, instead of six time-outs, which no test can wait for."""
KINDS = tuple(target["type"] for target in TARGETS)
MARKER = "correct-horse-battery-staple-4711"
"""In every plaintext that a test puts in."""
Place = tuple[str, bytes]
"""Where something rests, and what."""


def message(name: str, kind: str = "ssm", **changes: Any) -> str:
    target = {
        "secretsmanager": {"name": f"shop/{name}"},
        "ssm": {"name": f"/shop/{name}"},
        "s3": {"name": f"in/{name}"},
        "dynamodb": {"name": ITEMS, "key": {"name": name}},
        "eventbridge": {"name": BUS},
    }[kind]
    told = {
        "v": 1,
        "id": name,
        "key": "alias/shop",
        "plaintext": f"{MARKER} {name}",
        "encryption_context": {"app": "shop"},
        "target": {"type": kind, **target},
    }
    return json.dumps({**told, **changes})


@dataclass
class Sealing:
    """The stack. `told` and `delivered` are queues that keep the events of its own bus, and those of a target."""

    emulator: Emulator
    outputs: dict[str, str]
    told: str = ""
    delivered: str = ""
    _clients: dict[str, Any] = field(default_factory=dict)

    def client(self, service: str) -> Any:
        if service not in self._clients:
            self._clients[service] = self.emulator.client(service)
        return self._clients[service]

    @classmethod
    def prepared(cls, emulator: Emulator, outputs: dict[str, str]) -> Sealing:
        """With its keys, and with all that it delivers to."""
        made = cls(emulator, outputs)
        tkms(emulator, "credential", "create", "--name", "first", stack=STACK)
        for alias in ("shop", "inbox"):
            tkms(emulator, "key", "create", "--alias", alias, stack=STACK)
        made.client("dynamodb").create_table(
            TableName=ITEMS,
            BillingMode="PAY_PER_REQUEST",
            KeySchema=[{"AttributeName": "name", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "name", "AttributeType": "S"}],
        )
        made.client("events").create_event_bus(Name=BUS)
        for queue in ("EventsQueueUrl", "ObjectsQueueUrl"):  # what is given back comes again after seconds
            made.client("sqs").set_queue_attributes(
                QueueUrl=outputs[queue], Attributes={"VisibilityTimeout": str(VISIBILITY)}
            )
        made.told, made.delivered = (made._listener(bus) for bus in (outputs["EventsBusName"], BUS))
        return made

    def _listener(self, bus: str) -> str:
        queue = self.client("sqs").create_queue(QueueName=f"listens-to-{bus}")["QueueUrl"]
        arn = f"arn:aws:sqs:{REGION}:{ACCOUNT}:listens-to-{bus}"
        events = self.client("events")
        events.put_rule(Name=f"all-of-{bus}", EventBusName=bus, EventPattern='{"source": ["tenantkms"]}')
        events.put_targets(Rule=f"all-of-{bus}", EventBusName=bus, Targets=[{"Id": "1", "Arn": arn}])
        return str(queue)

    # -- putting in, and waiting --

    def send(self, bodies: Sequence[str]) -> None:
        for start in range(0, len(bodies), 10):
            entries = [{"Id": str(n), "MessageBody": body} for n, body in enumerate(bodies[start : start + 10])]
            self.client("sqs").send_message_batch(QueueUrl=self.outputs["EventsQueueUrl"], Entries=entries)

    def put(self, key: str, content: bytes) -> str:
        """Its version."""
        put = self.client("s3").put_object
        return str(put(Bucket=self.outputs["InboxBucketName"], Key=key, Body=content)["VersionId"])

    def inbox(self) -> list[str]:
        """Names of what is in it, delete markers too."""
        found = self.client("s3").list_object_versions(Bucket=self.outputs["InboxBucketName"])
        return [row["Key"] for row in [*found.get("Versions", []), *found.get("DeleteMarkers", [])]]

    def swept(self) -> int:
        """How many objects a sweep finds that nobody came for."""
        invoke = self.client("lambda").invoke
        answer = invoke(FunctionName=f"{STACK}-seal_objects", Payload=b'{"source": "aws.events"}')
        return int(json.loads(answer["Payload"].read())["left"])

    def waiting(self, queue: str) -> int:
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        url = self.outputs.get(queue, queue)
        found = self.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
        return sum(int(found[name]) for name in names)

    def settle(self, done: Callable[[], bool], seconds: float = 120) -> None:
        end = time.monotonic() + seconds
        while not done():
            assert time.monotonic() < end, f"it does not come to rest: {self.faults()}"
            time.sleep(0.3)

    def faults(self) -> list[str]:
        """The last that the functions have said of faults."""
        groups = [group for group in self.log_groups() if "/Events" in group]
        found = [line for group in groups for line in self._lines(group)]
        return [message for message in found if '"error"' in message or "Task timed out" in message][-10:]

    def empty(self) -> bool:
        return not (self.waiting("EventsQueueUrl") or self.waiting("ObjectsQueueUrl"))

    # -- what came of it --

    def receive(self, queue: str) -> list[dict[str, Any]]:
        """All messages of a queue, which are gone then."""
        sqs, url = self.client("sqs"), self.outputs.get(queue, queue)
        found: list[dict[str, Any]] = []
        while got := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
            for message in got:
                sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
            found += [json.loads(message["Body"]) for message in got]
        return found

    @contextmanager
    def stack(self) -> Iterator[Stack]:
        """As whoever works on it has it, in whose environment AWS's settings are."""
        with pytest.MonkeyPatch.context() as patch:
            for name, value in self.emulator.environment.items():
                patch.setenv(name, value)
            yield Stack(STACK)

    def decrypt(self, stack: Stack, ciphertext: str, context: dict[str, str]) -> bytes:
        answer = stack.call("Decrypt", {"ciphertext": ciphertext, "context": context})
        return base64.b64decode(str(answer["plaintext"]))

    def opened(self, stack: Stack, key: str) -> bytes:
        """A sealed object, opened by whoever has the right to the key."""
        found = self.client("s3").get_object(Bucket=self.outputs["SealedBucketName"], Key=key)
        blob, context = read_metadata(found["Metadata"]) or (b"", {})
        data_key = self.decrypt(stack, base64.b64encode(blob).decode(), context)
        return b"".join(bytes(piece) for piece in open_stream(data_key, canonical(context), found["Body"]))

    # -- everywhere --

    def everywhere(self) -> Iterator[Place]:
        """All that rests anywhere: queues, buckets with versions and open uploads, tables, logs, and the targets."""
        sqs, s3 = self.client("sqs"), self.client("s3")
        for url in sqs.list_queues().get("QueueUrls", []):
            while got := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, VisibilityTimeout=60).get(
                "Messages"
            ):
                yield from ((url, message["Body"].encode()) for message in got)
        for bucket in (row["Name"] for row in s3.list_buckets()["Buckets"] if row["Name"].startswith(STACK)):
            for version in self._all("s3", "list_object_versions", "Versions", Bucket=bucket):
                given = {"Bucket": bucket, "Key": version["Key"], "VersionId": version["VersionId"]}
                found = s3.get_object(**given)
                yield f"{bucket}/{version['Key']}", found["Body"].read() + json.dumps(found["Metadata"]).encode()
        for table in self._all("dynamodb", "list_tables", "TableNames"):
            items = self._all("dynamodb", "scan", "Items", TableName=table)
            yield from ((table, json.dumps(item, default=_readable).encode()) for item in items)
        for group in self.log_groups():
            yield from ((group, line.encode()) for line in self._lines(group))
        yield from self._targets()
        yield "the emulator's own log", (self.emulator.folder / "emulator.log").read_bytes()

    def _targets(self) -> Iterator[Place]:
        secrets = self.client("secretsmanager")
        for row in self._all("secretsmanager", "list_secrets", "SecretList"):
            yield row["Name"], secrets.get_secret_value(SecretId=row["Name"])["SecretString"].encode()
        parameters = self._all("ssm", "get_parameters_by_path", "Parameters", Path="/shop", Recursive=True)
        yield from ((row["Name"], row["Value"].encode()) for row in parameters)

    def log_groups(self) -> list[str]:
        return [row["logGroupName"] for row in self._all("logs", "describe_log_groups", "logGroups")]

    def _lines(self, group: str) -> Iterator[str]:
        yield from (event["message"] for event in self._all("logs", "filter_log_events", "events", logGroupName=group))

    def _all(self, service: str, operation: str, member: str, **given: Any) -> Iterator[Any]:
        """Of every page: an emulator, too, answers with the first of them only, such as 50 groups of logs."""
        for page in self.client(service).get_paginator(operation).paginate(**given):
            yield from page.get(member, [])

    def uploads(self) -> list[str]:
        """Of those that are open: what their parts hold cannot be read, so there are to be none."""
        found = self.client("s3").list_multipart_uploads(Bucket=self.outputs["SealedBucketName"])
        return [row["Key"] for row in found.get("Uploads", [])]

    # -- functions that die --

    @contextmanager
    def killed(self, folder: str, queue: str) -> Iterator[None]:
        """The function ends where `kit.killing` says, each message by itself, and comes again after seconds."""
        functions, sqs = self.client("lambda"), self.client("sqs")
        name = f"{STACK}-{folder}"
        before = functions.get_function_configuration(FunctionName=name)["Handler"]
        (mapping,) = functions.list_event_source_mappings(FunctionName=name)["EventSourceMappings"]
        url = self.outputs[queue]
        waits = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["VisibilityTimeout"])["Attributes"]
        functions.update_function_code(FunctionName=name, ZipFile=_code(folder, killing=True))
        functions.update_function_configuration(FunctionName=name, Handler="killing.handler")
        functions.update_event_source_mapping(UUID=mapping["UUID"], BatchSize=1)
        sqs.set_queue_attributes(QueueUrl=url, Attributes={"VisibilityTimeout": "6"})
        try:
            yield
        finally:
            functions.update_function_code(FunctionName=name, ZipFile=_code(folder, killing=False))
            functions.update_function_configuration(FunctionName=name, Handler=before)
            functions.update_event_source_mapping(UUID=mapping["UUID"], BatchSize=mapping["BatchSize"])
            sqs.set_queue_attributes(QueueUrl=url, Attributes=waits)


def _readable(value: Any) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)


def _code(folder: str, *, killing: bool) -> bytes:
    """The function's bundle as a zip; with `killing` the handler that ends it is in there too."""
    bundle, packed = bundles.function(folder).path, io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for path in bundle.rglob("*.py"):
            archive.write(path, path.relative_to(bundle))
        if killing:
            text = (Path(__file__).parent / "killing.py").read_text("utf-8")
            archive.writestr("killing.py", text.replace("functions.sealed_by", f"functions.{folder}"))
    return packed.getvalue()
