"""An object of the inbox ends sealed, once, and the inbox is empty: whatever dies on the way, whoever is there too."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote_plus

import pytest
from botocore.exceptions import ReadTimeoutError

from functions.seal_objects import handler
from kit.objects_world import (
    CONTEXT,
    FAULTS,
    INBOX,
    QUEUE,
    REJECTED,
    SEALED,
    Killed,
    Meter,
    World,
    record,
    refused,
    world,
)
from tenantkms.crypto.sealed import read_metadata
from tenantkms.crypto.streaming import SEGMENT
from tenantkms_events.arrivals import Source, notification
from tenantkms_events.errors import GivenBack, Rejected
from tenantkms_events.names import OBJECT_SEALED

MARKER = b"a partner's export"
CALLS = 14
"""Of a worker that seals an object which nobody else is at; the tests of faults go through all of them."""


@pytest.fixture
def here(tmp_path: Path) -> Iterator[World]:
    with world(tmp_path) as found:
        yield found


def s3_says(source: Source, **changes: Any) -> str:
    """The notification, as S3 writes it."""
    about = {"key": quote_plus(source.key), "size": 1, "versionId": source.version, "sequencer": source.sequencer}
    told = {
        "eventVersion": "2.1",
        "eventSource": "aws:s3",
        "eventName": "ObjectCreated:Put",
        "s3": {"s3SchemaVersion": "1.0", "bucket": {"name": source.bucket}, "object": about},
    }
    return json.dumps({"Records": [{**told, **changes}]})


def sealed_once(here: World, source: Source, content: bytes) -> None:
    """It is there, once, and opens; nothing of it is left in the inbox; every event says the same of it."""
    (there,) = here.versions(SEALED)
    assert there["Key"] == source.key
    assert here.opened(source.key) == content
    assert here.versions(INBOX) == []
    assert here.told
    ciphertext = here.s3.get_object(Bucket=SEALED, Key=source.key)["Body"].read()
    assert len(content) < len(MARKER) or content not in ciphertext
    for kind, detail in here.told:
        assert kind == OBJECT_SEALED
        assert detail == {
            "v": 1,
            "bucket": INBOX,
            "key": source.key,
            "version": source.version,
            "sealed_bucket": SEALED,
            "sealed_key": source.key,
            "sealed_version": there["VersionId"],
            "key_id": here.key_id,
            "bytes": len(content),
            "sha256": hashlib.sha256(ciphertext).hexdigest(),
        }


# -- one after the other ---------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [0, 1, SEGMENT - 57, SEGMENT, (16 << 20) + 1])
def test_an_object_is_sealed_and_the_inbox_is_empty(here: World, size: int) -> None:
    content = (MARKER * (size // len(MARKER) + 1))[:size]
    source = here.put("in/export 1+2ü.csv", content)
    assert here.deliver(s3_says(source)) == "done"
    sealed_once(here, source, content)
    assert len(here.told) == 1
    head = here.s3.head_object(Bucket=SEALED, Key=source.key)
    _, context = read_metadata(head["Metadata"]) or (b"", {})
    assert context == {**CONTEXT, "bucket": INBOX, "key": source.key, "version": source.version}
    assert not here.s3.list_multipart_uploads(Bucket=SEALED).get("Uploads")


def test_a_message_that_comes_again_does_nothing(here: World) -> None:
    source = here.put("a", MARKER)
    for _ in range(3):
        assert here.deliver(s3_says(source)) == "done"
    sealed_once(here, source, MARKER)
    assert len(here.told) == 1


def test_no_more_calls_than_the_documents_count(here: World) -> None:
    meter = Meter()
    assert here.deliver(s3_says(here.put("a", MARKER)), meter) == "done"
    assert meter.names == [
        "head_object",
        "head_object",
        "get_object",
        "generate_data_key",
        "create_multipart_upload",
        "upload_part",
        "complete_multipart_upload",
        "head_object",
        "head_object",
        "get_object",
        "decrypt",
        "list_multipart_uploads",
        "put_events",
        "delete_object",
    ]
    assert len(meter.names) == CALLS


def test_a_newer_version_replaces_an_older_one_and_an_older_one_stands_aside(here: World) -> None:
    first, second = here.put("a", b"first"), here.put("a", b"second")
    third = here.put("a", b"third")
    for source in (second, first, third):
        assert here.deliver(s3_says(source)) == "done"
    assert here.opened("a") == b"third"
    assert here.opened(f"a@{first.version}") == b"first"
    assert here.versions(INBOX) == []
    kept = [row["VersionId"] for row in here.versions(SEALED) if row["Key"] == "a"]
    assert sorted(here.opened("a", version) for version in kept) == [b"second", b"third"], "a version is never lost"


def test_what_is_not_ours_is_not_replaced(here: World) -> None:
    here.s3.put_object(Bucket=SEALED, Key="a", Body=b"somebody's")
    source = here.put("a", MARKER)
    assert here.deliver(s3_says(source)) == "done"
    assert here.s3.get_object(Bucket=SEALED, Key="a")["Body"].read() == b"somebody's"
    assert here.opened(f"a@{source.version}") == MARKER
    assert here.versions(INBOX) == []


@pytest.mark.parametrize("damage", ["ciphertext", "key", "other content"])
def test_the_source_stays_until_what_is_sealed_is_right(here: World, damage: str) -> None:
    """Something says that it is the sealed object, and is not: it is made anew, and then only is the source deleted."""
    source, other = here.put("a", MARKER), here.put("b", b"other")
    for one in (source, other):
        assert here.deliver(s3_says(one), Meter(12, FAULTS["killed before"])) == "killed"
    good = here.s3.get_object(Bucket=SEALED, Key="a")
    body, metadata = good["Body"].read(), good["Metadata"]
    if damage == "ciphertext":
        body = body[:-1] + bytes([body[-1] ^ 1])
    elif damage == "key":
        metadata = {**metadata, "tkms-key": here.s3.head_object(Bucket=SEALED, Key="b")["Metadata"]["tkms-key"]}
    else:
        there = here.s3.get_object(Bucket=SEALED, Key="b")
        body, metadata = there["Body"].read(), {**metadata, "tkms-key": there["Metadata"]["tkms-key"]}
    here.s3.put_object(Bucket=SEALED, Key="a", Body=body, Metadata=metadata)
    assert len(here.versions(INBOX)) == 2
    here.told.clear()
    assert here.deliver(s3_says(source)) == "done"
    assert here.opened("a") == MARKER
    assert [row["Key"] for row in here.versions(INBOX)] == ["b"]
    ciphertext = here.s3.get_object(Bucket=SEALED, Key="a")["Body"].read()
    assert [detail["sha256"] for _, detail in here.told] == [hashlib.sha256(ciphertext).hexdigest()]


def test_what_is_sealed_under_another_context_is_made_anew(here: World) -> None:
    """Its own metadata open it, but nobody who goes by the entry's context could."""
    source = here.put("a", MARKER)
    with pytest.raises(Killed):
        here.worker(Meter(12, FAULTS["killed before"]), {"purpose": "another"}).sealer.seal(source)
    assert here.opened("a") == MARKER
    assert here.deliver(s3_says(source)) == "done"
    assert here.opened("a") == MARKER
    _, context = read_metadata(here.s3.head_object(Bucket=SEALED, Key="a")["Metadata"]) or (b"", {})
    assert context["purpose"] == CONTEXT["purpose"]
    assert here.versions(INBOX) == []


