"""Exactly once in effect, whatever dies and whoever overtakes: a state machine over workers held at every call.

Messages for one target are sent, some twice and some under the id of another one; workers take them, several the same
one at once; each call of a worker is made, refused, lost, made twice, or is the last thing that it does. At the end
every message that is left is worked on in peace. Then nothing is lost, nothing has two ciphertexts, and what is newest
stands.
"""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from kit.event_fakes import Aws
from kit.event_world import BUCKET, ITEMS, REJECTED, TABLE, TABLES, VERDICTS, Kms, Worker, plaintext_of

NAME = "one"
KINDS = ("secretsmanager", "ssm", "s3", "dynamodb", "eventbridge")
COMPARES = ("s3", "dynamodb")
"""What can compare and set."""
WRITES = (
    "put_secret_value create_secret update_secret_version_stage put_parameter put_object transact_write_items"
    " put_events put_item update_item send_message"
).split()
TEXTS = {"a": "first", "b": "second", "c": "third"}


class ExactlyOnce(RuleBasedStateMachine):
    kind: str
    ordered: bool

    def __init__(self) -> None:
        super().__init__()
        self.aws = Aws(Kms(), TABLES)
        self.queue: dict[str, str] = {}
        self.sent: dict[str, dict[str, Any]] = {}
        self.workers: list[Worker] = []
        self.newest = 0

    # -- what happens --

    @rule(id=st.sampled_from("aaabbbc"), other=st.sampled_from([False] * 9 + [True]), workers=st.integers(0, 2))
    def send(self, id: str, other: bool, workers: int) -> None:  # noqa: A002 - the message's name
        name = {"name": ITEMS, "key": {"name": NAME}} if self.kind == "dynamodb" else {"name": NAME}
        message = {"v": 1, "id": id, "key": "alias/x", "target": {"type": self.kind, **name}}
        message["plaintext"] = "of another" if other else TEXTS[id]
        if self.ordered:
            message["sequence"] = ord(id)
        message_id = f"m{len(self.sent)}"
        self.sent[message_id] = message
        self.queue[message_id] = json.dumps(message)
        for _ in range(workers):
            self.workers.append(Worker(self.aws, message_id, self.queue[message_id]))

    @precondition(lambda self: self.queue)
    @rule(which=st.integers(0, 9))
    def receive(self, which: int) -> None:
        message_id = list(self.queue)[which % len(self.queue)]
        self.workers.append(Worker(self.aws, message_id, self.queue[message_id]))

    @precondition(lambda self: self.workers)
    @rule(which=st.integers(0, 9), times=st.integers(1, 3))
    def go_on(self, which: int, times: int) -> None:
        """To the next calls that change something."""
        worker = self.workers[which % len(self.workers)]
        for _ in range(times):
            if worker.outcome is None:
                worker.step("go")
                worker.run_to(WRITES)
        self._reap()

    @precondition(lambda self: self.workers)
    @rule(which=st.integers(0, 9), verdict=st.sampled_from(list(VERDICTS)))
    def step(self, which: int, verdict: str) -> None:
        worker = self.workers[which % len(self.workers)]
        # One message of the queue, delivered to two workers at once, of which one has deleted it: if the other breaks
        # off then, nobody comes after it (docs/events.md, "What is not promised").
        worker.step(verdict if worker.message_id in self.queue else "go")
        self._reap()

    @precondition(lambda self: self.workers)
    @rule(which=st.integers(0, 9))
    def finish(self, which: int) -> None:
        self.workers[which % len(self.workers)].finish()
        self._reap()

    def _reap(self) -> None:
        for worker in [w for w in self.workers if w.outcome is not None]:
            self.workers.remove(worker)
            assert worker.outcome in ("done", "given back", "killed"), worker.outcome
            if worker.outcome == "done":
                self.queue.pop(worker.message_id, None)
                self._accounted(worker.message_id)

    # -- what holds --

    def _rows(self) -> dict[str, dict[str, Any]]:
        """The document of each id, and the state of its row."""
        rows = {pk: row for (pk,), row in self.aws.dynamodb.tables[TABLE].items() if pk.startswith("SEAL#")}
        found = {}
        for pk, row in rows.items():
            document = json.loads(row["document"]["S"])
            found[pk.removeprefix("SEAL#")] = {"document": document, "state": row["state"]["S"]}
        return found

    def _rejected(self) -> dict[str, str]:
        found = [json.loads(body) for body in self.aws.sqs.sent.get(REJECTED, [])]
        return {one["message_id"]: one["reason"] for one in found}

    def _accounted(self, message_id: str) -> None:
        """A message that is deleted is done, or rejected for a reason that is true."""
        message, row = self.sent[message_id], self._rows().get(self.sent[message_id]["id"])
        assert row is not None
        own = plaintext_of(row["document"]) == message["plaintext"]
        reason = self._rejected().get(message_id)
        if not own:
            assert reason == "IdReused"
        elif reason:
            assert (reason, self.kind, self.ordered) == ("TargetTaken", "s3", False)
        else:
            assert row["state"] == "DONE"

    def _delivered(self) -> list[dict[str, Any]]:
        """All that was ever delivered."""
        texts = [value for values in self.aws.ssm.values.values() for value in values]
        texts += [text for secret in self.aws.secretsmanager.secrets.values() for text in secret.versions.values()]
        texts += [one["Body"].decode() for writes in self.aws.s3.writes.values() for one in writes]
        texts += [item["sealed"]["S"] for table, item in self.aws.dynamodb.puts if table == ITEMS]
        sealed = [detail for _, kind, detail in self.aws.events.sent if kind == "SecretSealed"]
        return [*map(json.loads, texts), *sealed]

    def _standing(self) -> dict[str, Any] | None:
        """What is read at the target."""
        text = ""
        if NAME in self.aws.ssm.values:
            text = self.aws.ssm.values[NAME][-1]
        if NAME in self.aws.secretsmanager.secrets:
            text = self.aws.secretsmanager.secrets[NAME].current
        if (BUCKET, NAME) in self.aws.s3.objects:
            text = self.aws.s3.objects[BUCKET, NAME]["Body"].decode()
        if (NAME,) in self.aws.dynamodb.tables[ITEMS]:
            text = self.aws.dynamodb.tables[ITEMS][NAME,]["sealed"]["S"]
        return json.loads(text) if text else None

    @invariant()
    def no_id_has_two_ciphertexts(self) -> None:
        seen = {(document["id"], document["ciphertext"]) for document in self._delivered()}
        assert len(seen) == len({id_ for id_, _ in seen})

    @invariant()
    def what_can_compare_and_set_never_goes_back(self) -> None:
        standing = self._standing()
        if standing and self.ordered and self.kind in COMPARES:
            assert standing["sequence"] >= self.newest
            self.newest = standing["sequence"]

    @invariant()
    def a_transaction_delivers_once(self) -> None:
        puts = Counter(
            json.loads(item["sealed"]["S"])["id"] for table, item in self.aws.dynamodb.puts if table == ITEMS
        )
        assert set(puts.values()) <= {1}

    def teardown(self) -> None:
        for worker in self.workers:
            worker.finish()
        self._reap()
        for message_id, body in list(self.queue.items()):
            outcome = Worker(self.aws, message_id, body).finish()
            assert outcome == "done", outcome
        self.no_id_has_two_ciphertexts()
        self.what_can_compare_and_set_never_goes_back()
        self.a_transaction_delivers_once()
        for message_id in self.sent:
            self._accounted(message_id)
        done = {id_: row["document"] for id_, row in self._rows().items() if row["state"] == "DONE"}
        told = {detail["id"] for _, _, detail in self.aws.events.sent}
        assert done.keys() <= told
        if done and self.kind != "eventbridge":
            standing = self._standing()
            assert standing in done.values()
            if self.ordered:
                assert standing == done[max(done)]
            else:
                assert done.keys() <= {document["id"] for document in self._delivered()}


@pytest.mark.parametrize("ordered", [False, True], ids=["free", "ordered"])
@pytest.mark.parametrize("kind", KINDS)
def test_exactly_once(kind: str, ordered: bool) -> None:
    machine = type("Machine", (ExactlyOnce,), {"kind": kind, "ordered": ordered})
    run_state_machine_as_test(machine, settings=settings(max_examples=60, stateful_step_count=25, deadline=None))
