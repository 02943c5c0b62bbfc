"""`make bench ARGS=scale`: one machine with a million keys, beside one with none (`--keys N`: with fewer).

A tenant is filled (`tools.bench.full_tenant`), and then measured: how soon its server is ready, and with how much
memory; how fast scheduled work goes, and what an Encrypt takes meanwhile; what one takes in quiet, where every request
to the full tenant is followed by one to a tenant beside it, so that both have the same minute; what memory the server
has after each key, each access key and as many names that are none were used in turn; and what `tkms doctor` and
`tkms audit verify` take after all that.
"""

from __future__ import annotations

import base64
import json
import random
import socket
import statistics
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, closing
from itertools import cycle, islice
from pathlib import Path
from typing import Any
from uuid import UUID

from msgspec.structs import replace

from kit.connections import request_bytes
from kit.support import Server, Signer, serving
from tenantkms.keys.maintenance import JOBS, Report, run
from tenantkms.model.limits import OFF
from tenantkms.model.profiles import DAY
from tenantkms.model.watch import FIRST, Place, Watch
from tenantkms.store.port import KeyStore
from tkms.machine.directory import Directory
from tkms.output import Bar, clear
from tools.bench.attack import memory_mb
from tools.bench.commands import tkms, used
from tools.bench.full_tenant import Load, credential, fill, key_id
from tools.bench.listings import dynamodb_rows, file_rows, told

PLAINTEXT = base64.b64encode(b"x" * 64).decode()
PIPELINED = 16
DYNAMODB_KEYS = 20_000
"""As many as moto holds in a time to wait for."""
ROUNDS = 5
"""Of requests in turns; the ratio is that of the middle round."""
_SEED = 13
Rows = dict[str, Any]


class Client:
    """One connection to a server."""

    def __init__(self, server: Server, address: str = "127.0.0.1") -> None:
        port = int(server.url.rpartition(":")[2])
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=60, source_address=(address, 0))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._rest = b""

    def close(self) -> None:
        self._socket.close()

    def _answer(self) -> bytes:
        while (end := self._rest.find(b"\r\n\r\n")) < 0:
            self._receive()
        head = self._rest[:end].lower()
        length = int(head.partition(b"content-length: ")[2].partition(b"\r\n")[0])
        while len(self._rest) < end + 4 + length:
            self._receive()
        body, self._rest = self._rest[end + 4 : end + 4 + length], self._rest[end + 4 + length :]
        return body

    def _receive(self) -> None:
        data = self._socket.recv(262_144)
        if not data:
            raise SystemExit("the server has closed the connection")
        self._rest += data

    def send(self, requests: Sequence[bytes], wanted: bytes) -> None:
        """All of them at once; each answer has `wanted` in it."""
        self._socket.sendall(b"".join(requests))
        for _ in requests:
            body = self._answer()
            if wanted not in body:
                raise SystemExit(f"the server answered:\n{body.decode()}")

    def microseconds(self, request: bytes) -> float:
        began = time.perf_counter()
        self.send((request,), b'"CiphertextBlob"')
        return (time.perf_counter() - began) * 1e6


def _encrypt(signer: Signer, key: str) -> bytes:
    return request_bytes(signer.tencent("Encrypt", {"KeyId": key, "Plaintext": PLAINTEXT}))


def _encrypts(signers: Iterable[Signer], keys: Iterable[str]) -> Iterator[bytes]:
    return (_encrypt(signer, key) for signer, key in zip(signers, keys, strict=False))


def _start(stack: ExitStack, data_dir: Path) -> tuple[Server, Rows]:
    began = time.perf_counter()
    server = stack.enter_context(serving(data_dir, "--limit", "off", "--workers", "1"))
    seconds = time.perf_counter() - began
    return server, {"ready after s": seconds, "MB when ready": memory_mb(server.process.pid, "smaps_rollup", "Pss")}


# -- scheduled work ----------------------------------------------------------------------------------------