# -- crashes, lost answers, and two at once --------------------------------------------------------------


@pytest.mark.parametrize("fault", FAULTS)
def test_a_crash_at_any_call_loses_nothing_and_seals_once(here: World, fault: str) -> None:
    for at in range(CALLS):
        source = here.put(f"{fault}/{at}", MARKER)
        body = s3_says(source)
        meter = Meter(at, FAULTS[fault])
        outcome = here.deliver(body, meter)
        assert len(meter.names) > at, "the fault was met"
        gone = not here.versions(INBOX)
        assert outcome != "done" or gone
        if not gone:
            assert here.s3.get_object(Bucket=INBOX, Key=source.key)["Body"].read() == MARKER
        assert here.deliver(body) == "done"
        sealed_once(here, source, MARKER)
        here.told.clear()
        for row in here.versions(SEALED):
            here.s3.delete_object(Bucket=SEALED, Key=row["Key"], VersionId=row["VersionId"])


@pytest.mark.parametrize("fault", ["made twice", *(f for f in FAULTS if f.startswith("killed"))])
def test_two_workers_at_once_seal_once(here: World, fault: str) -> None:
    """The second one does all of it, or dies at some call, while the first one is at each of its calls."""
    for at in range(CALLS):
        source = here.put(f"{fault}/{at}", MARKER)
        body = s3_says(source)
        second = Meter((at * 5 + 3) % CALLS, FAULTS[fault])
        first = here.deliver(body, Meter(at, meanwhile=lambda body=body, second=second: here.deliver(body, second)))  # type: ignore[misc]
        assert first in ("done", "given back")
        assert here.deliver(body) == "done"
        sealed_once(here, source, MARKER)
        here.told.clear()
        for row in here.versions(SEALED):
            here.s3.delete_object(Bucket=SEALED, Key=row["Key"], VersionId=row["VersionId"])


