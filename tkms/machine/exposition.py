"""`tkms serve --metrics`: what all processes of a server have counted, as Prometheus reads it, by a process of its own.

Field standard: "Exposition formats" of prometheus.io. Names are those of the metrics of a deployment in Prometheus's
spelling (`name_of`), and labels have no value that a caller chooses.
"""

from __future__ import annotations

import select
import socket
from collections.abc import Iterator
from contextlib import suppress
from http import HTTPStatus
from http.server import HTTPServer
from io import BytesIO
from socketserver import ThreadingMixIn
from threading import BoundedSemaphore, Lock, Timer
from typing import Any
from urllib.parse import urlsplit

from prometheus_client import CollectorRegistry, MetricsHandler
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    SummaryMetricFamily,
)
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from tenantkms import __version__
from tenantkms.audit import metrics
from tenantkms.errors import KmsError
from tenantkms.keys.maintenance import JOBS
from tenantkms.model.key import KeyFilter
from tenantkms.model.states import KeyState
from tenantkms.runtime.assemble import Settings
from tenantkms.store.port import KeyStore
from tkms.machine import counts as own
from tkms.machine.counts import Counts
from tkms.machine.crew import Crew
from tkms.machine.metric_names import HELP, name_of
from tkms.machine.timings import Timings

_BOUNDS = range(14, 45, 2)
"""Steps of `Timings` at which buckets end: from 128 microseconds to 4.2 seconds, each twice the last."""
_KEEP_SECONDS = 15
"""How long the numbers of keys are kept: they are counted."""
_SECONDS = 5
"""How long who asks may take for the question, and for taking the answer."""
_AT_ONCE = 8
_PATH = "/metrics"
_METHODS = ("GET", "HEAD")


