"""`tkms serve`: one process, one tenant, HTTP or HTTPS."""

from __future__ import annotations

import argparse
import asyncio
import errno
import gc
import ipaddress
import os
import signal
import socket
import ssl
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import uvicorn

from functions.endpoint.dispatch import InlineDispatcher
from functions.endpoint.handler import Endpoint
from tenantkms.access.limits import limits_of_text
from tenantkms.audit.faults import log_fault, log_warning
from tenantkms.audit.file_audit import FileAudit
from tenantkms.errors import KmsError
from tenantkms.keys.deps import Deps
from tenantkms.keys.maintenance import JOBS, run
from tenantkms.runtime.assemble import AUDIT_FILE, Settings, SettingsError
from tkms.machine.app import App, Checks
from tkms.machine.connection import Application, Connection
from tkms.machine.credentials_uri import SECONDS, CredentialsUri
from tkms.machine.directory import Directory
from tkms.machine.guests import Guests, connections_by_files
from tkms.machine.listener import Server
from tkms.machine.welcome import greet
from tkms.output import held_text, say

_MAINTENANCE_SECONDS = 60
_WARN_SECONDS = 3_600
_SWITCH_SECONDS = 0.0005
"""How long a thread may keep the interpreter while the event loop waits for it: Python's default is ten times that."""
_HELD_SECONDS = 0.005
"""How long other processes may wait for a lock that the server has used."""


