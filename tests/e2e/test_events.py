"""Secrets that events bring, on the deployed stack: each is sealed once, whatever dies, and is nowhere in clear."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

from kit.deployment import tkms
from kit.emulator import Emulator
from kit.sealing import ITEMS, KINDS, MARKER, STACK, TENANT, Sealing, message
from tkms.stack.stack import Stack

SENT, POISON, TWICE = 1_000, 50, 100
CALLS = {"seal_messages": 8, "seal_objects": 14}
"""Of AWS for one message, at each of which the function is ended once before and once after; a few more do no harm."""


@pytest.fixture(scope="module")
def sealing(open_house: Emulator) -> Sealing:
    assembly = open_house.synthesize("sealing", [TENANT])
    return Sealing.prepared(open_house, open_house.deploy(assembly, STACK))


@pytest.fixture(scope="module")
def stack(sealing: Sealing) -> Iterator[Stack]:
    with sealing.stack() as found:
        yield found


WRONG = (
    lambda n: "{" + message(n),
    lambda n: message(n, v=2),
    lambda n: message(n, key="alias/nobody"),
    lambda n: message(n, target={"type": "ssm", "name": f"/bank/{n}"}),
    lambda n: message(n, surplus=1),
)
REASONS = {"InvalidMessage", "UnsupportedVersion", "TargetNotAllowed", "UnknownField"}


def documents(sealing: Sealing, names: dict[str, str]) -> Iterator[tuple[str, dict[str, Any]]]:
    """What was delivered for each of `names`, of the kind that it says."""
    secrets, ssm, s3, dynamodb = (sealing.client(name) for name in ("secretsmanager", "ssm", "s3", "dynamodb"))
    events = {row["detail"]["id"]: row["detail"] for row in sealing.receive(sealing.delivered)}
    for name, kind in names.items():
        match kind:
            case "secretsmanager":
                text = secrets.get_secret_value(SecretId=f"shop/{name}")["SecretString"]
            case "ssm":
                text = ssm.get_parameter(Name=f"/shop/{name}")["Parameter"]["Value"]
            case "s3":
                bucket = sealing.outputs["SealedBucketName"]
                text = s3.get_object(Bucket=bucket, Key=f"in/{name}")["Body"].read()
            case "dynamodb":
                text = dynamodb.get_item(TableName=ITEMS, Key={"name": {"S": name}})["Item"]["sealed"]["S"]
            case _:
                text = json.dumps(events[name])
        yield name, json.loads(text)


def switch(stack: Stack, action: str, key: str) -> None:
    """And wait: a function that is warm knows the state of a key for a second."""
    stack.call(action, {"key_ids": [key]})
    time.sleep(2)


# -- messages --------------------------------------------------------------------------------------------


def test_a_thousand_messages_are_all_accounted_for(sealing: Sealing, stack: Stack) -> None:
    """5 % can never be sealed, 10 % come twice."""
    good = SENT - POISON - TWICE
    names = {f"m-{number}": KINDS[number % len(KINDS)] for number in range(good)}
    bodies = [message(name, kind) for name, kind in names.items()]
    bodies += bodies[:TWICE]
    bodies += [WRONG[number % len(WRONG)](f"p-{number}") for number in range(POISON)]
    assert len(bodies) == SENT
    sealing.send([bodies[(number * 337) % SENT] for number in range(SENT)])  # in another order, each once
    sealing.settle(sealing.empty, 300)
    assert sealing.waiting("EventsDeadLetterQueueUrl") == 0
    rejected = sealing.receive("EventsRejectedQueueUrl")
    assert len({row["message_id"] for row in rejected}) == POISON, "one may be told of twice, with the same id"
    assert {row["reason"] for row in rejected} >= REASONS
    found = dict(documents(sealing, names))
    assert found.keys() == names.keys()
    for name, document in found.items():
        assert document["id"] == name
        opened = sealing.decrypt(stack, document["ciphertext"], document["encryption_context"])
        assert opened.decode() == f"{MARKER} {name}"
    told = {row["detail"]["id"]: row["detail"]["ciphertext"] for row in sealing.receive(sealing.told)}
    assert told == {name: found[name]["ciphertext"] for name, kind in names.items() if kind != "eventbridge"}


def test_what_is_put_on_the_bus_is_sealed_too(sealing: Sealing, stack: Stack) -> None:
    entry = {"EventBusName": sealing.outputs["EventsBusName"], "Source": "ci", "DetailType": "SealSecret"}
    sealing.client("events").put_events(Entries=[{**entry, "Detail": message("by-bus")}])
    sealing.settle(lambda: bool(sealing.waiting(sealing.told)))
    ((_, document),) = documents(sealing, {"by-bus": "ssm"})
    assert sealing.decrypt(stack, document["ciphertext"], {"app": "shop"}).decode() == f"{MARKER} by-bus"
    assert [row["detail"]["id"] for row in sealing.receive(sealing.told)] == ["by-bus"]


def test_what_was_rejected_goes_back_once_its_key_is_enabled(sealing: Sealing, stack: Stack) -> None:
    def command(*args: str) -> Any:
        return json.loads(tkms(sealing.emulator, *args, "--json", stack=STACK).stdout)

    switch(stack, "DisableKey", "alias/shop")
    sealing.send([message("late", "ssm"), "nonsense"])
    sealing.settle(lambda: sealing.empty() and sealing.waiting("EventsRejectedQueueUrl") == 2)
    assert {row["reason"] for row in command("events", "rejected")} == {"KeyDisabled", "InvalidMessage"}
    switch(stack, "EnableKey", "alias/shop")
    assert command("events", "replay", "--dry-run")["replayed"] == 2
    assert command("events", "replay", "--reason", "KeyDisabled")["replayed"] == 1
    sealing.settle(sealing.empty)
    ((_, document),) = documents(sealing, {"late": "ssm"})
    assert document["id"] == "late"
    depth = {row["queue"]: row["waiting"] + row["in_flight"] for row in command("events", "status")}
    assert depth == {name: int(name == "rejected") for name in depth}
    assert [row["reason"] for row in sealing.receive("EventsRejectedQueueUrl")] == ["InvalidMessage"]
    sealing.receive(sealing.told)


def test_messages_are_sealed_once_whenever_the_function_dies(sealing: Sealing, stack: Stack) -> None:
    names = {f"kill-{number}": KINDS[number % len(KINDS)] for number in range(CALLS["seal_messages"])}
    with sealing.killed("seal_messages", "EventsQueueUrl"):
        sealing.send([message(name, kind) for name, kind in names.items()])
        sealing.settle(sealing.empty, 240)
    assert sealing.waiting("EventsDeadLetterQueueUrl") == sealing.waiting("EventsRejectedQueueUrl") == 0
    for name, document in documents(sealing, names):
        opened = sealing.decrypt(stack, document["ciphertext"], document["encryption_context"])
        assert opened.decode() == f"{MARKER} {name}"
        told = {row["detail"]["ciphertext"] for row in sealing.receive(sealing.told) if row["detail"]["id"] == name}
        assert told <= {document["ciphertext"]}, "an event may come twice, with the same ciphertext"


# -- objects ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [0, 1, (16 << 20) + 1])
def test_an_object_is_sealed_and_the_inbox_is_empty(sealing: Sealing, stack: Stack, size: int) -> None:
    content = (MARKER.encode() * (size // len(MARKER) + 1))[:size]
    name = f"exports/{size} +ü.csv"
    version = sealing.put(name, content)
    sealing.settle(lambda: sealing.empty() and not sealing.inbox())
    assert sealing.opened(stack, name) == content
    (event,) = (row["detail"] for row in sealing.receive(sealing.told) if row["detail-type"] == "ObjectSealed")
    assert (event["key"], event["version"], event["bytes"]) == (name, version, size)
    assert sealing.uploads() == []


def test_objects_are_sealed_once_whenever_the_function_dies(sealing: Sealing, stack: Stack) -> None:
    names = [f"kill-{number}" for number in range(CALLS["seal_objects"])]
    with sealing.killed("seal_objects", "ObjectsQueueUrl"):
        versions = {name: sealing.put(name, f"{MARKER} {name}".encode()) for name in names}
        sealing.settle(lambda: sealing.empty() and not sealing.inbox(), 240)
    assert sealing.waiting("ObjectsDeadLetterQueueUrl") == sealing.waiting("EventsRejectedQueueUrl") == 0
    kept = sealing.client("s3").list_object_versions(Bucket=sealing.outputs["SealedBucketName"], Prefix="kill-")
    assert sorted(row["Key"] for row in kept["Versions"]) == sorted(names), "each once"
    for name in names:
        assert sealing.opened(stack, name) == f"{MARKER} {name}".encode()
    events = [row["detail"] for row in sealing.receive(sealing.told)]
    assert {event["key"]: event["version"] for event in events} == versions
    assert len({(event["key"], event["sha256"]) for event in events}) == len(names), "always of the same ciphertext"


def test_what_brings_no_object_is_skipped_or_rejected(sealing: Sealing) -> None:
    """S3's test of the queue came with the deployment, and is gone; a notification of another bucket is rejected."""
    assert sealing.empty()
    about = {"bucket": {"name": "somebody-s"}, "object": {"key": "a", "versionId": "v", "sequencer": "1"}}
    told = {"Records": [{"eventName": "ObjectCreated:Put", "s3": about}]}
    sealing.client("sqs").send_message(QueueUrl=sealing.outputs["ObjectsQueueUrl"], MessageBody=json.dumps(told))
    sealing.settle(sealing.empty)
    assert [row["reason"] for row in sealing.receive("EventsRejectedQueueUrl")] == ["ForeignBucket"]


