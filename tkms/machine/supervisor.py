"""Keeps the worker processes of one server: starts them, replaces those that end, and ends them all.

It holds what outlives a worker, the listening socket and the lock of the data directory, and nothing else: no key was
ever in its memory, no store is open in it, and no thread runs, so that what is forked from it has nothing that two
processes may not both have.
"""

from __future__ import annotations

import os
import select
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from math import inf
from typing import NoReturn

from msgspec import Struct

from tenantkms.audit.faults import log_fault
from tenantkms.errors import KmsError
from tenantkms.runtime.assemble import SettingsError
from tkms.machine.ready import tell_manager
from tkms.output import say
from tkms.places import reason

_WATCHED = (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGUSR2)
_ENDING = (signal.SIGTERM, signal.SIGINT)
_NOT_ENDING = (signal.SIGUSR2, signal.SIGHUP)
_END_SECONDS = 10
"""How long workers have to end before they are killed: twice what a connection has to take its answer."""
_LOOK_SECONDS = 1
"""How long it takes to see that another server has taken over."""
_PAUSE_SECONDS = 1
"""How long after its start a worker that ended at once is replaced."""


class Place(Struct):
    """What a worker is given: its number, where it says that it is ready, if somebody waits for that, and a pipe that
    is closed when the supervisor ends.
    """

    number: int
    ready: int
    lifeline: int

    @property
    def first(self) -> bool:
        """Whether it takes no other one's place."""
        return self.ready >= 0

    def tell_ready(self) -> None:
        if self.first:
            os.write(self.ready, b"+")


class Worker(Struct):
    """As the supervisor knows it."""

    number: int
    began: float


def in_child(work: Callable[[], int]) -> NoReturn:
    """End this process with what `work` answers, or say why it does not: it must never return into what its parent was
    doing.
    """
    code = 1
    try:
        code = work()
    except KeyboardInterrupt:
        code = 130
    except (SettingsError, KmsError) as error:
        say(f"tkms: {reason(error)}", sys.stderr)
    except Exception as error:  # noqa: BLE001 - the last barrier of a process
        log_fault("", error)
    finally:
        with suppress(OSError, ValueError):
            sys.stdout.flush()
        with suppress(OSError, ValueError):
            sys.stderr.flush()
        os._exit(code)


def apart(work: Callable[[], int]) -> int:
    """Run `work` in a process of its own, so that nothing of it stays in this one; its exit code."""
    child = os.fork()
    if child == 0:
        in_child(work)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def _why(status: int) -> str:
    code = os.waitstatus_to_exitcode(status)
    return f"exit code {code}" if code >= 0 else signal.Signals(-code).name


class _Signals:
    """Those that this process watches, one after the other, until `end`.

    By a pipe: `signal.sigtimedwait` tells of a signal that there was none of when a stopped process goes on.
    """

    def __init__(self) -> None:
        self._told, tell = os.pipe()
        os.set_blocking(tell, False)
        self._files = self._told, tell
        # A terminal that is closed ends the server, as ever; without one it is the word of an operator.
        self._watched = _WATCHED if sys.stdin.isatty() else (*_WATCHED, signal.SIGHUP)
        self._before = {number: signal.signal(number, lambda *_: None) for number in self._watched}
        signal.set_wakeup_fd(tell, warn_on_full_buffer=False)

    def next(self, seconds: float) -> int:
        """The next one, or 0 if there is none for so long."""
        return os.read(self._told, 1)[0] if select.select([self._told], [], [], max(0, seconds))[0] else 0

    def fork(self) -> int:
        """As `os.fork`, for a child that watches nothing; no signal to either is lost.

        What is told to all processes of a server by name reaches the child, too: what is not meant for it, or comes
        before it can tell, does not end it.
        """
        signal.pthread_sigmask(signal.SIG_BLOCK, self._watched)
        try:
            child = os.fork()
            if child == 0:
                self.end()
                for number in _NOT_ENDING:
                    signal.signal(number, signal.SIG_IGN)
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, self._watched)
        return child

    def end(self) -> None:
        signal.set_wakeup_fd(-1)
        for number, before in self._before.items():
            signal.signal(number, before)
        for file in self._files:
            os.close(file)