def test_a_stream_that_breaks_off_is_begun_again(here: World, monkeypatch: pytest.MonkeyPatch) -> None:
    source = here.put("a", MARKER * 100_000)

    class Broken:
        def __init__(self, inner: Any) -> None:
            self._inner, self._left = inner, 3

        def read(self, size: int) -> bytes:
            self._left -= 1
            if not self._left:
                raise ReadTimeoutError(endpoint_url="https://example.test")
            found: bytes = self._inner.read(min(size, 500_000))
            return found

    def break_off(call: Any) -> Any:
        answer = call()
        return {**answer, "Body": Broken(answer["Body"])}

    for at in (2, 9):
        assert here.deliver(s3_says(source), Meter(at, break_off)) == "given back"
        assert len(here.versions(INBOX)) == 1
        assert not here.s3.list_multipart_uploads(Bucket=SEALED).get("Uploads")
    assert here.deliver(s3_says(source)) == "done"
    sealed_once(here, source, MARKER * 100_000)


def test_a_worker_whose_upload_another_one_ends_seals_nothing_more(here: World) -> None:
    """What it had read by then is not the object; what the other one has sealed is."""
    content = MARKER * 1_000_000
    calls = Meter()
    assert here.deliver(s3_says(here.put("a", content)), calls) == "done"
    here.told.clear()
    body = s3_says(here.put("b", content))
    ending = 1  # a call more: it ends the upload
    other = Meter(calls.names.index("delete_object") + ending, FAULTS["killed before"])
    mine = Meter(calls.names.index("upload_part") + 1, meanwhile=lambda: here.deliver(body, other))
    assert here.deliver(body, mine) == "done"
    assert [row["Key"] for row in here.versions(SEALED)] == ["a", "b"]
    assert here.versions(INBOX) == []
    (first, second) = here.told
    assert first == second
    assert here.opened("b") == content


def test_what_the_dead_have_left_is_cleared_away(here: World) -> None:
    source = here.put("a", MARKER)
    other = here.s3.create_multipart_upload(Bucket=SEALED, Key="ab")["UploadId"]
    for at in (5, 6):
        assert here.deliver(s3_says(source), Meter(at, FAULTS["killed after"])) == "killed"
    assert here.deliver(s3_says(source)) == "done"
    assert [row["UploadId"] for row in here.s3.list_multipart_uploads(Bucket=SEALED)["Uploads"]] == [other]
    sealed_once(here, source, MARKER)


def test_a_fault_lets_the_message_come_again_soon(here: World) -> None:
    body = s3_says(here.put("a", MARKER))
    asked: list[dict[str, Any]] = []

    class Queue:
        def change_message_visibility(self, **given: Any) -> None:
            asked.append(given)

    for received in (1, 2, 20):
        with pytest.raises(GivenBack, match="operator's log") as raised:
            handler.work(here_worker(here, Queue()), record(body, received))
        assert MARKER.decode() not in str(raised.value)
    assert [given["VisibilityTimeout"] for given in asked] == [20, 40, 2560]
    assert all(given["ReceiptHandle"] == "r-1" for given in asked)


