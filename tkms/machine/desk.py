"""A socket in the data directory by which commands beside the server ask it: only the owner of the directory may.

Whoever connects is told what was refused, and asked nothing.
"""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tkms.machine.refusals import Refusals
from tkms.output import say
from tkms.whole import WRITING

NAME = "server.sock"
_SECONDS = 5
"""How long a command has to take its answer."""
_BACKLOG = 16


@contextmanager
def _short(directory: Path) -> Iterator[Path]:
    """A path of `directory` that fits into the address of a socket, which has 108 bytes."""
    file = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield Path(f"/proc/self/fd/{file}")
    finally:
        os.close(file)


def bound(directory: Path) -> socket.socket | None:
    """The socket, in the place of the one that the last server has left. None where there can be none, as on some file
    systems: the server serves without it.
    """
    try:
        return _bound(directory)
    except OSError as error:
        say(f"tkms: warning: no socket in {directory} ({error.strerror}): no tkms explain-signature", sys.stderr)
        return None


def _bound(directory: Path) -> socket.socket:
    desk = socket.socket(socket.AF_UNIX)
    try:
        with _short(directory) as short:
            new = short / f"{WRITING}{NAME}"
            new.unlink(missing_ok=True)
            desk.bind(str(new))
            new.chmod(0o600)
            desk.listen(_BACKLOG)
            new.replace(short / NAME)
    except OSError:
        desk.close()
        raise
    desk.setblocking(False)
    return desk


def ask(directory: Path) -> bytes:
    """What a running server tells. Raises `OSError`; `FileNotFoundError` or `ConnectionRefusedError`: none runs."""
    with socket.socket(socket.AF_UNIX) as desk, _short(directory) as short:
        desk.settimeout(_SECONDS)
        desk.connect(str(short / NAME))
        pieces = []
        while piece := desk.recv(65_536):
            pieces.append(piece)
    return b"".join(pieces)


class Desk:
    """Tells of `refusals` whoever connects to `desk`, on the event loop of a worker: any of them knows all."""

    def __init__(self, desk: socket.socket | None, refusals: Refusals) -> None:
        self._socket, self._refusals = desk, refusals
        self._telling: set[asyncio.Task[None]] = set()

    def start(self) -> None:
        self._loop = asyncio.get_running_loop()
        if self._socket:
            self._loop.add_reader(self._socket, self._accept)

    def end(self) -> None:
        if self._socket:
            self._loop.remove_reader(self._socket)
            self._socket.close()

    def look(self) -> None:
        """To be called every second."""
        self._refusals.expire()

    def _accept(self) -> None:
        assert self._socket  # noqa: S101 - it is listened to
        with suppress(OSError):  # another worker was first
            asked, _ = self._socket.accept()
            asked.setblocking(False)
            task = self._loop.create_task(self._tell(asked))
            self._telling.add(task)
            task.add_done_callback(self._telling.discard)

    async def _tell(self, asked: socket.socket) -> None:
        with asked, suppress(OSError, TimeoutError):
            await asyncio.wait_for(self._loop.sock_sendall(asked, self._refusals.told()), _SECONDS)