class Supervisor:
    """`work` is what a worker does in its `Place`; it answers the exit code.

    `hand_over` starts another server of the same data directory and listening socket, with that descriptor to write to
    once it is ready; it answers the process. `stop` is told whether that one serves now, before workers end: it closes
    the listening socket, which each worker has, too.
    """

    def __init__(
        self,
        size: int,
        work: Callable[[Place], int],
        hand_over: Callable[[int], int],
        stop: Callable[[bool], object],
    ) -> None:
        self._size, self._work, self._hand_over, self._stop = size, work, hand_over, stop
        self._workers: dict[int, Worker] = {}  # by process
        self._due: dict[int, float] = {}  # numbers of workers that are to be replaced, and when
        self._lifeline = (-1, -1)
        self._successor = (0, -1)  # another server that gets ready: its process, and where it says so
        self._succeeded = False  # it serves

    def run(self, ready: Callable[[], None]) -> int:
        """Serve until a signal says to end; `ready` is called once all workers are. The exit code.

        Raises `KeyboardInterrupt` when it was that.
        """
        self._lifeline = os.pipe()
        self._signals = _Signals()
        try:
            told, tell = os.pipe()
            for number in range(self._size):
                self._start(number, tell)
            os.close(tell)
            ended = self._get_ready(told)
            os.close(told)
            if ended is None:
                ready()
                ended = self._watch()
        finally:
            self._end()
            os.close(self._lifeline[0])
            os.close(self._lifeline[1])
            self._signals.end()
        if ended == -signal.SIGINT:
            raise KeyboardInterrupt
        if ended == -signal.SIGTERM:
            signal.raise_signal(signal.SIGTERM)
        return ended

    def _start(self, number: int, ready: int = -1) -> None:
        child = self._signals.fork()
        if child == 0:
            os.close(self._lifeline[1])
            place = Place(number=number, ready=ready, lifeline=self._lifeline[0])
            in_child(lambda: self._work(place))
        self._workers[child] = Worker(number=number, began=time.monotonic())

    def _get_ready(self, told: int) -> int | None:
        """Wait for all workers. What to end with, where one ends first or a signal says so."""
        waiting = self._size
        while waiting:
            got = self._signals.next(0)
            if got in _ENDING:
                return -got
            for worker, status in self._ended():
                say(f"tkms: worker {worker.number} did not start ({_why(status)})", sys.stderr)
                return max(1, os.waitstatus_to_exitcode(status))
            if select.select([told], [], [], 0.1)[0]:
                waiting -= len(os.read(told, waiting))
        return None

    def _watch(self) -> int:
        handlers: Mapping[int, Callable[[], None]] = {
            signal.SIGCHLD: self._replace,
            signal.SIGHUP: lambda: self._tell(signal.SIGHUP),
            signal.SIGUSR2: self._succeed,
        }
        while True:
            pause = min(self._due.values(), default=inf) - time.monotonic()
            got = self._signals.next(min(pause, _LOOK_SECONDS))
            if got in _ENDING:
                return -got
            if got:
                handlers[got]()
            if self._has_succeeded():
                return 0
            for number in [number for number, when in self._due.items() if when <= time.monotonic()]:
                del self._due[number]
                self._start(number)

    def _tell(self, number: signal.Signals) -> None:
        for process in self._workers:
            os.kill(process, number)

    def _ended(self) -> Iterator[tuple[Worker, int]]:
        """Workers that have ended since, and their status. There may be children of others, of a shell that has become
        this process or of any, where this one is the first of a container.
        """
        for process in [*self._workers]:
            child, status = os.waitpid(process, os.WNOHANG)
            if child:
                yield self._workers.pop(process), status

    def _replace(self) -> None:
        """Those that have ended: their connections are gone, and what they have answered rests in the store."""
        for worker, status in self._ended():
            say(f"tkms: worker {worker.number} ended ({_why(status)}); another takes its place", sys.stderr)
            self._due[worker.number] = worker.began + _PAUSE_SECONDS

    # -- a newer release takes over --

    def _succeed(self) -> None:
        if self._successor[0]:
            return
        told, tell = os.pipe()
        try:
            self._successor = (self._hand_over(tell), told)
        except OSError as error:
            say(f"tkms: no other server can be started: {error.strerror}", sys.stderr)
            os.close(told)
        finally:
            os.close(tell)

    def _has_succeeded(self) -> bool:
        """Whether another server has taken over."""
        process, told = self._successor
        if not process or not select.select([told], [], [], 0)[0]:
            return False
        taken = self._succeeded = os.read(told, 1) == b"+"
        os.close(told)
        self._successor = (0, -1)
        if taken:
            tell_manager(f"MAINPID={process}")  # or systemd would end what this one leaves behind
        else:
            os.waitpid(process, 0)
            say("tkms: the other server did not start, so this one goes on", sys.stderr)
        return taken

    # -- the end --

    def _end(self) -> None:
        """End all workers, which first answer what they have begun. Who comes then is refused, and does not wait for
        somebody who lets it in.
        """
        taken_over = self._succeeded or self._has_succeeded()  # a signal may have come before it was asked
        if not taken_over and self._successor[0]:
            os.kill(self._successor[0], signal.SIGTERM)  # it would serve where nobody is let in any more
        self._stop(taken_over)
        self._tell(signal.SIGTERM)
        deadline = time.monotonic() + _END_SECONDS
        while self._workers and time.monotonic() < deadline:
            for _ in self._ended():
                pass
            if self._workers:
                self._signals.next(0.1)
        for process in self._workers:
            os.kill(process, signal.SIGKILL)
            os.waitpid(process, 0)