def here_worker(here: World, queue: Any) -> Any:
    worker = here.worker(Meter(2, FAULTS["refused"]))
    worker.queue._client = queue
    return worker


# -- what is never sealed --------------------------------------------------------------------------------


def reasons(here: World) -> list[str]:
    return [row["reason"] for row in here.sent(REJECTED)]


FOREIGN = Source("somebody-s-bucket", "a", "v", "1")
SKIPPED = {
    "the test of the queue": json.dumps({"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": INBOX}),
    "no record": '{"Records": []}',
    "a delete marker": s3_says(Source(INBOX, "a", "v", "1"), eventName="ObjectRemoved:DeleteMarkerCreated"),
}
POISON = {
    "InvalidMessage": [
        "{",
        "[]",
        "7",
        '"x"',
        "{}",
        '{"Records": 1}',
        '{"Records": [1]}',
        '{"Records": [{}]}',
        "\ud800",
    ],
    "ForeignBucket": [s3_says(FOREIGN)],
}
POISON["InvalidMessage"] += [s3_says(Source(INBOX, "a", version, "1")) for version in ("null", "")] + [
    '{"Records": [{"eventName": "ObjectCreated:Put", "s3": {"bucket": {"name": 7}, "object": {"key": "%FF"}}}]}'
]


@pytest.mark.parametrize("what", SKIPPED)
def test_what_brings_no_object_is_skipped(here: World, what: str) -> None:
    assert here.deliver(SKIPPED[what]) == "done"
    assert reasons(here) == []


@pytest.mark.parametrize(("reason", "body"), [(reason, body) for reason, bodies in POISON.items() for body in bodies])
def test_what_is_no_notification_of_the_inbox_is_rejected_at_once(here: World, reason: str, body: str) -> None:
    assert here.deliver(body) == "done"
    assert reasons(here) == [reason]


def test_an_object_that_went_away_is_done(here: World) -> None:
    source = here.put("a", MARKER)
    here.s3.delete_object(Bucket=INBOX, Key="a", VersionId=source.version)
    assert here.deliver(s3_says(source)) == "done"
    assert (here.versions(SEALED), here.told, reasons(here)) == ([], [], [])


def test_an_object_under_a_delete_marker_is_sealed_all_the_same(here: World) -> None:
    source = here.put("a", MARKER)
    here.s3.delete_object(Bucket=INBOX, Key="a")
    assert here.deliver(s3_says(source)) == "done"
    assert here.opened("a") == MARKER


@pytest.mark.parametrize("code", ["AccessDenied", "InvalidObjectState"])
def test_an_object_that_may_not_be_read_is_rejected_and_stays(here: World, code: str) -> None:
    source = here.put("a", MARKER)

    def no(_call: Any) -> Any:
        raise refused(code)

    assert here.deliver(s3_says(source), Meter(2, no)) == "done"
    assert reasons(here) == ["ObjectUnreadable"]
    assert [row["VersionId"] for row in here.versions(INBOX)] == [source.version]
    assert here.versions(SEALED) == []


@pytest.mark.parametrize(
    ("reason", "action"), [("KeyDisabled", "DisableKey"), ("KeyPendingDeletion", "ScheduleKeyDeletion")]
)
def test_a_key_that_is_not_to_be_used_rejects(here: World, reason: str, action: str) -> None:
    params = {"key_id": here.key_id, "days": 7} if action == "ScheduleKeyDeletion" else {"key_ids": [here.key_id]}
    here.tenant.result(action, params)
    source = here.put("a", MARKER)
    assert here.deliver(s3_says(source)) == "done"
    assert reasons(here) == [reason]
    assert [row["VersionId"] for row in here.versions(INBOX)] == [source.version]
    tags = here.s3.get_object_tagging(Bucket=INBOX, Key="a", VersionId=source.version)["TagSet"]
    assert tags == [{"Key": "tkms-rejected", "Value": reason}]