def _watched(store: KeyStore, looked: int) -> None:
    now = int(time.time())
    for job in JOBS.values():
        store.put_watch(job.name, Watch(since=now - 3 * DAY, seen=now, place=Place(looked=looked)))


def sweeper_rows(data_dir: Path, load: Load) -> Rows:
    """Half of what is due is done here; the other half is left to the server."""
    deps = Directory(data_dir, OFF).open().deps
    store, rows = deps.keyring.store, Rows()
    _watched(store, int(time.time()))

    def timed(name: str, count: int) -> tuple[Report, float]:
        left = iter(range(count))
        began = time.perf_counter()
        report = run(JOBS[name], deps, "bench", more=lambda: next(left, None) is not None)
        return report, time.perf_counter() - began

    # What is to be rotated has the earlier dates, so that who destroys looks at what is left of it first.
    for name, count in (("rotate", load.due // 2), ("destroy", load.due)):
        report, seconds = timed(name, count)
        rows[f"{name}, keys per second"] = report.done / seconds
    _watched(store, int(time.time()))
    began, page = time.perf_counter(), store.list_due(2**36, limit=100, after=(int(time.time()), "~"))
    rows["a page of 100 of what has time, ms"] = (time.perf_counter() - began) * 1e3
    assert len(page) == min(100, load.keys - 2 * load.due), len(page)
    _watched(store, 0)
    return rows


def swept_rows(server: Server, beside: Server, turns: tuple[Iterator[bytes], Iterator[bytes]]) -> Rows:
    """Encrypt while the server of the full tenant does what is due, and looks at all that has time."""
    store = Directory(server.data_dir, OFF).open().deps.keyring.store
    began, first = time.perf_counter(), int(time.time())
    times: list[tuple[float, float]] = []

    def swept() -> bool:
        watch, now = store.get_watch(JOBS["rotate"].name), int(time.time())
        done = watch is not None and watch.place.looked >= first - 60 and watch.place.after == FIRST
        return done and not store.list_due(now, limit=1)

    bar = Bar("Encrypt while keys are swept")
    with closing(Client(server)) as full, closing(Client(beside)) as empty:
        while not swept():
            for _ in range(200):
                second = empty.microseconds(next(turns[1]))
                times.append((full.microseconds(next(turns[0])), second))
            bar(len(times))
            if time.perf_counter() - began > 1800:
                raise SystemExit("the server does not come to the end of what is due")
    clear()
    return {"the server has swept all after s": time.perf_counter() - began, **_compared(times)}


# -- Encrypt -------------------------------------------------------------------------------------------------


def _compared(times: Sequence[tuple[float, float]]) -> Rows:
    """p50 and p99 of both, and the median of the ratios of the p50 of rounds that followed each other."""
    size = max(1, len(times) // ROUNDS)
    rounds = [list(zip(*times[first : first + size], strict=True)) for first in range(0, size * ROUNDS, size)]
    ratios = [statistics.median(full) / statistics.median(other) for full, other in filter(None, rounds)]
    full, other = zip(*times, strict=True)
    cuts = [statistics.quantiles(column, n=100) for column in (full, other)]
    return {
        "p50 us": statistics.median(full),
        "p50 us beside": statistics.median(other),
        "times": statistics.median(ratios),
        "p99 us": cuts[0][98],
        "p99 us beside": cuts[1][98],
        "requests": len(times),
    }


def _in_turns(
    name: str, servers: tuple[Server, Server], mine: Iterator[bytes], theirs: Iterator[bytes], count: int
) -> Rows:
    """One request to each after the other, the first two hundred of which are not counted."""
    pairs = list(islice(zip(mine, theirs, strict=False), count + 200))
    times = []
    with closing(Client(servers[0])) as full, closing(Client(servers[1])) as other:
        for number, (a, b) in enumerate(pairs):
            if number % 2:
                times.append((full.microseconds(a), other.microseconds(b)))
            else:
                second = other.microseconds(b)
                times.append((full.microseconds(a), second))
    row = _compared(times[200:])
    print(f"  {name:<58}" + "".join(f"{row[what]:9.1f}" for what in ("p50 us", "p50 us beside")), end="")
    print(f"{row['times']:7.2f}", flush=True)
    return row


# -- memory ----------------------------------------------------------------------------------------------------


def _walk(server: Server, requests: Iterator[bytes], total: int, wanted: bytes, name: str) -> Rows:
    """Megabytes of the server after a hundredth, a tenth and all of so many requests, pipelined on one connection."""
    marks, row, done = [total // 100, total // 10, total], Rows(), 0
    bar = Bar(name, total)
    row["0"] = memory_mb(server.process.pid, "smaps_rollup", "Pss")
    with closing(Client(server)) as client:
        while batch := list(islice(requests, PIPELINED)):
            client.send(batch, wanted)
            done += len(batch)
            bar(done)
            while marks and done >= marks[0]:
                marks.pop(0)
                row[str(done)] = memory_mb(server.process.pid, "smaps_rollup", "Pss")
    clear()
    print(f"  {name:<44}" + "".join(f"{count:>10}: {mb:6.1f}" for count, mb in row.items()), flush=True)
    return row


def _from_addresses(server: Server, count: int) -> Rows:
    """Requests that are not signed rightly, each from an address of its own."""
    row, bar = Rows(), Bar("addresses of strangers", count)
    row["0"] = memory_mb(server.process.pid, "smaps_rollup", "Pss")
    request = _encrypt(Signer("nobody", "x"), key_id(0))
    for number in range(count):
        with closing(Client(server, f"127.{1 + number // 65_536}.{number // 256 % 256}.{number % 256}")) as client:
            client.send((request,), b"SecretIdNotFound")
        bar(number + 1)
    row[str(count)] = memory_mb(server.process.pid, "smaps_rollup", "Pss")
    clear()
    print(f"  {'addresses of strangers':<44}" + "".join(f"{n:>10}: {mb:6.1f}" for n, mb in row.items()), flush=True)
    return row


def memory_rows(server: Server, load: Load) -> Rows:
    signer, walks = Signer(*credential(0)), Rows()
    keys, count = load.keys - 2 * load.due, load.credentials
    good = b'"CiphertextBlob"'
    walks["keys"] = _walk(server, _encrypts(cycle([signer]), map(key_id, range(keys))), keys, good, "keys")
    signers = (Signer(*credential(number)) for number in range(count))
    walks["access keys"] = _walk(server, _encrypts(signers, cycle([key_id(0)])), count, good, "access keys")
    absent = (str(UUID(int=number, version=4)) for number in range(count))
    asked = _encrypts(cycle([signer]), absent)
    walks["keys that are none"] = _walk(server, asked, count, b"CmkNotFound", "keys that are none")
    strangers = (Signer(f"TKMS{number:020}", "x") for number in range(count))
    asked = _encrypts(strangers, cycle([key_id(0)]))
    walks["access keys that are none"] = _walk(server, asked, count, b"SecretIdNotFound", "access keys that are none")
    walks["addresses of strangers"] = _from_addresses(server, min(count, 30_000))
    walks["most, VmHWM"] = memory_mb(server.process.pid, "status", "VmHWM")
    return walks


# -- commands ------------------------------------------------------------------------------------------------


def _command(data_dir: Path, *words: str) -> Rows:
    """Seconds and the most memory of a command, whose status is 0."""
    took = used(tkms(*words, "--data-dir", str(data_dir), "--json"))
    print(f"  tkms {' '.join(words):<40}{took.seconds:9.1f} s{took.mb:9.1f} MB", flush=True)
    return {"s": took.seconds, "MB at most": took.mb}


def _told(what: str, rows: Rows) -> Rows:
    print(f"  {what}: " + ", ".join(f"{name} {value:,.2f}" for name, value in rows.items()), flush=True)
    return rows


def measured(data: Path, load: Load, requests: int) -> Rows:
    """`data` has the tenants `full`, `few` and `empty`."""
    rows: Rows = {"load": {name: getattr(load, name) for name in load.__struct_fields__}}
    rows["listings, one machine"] = told("pages of ListKeys", file_rows(data / "full", load.keys))
    rows["listings, DynamoDB"] = told("pages of ListKeys, DynamoDB", dynamodb_rows(min(load.keys, DYNAMODB_KEYS)))
    rows["scheduled work"] = _told("scheduled work", sweeper_rows(data / "full", load))
    with ExitStack() as stack:
        servers = {}
        for name in ("empty", "few", "full"):
            servers[name], started = _start(stack, data / name)
            rows[f"start, {name}"] = _told(f"{name} tenant", started)
        mine, theirs = (lambda: cycle([Signer(*credential(0))])), cycle([Signer(*servers["empty"].credential())])
        one = cycle([json.loads(servers["empty"].tkms("key", "list", "--json"))[0]["id"]])
        turns = _encrypts(mine(), cycle([key_id(0)])), _encrypts(theirs, one)
        swept = swept_rows(servers["full"], servers["empty"], turns)
        rows["Encrypt while swept"] = _told("Encrypt while keys are swept", swept)
        rows["Encrypt"] = _encrypt_rows(load, requests, servers, mine, theirs, one)
        rows["memory"] = memory_rows(servers["full"], load)
    rows["commands"] = {words: _command(data / "full", *words.split()) for words in ("doctor", "audit verify")}
    return rows


def _encrypt_rows(
    load: Load,
    requests: int,
    servers: dict[str, Server],
    mine: Callable[[], Iterator[Signer]],
    theirs: Iterator[Signer],
    one: Iterator[str],
) -> Rows:
    empty, few, full = servers["empty"], servers["few"], servers["full"]
    draw = random.Random(_SEED)
    some = [key_id(draw.randrange(load.versioned)) for _ in range(requests + 200)]
    cold = [key_id(n) for n in draw.sample(range(load.versioned, load.keys - 2 * load.due), requests + 200)]
    each = [Signer(*credential(n)) for n in draw.sample(range(load.credentials), min(load.credentials, requests + 200))]
    first = cycle([key_id(0)])
    print(f"  {'Encrypt, p50 us: full, beside it, times':<58}", flush=True)
    turns: dict[str, tuple[Server, Iterator[bytes], Iterator[bytes]]] = {
        "one key, empty tenant beside": (empty, _encrypts(mine(), first), _encrypts(theirs, one)),
        "1,000 keys at random, tenant of 1,000 beside": (few, _encrypts(mine(), some), _encrypts(mine(), some)),
        "keys at random, each the first time, empty beside": (
            empty,
            _encrypts(mine(), cold),
            _encrypts(theirs, one),
        ),
        "each with another access key, empty beside": (empty, _encrypts(cycle(each), first), _encrypts(theirs, one)),
    }
    return {name: _in_turns(name, (full, other), *turn, requests) for name, (other, *turn) in turns.items()}


def rows(keys: int, requests: int = 5_000) -> Rows:
    """Make the tenants in a temporary folder, and measure them."""
    whole = Load()
    load = Load(
        keys=keys,
        versioned=whole.versioned * keys // whole.keys or 1,
        credentials=whole.credentials * keys // whole.keys or 1,
        due=whole.due * keys // whole.keys,
    )
    with tempfile.TemporaryDirectory() as name:
        data = Path(name)
        Directory(data / "empty", OFF).make("bench")
        fill(data / "few", replace(load, keys=load.versioned, versions=1, credentials=1, due=0))
        began = time.perf_counter()
        fill(data / "full", load)
        print(f"filled in {time.perf_counter() - began:.0f} s", flush=True)
        return measured(data, load, requests)
