"""Encrypt from the bytes of its HTTP request to those of its answer, in this process: what `tools.bench.compare` counts
the instructions of.

It runs with the interpreter and in the folder of the build that is counted, which may be an older one, so it imports
nothing that is not as old. The event loop, the kernel and the client are left out: what they do is different each time.
`python in_process.py DIRECTORY [pages|bare|unlogged]`: it prints its access key and key as JSON, then answers each line
of standard input, a number of times and an HTTP request in hexadecimal digits, with a line, once it has served that.
`pages`: as a server with the console does; `bare`: as if there were no pages (`tools.bench.pages`); `unlogged`: as if
there were no audit log, whose lines are thrown away before they are written down.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import threading
import time
from itertools import repeat
from pathlib import Path
from typing import Any

_ADDRESS = "127.0.0.1"


class Sent:
    """A transport of the event loop, which throws away what is sent."""

    last = b""

    def write(self, data: bytes) -> None:
        self.last = data

    def writelines(self, parts: Any) -> None:
        self.last = b"".join(parts)

    def is_closing(self) -> bool:
        return False


def _with_pages(endpoint: Any, settings: Any) -> Any:
    """As `tkms serve` makes it."""
    from functions.endpoint.dispatch import InlineDispatcher
    from tenantkms.store.shared import Memory
    from tkms.console.here import Here
    from tkms.console.pages import Console, mine
    from tkms.console.sessions import Sessions
    from tkms.machine.app import App, Pages
    from tkms.machine.timings import Timings

    memory = Memory()
    timings = Timings(memory)
    here = Here(settings, Path(sys.argv[1]) / "data", InlineDispatcher(settings.deps), timings)
    console = Console(here, Sessions(memory, threading.Lock()), secure=False)
    return App(endpoint, {}, Pages(mine=mine, long=console.respond), timings)


def _bare(endpoint: Any, _: Any) -> Any:
    """Without any page: nothing is asked whether it is for one, and no time is taken for one to show."""
    from tkms.machine.app import _LONG, BRIEF, App

    class Bare(App):
        """What `App` does, but for what it does for pages: all else has to be counted here as there."""

        def begin(self, request: Any) -> Any:
            if request.path == "/readyz" and request.method in ("GET", "HEAD"):
                raise NotImplementedError
            answer = self._endpoint.begin(request)
            if answer.response is None and answer.operation.action in BRIEF and _LONG.isdisjoint(answer.call["params"]):
                self.finish(answer)
            return answer

        def finish(self, work: Any) -> Any:
            return self._endpoint.finish(work)

    return Bare(endpoint, {})


def _unlogged(_: Any, settings: Any) -> Any:
    from msgspec.structs import replace

    from functions.endpoint.dispatch import InlineDispatcher
    from functions.endpoint.handler import Endpoint
    from tkms.machine.app import App

    class Nowhere:
        def write(self, record: Any, *more: Any) -> None:
            pass

        refuse = write

    deps = replace(settings.deps, audit=Nowhere())
    return App(Endpoint(replace(settings, deps=deps), InlineDispatcher(deps)), {})


APPS = {"pages": _with_pages, "bare": _bare, "unlogged": _unlogged}


async def main() -> None:
    from functions.endpoint.dispatch import InlineDispatcher
    from functions.endpoint.handler import Endpoint
    from tenantkms.model.limits import OFF
    from tkms.machine.app import App
    from tkms.machine.connection import Connection
    from tkms.machine.directory import Directory
    from tkms.machine.guests import Guests

    held: list[object] = []  # locks that would be given back a moment later
    settings = Directory(Path(sys.argv[1]) / "data", OFF, held.append).make("bench")
    endpoint = Endpoint(settings, InlineDispatcher(settings.deps))
    app = APPS[sys.argv[2]](endpoint, settings) if sys.argv[2:] else App(endpoint, {})
    guests, sent = Guests(), Sent()
    # Two, since the only connection keeps the event loop awake.
    connection, other = (Connection(app, guests, _ADDRESS, _ADDRESS) for _ in range(2))
    guests.admit(connection)
    guests.admit(other)
    transport: Any = sent
    connection.connection_made(transport)
    credential = settings.access.store.list_credentials()[0]
    alias = settings.deps.keyring.alias("default")
    assert alias is not None
    secret = str(settings.access.secret(credential))
    print(json.dumps([credential.access_key_id, secret, alias.key_id]), flush=True)
    for line in sys.stdin:
        times, request = line.split()
        data = bytes.fromhex(request)
        for _ in range(int(times)):
            connection.data_received(data)
        print("CiphertextBlob" in sent.last.decode(), flush=True)
    os._exit(0)


if __name__ == "__main__":
    sys.path.insert(0, str(Path.cwd()))
    # It stands still, so that what is done each second is not counted, of which there is more on a busy machine.
    time.monotonic = repeat(time.monotonic()).__next__
    asyncio.run(main())
