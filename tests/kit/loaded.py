"""Commands of `tkms`, each in a process of its own, forked from one that has loaded the program already.

To load it takes longer than most commands' work, and tests run hundreds. Arguments, environment, directory, standard
streams and exit status are those of a command that was started; tests of the start itself start one.
"""

from __future__ import annotations

import atexit
import gc
import json
import os
import pkgutil
import select
import signal
import socket
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Mapping, Sequence
from functools import cache
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

from cdk.tenants import ROOT

_LONGEST = 1 << 17
"""Bytes of a call: what a socket takes at once."""
_LIBRARIES = (
    "botocore.session",
    "botocore.httpsession",
    "tencentcloud.kms.v20190118.kms_client",
)
"""What commands load when they use it. Alibaba's reads the environment while it is loaded, so it is not among them."""


def run(
    args: Sequence[str], *, stdin: str = "", env: Mapping[str, str] | None = None, timeout: float = 60
) -> subprocess.CompletedProcess[str]:
    """What `tkms args..` does. Raises `subprocess.TimeoutExpired`, and the command is ended then."""
    call = json.dumps([args, dict(os.environ if env is None else env), str(Path.cwd())]).encode()
    reading, writing = os.pipe()
    with TemporaryFile() as given, TemporaryFile() as out, TemporaryFile() as err, os.fdopen(reading, "rb") as told:
        given.write(stdin.encode())
        given.seek(0)
        try:
            socket.send_fds(_channel(), [call], [given.fileno(), out.fileno(), err.fileno(), writing])
        finally:
            os.close(writing)
        pid = int(told.readline())
        waiting = select.poll()  # a number over 1,023 is too high for `select`, and a run of tests has many files open
        waiting.register(told, select.POLLIN)
        if not waiting.poll(timeout * 1000):
            os.kill(pid, signal.SIGKILL)
            raise subprocess.TimeoutExpired(["tkms", *args], timeout)
        status = int(told.readline())
        said = []
        for stream in (out, err):
            stream.seek(0)
            said.append(stream.read().decode())
    return subprocess.CompletedProcess(["tkms", *args], status, *said)


@cache
def _channel() -> socket.socket:
    """To the process that has loaded the program. It ends when this one does."""
    mine, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with other:
        program = [sys.executable, "-m", "kit.loaded", str(other.fileno())]
        process = subprocess.Popen(
            program,
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT / "tests")},
            pass_fds=[other.fileno()],
            stdin=subprocess.DEVNULL,
        )

    def end() -> None:
        mine.close()
        process.wait()

    atexit.register(end)
    return mine


# -- the process that has loaded it ------------------------------------------------------------------------


def _load() -> None:
    for name in ("tkms", "tenantkms"):
        for module in pkgutil.walk_packages(import_module(name).__path__, f"{name}."):
            if not module.name.endswith("__main__"):
                import_module(module.name)
    dispatch: Any = import_module("functions.endpoint.dispatch")
    for action in import_module("tenantkms.names").ACTIONS:
        dispatch.load(action)
    with warnings.catch_warnings(action="ignore"):  # of the vendors' SDKs
        for library in _LIBRARIES:
            import_module(library)
    gc.collect()
    gc.freeze()


def _command(call: Sequence[Any], streams: Sequence[int], telling: int) -> None:
    """Returns in the process of the command only. Its parent tells its id, then its exit status."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    if command := os.fork():
        for stream in streams:
            os.close(stream)
        os.write(telling, f"{command}\n".encode())
        os.write(telling, f"{os.waitstatus_to_exitcode(os.waitpid(command, 0)[1])}\n".encode())
        os._exit(0)
    os.close(telling)
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    args, environment, folder = call
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    time.tzset()
    sys.argv = ["tkms", *args]


def _ended() -> int:
    """Runs the command, and ends the process as Python does, but does not take apart all that is loaded."""
    from tkms.cli import main as command

    try:
        status = command()
    except SystemExit as end:
        if not isinstance(end.code, int):
            raise
        status = end.code
    for thread in threading.enumerate():
        if thread is not threading.main_thread() and not thread.daemon:
            thread.join()
    atexit._run_exitfuncs()
    gc.collect()  # a store that is not closed leaves its log beside it
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


def main(number: int) -> int:
    """Serves until nobody holds the other end of the socket."""
    _load()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    with socket.socket(fileno=number) as channel:
        while True:
            call, streams, _, _ = socket.recv_fds(channel, _LONGEST, 4)
            if not call:
                return 0
            if not os.fork():
                channel.close()
                _command(json.loads(call), streams[:3], streams[3])
                break
            for stream in streams:
                os.close(stream)
    return _ended()


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1])))
