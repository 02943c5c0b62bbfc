"""One process that serves: its event loop, the locks that it holds, and the scheduled work of one of them."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import socket
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING
from uuid import uuid4

import uvicorn

from tenantkms.audit.faults import log_fault, log_warning
from tenantkms.audit.file_audit import FileAudit
from tenantkms.errors import KmsError
from tenantkms.keys.maintenance import JOBS, counted, run
from tenantkms.runtime.assemble import Settings, SettingsError
from tkms.machine.counts import AUDIT_TROUBLE
from tkms.machine.crew import Crew
from tkms.machine.desk import Desk
from tkms.machine.guests import Guests
from tkms.machine.listener import Server
from tkms.machine.ports import Application
from tkms.machine.supervisor import Place
from tkms.output import held_text, say

if TYPE_CHECKING:
    from tkms.tls.serving import ServerCertificate

_MAINTENANCE_SECONDS = 60
_SWEEP_SECONDS = 20
"""How long a job goes on before what else is to be done has its turn, and then the job again."""
_TURN_SECONDS = 1
"""How long it takes to see that whoever did the scheduled work has ended."""
_WARN_SECONDS = 3_600
_HELD_SECONDS = 0.005
"""How long other processes may wait for a lock that a server that is alone has used."""


class Releases:
    """Gives locks back on the event loop, a moment later; at once while none runs or other workers have connections.

    Threads may ask it, too.
    """

    def __init__(self, crew: Crew) -> None:
        self._crew = crew
        self._loop: asyncio.AbstractEventLoop | None = None
        self._waiting: list[Callable[[], None]] = []

    def __call__(self, release: Callable[[], None]) -> None:
        loop = self._loop
        if loop is None or not self._crew.alone:
            release()
        else:
            loop.call_soon_threadsafe(self._later, loop, release)

    def _later(self, loop: asyncio.AbstractEventLoop, release: Callable[[], None]) -> None:
        if not self._waiting:
            loop.call_later(_HELD_SECONDS, self._now)
        self._waiting.append(release)

    def _now(self) -> None:
        waiting, self._waiting = self._waiting, []
        for release in waiting:
            release()

    def start(self) -> None:
        """The loop runs. Who stops the server from a terminal (Ctrl-Z) stops no command that waits for a lock."""
        self._loop = asyncio.get_running_loop()
        self._loop.add_signal_handler(signal.SIGTSTP, self._stop)

    def _stop(self) -> None:
        self._now()
        os.kill(os.getpid(), signal.SIGSTOP)

    def end(self) -> None:
        self._loop = None
        self._now()


class Keeper:
    """Keeps the audit log within `days` and `total_bytes`, and warns the operator, once an hour, of what is wrong."""

    def __init__(self, audit: FileAudit, days: int, total_bytes: int) -> None:
        self.audit = audit
        self._days, self._total_bytes = days, total_bytes
        self._warned = float("-inf")

    def keep(self) -> None:
        """To be called every minute. It never fails."""
        try:
            self.audit.retain(self._days, self._total_bytes)
        except KmsError as error:
            log_fault("retention", error)
        trouble, now = self.audit.trouble(), time.monotonic()
        if trouble and now >= self._warned + _WARN_SECONDS:
            self._warned = now
            log_warning(trouble)


class Work(Server):
    """What a worker does: it serves until the supervisor ends, and the one whose `turn` it is does the scheduled work
    beside, unless that is `paused`. A turn lasts as long as the process."""

    def __init__(
        self,
        config: uvicorn.Config,
        listening: socket.socket,
        app: Application,
        guests: Guests,
        settings: Settings,
        keeper: Keeper,
        releases: Releases,
        desk: Desk,
        place: Place,
        turn: Callable[[], bool],
        paused: Callable[[], bool],
    ) -> None:
        super().__init__(config, listening, app, guests)
        self._turn, self._paused = turn, paused
        self._place = place
        self._certificate: ServerCertificate | None = None
        self._hung_up = asyncio.Event()
        self._releases = releases
        self._desk = desk
        self._deps, self._metrics = settings.deps, settings.metrics
        self._keeper = keeper

    def certify(self, certificate: ServerCertificate) -> None:
        """Serve with it, by TLS."""
        self._certificate = certificate
        self.config.ssl = certificate.context

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._releases.start()
        self._desk.start()
        gc.collect()
        gc.freeze()  # what is here by now stays: the collector need not look at it again and again
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._place.lifeline, self._orphaned)
        self._timers += [self._loop.create_task(self._settle()), self._loop.create_task(self._maintain())]
        self._loop.add_signal_handler(signal.SIGHUP, self._hung_up.set)
        if self._certificate:
            self._timers.append(self._loop.create_task(self._certify(self._certificate)))
        self._place.tell_ready()

    def _orphaned(self) -> None:
        """The supervisor is no more: nobody would replace this worker, or end it."""
        self._loop.remove_reader(self._place.lifeline)
        self.should_exit = True

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        await super().shutdown(sockets)
        self._releases.end()
        self._desk.end()
        self._keeper.audit.close()

    def _has_turn(self) -> bool:
        """Not where the kernel cannot tell now, either: it is asked again."""
        with suppress(OSError):
            return self._turn()
        return False

    async def _maintain(self) -> None:
        told = 0
        while not self._has_turn():  # noqa: ASYNC110 - it is another process that is waited for
            await asyncio.sleep(_TURN_SECONDS)
        while not self.should_exit:  # what it would leave, it would begin with again at once
            request_id, pause = str(uuid4()), _MAINTENANCE_SECONDS
            for job in () if await asyncio.to_thread(self._waits) else JOBS.values():
                try:
                    report = await asyncio.to_thread(run, job, self._deps, request_id, more=self._sweeps_until())
                    pause = 0 if report.left and not report.held else pause
                    self._metrics.put(**counted(job, report))
                    if report.due and report.held not in (0, told):
                        told = report.held
                        say(f"tkms: {held_text(told)}", sys.stderr)
                except Exception as error:  # noqa: BLE001 - whatever it is, the next minute may be better
                    log_fault(request_id, error)
            await asyncio.to_thread(self._keeper.keep)
            await asyncio.sleep(pause)

    def _waits(self) -> bool:
        """Whether no job may run. What cannot be known is as if it were so: nothing is destroyed by mistake."""
        try:
            return self._paused()
        except (SettingsError, OSError) as error:
            say(f"tkms: {error}", sys.stderr)
            return True

    def _sweeps_until(self) -> Callable[[], bool]:
        """Whether a job may go on: who stops the server waits for one key at most."""
        end = time.monotonic() + _SWEEP_SECONDS
        return lambda: not self.should_exit and time.monotonic() < end

    async def _certify(self, certificate: ServerCertificate) -> None:
        """Look at it each minute, and when the operator says so (SIGHUP)."""
        while True:
            try:
                for text in await asyncio.to_thread(list, certificate.look()):
                    if self._place.number == 0:
                        say(f"tkms: {text}", sys.stderr)
                self._listener.tls = certificate.context
            except Exception as error:  # noqa: BLE001 - as above
                log_fault("certificate", error)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._hung_up.wait(), _MAINTENANCE_SECONDS)
            self._hung_up.clear()

    async def _settle(self) -> None:
        while True:
            await asyncio.sleep(1)
            self._keeper.audit.settle()
            self._desk.look()
            self._metrics.put(**{AUDIT_TROUBLE: bool(self._keeper.audit.trouble())})
