"""Workers that can be held, killed and made twice at every call that they make, and the world that they work in."""

from __future__ import annotations

import base64
import json
import threading
from collections import Counter
from collections.abc import Callable, Container, Mapping
from contextlib import suppress
from itertools import count
from typing import Any

from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
from botocore.exceptions import ClientError, ReadTimeoutError

from functions.seal_messages.handler import work
from kit.event_fakes import Aws, Call, error
from tenantkms.errors import AliasNotFound, to_data
from tenantkms_events.assemble import messages
from tenantkms_events.errors import GivenBack

NOW = 1_800_000_000
TABLE, ITEMS, BUCKET, BUS, REJECTED = "events", "vault", "sealed", "own", "https://sqs.example.test/rejected"
ENVIRONMENT = {
    "TENANT": "acme",
    "FUNCTION_PREFIX": "tkms-acme-",
    "EVENTS_TABLE": TABLE,
    "REJECTED_QUEUE_URL": REJECTED,
    "EVENT_BUS": BUS,
    "SEALED_BUCKET": BUCKET,
    "TARGETS": json.dumps(
        [{"type": kind, "name": "*"} for kind in ("secretsmanager", "ssm", "s3", "dynamodb", "eventbridge")]
    ),
}
TABLES = {TABLE: ("pk",), ITEMS: ("name",)}


def record(message_id: str, body: str, received: int = 1) -> SQSRecord:
    attributes = {"SentTimestamp": str(NOW * 1000), "ApproximateReceiveCount": str(received)}
    return SQSRecord({"messageId": message_id, "body": body, "attributes": attributes, "eventSource": "aws:sqs"})


class Kms:
    """Actions that take no time: each encryption of the same is another ciphertext."""

    def __init__(self) -> None:
        self._numbers = count(1)

    def __call__(self, call: Mapping[str, Any]) -> Mapping[str, Any]:
        params, number = call["params"], next(self._numbers)
        made = {"key_id": "k", "key_version_id": "v"}
        if params.get("key_id") == "alias/gone":
            return {"error": to_data(AliasNotFound())}
        if call["action"] == "Encrypt":
            return {"result": {**made, "ciphertext": _base64(f"{number:08}" + params["plaintext"])}}
        if call["action"] == "GenerateDataKey":
            key = f"{number:032}"
            return {"result": {**made, "plaintext": _base64(key), "ciphertext": _base64(key[::-1])}}
        return {"result": {"plaintext": _base64(_text(params["ciphertext"])[::-1])}}


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def _text(text: str) -> str:
    return base64.b64decode(text).decode()


def plaintext_of(document: Mapping[str, Any]) -> str:
    """What the ciphertext of a document is of."""
    return _text(_text(document["ciphertext"])[8:])


class Killed(BaseException):
    """The process is gone: nothing that follows runs."""


Verdict = str
VERDICTS: Mapping[Verdict, str] = {
    "go": "the call is made",
    "die before": "the process is killed before the call",
    "die after": "the process is killed after it, before its answer is seen",
    "refused": "the service refuses it for now",
    "lost": "it is made, and its answer is lost",
    "twice": "it is made, its answer is lost, and the client makes it again",
}


class Worker:
    """One delivery of a message to a process of its own. `step` lets it make the call that it waits to make."""

    def __init__(self, aws: Aws, message_id: str, body: str) -> None:
        self.message_id = message_id
        self.waiting = ""
        self.outcome: str | None = None
        self._verdict: Verdict = ""
        self._mine, self._others = threading.Semaphore(0), threading.Semaphore(0)
        self._thread = threading.Thread(target=self._run, args=(aws, body), daemon=True)
        self._thread.start()
        self._others.acquire()

    def step(self, verdict: Verdict) -> None:
        self._verdict = verdict
        self._mine.release()
        self._others.acquire()

    def go(self, calls: int) -> bool:
        """Let it make so many calls. False if it has ended."""
        for _ in range(calls):
            if self.outcome is None:
                self.step("go")
        return self.outcome is None

    def run_to(self, operations: Container[str]) -> None:
        """Until it waits to make one of these, or has ended."""
        while self.outcome is None and self.waiting not in operations:
            self.step("go")

    def finish(self) -> str:
        self.run_to(())
        assert self.outcome is not None
        return self.outcome

    def _run(self, aws: Aws, body: str) -> None:
        try:
            made = messages(ENVIRONMENT, lambda service: aws.client(service, self._around), lambda: NOW)
            work(made, record(self.message_id, body))
            self.outcome = "done"
        except GivenBack:
            self.outcome = "given back"
        except Killed:
            self.outcome = "killed"
        except BaseException as fault:  # noqa: BLE001 - the test tells it
            self.outcome = f"{type(fault).__name__}: {fault}"
        finally:
            self._others.release()

    def _around(self, operation: str, call: Call) -> Any:
        self.waiting = operation
        self._others.release()
        self._mine.acquire()
        return _HOW[self._verdict](operation, call)


