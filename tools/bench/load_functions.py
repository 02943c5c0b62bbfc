"""The deployed functions under load, without AWS: `make bench ARGS=load`, `--rps N`, `--seconds N`.

The endpoint and Encrypt, each in processes of AWS's own runtime client as on AWS Lambda, whose wire ends in memory
after as many milliseconds as DynamoDB, AWS KMS and AWS Lambda take (`cdk.cost.Waits`). Requests come at random moments,
`rps` a second, whether others are answered or not. An environment has one event at a time; a new one is begun when all
are busy, and is ready `COLD` seconds later. Where no more may be begun, a request is refused, and its client sends it
again, three times at most.
"""

from __future__ import annotations

import asyncio
import http.client
import json
import os
import random
import signal
import statistics
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
from botocore.awsrequest import AWSResponse
from msgspec import Struct

from cdk import cost
from tenantkms.runtime import lambda_entry
from tools.bench.cost import ENVIRONMENT, Deployment, Memory, Session, _Raw

COLD = 0.4
"""Seconds from an event to a new environment that is ready for it: assumed, longer than `make init-times` says."""
PROCESSES = 40
"""Environments of each function that stand ready: no run needs as many."""
WAITS = cost.Waits()
_TAKES = {
    "GetItem": WAITS.get_item,
    "Query": WAITS.get_item,
    "Encrypt": WAITS.parent_key,
    "Decrypt": WAITS.parent_key,
}
"""Milliseconds of a call; any other is a write."""
_THROTTLED = b'{"Reason":"ReservedFunctionConcurrentInvocationLimitExceeded"}'
_AGAIN = (0.1, 0.2, 0.4)
"""Seconds that a client waits at most before it sends a refused request again."""


class Case(Struct, frozen=True, kw_only=True):
    """`most`: environments of the endpoint that there may be. `inline`: Encrypt runs in it."""

    inline: bool
    most: int = PROCESSES


CASES = {
    "inline": Case(inline=True),
    "split": Case(inline=False),
    "inline, 6 at most": Case(inline=True, most=6),
    "inline, 4 at most": Case(inline=True, most=4),
}


class _Waiting(Memory):
    """Answers after the time that AWS takes; AWS Lambda by the function at `action`."""

    def __init__(self, other: Memory, action: tuple[str, int]) -> None:
        super().__init__()
        self.items, self._connection = other.items, http.client.HTTPConnection(*action)

    def send(self, request: Any) -> AWSResponse:
        if request.headers.get("X-Amz-Target"):
            return super().send(request)
        time.sleep(WAITS.invoke / 1000)
        self._connection.request("POST", "/invoke", request.body)
        answer = self._connection.getresponse()
        body = answer.read()
        headers = {"content-length": str(len(body))}
        if answer.status != 200:
            headers["x-amzn-errortype"] = "TooManyRequestsException"
        return AWSResponse(request.url, answer.status, headers, _Raw(body))

    def _answer(self, name: str, body: Mapping[str, Any]) -> dict[str, Any]:
        time.sleep(_TAKES.get(name, WAITS.put_item) / 1000)
        return super()._answer(name, body)


class _Function:
    """The Runtime API of a function's environments, which are processes of this one, and its Invoke."""

    def __init__(self, most: int) -> None:
        self.most, self.busy, self.begun, self.cold, self.throttled = most, 0, 0, 0, 0
        self._idle: asyncio.LifoQueue[asyncio.Future[tuple[str, bytes]]] = asyncio.LifoQueue()
        self._answers: dict[str, asyncio.Future[bytes]] = {}
        self._numbers = 0

    async def listen(self) -> tuple[str, int]:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        address: tuple[str, int] = server.sockets[0].getsockname()[:2]
        return address

    async def ready(self, count: int) -> None:
        """Until so many environments wait for an event."""
        waiting = [await self._idle.get() for _ in range(count)]
        for environment in waiting:
            self._idle.put_nowait(environment)

    async def invoke(self, event: bytes) -> bytes | None:
        """The answer, or None if it is refused."""
        if self.busy >= self.most:
            self.throttled += 1
            return None
        self.busy += 1
        try:
            if self.busy > self.begun:
                self.begun, self.cold = self.busy, self.cold + 1
                await asyncio.sleep(COLD)
            environment = await self._idle.get()
            self._numbers += 1
            name = str(self._numbers)
            answer = self._answers[name] = asyncio.get_running_loop().create_future()
            environment.set_result((name, event))
            return await answer
        finally:
            self.busy -= 1

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
                _, _, rest = head.partition("content-length:")
                body = await reader.readexactly(int(rest.partition("\r\n")[0])) if rest else b""
                path = head.split(" ", 2)[1]
                if path.endswith("/next"):
                    waiting: asyncio.Future[tuple[str, bytes]] = asyncio.get_running_loop().create_future()
                    self._idle.put_nowait(waiting)
                    name, event = await waiting
                    self._write(writer, 200, event, name)
                elif path == "/invoke":
                    answer = await self.invoke(body)
                    self._write(writer, 429 if answer is None else 200, _THROTTLED if answer is None else answer)
                else:
                    if path.endswith("/response"):
                        self._answers.pop(path.split("/")[-2]).set_result(body)
                    else:
                        print(f"{path}: {body.decode()}", file=sys.stderr)
                    self._write(writer, 202, b"")
        except (asyncio.IncompleteReadError, asyncio.CancelledError, ConnectionError):
            writer.close()

    @staticmethod
    def _write(writer: asyncio.StreamWriter, status: int, body: bytes, name: str = "") -> None:
        head = f"HTTP/1.1 {status} -\r\nContent-Length: {len(body)}\r\nContent-Type: application/json\r\n"
        if name:
            head += f"Lambda-Runtime-Aws-Request-Id: {name}\r\n"
            head += f"Lambda-Runtime-Deadline-Ms: {int(time.time() * 1000) + 29_000}\r\n"
        writer.write(f"{head}\r\n".encode() + body)


