"""Workers that can be held, killed and made twice at every call that they make, and the world that they work in."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from itertools import count
from typing import Any

from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
from botocore.exceptions import ReadTimeoutError

from functions.seal_messages.handler import GivenBack, work
from kit.event_fakes import Aws, Call, error
from tenantkms.errors import AliasNotFound, to_data
from tenantkms_events.assemble import messages

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
    return json.loads(_encode(text.encode()))  # type: ignore[no-any-return]


def _text(text: str) -> str:
    import base64

    return base64.b64decode(text).decode()


def _encode(content: bytes) -> bytes:
    import msgspec

    return msgspec.json.encode(content)


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

    def finish(self) -> str:
        while self.outcome is None:
            self.step("go")
        return self.outcome

    def _run(self, aws: Aws, body: str) -> None:
        try:
            work(
                messages(ENVIRONMENT, lambda service: aws.client(service, self._around), lambda: NOW),
                record(self.message_id, body),
            )
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
    from botocore.exceptions import ClientError

    try:
        call()
    except ClientError:
        pass


_HOW: Mapping[Verdict, Callable[[str, Call], Any]] = {
    "go": lambda _operation, call: call(),
    "die before": _die_before,
    "die after": _die_after,
    "refused": _refused,
    "lost": _lost,
    "twice": _twice,
}
