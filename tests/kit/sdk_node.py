"""AWS's packages for Node, unmodified, in a process of their own: @aws-sdk/client-kms and @aws-crypto/client-node."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

from cdk.node import NODE
from kit.sdk_clients import Login, Refusal
from kit.sdk_programs import CLIENTS, environment, installed
from kit.worker import Worker, WorkerError

_PROGRAM = Path(__file__).with_suffix(".mjs")


class NodeError(WorkerError):
    def __init__(self, name: str, message: str, **rest: Any) -> None:
        super().__init__(name, message)
        self.is_of_its_class: bool = rest["is_of_its_class"]
        """It is an instance of the class that the package exports by this name."""
        self.status, self.request_id, self.attempts = (rest.get(key) for key in ("status", "request_id", "attempts"))


class Node(Worker):
    """A KMSClient. Fields and answers as the API has them, with bytes and dates. Calls are those of the program.

    `skew`: by how much the clock of this process is wrong. `options`: the client's own, instead of the environment's.
    """

    error = NodeError

    def __init__(self, login: Login, *, skew: timedelta = timedelta(), **options: Any) -> None:
        milliseconds = int(skew.total_seconds() * 1000)
        self.attempts = 0
        """How many the last `ask` that succeeded took."""
        super().__init__(
            [installed(NODE), _PROGRAM, CLIENTS, json.dumps(options), str(milliseconds)], environment(login)
        )

    def ask(self, action: str, **fields: Any) -> dict[str, Any]:
        answer: dict[str, Any] = self.call("send", action, fields)
        self.attempts = answer.pop("$metadata")["attempts"]
        return answer

    @staticmethod
    def read(error: Any) -> Refusal:
        return Refusal(error.name, error.status, error.request_id, error.message)
