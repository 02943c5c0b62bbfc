"""The listening socket of a server that is given: by systemd, or by a server whose place this one takes.

While one server is replaced by another nobody is refused: the socket is never closed. `SIGUSR2` makes a server start
its successor, by the command that started itself, from the files that are there now; it ends once that one is ready.
"""

from __future__ import annotations

import os
import socket
import sys
from contextlib import suppress
from pathlib import Path

from msgspec import Struct
from msgspec.structs import astuple, replace

from tenantkms.runtime.assemble import SettingsError
from tkms.machine.ready import tell_manager
from tkms.machine.server_file import ServerFile, read_server, write_server
from tkms.output import say

_VARIABLE = "TKMS_HANDOVER"
_FIRST_OF_SYSTEMD = 3


class Given(Struct):
    """Open files that were given, -1 for none: the listening socket, the held lock of the data directory, where to
    say that this server is ready, and the socket of its metrics.
    """

    listening: int = -1
    lock: int = -1
    tell: int = -1
    metrics: int = -1

    @property
    def socket(self) -> socket.socket | None:
        return taken(self.listening)

    def ready(self, directory: Path, server: ServerFile) -> None:
        """All workers of this `server` of the data directory serve."""
        before = read_server(directory).process
        if self.tell >= 0:
            os.write(self.tell, b"+")  # first: whoever reads that this one serves can end the other one, and only that
            os.close(self.tell)
        write_server(directory, replace(server, process=os.getpid()))
        say(f"tkms: ready on {server.url}")
        if before:
            say(f"tkms: process {os.getpid()} has taken over from {before}")
        tell_manager("READY=1")


def taken(file: int) -> socket.socket | None:
    """The socket of a file that was given, if one was."""
    return socket.socket(fileno=file) if file >= 0 else None


def given() -> Given:
    """What was given to this process; no child of it sees the same. Raises `SettingsError`."""
    by_server = os.environ.pop(_VARIABLE, "")
    number, process = os.environ.pop("LISTEN_FDS", ""), os.environ.pop("LISTEN_PID", "")
    if by_server:
        files = Given(*map(int, by_server.split()))
    elif process == str(os.getpid()):
        if number != "1":
            raise SettingsError(f"The socket unit gives {number} sockets, and a server listens on one: ListenStream=.")
        files = Given(listening=_FIRST_OF_SYSTEMD)
        _check(files.listening)
    else:
        files = Given()
    for file in astuple(files):
        if file >= 0:
            os.set_inheritable(file, False)
    return files


def _check(listening: int) -> None:
    """Raises `SettingsError`."""
    with socket.socket(fileno=os.dup(listening)) as found:
        if found.type != socket.SOCK_STREAM or found.family not in (socket.AF_INET, socket.AF_INET6):
            raise SettingsError("The socket unit's socket is not of TCP: ListenStream=ADDRESS:PORT.")


def hand_over(listening: socket.socket, metrics: socket.socket | None, lock: int, tell: int) -> int:
    """Start the command of this process again, and give it what this one has; its process. Raises `OSError`."""
    # A release that had no metrics takes three.
    files = (listening.fileno(), lock, tell, *([metrics.fileno()] if metrics else []))
    try:
        for file in files:
            os.set_inheritable(file, True)
        environment = {**os.environ, _VARIABLE: " ".join(map(str, files))}
        return os.posix_spawn(sys.executable, [sys.executable, *sys.orig_argv[1:]], environment, setsigmask=[])
    finally:
        for file in files:
            with suppress(OSError):
                os.set_inheritable(file, False)
