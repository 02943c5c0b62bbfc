"""`tkms events` on moto's queues: what is told of them, and back to work with what was set aside, losing nothing."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws

from kit.support import Kms, run_tkms
from tenantkms.errors import Unavailable
from tenantkms.runtime.assemble import SettingsError
from tenantkms_events.actions import Actions, policy
from tenantkms_events.assemble import aws_client
from tenantkms_events.errors import Rejected
from tenantkms_events.rejected import Arrived, RejectedQueue
from tkms.events import commands
from tkms.events.queues import Replay, depths, rejections
from tkms.machine.directory import call as operator

OUTPUTS = {
    "EventsQueueUrl": "messages",
    "EventsDeadLetterQueueUrl": "messages-dead",
    "EventsRejectedQueueUrl": "rejected",
    "ObjectsQueueUrl": "objects",
    "ObjectsDeadLetterQueueUrl": "objects-dead",
}
BODY = '{"v":1,"plaintext":"geheim"}'


class Stack:
    """A deployed stack as the command asks for it, with real queues of moto and Actions of this process."""

    name = "tkms-acme"

    def __init__(self, kms: Kms) -> None:
        self._settings = kms.settings
        self._make = aws_client()
        self.sqs = self._make("sqs")
        self.outputs = {output: self.sqs.create_queue(QueueName=name)["QueueUrl"] for output, name in OUTPUTS.items()}
        self.fault: Exception | None = None

    def client(self, service: str, **_config: Any) -> Any:
        """It does not wait for what may still come: all that is there is in this process."""
        client = self._make(service)
        client.meta.events.register(
            "provide-client-params.sqs.ReceiveMessage", lambda params, **_: {**params, "WaitTimeSeconds": 0}
        )
        return client

    def call(self, action: str, params: dict[str, object]) -> dict[str, object]:
        if self.fault:
            raise self.fault
        return operator(self._settings, action, params)

    def reject(self, body: str, why: str, source: str = "messages", message_id: str = "m") -> None:
        def run(call: Any) -> Any:
            from functions.endpoint.dispatch import load

            return load(call["action"]).run(call, self._settings.deps, native=True)

        url = self.outputs["EventsRejectedQueueUrl"]
        queue = RejectedQueue(source, "acme", Actions(run, policy([])), self.sqs, url, lambda: 1_800_000_000)
        queue.put(Arrived(message_id=message_id, body=body, sent=1_799_999_000, received=1), Rejected(why, "key"))

    def send(self, output: str, body: str) -> None:
        self.sqs.send_message(QueueUrl=self.outputs[output], MessageBody=body)

    def bodies(self, output: str) -> list[str]:
        """All that can be received; it stays out of sight."""
        found: list[str] = []
        while batch := self.sqs.receive_message(QueueUrl=self.outputs[output], MaxNumberOfMessages=10).get("Messages"):
            found += [one["Body"] for one in batch]
        return sorted(found)

    def waiting(self) -> dict[str, int]:
        return {depth.queue: depth.waiting for depth in depths(self) if depth.waiting}


@pytest.fixture
def stack(kms: Kms, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stack]:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    with mock_aws():
        yield Stack(kms)


def replay(stack: Stack, **how: Any) -> Replay:
    return Replay(stack, **{"rejected": True, "dead_letters": True, "dry_run": False, **how})


def test_what_is_set_aside_goes_back_to_where_it_came_from(stack: Stack) -> None:
    stack.reject(BODY, "KeyDisabled")
    stack.reject('{"Records":[]}', "ObjectUnreadable", source="objects")
    stack.send("EventsDeadLetterQueueUrl", "a letter")
    stack.send("ObjectsDeadLetterQueueUrl", "a letter of objects")
    work = replay(stack)
    assert work.total() == 4
    counts: list[int] = []
    report = work.run(counts.append)
    assert (report.replayed, report.failed, report.stopped) == (4, [], "")
    assert counts == [1, 2, 3, 4]
    assert stack.bodies("EventsQueueUrl") == ["a letter", BODY]
    assert stack.bodies("ObjectsQueueUrl") == ["a letter of objects", '{"Records":[]}']
    assert not stack.waiting()


def test_a_body_of_any_size_and_characters_comes_back(stack: Stack) -> None:
    body = json.dumps({"plaintext": "\u5bc6\U0001f511" * 20_000}, ensure_ascii=False)
    stack.reject(body, "InvalidMessage")
    replay(stack).run()
    assert stack.bodies("EventsQueueUrl") == [body]


def test_what_eventbridge_could_not_deliver_is_its_detail(stack: Stack) -> None:
    stack.send("EventsDeadLetterQueueUrl", json.dumps({"detail-type": "SealSecret", "detail": {"v": 1}, "id": "x"}))
    assert replay(stack).run().replayed == 1
    assert [json.loads(body) for body in stack.bodies("EventsQueueUrl")] == [{"v": 1}]


def test_a_dry_run_changes_nothing(stack: Stack) -> None:
    stack.reject(BODY, "KeyDisabled")
    stack.send("EventsDeadLetterQueueUrl", "a letter")
    before = stack.waiting()
    assert replay(stack, dry_run=True).run().replayed == 2
    assert stack.waiting() == before == {"rejected": 1, "messages dead letters": 1}


def test_only_what_was_rejected_for_a_reason(stack: Stack) -> None:
    stack.reject(BODY, "KeyDisabled")
    stack.reject("nonsense", "InvalidMessage")
    report = replay(stack, dead_letters=False, why="KeyDisabled").run()
    assert (report.replayed, report.left, stack.waiting()) == (1, 1, {"rejected": 1, "messages": 1})


def test_more_than_one_batch(stack: Stack) -> None:
    for number in range(23):
        stack.send("EventsDeadLetterQueueUrl", f"{number:02}")
    assert replay(stack).run().replayed == 23
    assert stack.bodies("EventsQueueUrl") == [f"{number:02}" for number in range(23)]


def test_what_cannot_be_opened_stays(stack: Stack) -> None:
    stack.reject(BODY, "KeyDisabled")
    (good,) = stack.bodies("EventsRejectedQueueUrl")
    rejection = json.loads(good)
    for body in (json.dumps({**rejection, "message_id": "other"}), "no JSON", json.dumps({**rejection, "source": "x"})):
        stack.send("EventsRejectedQueueUrl", body)
    report = replay(stack, dead_letters=False).run()
    assert report.replayed == 0
    assert sorted(failure.reason.split(":")[0] for failure in report.failed) == [
        "does not open",
        "is no rejected message",
        "is of x, which the stack does not seal",
    ]
    assert stack.waiting() == {"rejected": 3}


def test_what_its_queue_will_not_take_stays_and_the_others_go(stack: Stack) -> None:
    url = stack.outputs["EventsQueueUrl"]
    stack.sqs.set_queue_attributes(QueueUrl=url, Attributes={"MaximumMessageSize": "1024"})
    for body in ("x" * 2000, "a letter"):
        stack.send("EventsDeadLetterQueueUrl", body)
    report = replay(stack).run()
    assert (report.replayed, len(report.failed), report.stopped) == (1, 1, "")
    assert stack.waiting() == {"messages": 1, "messages dead letters": 1}


def test_an_outage_stops_it_and_loses_nothing(stack: Stack) -> None:
    stack.reject(BODY, "KeyDisabled")
    stack.fault = Unavailable()
    report = replay(stack).run()
    assert report.stopped == Unavailable.text
    assert (report.replayed, stack.waiting()) == (0, {"rejected": 1})


def test_what_cannot_be_deleted_is_sent_and_stays(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    """Twice is once: the function knows it by its id."""
    stack.send("EventsDeadLetterQueueUrl", "a letter")
    work = replay(stack)

    def refuse(**_: Any) -> Any:
        raise ClientError({"Error": {"Code": "InternalError", "Message": "refused"}}, "DeleteMessage")

    monkeypatch.setattr(work._sqs, "delete_message", refuse)
    report = work.run()
    assert "cannot be deleted" in report.stopped
    assert stack.waiting() == {"messages": 1, "messages dead letters": 1}


def test_the_reasons_are_told_and_the_messages_stay(stack: Stack) -> None:
    stack.reject(BODY, "KeyDisabled", message_id="m1")
    stack.send("EventsRejectedQueueUrl", "nonsense")
    nonsense, told = rejections(stack)
    assert (told.message_id, told.reason, told.field, told.source) == ("m1", "KeyDisabled", "key", "messages")
    assert (nonsense.reason, nonsense.rejected) == ("", 0)
    assert stack.waiting() == {"rejected": 2}


def test_what_comes_back_waits_for_the_next_one_whatever_the_clock_says(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The clock of this machine may be wrong, or SQS's may be ahead by as much as a message needs."""
    for hours in (-1, 1):
        monkeypatch.setattr("time.time", lambda hours=hours, now=time.time: now() + 3600 * hours)
        stack.reject(BODY, "KeyDisabled")
        work = replay(stack)
        send = work._sqs.send_message

        def send_message(send: Any = send, **given: Any) -> Any:
            sent = send(**given)
            stack.reject(given["MessageBody"], "KeyDisabled", message_id=sent["MessageId"])
            return sent

        monkeypatch.setattr(work._sqs, "send_message", send_message)
        assert work.run().replayed == 1
        assert stack.waiting()["rejected"] == 1
        stack.bodies("EventsRejectedQueueUrl")


