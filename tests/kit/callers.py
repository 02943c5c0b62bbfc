"""Clients that ask a server signed questions one after the other, and what they were not told."""

from __future__ import annotations

import http.client
import json
import ssl
import threading
import time
from collections.abc import Callable
from typing import Self

from kit.connections import Wire, request_bytes
from kit.support import Signer

SOON_SECONDS = 0.3
"""How soon after an answer the next request on its connection is answered, whatever the server is about to do."""


class Callers:
    """`kept` of them stay on one connection as long as the server lets them, and `new` of them make one for each call.

    `answered` counts calls, `refused` connections that nobody took, `again` those that one of the `kept` had to make
    after its first. `lost` tells of each call that was sent and had no whole answer, or another one than was asked for.
    Who is refused asks no more.
    """

    def __init__(
        self, port: int, signer: Signer, *, kept: int = 6, new: int = 3, tls: ssl.SSLContext | None = None
    ) -> None:
        self._port, self._signer, self._tls = port, signer, tls
        self._done = threading.Event()
        self._changes = threading.Lock()
        kinds = [True] * kept + [False] * new
        self._threads = [threading.Thread(target=self._call, kwargs={"kept": kind}) for kind in kinds]
        self.answered = self.refused = self.again = 0
        self.lost: list[str] = []

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self.wait()

    def wait(self) -> None:
        """Until all have been refused, or were told to end."""
        for thread in self._threads:
            thread.join(timeout=60)
            assert not thread.is_alive()

    def until(self, told: Callable[[], bool], seconds: float = 60) -> None:
        deadline = time.monotonic() + seconds
        while not told():
            assert time.monotonic() < deadline, (self.answered, self.refused, self.lost)
            time.sleep(0.01)

    def more(self, count: int) -> None:
        """Wait until so many calls more are answered."""
        enough = self.answered + count
        self.until(lambda: self.answered >= enough)

    def _note(self, *, answered: int = 0, refused: int = 0, again: int = 0, lost: str = "") -> None:
        with self._changes:
            self.answered += answered
            self.refused += refused
            self.again += again
            if lost:
                self.lost.append(lost)

    def _call(self, *, kept: bool) -> None:
        again = 0
        while not self._done.is_set():
            try:
                wire = Wire(self._port, tls=self._tls)
            except ConnectionRefusedError:
                self._note(refused=1)
                return
            except OSError as error:
                self._note(lost=f"a connection: {error!r}")
                continue
            self._note(again=again)
            again = int(kept)
            with wire:
                while self._one(wire) and kept and not self._done.is_set():
                    pass

    def _one(self, wire: Wire) -> bool:
        """Whether there may be another call on this connection."""
        began = time.monotonic()
        request = request_bytes(self._signer.tencent("GenerateRandom", {"NumberOfBytes": 16}))
        soon = time.monotonic() - began < SOON_SECONDS
        try:
            wire.send(request)
            status, headers, body = wire.answer("POST")
        except (OSError, http.client.HTTPException) as error:
            if soon:
                self._note(lost=f"an answer: {error!r}")
            return False
        if status != 200 or "Plaintext" not in json.loads(body)["Response"]:
            self._note(lost=body.decode())
            return False
        self._note(answered=1)
        return headers["connection"] != "close"
