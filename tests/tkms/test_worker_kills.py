"""Workers that are killed at random while clients make keys and aliases and use them: what was answered is so.

`TKMS_CAMPAIGN=N` (make campaign OF=tests/tkms/test_worker_kills.py) kills N times as many.
"""

from __future__ import annotations

import http.client
import json
import os
import random
import signal
import threading
import time
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

from kit.connections import Wire, request_bytes, starting
from kit.memory import children
from kit.support import Server, Signer, run_tkms
from tenantkms.model.key import KeyFilter
from tkms.machine.directory import Directory

KILLS = 20 * max(1, int(os.environ.get("TKMS_CAMPAIGN", "0")))
WORKERS, WRITERS = 3, 4
REPLAYED = 300
"""How many requests at most are sent again at the end: more of them would be as old as the clock window."""


@dataclass
class Answered:
    """Of all writers: what the server has said that it did."""

    requests: list[bytes] = field(default_factory=list)
    ids: list[str] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    aliases: dict[str, str] = field(default_factory=dict)
    blobs: list[str] = field(default_factory=list)
    faults: list[object] = field(default_factory=list)


class Writer:
    """Makes a key, gives it an alias, and encrypts under it, again and again, until it is `done`."""

    def __init__(self, port: int, signer: Signer, answered: Answered, numbers: count[int]) -> None:
        self._port, self._signer, self._answered, self._numbers = port, signer, answered, numbers
        self.done = threading.Event()
        self._thread = threading.Thread(target=self._write)
        self._thread.start()

    def end(self) -> None:
        self.done.set()
        self._thread.join(timeout=60)
        assert not self._thread.is_alive()

    def _write(self) -> None:
        while not self.done.is_set():
            try:
                with Wire(self._port) as wire:
                    while not self.done.is_set():
                        self._turn(wire)
            except (OSError, http.client.HTTPException):  # whoever had the connection was killed
                continue
            except Exception as error:  # noqa: BLE001 - whatever it is, it should not be
                self._answered.faults.append(error)
                return

    def _turn(self, wire: Wire) -> None:
        said, name = self._answered, f"k{next(self._numbers)}"
        key = self._ask(wire, "CreateKey")["KeyMetadata"]["KeyId"]
        said.keys.append(key)
        self._ask(wire, "CreateAlias", AliasName=f"alias/{name}", KeyId=key)
        said.aliases[name] = key
        for _ in range(5):
            said.blobs.append(self._ask(wire, "Encrypt", KeyId=key, Plaintext="aGVsbG8=")["CiphertextBlob"])

    def _ask(self, wire: Wire, action: str, **params: str) -> dict[str, Any]:
        request = request_bytes(self._signer.alibaba_rpc(action, params))
        wire.send(request)
        answer: dict[str, Any] = json.loads(wire.answer()[2])
        assert "Code" not in answer, answer
        self._answered.requests.append(request)
        self._answered.ids.append(answer["RequestId"])
        return answer


def again(port: int, requests: list[bytes]) -> set[str]:
    """What is said to requests that were answered before, each on a connection of its own."""
    codes = set()
    for request in requests:
        with Wire(port) as wire:
            wire.send(request)
            codes.add(json.loads(wire.answer()[2]).get("Code", "ok"))
    return codes


def kill_at_random(supervisor: int, port: int, answered: Answered, kills: int) -> None:
    """With some answers between one and the next, of which the last are asked for again at once."""
    chance, killed = random.Random(), list[int]()
    while len(killed) < kills:
        enough, deadline = len(answered.ids) + 10, time.monotonic() + 60
        while len(answered.ids) < enough or not {*children(supervisor)}.difference(killed):
            assert time.monotonic() < deadline, answered.faults
            time.sleep(0.01)
        time.sleep(chance.random() / 20)
        chosen = [worker for worker in children(supervisor) if worker not in killed]
        chance.shuffle(chosen)
        for worker in chosen[: min(kills - len(killed), chance.choice((1, 1, 1, 2)))]:
            os.kill(worker, signal.SIGKILL)
            killed.append(worker)
        try:
            assert again(port, answered.requests[-3:]) == {"SignatureNonceUsed"}
        except (OSError, http.client.HTTPException):  # of a worker that has just been killed, too
            continue


def test_what_was_answered_is_so_whoever_is_killed(tmp_path: Path) -> None:
    data, answered, numbers = tmp_path / "data", Answered(), count()
    with starting(data, "--workers", str(WORKERS), "--limit", "off") as start:
        signer = Signer(*Server(start.url, data, start.process).credential())
        writers = [Writer(start.port, signer, answered, numbers) for _ in range(WRITERS)]
        try:
            kill_at_random(start.process.pid, start.port, answered, KILLS)
        finally:
            for writer in writers:
                writer.end()
        assert answered.faults == []
        while len(children(start.process.pid)) < WORKERS:
            time.sleep(0.05)
        assert again(start.port, answered.requests[-REPLAYED:]) == {"SignatureNonceUsed"}
        with Wire(start.port) as wire:
            opened = {
                wire.ask(signer.alibaba_rpc("Decrypt", {"CiphertextBlob": blob})).get("Plaintext", "")
                for blob in answered.blobs[:: max(1, len(answered.blobs) // 100)]
            }
        start.process.terminate()
        _, errors = start.process.communicate(timeout=20)
    said = errors.splitlines()
    assert opened == {"aGVsbG8="}
    assert [line for line in said if not line.endswith("(SIGKILL); another takes its place")] == []
    assert len(said) == KILLS
    _, found = Directory(data).open().deps.keyring.store.list_keys(KeyFilter(), now=0, offset=0, limit=10**6)
    assert {*answered.keys} <= {key.id for key in found}
    assert answered.aliases.items() <= {(alias, key.id) for key in found for alias in key.aliases}
    done = run_tkms("audit", "verify", "--data-dir", str(data))
    assert done.returncode == 0, done.stdout
    lines = (json.loads(line) for log in sorted(data.glob("audit*.jsonl")) for line in log.read_bytes().splitlines())
    assert {*answered.ids} <= {line.get("request_id") for line in lines if line.get("outcome") == "ok"}
    print(f"{KILLS} kills, {len(answered.ids)} answers, {len(answered.keys)} keys; {done.stdout}")