def test_a_name_that_has_no_place_is_rejected(here: World) -> None:
    long = here.put("x" * 1024, MARKER)
    here.s3.put_object(Bucket=SEALED, Key=long.key, Body=b"somebody's")
    taken = here.put("a", MARKER)
    for name in ("a", f"a@{taken.version}"):
        here.s3.put_object(Bucket=SEALED, Key=name, Body=b"somebody's")
    strange = here.put('"' * 900, MARKER)  # two characters of JSON each
    for source in (long, taken, strange):
        assert here.deliver(s3_says(source)) == "done"
    assert sorted(reasons(here)) == ["NameTooLong", "NameTooLong", "TargetTaken"]
    assert len(here.versions(INBOX)) == 3


def test_a_name_of_1024_bytes_is_sealed(here: World) -> None:
    source = here.put("ü" * 512, MARKER)
    assert here.deliver(s3_says(source)) == "done"
    sealed_once(here, source, MARKER)


def test_a_rejection_is_sealed_and_names_no_content(here: World) -> None:
    assert here.deliver('{"secret": "a secret"}') == "done"
    (row,) = here.sent(REJECTED)
    assert "a secret" not in json.dumps(row)
    assert row["body_sealed"]


# -- the sweep -------------------------------------------------------------------------------------------


def test_the_sweep_brings_what_no_message_came_for(here: World) -> None:
    left, young = here.put("left +ü", MARKER), datetime.now(UTC) + timedelta(minutes=59)
    here.s3.delete_object(Bucket=INBOX, Key="left +ü")
    refused_one = here.put("refused", MARKER)
    here.s3.put_object_tagging(
        Bucket=INBOX,
        Key="refused",
        VersionId=refused_one.version,
        Tagging={"TagSet": [{"Key": "tkms-rejected", "Value": "KeyDisabled"}]},
    )
    assert handler.sweep(here.worker(), young) == 0
    assert handler.sweep(here.worker(), datetime.now(UTC) + timedelta(minutes=61)) == 1
    (body,) = here.sent(QUEUE)
    assert here.deliver(json.dumps(body)) == "done"
    assert here.opened("left +ü") == MARKER
    assert here.versions(INBOX)[0]["VersionId"] == refused_one.version
    assert not [row for row in here.versions(INBOX) if row["VersionId"] == left.version]


def test_who_is_swept_is_older_than_whoever_came_by_a_message(here: World) -> None:
    swept, told = here.put("a", b"swept"), here.put("a", b"told")
    assert here.deliver(notification(swept)) == "done"
    assert here.deliver(s3_says(told)) == "done"
    again = here.put("a", b"swept again")
    assert here.deliver(notification(again)) == "done"
    last = here.put("b", b"swept"), here.put("b", b"swept too")
    for source in last:
        assert here.deliver(notification(source)) == "done"
    assert here.opened("b") == b"swept", "which of them is newer is not known"
    assert here.opened(f"b@{last[1].version}") == b"swept too"
    assert here.opened("a") == b"told"
    assert here.opened(f"a@{again.version}") == b"swept again"


def _refuse(code: str) -> Any:
    raise refused(code)


@pytest.mark.parametrize("code", ["NoSuchKey", "NoSuchVersion", "AccessDenied"])
def test_one_version_that_goes_or_hides_stops_no_sweep(here: World, code: str) -> None:
    """Workers take versions away all the time."""
    for name in "abc":
        here.put(name, MARKER)
    calls = Meter(1, lambda _call: _refuse(code))
    left = handler.sweep(here.worker(calls), datetime.now(UTC) + timedelta(hours=2))
    assert calls.names[1] == "get_object_tagging"
    assert left == (3 if code == "AccessDenied" else 2)


def test_a_sweep_that_is_refused_raises_nothing_of_what_it_saw(here: World) -> None:
    here.put("a", MARKER)
    with pytest.raises(Exception, match="not available"):
        handler.sweep(here.worker(Meter(0, FAULTS["refused"])), datetime.now(UTC) + timedelta(hours=2))


def test_reasons_are_words() -> None:
    assert str(Rejected("TargetTaken")) == "TargetTaken"