def test_no_terminal_obeys_what_lies_in_the_queue(
    stack: Stack, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    stack.reject(BODY, "\x1b[2J")
    assert run(stack, monkeypatch, "rejected") == 0
    out = capsys.readouterr().out
    assert "\x1b" not in out
    assert "\\x1b[2J" in out


def test_a_time_that_no_calendar_has_is_no_rejection(
    stack: Stack, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    stack.reject(BODY, "KeyDisabled")
    (body,) = stack.bodies("EventsRejectedQueueUrl")
    for seconds in (10**17, -(10**17)):
        stack.send("EventsRejectedQueueUrl", json.dumps({**json.loads(body), "rejected": seconds}))
    assert run(stack, monkeypatch, "rejected") == 0
    assert capsys.readouterr().out.count("no rejected message") == 2


def test_a_stack_without_events_says_so(stack: Stack) -> None:
    stack.outputs.clear()
    with pytest.raises(SettingsError, match="no `events`"):
        depths(stack)


def run(stack: Stack, monkeypatch: pytest.MonkeyPatch, verb: str, **args: Any) -> int:
    monkeypatch.setattr("tkms.stack.stack.Stack", lambda _name: stack)
    given = {"stack": "tkms-acme", "json": False, "only": None, "reason": "", "dry_run": False, **args}
    return int(getattr(commands, verb)(argparse.Namespace(**given)))


def test_the_command_says_it_all(
    stack: Stack, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    stack.reject(BODY, "KeyDisabled", message_id="m1")
    stack.send("EventsRejectedQueueUrl", "nonsense")
    assert run(stack, monkeypatch, "status") == 0
    assert "rejected               2        0" in capsys.readouterr().out
    assert run(stack, monkeypatch, "rejected") == 0
    out = capsys.readouterr().out
    assert "2027-01-15T08:00:00Z  messages  m1" in out
    assert "geheim" not in out
    assert run(stack, monkeypatch, "replay", dry_run=True) == 1
    told = capsys.readouterr()
    assert told.out == "1 to replay, 1 failed\n"
    assert "is no rejected message" in told.err
    assert run(stack, monkeypatch, "replay", reason="KeyDisable") == 1
    assert capsys.readouterr().out == "0 replayed, 1 failed, 1 of other reasons\n"
    assert run(stack, monkeypatch, "replay", only="rejected", json=True) == 1
    report = msgspec.json.decode(capsys.readouterr().out)
    assert (report["replayed"], len(report["failed"])) == (1, 1)
    assert run(stack, monkeypatch, "replay", only="dead-letters") == 0


def test_the_command_line_names_a_stack() -> None:
    done = run_tkms("events", "status", check=False)
    assert done.returncode == 2
    assert "--stack" in done.stderr
