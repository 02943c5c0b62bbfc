"""`make bench ARGS=attack`: what an honest client gets while others attack the one-machine server.

The honest client sends 200 Encrypt per second on eight connections, one in twenty on a new one; a time is that from
the moment when a request was due to its answer, so a server that stands still is seen. It is measured without the
attack and then with it, in several turns, against a server of its own for each attack: a p99 of some hundred requests
is that of a few, and scatters. What is printed are medians of the turns, and the ratio is the median of each turn's
own. Attackers are another process (`tools.bench.attackers`), with an access key of their own, on the same address.
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
import ssl
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import uvloop

from kit.connections import Wire, request_bytes
from kit.memory import children
from kit.sdk_clients import make_certificate
from kit.support import Signer, serving
from tools.bench.attackers import HOST, KINDS, Kind, Target

RATE = 200
KEPT = 8
NEW_EVERY = 20
WARM_SECONDS = 1
ROUNDS = 3
ANSWER_SECONDS = 10
_Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@dataclass
class Honest:
    """A client at a steady rate, and what it saw: seconds of each answer, and how many requests failed."""

    port: int
    signer: Signer
    key_id: str
    tls: ssl.SSLContext | None
    seconds: list[float] = field(default_factory=list)
    failed: int = 0

    async def _open(self) -> _Streams:
        return await asyncio.open_connection(HOST, self.port, ssl=self.tls)

    async def _ask(self, streams: _Streams, request: bytes) -> None:
        reader, writer = streams
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        length = head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]
        body = await reader.readexactly(int(length))
        if b'"CiphertextBlob"' not in body:
            raise OSError(body)

    async def _one(self, free: asyncio.Queue[_Streams], request: bytes, *, new: bool) -> None:
        due = time.perf_counter()
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                streams = await (self._open() if new else free.get())
                try:
                    await self._ask(streams, request)
                except BaseException:
                    streams[1].close()
                    if not new:
                        free.put_nowait(await self._open())
                    raise
        except (OSError, EOFError, TimeoutError):
            self.failed += 1
            return
        if new:
            streams[1].close()
        else:
            free.put_nowait(streams)
        self.seconds.append(time.perf_counter() - due)

    async def run(self, seconds: float) -> None:
        """Raises `OSError` if it cannot even connect."""
        count = int(seconds * RATE)
        plain = [base64.b64encode(n.to_bytes(64, "big")).decode() for n in range(count)]
        requests = [
            request_bytes(self.signer.tencent("Encrypt", {"KeyId": self.key_id, "Plaintext": text})) for text in plain
        ]
        free: asyncio.Queue[_Streams] = asyncio.Queue()
        for _ in range(KEPT):
            free.put_nowait(await self._open())
        start, tasks = time.perf_counter(), []
        for number, request in enumerate(requests):
            await asyncio.sleep(start + number / RATE - time.perf_counter())
            tasks.append(asyncio.ensure_future(self._one(free, request, new=number % NEW_EVERY == 0)))
        await asyncio.gather(*tasks)
        while not free.empty():
            free.get_nowait()[1].close()


def _at(times: list[float], share: float) -> float:
    """A quantile in milliseconds."""
    return sorted(times)[min(len(times) - 1, int(len(times) * share))] * 1000 if times else float("inf")


def _measure(honest: Honest, seconds: float) -> dict[str, float]:
    honest.seconds, honest.failed = [], 0
    try:
        uvloop.run(honest.run(seconds))
    except OSError:
        honest.failed += int(seconds * RATE)
    return {"p50_ms": _at(honest.seconds, 0.5), "p99_ms": _at(honest.seconds, 0.99), "failed": honest.failed}


def memory_mb(server: int, file: str, what: str) -> float:
    """Of all processes of a server together, as `/proc/<process>/<file>` has it: `Pss` of what they share in parts."""
    lines = (
        line for each in (server, *children(server)) for line in Path(f"/proc/{each}/{file}").read_text().splitlines()
    )
    return sum(int(line.split()[1]) for line in lines if line.startswith(f"{what}:")) / 1024


def _signing_key(port: int, signer: Signer, spec: str) -> tuple[str, str]:
    """(id, version) of a new key."""
    made = {"KeySpec": spec, "KeyUsage": "SIGN/VERIFY"}
    with Wire(port) as wire:
        key = wire.ask(signer.alibaba_acs3("CreateKey", made))["KeyMetadata"]
    return key["KeyId"], key["PrimaryKeyVersion"]


@contextmanager
def _attacked(name: str, target: Target) -> Iterator[None]:
    command = [sys.executable, "-m", "tools.bench.attackers", name]
    with subprocess.Popen(command, stdin=subprocess.PIPE, env=os.environ) as process:
        assert process.stdin is not None
        try:
            process.stdin.write(json.dumps(vars(target)).encode() + b"\n")
            process.stdin.flush()
            time.sleep(WARM_SECONDS)
            yield
        finally:
            process.stdin.close()
            process.wait(10)


def _medians(turns: list[dict[str, float]]) -> dict[str, float]:
    """Of the times, and of the requests that failed all."""
    row = {name: statistics.median(turn[name] for turn in turns) for name in turns[0]}
    return {**row, "failed": sum(turn["failed"] for turn in turns)}


def _row(name: str, kind: Kind, seconds: float, rounds: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as path:
        directory = Path(path)
        tls, args = None, []
        if kind.tls:
            cert, key = make_certificate(directory)
            tls, args = ssl.create_default_context(cafile=str(cert)), ["--tls-cert", str(cert), "--tls-key", str(key)]
        with serving(directory / "data", *args) as server:
            port = int(server.url.rpartition(":")[2])
            key_id = json.loads(server.tkms("key", "list", "--json"))[0]["id"]
            honest = Honest(port, Signer(*server.credential("--name", "honest")), key_id, tls)
            other = Signer(*server.credential("--name", "attacker"))
            used, version = _signing_key(port, other, kind.spec) if kind.spec else (key_id, "")
            target = Target(port, other.access_key_id, other.secret, used, version, kind.spec)
            quiet, attacked, resident = list[dict[str, float]](), list[dict[str, float]](), list[float]()
            for _ in range(rounds):
                _measure(honest, WARM_SECONDS)  # in which the server also ends what the attack before has left
                quiet.append(_measure(honest, seconds))
                resident.append(memory_mb(server.process.pid, "status", "VmRSS"))
                with _attacked(name, target):
                    attacked.append(_measure(honest, seconds))
            most = memory_mb(server.process.pid, "status", "VmHWM")
    times = [mine["p99_ms"] / other["p99_ms"] for mine, other in zip(attacked, quiet, strict=True)]
    return {
        "quiet": _medians(quiet),
        "attacked": _medians(attacked),
        "more_mb": most - resident[0],
        "each": times,
        "times": statistics.median(times),
    }


def rows(seconds: float, rounds: int, names: Collection[str] = ()) -> dict[str, Any]:
    """By attack, medians of `rounds` turns of so many seconds in quiet and as many of attack. `names`: only these."""
    print(
        f"an honest client at {RATE} requests per second, milliseconds: medians of {rounds} turns\n"
        f"{'':<31}{'quiet':>8}{'':>10}{'attacked':>10}\n{'':<31}{'p50':>8}{'p99':>10}{'p50':>10}{'p99':>10}"
        f"{'p99 x':>8}{'failed':>8}{'more MB':>9}",
        flush=True,
    )
    found = {}
    for name in names or KINDS:
        kind = KINDS[name]
        row = found[name] = _row(name, kind, seconds, rounds)
        quiet, attacked = row["quiet"], row["attacked"]
        print(
            f"{kind.title:<31}{quiet['p50_ms']:>8.2f}{quiet['p99_ms']:>10.2f}{attacked['p50_ms']:>10.2f}"
            f"{attacked['p99_ms']:>10.2f}{row['times']:>8.1f}{attacked['failed']:>8}{row['more_mb']:>9.1f}",
            flush=True,
        )
    return found
