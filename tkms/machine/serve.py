"""`tkms serve`: one server of one tenant, HTTP or HTTPS, in several processes that share its socket."""

from __future__ import annotations

import argparse
import errno
import gc
import ipaddress
import os
import socket
import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec.structs import replace

from functions.endpoint.dispatch import InlineDispatcher
from functions.endpoint.handler import Endpoint
from tenantkms.access.limits import limits_of_text
from tenantkms.model.site import check_homes
from tenantkms.runtime.assemble import AUDIT_FILE, Settings, SettingsError
from tenantkms.store.file_lock import FileLock, at_once
from tenantkms.store.shared import Memory
from tkms.console.here import Here
from tkms.console.pages import Console, mine
from tkms.console.sessions import Sessions
from tkms.machine.answers import SharedAnswers
from tkms.machine.app import App, Checks, Pages
from tkms.machine.counts import CountedAudit, Counts
from tkms.machine.credentials_uri import SECONDS, CredentialsUri, new_path
from tkms.machine.crew import Crew
from tkms.machine.desk import Desk, bound
from tkms.machine.directory import Directory, Seed
from tkms.machine.gathering import Gathering
from tkms.machine.guests import Guests, connections_by_files
from tkms.machine.handover import Given, given, hand_over, taken
from tkms.machine.last_in import let_nobody_in
from tkms.machine.listener import server_config
from tkms.machine.lock import hold
from tkms.machine.refusals import Refusals
from tkms.machine.server_file import ServerFile, read_server
from tkms.machine.supervisor import Place, Supervisor, apart
from tkms.machine.timings import Timings
from tkms.machine.welcome import greet
from tkms.machine.worker import Keeper, Releases, Work
from tkms.output import PAUSED, say

if TYPE_CHECKING:
    from tkms.tls.serving import Choice

_LAST_IN_SECONDS = 0.1
"""How long those who were on their way in have for it when the server is to end."""
_SWITCH_SECONDS = 0.0005
"""How long a thread may keep the interpreter while the event loop waits for it: Python's default is ten times that."""


_ANY_PORT = ' --port 0 takes any free one (make run ARGS="--port 0").'
_ANY_METRICS_PORT = " --metrics 0 takes any free one."


def _listen(host: str, port: int, way_out: str, directory: Directory) -> socket.socket:
    """`way_out`: what to do where the port is taken, but by a server of `directory`. Raises `SettingsError`."""
    if not 0 <= port <= 65535:  # the resolver would take it modulo 65536
        raise SettingsError(f"Cannot listen on {host}:{port}: a port is a number from 0 to 65535.")
    try:
        family, kind, proto, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, kind, proto)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
    except (OSError, OverflowError) as e:
        in_use = getattr(e, "errno", None) == errno.EADDRINUSE
        if in_use and directory.running():  # another port would not help
            raise SettingsError(directory.served) from None
        raise SettingsError(f"Cannot listen on {host}:{port}: {e}.{way_out if in_use else ''}") from e
    return listener


def _reached(host: str, address: str) -> str:
    """How a URL names the server: one that listens on every address is where programs of this machine find it."""
    if ipaddress.ip_address(address.partition("%")[0]).is_unspecified:
        return "[::1]" if ":" in address else "127.0.0.1"
    return f"[{host}]" if ":" in host else host