class Numbers(Collector):
    """All of them, as they are when they are asked for."""

    def __init__(self, settings: Settings, crew: Crew, counts: Counts, timings: Timings) -> None:
        self._settings, self._crew, self._counts, self._timings = settings, crew, counts, timings
        self._keys, self._counted = dict[str, int](), 0
        self._began = settings.deps.clock()
        self._lock = Lock()

    def collect(self) -> Iterator[Metric]:
        yield InfoMetricFamily("tkms_build", "The release that serves.", value={"version": __version__})
        yield from self._calls()
        for name in own.TOTALS:
            if name != metrics.PARENT_KEY_LATENCY:
                yield CounterMetricFamily(name_of(name), HELP[name], value=self._counts.total(name))
        yield SummaryMetricFamily(
            name_of(metrics.PARENT_KEY_LATENCY),
            HELP[metrics.PARENT_KEY_LATENCY],
            count_value=self._counts.total(metrics.PARENT_KEY_CALLS),
            sum_value=self._counts.total(metrics.PARENT_KEY_LATENCY) / 1e6,
        )
        for name in own.STANDS:
            yield GaugeMetricFamily(name_of(name), HELP[name], value=self._counts.total(name))
        yield GaugeMetricFamily("tkms_connections", HELP["Connections"], value=self._crew.connections)
        yield GaugeMetricFamily("tkms_workers", HELP["Workers"], value=self._crew.size)
        stored: list[Metric] = []
        with suppress(KmsError):  # what is counted in memory is told in any case
            stored = [*self._stored()]
        yield GaugeMetricFamily("tkms_store_up", HELP["StoreUp"], value=bool(stored))
        yield from stored

    def _calls(self) -> Iterator[Metric]:
        for name in own.BY_ACTION:
            family = CounterMetricFamily(name_of(name), HELP[name], labels=["action"])
            for action, count in self._counts.by_action(name).items():
                family.add_metric([action], count)
            yield family
        took = HistogramMetricFamily(name_of(metrics.LATENCY), HELP[metrics.LATENCY], labels=["action"])
        for action, steps, micros in self._timings.all():
            below = [(str((1 << step // 2) / 1e6), float(sum(steps[:step]))) for step in _BOUNDS]
            took.add_metric([action], [*below, ("+Inf", float(sum(steps)))], micros / 1e6)
        yield took

    def _stored(self) -> Iterator[Metric]:
        """What the store says. Raises `Unavailable`."""
        now, store = self._settings.deps.clock(), self._settings.deps.keyring.store
        keys = GaugeMetricFamily("tkms_keys", HELP["Keys"], labels=["state"])
        for state, count in self._by_state(store, int(now)).items():
            keys.add_metric([state], count)
        yield keys
        waiting = store.count_waiting(KeyState.PENDING_DELETION)
        yield GaugeMetricFamily(
            name_of(metrics.KEYS_PENDING_DELETION), HELP[metrics.KEYS_PENDING_DELETION], value=waiting
        )
        age = GaugeMetricFamily("tkms_sweep_age_seconds", HELP["SweepAge"], labels=["work"])
        for name, job in JOBS.items():
            watch = store.get_watch(job.name)  # of a number that is missing no alarm would ring
            age.add_metric([name], max(0, now - (watch.seen if watch else self._began)))
        yield age

    def _by_state(self, store: KeyStore, now: int) -> dict[str, int]:
        with self._lock:
            if abs(now - self._counted) >= _KEEP_SECONDS:
                self._keys = {
                    str(state): store.list_keys(KeyFilter(states=frozenset({state})), now=now, offset=0, limit=0)[0]
                    for state in KeyState
                }
                self._counted = now
            return self._keys


class _Handler(MetricsHandler):
    timeout = _SECONDS
    """Of each piece of a question, and of the whole answer."""

    def setup(self) -> None:
        super().setup()
        self._late = Timer(_SECONDS, self._end)
        self._late.daemon = True
        self._late.start()

    def _end(self) -> None:
        """Who sends a question by single bytes would keep its place for ever."""
        with suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)

    def version_string(self) -> str:
        """Not the versions of Python and its library, which are nobody's to know."""
        return "tkms"

    def parse_request(self) -> bool:
        parsed = super().parse_request()
        self._late.cancel()
        return parsed and self._is_served()

    def _is_served(self) -> bool:
        """What is not is answered here."""
        if urlsplit(self.path).path != _PATH:
            self.send_error(HTTPStatus.NOT_FOUND)
        elif self.command not in _METHODS:
            self.send_response(HTTPStatus.METHOD_NOT_ALLOWED)
            self.send_header("Allow", ", ".join(_METHODS))
            self.send_header("Content-Length", "0")
            self.end_headers()
        else:
            return True
        return False

    def do_HEAD(self) -> None:  # noqa: N802 - the library calls it so
        """The head of what GET answers."""
        out, self.wfile = self.wfile, (whole := BytesIO())
        self.do_GET()
        head, end, _ = whole.getvalue().partition(b"\r\n\r\n")
        self.wfile = out
        out.write(head + end)

    def finish(self) -> None:
        self._late.cancel()
        super().finish()


class _Server(ThreadingMixIn, HTTPServer):
    """Answers on the socket `listening`, a few at a time; others are closed without an answer."""

    daemon_threads = True
    timeout = 0

    def __init__(self, listening: socket.socket, handler: Any) -> None:
        super().__init__(("", 0), handler, bind_and_activate=False)
        self.socket.close()
        self.socket = listening
        self._room = BoundedSemaphore(_AT_ONCE)

    def verify_request(self, *_: object) -> bool:
        return self._room.acquire(blocking=False)

    def process_request(self, *args: Any) -> None:
        try:
            super().process_request(*args)
        except BaseException:  # no thread was begun that would make room
            self._room.release()
            raise

    def process_request_thread(self, *args: Any) -> None:
        try:
            super().process_request_thread(*args)
        finally:
            self._room.release()

    def handle_error(self, *_: object) -> None:
        """Who asked is gone, or took too long."""


def tell(listening: socket.socket, lifeline: int, numbers: Numbers) -> None:
    """Answer whoever connects to `listening` until `lifeline` is closed."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(numbers)
    listening.setblocking(False)  # another process may take it first
    listening.listen()
    server, files = _Server(listening, _Handler.factory(registry)), [listening.fileno(), lifeline]
    while lifeline not in select.select(files, [], [])[0]:
        server.handle_request()
