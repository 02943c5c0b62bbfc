"""Exactly once in effect, whatever dies and whoever overtakes: a state machine over workers held at every call.

Messages are sent, some twice and some under the id of another one; workers take them, several the same one at once;
each call of a worker is made, refused, lost, made twice, or is the last thing that it does. At the end every message
that is left is worked on in peace, and then nothing is lost, nothing has two ciphertexts, and what is newest stands.
"""

from __future__ import annotations

import json
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from kit.event_fakes import Aws
from kit.event_world import BUCKET, ITEMS, REJECTED, TABLE, TABLES, VERDICTS, Kms, Worker

ORDERED, FREE = "ordered", "free"
KINDS = ("secretsmanager", "ssm", "s3", "dynamodb", "eventbridge")


def target(kind: str, name: str) -> dict[str, Any]:
    return {"type": kind, "name": ITEMS, "key": {"name": name}} if kind == "dynamodb" else {"type": kind, "name": name}


class ExactlyOnce(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.aws = Aws(Kms(), TABLES)
        self.queue: dict[str, str] = {}
        self.sent: dict[str, dict[str, Any]] = {}
        self.workers: list[Worker] = []
        self.seen: dict[str, set[str]] = {}
        self.newest: dict[str, int] = {}

    # -- what happens --

    @rule(
        id=st.integers(0, 3),
        kind=st.sampled_from(KINDS),
        sequence=st.none() | st.integers(1, 3),
        text=st.sampled_from("xxxy"),
    )
    def send(self, id: int, kind: str, sequence: int | None, text: str) -> None:  # noqa: A002 - the message's name
        message: dict[str, Any] = {"v": 1, "id": f"{kind}-{sequence}-{id}", "key": "alias/x", "plaintext": text}
        message["target"] = target(kind, FREE if sequence is None else ORDERED)
        if sequence is not None:
            message["sequence"] = sequence
        self._send(message)

    @rule(key=st.sampled_from(["alias/gone", "alias/x"]), text=st.sampled_from(["", "x"]))
    def send_poison(self, key: str, text: str) -> None:
        self._send({"v": 1, "id": "poison", "key": key, "plaintext": text, "target": target("ssm", FREE), "extra": 1})

    def _send(self, message: dict[str, Any]) -> None:
        message_id = f"m{len(self.sent)}"
        self.sent[message_id] = message
        self.queue[message_id] = json.dumps(message)

    @precondition(lambda self: self.queue and len(self.workers) < 4)
    @rule(which=st.integers(0, 99))
    def receive(self, which: int) -> None:
        message_id = list(self.queue)[which % len(self.queue)]
        self.workers.append(Worker(self.aws, message_id, self.queue[message_id]))
        self._reap()

    @precondition(lambda self: self.workers)
    @rule(which=st.integers(0, 3), verdict=st.sampled_from(["go"] * 6 + list(VERDICTS)), times=st.integers(1, 6))
    def step(self, which: int, verdict: str, times: int) -> None:
        worker = self.workers[which % len(self.workers)]
        for _ in range(times - 1):
            if worker.outcome is None:
                worker.step("go")
        if worker.outcome is None:
            # One message of the queue, delivered to two workers at once, of which one has deleted it: if the other
            # breaks off then, nobody comes after it (docs/events.md, "What is not promised").
            worker.step(verdict if worker.message_id in self.queue else "go")
        self._reap()

    def _reap(self) -> None:
        for worker in [w for w in self.workers if w.outcome is not None]:
            self.workers.remove(worker)
            assert worker.outcome in ("done", "given back", "killed"), worker.outcome
            if worker.outcome == "done":
                self.queue.pop(worker.message_id, None)
                assert self._row(worker.message_id) or worker.message_id in self._rejected()

    # -- what holds --

    def _row(self, message_id: str) -> dict[str, Any] | None:
        """The row that is done of the message's id, if it is of this very message."""
        message = self.sent[message_id]
        row = self.aws.dynamodb.tables[TABLE].get((f"SEAL#{message['id']}",))
        if row is None or row["state"]["S"] != "DONE":
            return None
        return row if json.loads(row["target"]["S"])["type"] == message["target"]["type"] else None

    def _rejected(self) -> dict[str, str]:
        found = [json.loads(body) for body in self.aws.sqs.sent.get(REJECTED, [])]
        return {one["message_id"]: one["reason"] for one in found}

    def _documents(self) -> list[dict[str, Any]]:
        """All that was ever delivered."""
        texts = [value for values in self.aws.ssm.values.values() for value in values]
        texts += [text for secret in self.aws.secretsmanager.secrets.values() for text in secret.versions.values()]
        texts += [one["Body"].decode() for writes in self.aws.s3.writes.values() for one in writes]
        texts += [item["sealed"]["S"] for item in self.aws.dynamodb.tables[ITEMS].values()]
        return [json.loads(text) for text in texts] + [
            detail for _, kind, detail in self.aws.events.sent if kind == "SecretSealed"
        ]

    def _standing(self, name: str) -> dict[str, dict[str, Any]]:
        """Kind of target -> the document that is read there under `name`."""
        found = {}
        if name in self.aws.ssm.values:
            found["ssm"] = self.aws.ssm.values[name][-1]
        if name in self.aws.secretsmanager.secrets:
            found["secretsmanager"] = self.aws.secretsmanager.secrets[name].current
        if (BUCKET, name) in self.aws.s3.objects:
            found["s3"] = self.aws.s3.objects[BUCKET, name]["Body"].decode()
        if (name,) in self.aws.dynamodb.tables[ITEMS]:
            found["dynamodb"] = self.aws.dynamodb.tables[ITEMS][name,]["sealed"]["S"]
        return {kind: json.loads(text) for kind, text in found.items()}

    @invariant()
    def no_id_has_two_ciphertexts(self) -> None:
        for document in self._documents():
            self.seen.setdefault(document["id"], set()).add(document["ciphertext"])
        assert all(len(ciphertexts) == 1 for ciphertexts in self.seen.values()), self.seen

    @invariant()
    def what_can_compare_and_set_never_goes_back(self) -> None:
        for kind, document in self._standing(ORDERED).items():
            if kind in ("s3", "dynamodb"):
                assert document["sequence"] >= self.newest.get(kind, 0)
                self.newest[kind] = document["sequence"]

    def teardown(self) -> None:
        while self.workers:
            self.workers[0].finish()
            self._reap()
        for _ in range(3):
            for message_id, body in list(self.queue.items()):
                outcome = Worker(self.aws, message_id, body).finish()
                assert outcome == "done", outcome
                del self.queue[message_id]
        self.no_id_has_two_ciphertexts()
        self.what_can_compare_and_set_never_goes_back()
        rejected = self._rejected()
        for message_id in self.sent:
            assert self._row(message_id) or message_id in rejected, f"{message_id} is lost"
        for kind in KINDS:
            self._nothing_is_missing(kind, rejected)

    def _nothing_is_missing(self, kind: str, rejected: dict[str, str]) -> None:
        rows = [
            json.loads(row["document"]["S"])
            for (pk,), row in self.aws.dynamodb.tables[TABLE].items()
            if pk.startswith(f"SEAL#{kind}-") and row["state"]["S"] == "DONE"
        ]
        told = {detail["id"] for _, _, detail in self.aws.events.sent}
        assert {row["id"] for row in rows} <= told
        if kind == "eventbridge":
            return
        ordered = [row for row in rows if "sequence" in row]
        if ordered:
            standing = self._standing(ORDERED)[kind]
            assert standing["sequence"] == max(row["sequence"] for row in ordered)
            assert standing in ordered
        free = [row for row in rows if "sequence" not in row]
        if free:
            assert self._standing(FREE)[kind] in free


TestExactlyOnce = ExactlyOnce.TestCase
TestExactlyOnce.settings = settings(max_examples=100, stateful_step_count=40, deadline=None)