def _warn_of(host: str, port: int) -> None:
    """`host` is the address that is listened on."""
    if not ipaddress.ip_address(host.partition("%")[0]).is_loopback:
        say(
            f"tkms: warning: {host} port {port} is without TLS and not of this machine alone. Requests are signed but"
            " not encrypted: whoever is on the way reads plaintexts and data keys, and can repeat requests of Tencent's"
            " TC3. Use --tls, or --tls-cert and --tls-key, or --host 127.0.0.1 behind a proxy that speaks TLS.",
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


def _tls(args: argparse.Namespace) -> Choice | None:
    """The certificate to serve with, once there is a directory; None: plain HTTP. Raises `SettingsError`."""
    if not (args.tls or args.tls_cert or args.tls_key or args.tls_key_password_file):
        return None
    from tkms.tls.serving import chosen  # the library of certificates is for who has one

    return chosen(args)


def serve(args: argparse.Namespace, seed: Callable[[], Seed | None]) -> int:
    """`seed` reads what is to be in a new directory, which has secrets: not in this process."""
    if args.audit_days < 1 or args.audit_mb < 1:
        raise SettingsError("--audit-days and --audit-mb are 1 or more.")
    tls = _tls(args)
    try:
        limits = limits_of_text(",".join(args.limit))
    except ValueError as e:
        raise SettingsError(f"--limit: {e}.") from e
    try:
        other_arns = check_homes(args.other_arns)
    except ValueError as e:
        raise SettingsError(f"--other-arns: {e}.") from e
    directory = partial(Directory, args.data_dir, limits, other_arns=other_arns)
    files = given()
    with (
        files.socket or _listen(args.host, args.port, _ANY_PORT, directory()) as listening,
        _metrics(args, files, listening) as metrics,
    ):
        return _Serving(args, directory, seed, tls, listening, metrics, files).run()


def _metrics(
    args: argparse.Namespace, files: Given, listening: socket.socket
) -> AbstractContextManager[socket.socket | None]:
    """The socket at which metrics are told, if they are. Raises `SettingsError`."""
    if not args.metrics:
        return nullcontext()
    # Neither listens yet, so the kernel would let both have one port.
    if args.metrics[1] == listening.getsockname()[1]:
        raise SettingsError(f"--metrics: port {args.metrics[1]} is the API's: choose another one.")
    host, port = args.metrics
    return taken(files.metrics) or _listen(host, port, _ANY_METRICS_PORT, Directory(args.data_dir))


class _Serving:
    """One server: what its processes have in common."""

    def __init__(
        self,
        args: argparse.Namespace,
        directory: Callable[..., Directory],
        seed: Callable[[], Seed | None],
        tls: Choice | None,
        listening: socket.socket,
        metrics: socket.socket | None,
        files: Given,
    ) -> None:
        self._args, self._directory, self._seed, self._tls = args, directory, seed, tls
        self._listening, self._metrics, self._files = listening, metrics, files
        self._address, self._port = listening.getsockname()[:2]
        host = _reached(args.host if files.listening < 0 else self._address, self._address)
        self._url = f"{'https' if tls else 'http'}://{host}:{self._port}"
        self._credentials_path = new_path() if args.credentials_uri else ""
        self._connections = connections_by_files()

    @property
    def _credentials_url(self) -> str:
        return f"{self._url}{self._credentials_path}" if self._credentials_path else ""

    def run(self) -> int:
        args = self._args
        if refused := apart(self._prepare):
            return refused
        # That of the other one, which serves until this one is ready, and goes on if this one never is.
        process = read_server(args.data_dir).process if self._files.lock >= 0 else 0
        server = ServerFile(self._url, *(self._tls.files if self._tls else ("", "")), process)
        serving = self._directory().serving(server, self._credentials_url, self._files.lock)
        with serving as lock:
            self._desk = bound(args.data_dir)
            gc.collect()
            gc.freeze()  # what workers share stays as it is, or each would have a copy of it
            self._crew = Crew(args.workers, Memory())
            self._timings = Timings(self._crew.memory, args.workers)
            self._counts = Counts(self._crew.memory, args.workers)
            size, work = args.workers, self._work
            if self._metrics:
                size, work = size + 1, self._work_or_tell
            heir = partial(hand_over, self._listening, self._metrics, lock)
            supervisor = Supervisor(size, work, heir, self._stop)
            return supervisor.run(lambda: self._files.ready(args.data_dir, server))

    def _stop(self, taken_over: bool) -> None:
        """Those who come are refused from now on, unless they are another server's, or systemd's to keep waiting."""
        if not taken_over and self._files.listening < 0:
            let_nobody_in(self._listening)
            time.sleep(_LAST_IN_SECONDS)
        self._listening.close()

    def _prepare(self) -> int:
        """All that may be wrong, in a process of its own. Only then the directory is made, so that a start that cannot
        be leaves nothing.
        """
        args = self._args
        if self._tls:
            self._tls.check()
        directory = self._directory()
        settings = directory.make(args.tenant, args.region, args.account, self._seed())
        if self._tls:
            self._tls.certificate(directory, settings)
        if args.credentials_uri:  # issue one, or say why not
            settings.sessions.issue(args.credentials_uri, SECONDS, "", int(settings.deps.clock()))
        return 0

    def _work_or_tell(self, place: Place) -> int:
        """One process more than there are workers tells what they count, so that it costs them nothing else."""
        if self._metrics is None or place.number < self._args.workers:
            return self._work(place)
        from tkms.machine.exposition import Numbers, tell  # the library is no worker's to load

        numbers = Numbers(self._directory().open(), self._crew, self._counts, self._timings)
        place.tell_ready()
        tell(self._metrics, place.lifeline, numbers)
        return 0

    def _opened(self, directory: Directory) -> Settings:
        """Its settings, whose audit lines are counted if somebody may ask for the counts."""
        settings = directory.open()
        if not self._metrics:
            return settings
        deps = settings.deps
        return replace(settings, deps=replace(deps, audit=CountedAudit(deps.audit, self._counts)))

    def _work(self, place: Place) -> int:
        args = self._args
        for shared in (self._crew, self._timings, self._counts):
            shared.join(place.number)
        releases = Releases(self._crew)
        metrics = self._counts if self._metrics else None
        directory = self._directory(later=releases, memory=self._crew.memory, metrics=metrics)
        settings = self._opened(directory)
        log = settings.log
        assert log is not None  # noqa: S101 - one machine has one
        uri = CredentialsUri(settings, args.credentials_uri, self._credentials_path) if args.credentials_uri else None
        if place.first and place.number == 0:
            self._greet(directory, settings)
        answers = SharedAnswers(self._crew.memory, args.data_dir / "repeats.lock")
        sys.setswitchinterval(_SWITCH_SECONDS)
        refusals = Refusals(self._crew, settings.access, settings.deps.clock)
        endpoint = Endpoint(settings, InlineDispatcher(settings.deps), answers, refusals)
        gathering = Gathering(endpoint, settings.deps)
        app = App(endpoint, _checks(settings, args.data_dir), self._pages(settings, uri), self._timings, gathering)
        guests = Guests(self._connections, args.connections_per_address, crew=self._crew)
        keeper = Keeper(log, args.audit_days, args.audit_mb * 1024**2)
        desk = Desk(self._desk, refusals)
        sweeping = os.open(args.data_dir / "sweep.lock", os.O_RDWR | os.O_CREAT, 0o600)
        work = Work(
            server_config(),
            self._listening,
            app,
            guests,
            settings,
            keeper,
            releases,
            desk,
            place,
            partial(hold, sweeping),
            lambda: directory.paused,
        )
        if self._tls:
            work.certify(self._tls.certificate(directory, settings))
        work.run()
        app.pool.shutdown(wait=False, cancel_futures=True)
        return 0

    def _pages(self, settings: Settings, uri: CredentialsUri | None) -> Pages:
        """The console, and the credentials URI if there is one."""
        here = Here(settings, self._args.data_dir, InlineDispatcher(settings.deps), self._timings)
        lock = os.open(self._args.data_dir / "console.lock", os.O_RDWR | os.O_CREAT, 0o600)
        sessions = Sessions(self._crew.memory, FileLock(lock, at_once))
        console = Console(here, sessions, secure=self._tls is not None)
        return Pages(uri.response, mine, console.respond) if uri else Pages(mine=mine, long=console.respond)

    def _greet(self, directory: Directory, settings: Settings) -> None:
        args = self._args
        if not self._tls:
            _warn_of(self._address, self._port)
        if args.tls:
            say(f"TLS by its own authority: clients are to trust {directory.tls / 'ca.pem'}, and tkms tls says how")
        if not greet(directory, settings, self._url):
            say(f"data {args.data_dir}, tenant {settings.site.tenant}; programs: tkms snippet")
        if directory.paused:
            say(f"tkms: {PAUSED}", sys.stderr)
        if self._metrics:
            host, port = self._metrics.getsockname()[:2]
            say(f"metrics on http://{_reached(host, host)}:{port}/metrics")
        if self._credentials_url:
            told = self._credentials_url if sys.stdout.isatty() else f"in {directory.credentials_uri}"
            say(f"credentials URI, a secret for programs on this machine: {told}")