def _die_before(_operation: str, _call: Call) -> Any:
    raise Killed


def _die_after(_operation: str, call: Call) -> Any:
    _attempt(call)
    raise Killed


def _refused(operation: str, _call: Call) -> Any:
    raise error("ThrottlingException", operation)


def _lost(_operation: str, call: Call) -> Any:
    _attempt(call)
    raise ReadTimeoutError(endpoint_url="https://example.test")


def _twice(_operation: str, call: Call) -> Any:
    _attempt(call)
    return call()


def _attempt(call: Call) -> None:
    with suppress(ClientError):
        call()


_HOW: Mapping[Verdict, Callable[[str, Call], Any]] = {
    "go": lambda _operation, call: call(),
    "die before": _die_before,
    "die after": _die_after,
    "refused": _refused,
    "lost": _lost,
    "twice": _twice,
}

NAME = "one"
COMPARES = ("s3", "dynamodb")
"""The types of targets that can compare and set."""
TEXTS = {"a": "first", "b": "second", "c": "third"}


class World:
    """The messages of one target, the workers at them, and what must hold. `ordered`: they have a sequence, by their
    ids."""

    def __init__(self, kind: str, ordered: bool) -> None:
        self.kind = kind
        self.ordered = ordered
        self.aws = Aws(Kms(), TABLES)
        self.queue: dict[str, str] = {}
        self.sent: dict[str, dict[str, Any]] = {}
        self.workers: list[Worker] = []
        self.newest = 0

    def send(self, id: str, *, text: str = "") -> str:  # noqa: A002 - the message's name
        """The id in the queue. With `text` it is another message than that of the id."""
        name = {"name": ITEMS, "key": {"name": NAME}} if self.kind == "dynamodb" else {"name": NAME}
        message: dict[str, Any] = {"v": 1, "id": id, "key": "alias/x", "target": {"type": self.kind, **name}}
        message["plaintext"] = text or TEXTS[id]
        if self.ordered:
            message["sequence"] = ord(id)
        message_id = f"m{len(self.sent)}"
        self.sent[message_id] = message
        self.queue[message_id] = json.dumps(message)
        return message_id

    def receive(self, message_id: str) -> Worker:
        worker = Worker(self.aws, message_id, self.queue[message_id])
        self.workers.append(worker)
        return worker

    def reap(self) -> None:
        """Those that have ended; what is done is deleted from the queue."""
        for worker in [w for w in self.workers if w.outcome is not None]:
            self.workers.remove(worker)
            assert worker.outcome in ("done", "given back", "killed"), worker.outcome
            if worker.outcome == "done":
                self.queue.pop(worker.message_id, None)
                self._accounted(worker.message_id)

    def settle(self) -> None:
        """Everybody ends in peace, and whatever is left is received."""
        for worker in self.workers:
            worker.finish()
        self.reap()
        for message_id in list(self.queue):
            assert self.receive(message_id).finish() == "done"
        self.reap()
        self.check()
        for message_id in self.sent:
            self._accounted(message_id)
        done = {id_: row["document"] for id_, row in self._rows().items() if row["state"] == "DONE"}
        assert done.keys() <= {detail["id"] for _, _, detail in self.aws.events.sent}
        if done and self.kind != "eventbridge":
            standing = self._standing()
            assert standing in done.values()
            if self.ordered:
                assert standing == done[max(done)]
            else:
                assert done.keys() <= {document["id"] for document in self._delivered()}

    def check(self) -> None:
        """What holds at every moment."""
        seen = {(document["id"], document["ciphertext"]) for document in self._delivered()}
        assert len(seen) == len({id_ for id_, _ in seen}), "an id has two ciphertexts"
        standing = self._standing()
        if standing and self.ordered and self.kind in COMPARES:
            assert standing["sequence"] >= self.newest, "it went back"
            self.newest = standing["sequence"]
        puts = Counter(json.loads(item["sealed"]["S"])["id"] for name, item in self.aws.dynamodb.puts if name == ITEMS)
        assert set(puts.values()) <= {1}, "a transaction delivered twice"

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
