"""A client that runs in a process of its own, of another language or with packages of its own, and is called from here.

A call is a line of JSON to the process, [name, argument..]; its answer is a line: {"value": ..} or {"error": {..}}.
"""

from __future__ import annotations

import base64
import json
import subprocess
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any


class WorkerError(Exception):
    """What an exception over there said."""

    def __init__(self, name: str, message: str, **rest: Any) -> None:
        super().__init__(f"{name}: {message}")
        self.name, self.message, self.rest = name, message, rest


class Worker:
    """A process that answers calls until it is closed."""

    error: type[WorkerError] = WorkerError

    def __init__(self, command: Sequence[str | Path], environ: Mapping[str, str]) -> None:
        self._process = subprocess.Popen(
            command, env=environ, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8"
        )

    def close(self) -> None:
        self._process.communicate(timeout=20)

    def call(self, name: str, *given: Any) -> Any:
        process = self._process
        assert process.stdin
        assert process.stdout
        process.stdin.write(json.dumps([name, *given], default=_packed) + "\n")
        process.stdin.flush()
        answer = json.loads(process.stdout.readline(), object_hook=_unpacked)
        if "error" in answer:
            raise self.error(**answer["error"])
        return answer["value"]


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
