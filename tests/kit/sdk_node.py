"""AWS's packages for Node, unmodified, in a process of their own: @aws-sdk/client-kms and @aws-crypto/client-node."""

from __future__ import annotations

import base64
import json
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cdk.node import NODE
from kit.sdk_clients import Login, Refusal
from kit.sdk_programs import CLIENTS, environment, installed

_PROGRAM = Path(__file__).with_suffix(".mjs")


class NodeError(Exception):
    """What an exception of JavaScript's said."""

    def __init__(self, name: str, message: str, **rest: Any) -> None:
        super().__init__(f"{name}: {message}")
        self.name, self.message = name, message
        self.is_of_its_class: bool = rest["is_of_its_class"]
        """It is an instance of the class that the package exports by this name."""
        self.status, self.request_id, self.attempts = (rest.get(key) for key in ("status", "request_id", "attempts"))


class Node:
    """A KMSClient. Fields and answers as the API has them, with bytes and dates.

    `skew`: by how much the clock of this process is wrong. `options`: the client's own, instead of the environment's.
    """

    error = NodeError

    def __init__(self, login: Login, *, skew: timedelta = timedelta(), **options: Any) -> None:
        milliseconds = int(skew.total_seconds() * 1000)
        self.attempts = 0
        """How many the last `ask` that succeeded took."""
        self._process = subprocess.Popen(
            [installed(NODE), _PROGRAM, CLIENTS, json.dumps(options), str(milliseconds)],
            env=environment(login),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def close(self) -> None:
        self._process.communicate(timeout=20)

    def call(self, name: str, *given: Any) -> Any:
        """One of `CALLS` of the program."""
        process = self._process
        assert process.stdin
        assert process.stdout
        process.stdin.write(json.dumps([name, *given], default=_packed) + "\n")
        process.stdin.flush()
        answer = json.loads(process.stdout.readline(), object_hook=_unpacked)
        if "error" in answer:
            raise NodeError(**answer["error"])
        return answer["value"]

    def ask(self, action: str, **fields: Any) -> dict[str, Any]:
        answer: dict[str, Any] = self.call("send", action, fields)
        self.attempts = answer.pop("$metadata")["attempts"]
        return answer

    @staticmethod
    def read(error: Any) -> Refusal:
        return Refusal(error.name, error.status, error.request_id, error.message)


def _packed(value: bytes | datetime) -> dict[str, str | float]:
    """JSON has neither bytes nor dates."""
    if isinstance(value, bytes):
        return {"$bytes": base64.b64encode(value).decode()}
    return {"$ms": value.timestamp() * 1000}


def _unpacked(value: dict[str, Any]) -> Any:
    match value:
        case {"$bytes": text}:
            return base64.b64decode(text)
        case {"$ms": milliseconds}:
            return datetime.fromtimestamp(milliseconds / 1000, UTC)
    return value
