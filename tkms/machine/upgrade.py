"""`tkms upgrade`: the running server gives its place to one of the program that is installed now."""

from __future__ import annotations

import argparse
import os
import signal
import time

from tkms.machine.directory import Directory
from tkms.machine.server_file import read_server
from tkms.output import Failed

_PAUSE = 0.05


def upgrade(args: argparse.Namespace) -> int:
    """Raises `Failed` where nobody takes over within `args.wait` seconds: the running server goes on then."""
    path, directory = args.data_dir, Directory(args.data_dir)
    if not path.exists():
        raise Failed(directory.absent)
    if not directory.running():
        raise Failed(f"No server runs on {path}: tkms serve")
    process = read_server(path).process
    if not process:
        raise Failed("The server is not ready yet, or of a build that does not say which process it is.")
    try:
        os.kill(process, signal.SIGUSR2)
    except (PermissionError, ProcessLookupError) as e:
        raise Failed(f"The server, process {process}, cannot be told: {e.strerror}.") from e
    until = time.monotonic() + args.wait
    while (now := read_server(path).process) in (0, process):  # 0: a server that is not ready yet
        if not directory.running():
            raise Failed(f"The server, process {process}, has ended, and nobody has taken over from it: tkms serve")
        if time.monotonic() >= until:
            raise Failed(f"Nobody has taken over from process {process}, whose standard error says why.")
        time.sleep(_PAUSE)
    print(f"process {now} serves, in the place of {process}")
    return 0