def _environment(folder: str, api: tuple[str, int], action: tuple[str, int], memory: Memory, *, inline: bool) -> int:
    """The id of a process that serves `folder`'s events, with the handler and the settings that it has on AWS."""
    if child := os.fork():
        return child
    quiet = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1):
        os.dup2(quiet, stream)
    os.environ.update(
        ENVIRONMENT,
        FUNCTION_PREFIX="tkms-acme-",
        INLINE_ACTIONS="Encrypt" if inline else "",
        AWS_LAMBDA_FUNCTION_NAME=folder,
        AWS_LAMBDA_RUNTIME_API=f"{api[0]}:{api[1]}",
        AWS_LAMBDA_LOG_FORMAT="JSON",
        AWS_LAMBDA_LOG_LEVEL="INFO",
        LAMBDA_TASK_ROOT=str(Path.cwd()),
    )
    session = Session(_Waiting(memory, action))
    lambda_entry._session = lambda: session
    for name in ("functions.endpoint.handler", "functions.encrypt.handler"):
        sys.modules.pop(name, None)  # they read the environment when they are imported
    try:
        from awslambdaric import bootstrap
        from awslambdaric.lambda_runtime_client import LambdaRuntimeClient

        bootstrap.run(f"functions.{folder}.handler.handler", LambdaRuntimeClient(f"{api[0]}:{api[1]}"))
    finally:
        os._exit(1)


def _end(children: list[int]) -> None:
    for child in children:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


async def _client(function: _Function, event: bytes, latencies: list[float], failed: list[str]) -> None:
    started = time.perf_counter()
    for pause in (*_AGAIN, None):
        answer = await function.invoke(event)
        if answer is not None:
            told = msgspec.json.decode(answer)
            if told.get("statusCode") != 200 or '"Error"' in told["body"]:
                failed.append(str(told))
            break
        if pause is None:
            failed.append("throttled")
            return
        await asyncio.sleep(pause * random.random())
    latencies.append((time.perf_counter() - started) * 1000)


async def _run(deployment: Deployment, case: Case, rps: int, seconds: int) -> dict[str, float]:
    endpoint, encrypt = _Function(case.most), _Function(PROCESSES)
    to_endpoint, to_encrypt = await endpoint.listen(), await encrypt.listen()
    served = {"endpoint": to_endpoint} if case.inline else {"endpoint": to_endpoint, "encrypt": to_encrypt}
    children: list[int] = []
    try:
        children.extend(
            _environment(folder, api, to_encrypt, deployment.memory, inline=case.inline)
            for folder, api in served.items()
            for _ in range(PROCESSES)
        )
        await endpoint.ready(PROCESSES)
        if not case.inline:
            await encrypt.ready(PROCESSES)
        latencies: list[float] = []
        failed: list[str] = []
        busy: list[int] = []
        tasks = []
        start = due = time.perf_counter()
        signed, event = 0.0, b""
        while due < start + seconds:
            due += random.expovariate(rps)
            if due - signed > 1:
                signed, event = due, json.dumps(deployment.request("tencent")).encode()
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            busy.append(endpoint.busy)
            tasks.append(asyncio.create_task(_client(endpoint, event, latencies, failed)))
        await asyncio.gather(*tasks)
    finally:
        _end(children)
    for what in failed[:1]:
        print(f"  {what}", file=sys.stderr)
    cuts = statistics.quantiles(latencies, n=100)
    return {
        "requests": len(tasks),
        "p50": cuts[49],
        "p99": cuts[98],
        "mean_busy": statistics.fmean(busy),
        "endpoints": endpoint.begun,
        "encrypts": encrypt.begun,
        "throttled": endpoint.throttled + encrypt.throttled,
        "failed": len(failed),
    }


def rows(rps: int, seconds: int, cases: Mapping[str, Case] = CASES) -> dict[str, dict[str, float]]:
    """Prints and answers a row for each case; `p50` and `p99` in milliseconds."""
    deployment = Deployment()
    waits = (
        f"{WAITS.get_item} ms a read, {WAITS.put_item} a write, {WAITS.parent_key} AWS KMS, {WAITS.invoke} AWS Lambda"
    )
    print(f"{rps} Encrypt a second for {seconds} s (TC3); {waits}", flush=True)
    found = {}
    for name, case in cases.items():
        row = found[name] = asyncio.run(_run(deployment, case, rps, seconds))
        print(f"{name:<20}", "  ".join(f"{what} {value:,.1f}" for what, value in row.items()), flush=True)
    return found