def test_a_key_that_is_disabled_rejects_and_the_object_stays_until_it_may_be_sealed(
    sealing: Sealing, stack: Stack
) -> None:
    switch(stack, "DisableKey", "alias/inbox")
    try:
        sealing.put("waits", MARKER.encode())
        sealing.settle(lambda: sealing.empty() and bool(sealing.waiting("EventsRejectedQueueUrl")))
        (row,) = sealing.receive("EventsRejectedQueueUrl")
        assert row["reason"] == "KeyDisabled"
        assert sealing.inbox() == ["waits"]
        assert sealing.swept() == 0, "what was rejected is not brought again"
    finally:
        switch(stack, "EnableKey", "alias/inbox")
    # As if nobody had told of it: it is put again without a rejection.
    sealing.put("waits", MARKER.encode())
    sealing.settle(lambda: sealing.empty() and len(sealing.inbox()) == 1)
    assert sealing.opened(stack, "waits") == MARKER.encode()
    bucket = sealing.outputs["InboxBucketName"]
    (left,) = sealing.client("s3").list_object_versions(Bucket=bucket)["Versions"]
    sealing.client("s3").delete_object(Bucket=bucket, Key="waits", VersionId=left["VersionId"])


def test_the_doctor_finds_every_rule_and_nothing_set_aside(sealing: Sealing) -> None:
    """What it misses is the emulator's: tables that cannot be restored, and a name that nobody resolves."""
    lines = tkms(sealing.emulator, "doctor", stack=STACK, status=1).stdout.splitlines()
    found = [line.split() for line in lines if line[3:].startswith((" schedules", " dead letters"))]
    assert {row[0] for row in found} == {"ok"}
    told = " ".join(word for row in found for word in row)
    for part in ("EventsFromBus", "EventsSweep", "EventsMessagesDeadLetters", "EventsObjectsDeadLetters"):
        assert part in told
    assert "EventsMessagesQueue" not in told, "what waits there is on its way"


