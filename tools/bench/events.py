"""Messages of seal_messages: CPU of each beside one Encrypt over HTTP's event, and how many a second in one process.

AWS's services answer at once what they would for a message that is new, and do nothing: this is what the function
computes, without botocore. That is Powertools' batch, the message, the request MAC, the call of the Action and the
Action itself in this process with its audit line, the row, the delivery, the event and the line of the log. Batches of
ten to SSM, of 64 bytes, each with an id of its own. The Encrypt beside them comes through the endpoint, signed with
TC3. The best of the rounds, which take turns.
"""

from __future__ import annotations

import gc
import json
import os
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import redirect_stdout
from io import BytesIO
from itertools import count
from pathlib import Path
from typing import Any

import msgspec

from functions.endpoint.dispatch import load
from functions.seal_messages.handler import answer
from kit.event_world import ENVIRONMENT, NOW
from kit.support import Kms, Signer
from tenantkms.model.limits import OFF
from tenantkms_events.assemble import messages
from tkms.machine.directory import Directory

_BATCH = 10
_TEXT = "x" * 64


def _record(number: int, key: str) -> dict[str, Any]:
    target = {"type": "ssm", "name": f"/bench/{number % 100}"}
    message = {"v": 1, "id": f"bench-{number}", "key": key, "plaintext": _TEXT, "target": target}
    attributes = {"SentTimestamp": str(NOW * 1000), "ApproximateReceiveCount": "1"}
    return {
        "messageId": str(number),
        "body": json.dumps(message),
        "attributes": attributes,
        "eventSource": "aws:sqs",
    }


class _Service:
    """Every service at once, and Actions that `run` runs."""

    def __init__(self, run: Callable[[Mapping[str, Any]], Mapping[str, Any]]) -> None:
        self._run = run
        self.told = 0

    def invoke(self, *, FunctionName: str, Payload: bytes) -> Mapping[str, Any]:  # noqa: N803 - AWS's names
        del FunctionName
        answer = self._run(msgspec.json.decode(Payload))
        return {"Payload": BytesIO(msgspec.json.encode(answer))}

    def get_item(self, **_: object) -> Mapping[str, Any]:
        return {}

    put_item = update_item = put_parameter = get_item

    def get_parameter(self, **_: object) -> Mapping[str, Any]:
        return {"Parameter": {"Value": "older"}}

    def put_events(self, **_: object) -> Mapping[str, Any]:
        self.told += 1
        return {"FailedEntryCount": 0}


def _timed(work: Callable[[Any], object], given: list[Any]) -> tuple[float, float]:
    """CPU and wall microseconds of one."""
    gc.collect()
    wall, cpu = time.perf_counter(), time.process_time()
    for one in given:
        work(one)
    return (time.process_time() - cpu) / len(given) * 1e6, (time.perf_counter() - wall) / len(given) * 1e6


def rows(*, small: bool) -> dict[str, float]:
    """`small`: whether it works, not how fast it is."""
    rounds, batches = (1, 3) if small else (15, 30)
    with tempfile.TemporaryDirectory() as name, Path(os.devnull).open("w") as nowhere:
        settings = Directory(Path(name) / "data", OFF).make("bench")
        credential = settings.access.store.list_credentials()[0]
        kms = Kms(settings, Signer(credential.access_key_id, settings.access.secret(credential)))

        def run(call: Mapping[str, Any]) -> Mapping[str, Any]:
            return load(call["action"]).run(call, settings.deps, native=True)

        service, numbers = _Service(run), count()
        made = messages(ENVIRONMENT, lambda _name: service, lambda: NOW)

        def seal(batch: list[dict[str, Any]]) -> None:
            with redirect_stdout(nowhere):
                told = answer(made, {"Records": batch}, None)
            assert told == {"batchItemFailures": []}

        key = kms.alibaba("DescribeKey", KeyId="alias/default")["KeyMetadata"]["KeyId"]
        encrypt = {"KeyId": key, "Plaintext": "eA" * 43}
        seal([_record(next(numbers), key)])
        ours, theirs = [], []
        for _ in range(rounds):
            given = [[_record(next(numbers), key) for _ in range(_BATCH)] for _ in range(batches)]
            ours.append(_timed(seal, given))
            theirs.append(_timed(kms.send, [kms.signer.tencent("Encrypt", encrypt) for _ in range(batches * _BATCH)]))
        assert service.told == 1 + rounds * batches * _BATCH
    cpu, wall = (min(one[i] for one in ours) / _BATCH for i in (0, 1))
    beside = min(one[0] for one in theirs)
    found = {
        "messages a second": 1e6 / wall,
        "CPU us of a message": cpu,
        "CPU us of an Encrypt, TC3": beside,
        "a message, times an Encrypt": cpu / beside,
    }
    for what, value in found.items():
        print(f"  {what:<50}{value:>12,.2f}", flush=True)
    return found