class Releases:
    """Gives locks back on the event loop, a moment later; at once while none runs. Threads may ask it, too."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._waiting: list[Callable[[], None]] = []

    def __call__(self, release: Callable[[], None]) -> None:
        loop = self._loop
        if loop is None:
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


class _Server(Server):
    """Says when it is ready, and does the scheduled work every minute beside serving."""

    ready = ""

    def __init__(
        self,
        config: uvicorn.Config,
        listening: socket.socket,
        app: Application,
        guests: Guests,
        deps: Deps,
        keeper: Keeper,
        releases: Releases,
    ) -> None:
        super().__init__(config, listening, app, guests)
        self._releases = releases
        self._deps = deps
        self._keeper = keeper

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._releases.start()
        gc.collect()
        gc.freeze()  # what is here by now stays: the collector need not look at it again and again
        say(self.ready)
        self._timers += [asyncio.create_task(work) for work in (self._maintain(), self._settle())]

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        await super().shutdown(sockets)
        self._releases.end()
        self._keeper.audit.close()

    async def _maintain(self) -> None:
        told = 0
        while True:
            request_id = str(uuid4())
            for job in JOBS.values():
                try:
                    report = await asyncio.to_thread(run, job, self._deps, request_id)
                    if report.due and report.held not in (0, told):
                        told = report.held
                        say(f"tkms: {held_text(told)}", sys.stderr)
                except Exception as error:  # noqa: BLE001 - whatever it is, the next minute may be better
                    log_fault(request_id, error)
            await asyncio.to_thread(self._keeper.keep)
            await asyncio.sleep(_MAINTENANCE_SECONDS)

    async def _settle(self) -> None:
        while True:
            await asyncio.sleep(1)
            self._keeper.audit.settle()


_ANY_PORT = ' --port 0 takes any free one (make run ARGS="--port 0").'


def _listen(host: str, port: int) -> socket.socket:
    if not 0 <= port <= 65535:  # the resolver would take it modulo 65536
        raise SettingsError(f"Cannot listen on {host}:{port}: a port is a number from 0 to 65535.")
    try:
        family, kind, proto, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, kind, proto)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
    except (OSError, OverflowError) as e:
        way_out = _ANY_PORT if getattr(e, "errno", None) == errno.EADDRINUSE else ""
        raise SettingsError(f"Cannot listen on {host}:{port}: {e}.{way_out}") from e
    return listener


def _warn_of(host: str, url: str) -> None:
    """`host` is the address that is listened on."""
    if not ipaddress.ip_address(host.partition("%")[0]).is_loopback:
        say(
            f"tkms: warning: {url} is without TLS and not of this machine alone. Requests are signed but not"
            " encrypted: whoever is on the way reads plaintexts and data keys, and can repeat Tencent's TC3 requests."
            " Use --tls-cert and --tls-key, or --host 127.0.0.1 behind a proxy that speaks TLS.",
            sys.stderr,
        )


def _takes_lines(log: Path) -> Callable[[], None]:
    """Whether the audit log can be written, without a line: raises `OSError`."""

    def check() -> None:
        if not os.access(log, os.W_OK):
            raise PermissionError
        space = os.statvfs(log)
        if not space.f_bavail or not space.f_favail:
            raise OSError("The disk is full.")

    return check


def _checks(settings: Settings, data_dir: Path) -> Checks:
    """What `/readyz` looks at."""
    return {
        "store": settings.access.store.has_credentials,
        "audit": _takes_lines(data_dir / AUDIT_FILE),
        "parent_key": settings.root.check,
    }


def _check_readable(*files: Path | None) -> None:
    """The library that loads a certificate and its key does not say which of the two files it means."""
    for file in files:
        try:
            if file:
                file.open("rb").close()
        except OSError as e:
            raise SettingsError(f"The TLS file {file} cannot be read: {e.strerror}.") from e


def serve(args: argparse.Namespace) -> int:
    if args.audit_days < 1 or args.audit_mb < 1:
        raise SettingsError("--audit-days and --audit-mb are 1 or more.")
    if bool(args.tls_cert) != bool(args.tls_key):
        raise SettingsError("--tls-cert and --tls-key go together.")
    _check_readable(args.tls_cert, args.tls_key)
    try:
        limits = limits_of_text(",".join(args.limit))
    except ValueError as e:
        raise SettingsError(f"--limit: {e}.") from e
    releases = Releases()
    directory = Directory(args.data_dir, limits, releases)
    unused: Any = None  # `Listener` makes the connections, and they call `App`
    config = uvicorn.Config(
        unused,
        http=Connection,
        loop="uvloop",
        ws="none",
        interface="asgi3",
        lifespan="off",
        log_level="warning",
        access_log=False,
        timeout_graceful_shutdown=5,
        ssl_certfile=args.tls_cert,
        ssl_keyfile=args.tls_key,
    )
    try:
        config.load()
    except (OSError, ssl.SSLError) as e:
        raise SettingsError(
            f"The TLS certificate {args.tls_cert} or its key {args.tls_key} cannot be used: {e}."
        ) from e
    sys.setswitchinterval(_SWITCH_SECONDS)
    with _listen(args.host, args.port) as listening:
        address, port = listening.getsockname()[:2]
        host = f"[{args.host}]" if ":" in args.host else args.host
        url = f"{'https' if config.is_ssl else 'http'}://{host}:{port}"
        # Only now, so that a start that cannot be leaves nothing.
        settings = directory.make(args.tenant, args.region, args.account)
        log = settings.log
        assert log is not None  # noqa: S101 - one machine has one
        uri = None
        if args.credentials_uri:
            settings.sessions.issue(args.credentials_uri, SECONDS, "", int(settings.deps.clock()))  # or say why not
            uri = CredentialsUri(settings, args.credentials_uri)
        endpoint = Endpoint(settings, InlineDispatcher(settings.deps))
        app = App(endpoint, _checks(settings, args.data_dir), uri.response if uri else None)
        guests = Guests(connections_by_files(), args.connections_per_address)
        with directory.serving(url, f"{url}{uri.path}" if uri else ""):
            if not config.is_ssl:
                _warn_of(address, url)
            if not greet(directory, settings, url):
                say(f"data {args.data_dir}, tenant {settings.site.tenant}; programs: tkms snippet")
            if uri:
                told = f"{url}{uri.path}" if sys.stdout.isatty() else f"in {directory.credentials_uri}"
                say(f"credentials URI, a secret for programs on this machine: {told}")
            keeper = Keeper(log, args.audit_days, args.audit_mb * 1024**2)
            server = _Server(config, listening, app, guests, settings.deps, keeper, releases)
            server.ready = f"tkms: ready on {url}"
            server.run()
    app.pool.shutdown(wait=False, cancel_futures=True)
    return 0