# -- nowhere ---------------------------------------------------------------------------------------------


def spellings(marker: str) -> list[bytes]:
    """The marker, and what base64 makes of it wherever it begins."""
    found = [marker.encode()]
    for before in range(3):
        coded = base64.b64encode(b"x" * before + marker.encode())
        found.append(coded[4 if before else 0 : -8])
    return found


def places(sealing: Sealing) -> set[str]:
    looked = spellings(MARKER)
    return {where for where, content in sealing.everywhere() if any(one in content for one in looked)}


def test_the_plaintext_is_nowhere(sealing: Sealing) -> None:
    """In no queue, bucket, version, open upload, table, log or target."""
    assert sealing.empty()
    assert sealing.inbox() == []
    assert sealing.uploads() == []
    assert places(sealing) == set()


def test_it_would_have_been_found(sealing: Sealing) -> None:
    sqs, s3, logs = sealing.client("sqs"), sealing.client("s3"), sealing.client("logs")
    queue, bucket = sealing.outputs["EventsDeadLetterQueueUrl"], sealing.outputs["SealedBucketName"]
    sqs.send_message(QueueUrl=queue, MessageBody=message("found"))
    s3.put_object(Bucket=bucket, Key="found", Body=base64.b64encode(f"a {MARKER} b".encode()))
    s3.delete_object(Bucket=bucket, Key="found")
    group = sealing.log_groups()[-1]
    logs.create_log_stream(logGroupName=group, logStreamName="found")
    said = {"timestamp": int(time.time() * 1000), "message": MARKER}
    logs.put_log_events(logGroupName=group, logStreamName="found", logEvents=[said])
    last = {where.rpartition("/")[2] for where in (queue, "found", group)}
    assert {where.rpartition("/")[2] for where in places(sealing)} == last
