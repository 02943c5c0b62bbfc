"""What a server tells Prometheus: of all its processes together, by the names of a deployment, and nobody's own."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import time
import urllib.request
from argparse import ArgumentTypeError
from collections.abc import Iterator
from contextlib import closing, suppress
from email.message import Message
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from threading import Thread

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as open_families
from prometheus_client.parser import text_string_to_metric_families as families

from kit.connections import Start, Wire, starting, tencent
from kit.memory import children
from kit.support import Server, Signer, run_tkms
from tenantkms.audit import metrics
from tenantkms.audit.line import INTENT, Record
from tenantkms.keys.maintenance import JOBS
from tenantkms.names import ACTIONS
from tenantkms.store.shared import Memory
from tkms.machine.counts import AUDIT_TROUBLE, OTHER, REQUESTS, CountedAudit, Counts
from tkms.machine.exposition import _Server
from tkms.machine.metric_names import HELP, name_of
from tkms.machine.options import _address

ROOT = Path(__file__).parent.parent.parent
LABELS = {"action", "le", "state", "work", "version"}
CLOUDWATCH = (
    metrics.LATENCY,
    metrics.ERRORS,
    metrics.REFUSED,
    metrics.THROTTLED,
    metrics.AUTHENTICATION_FAILURES,
    metrics.PARENT_KEY_CALLS,
    metrics.PARENT_KEY_LATENCY,
    metrics.COLD_START,
    metrics.KEYS_PENDING_DELETION,
    metrics.INTEGRITY_FAULTS,
    *(job.metric(outcome) for job in JOBS.values() for outcome in ("Due", "Done", "Failed", "Held")),
)
Sample = tuple[str, tuple[tuple[str, str], ...]]


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Start, str, Signer]]:
    data = tmp_path_factory.mktemp("metrics") / "data"
    with starting(data, "--workers", "2", "--limit", "GenerateRandom=1", "--metrics", "0") as start:
        (url,) = re.findall(r"^metrics on (http://127\.0\.0\.1:\d+/metrics)$", start.printed, re.MULTILINE)
        yield start, url, Signer(*Server(start.url, data, start.process).credential())


def _asked(url: str, accept: str = "text/plain") -> str:
    with urllib.request.urlopen(urllib.request.Request(url, headers={"Accept": accept}), timeout=20) as answer:
        text: str = answer.read().decode()
        return text


def told(url: str) -> dict[Sample, float]:
    found = [sample for family in families(_asked(url)) for sample in family.samples]
    return {(sample.name, tuple(sorted(sample.labels.items()))): sample.value for sample in found}


def of(found: dict[Sample, float], name: str, **labels: str) -> float:
    return found.get((f"tkms_{name}", tuple(sorted(labels.items()))), 0)


def until(url: str, name: str, value: float) -> dict[Sample, float]:
    """Numbers in which `name` has come to `value`: what takes its place takes a moment."""
    deadline = time.monotonic() + 30
    while True:
        try:
            if of(found := told(url), name) == value:
                return found
        except OSError:
            pass
        assert time.monotonic() < deadline
        time.sleep(0.05)


# -- what is counted --------------------------------------------------------------------------------------


class Lines:
    def __init__(self) -> None:
        self.lines: list[Record] = []
        self.write = self.refuse = self.lines.append


def _record(action: str, outcome: str, profile: str = "aws") -> Record:
    return Record(time=1, request_id="r", tenant="t", action=action, profile=profile, principal="p", outcome=outcome)


def test_each_call_is_counted_once_and_as_a_deployment_counts_it() -> None:
    counts = Counts(Memory(), 2)
    audit = CountedAudit(log := Lines(), counts)
    rows: dict[str, set[str]] = {
        "ok": set(),
        "DryRunSucceeded": set(),
        "Throttled": {metrics.THROTTLED},
        "Unavailable": {metrics.ERRORS},
        "IntegrityFault": {metrics.ERRORS},
        "KeyNotFound": {metrics.REFUSED},
    }
    counts.join(1)
    for outcome, kinds in rows.items():
        before = {name: counts.by_action(name).get("Encrypt", 0) for name in (REQUESTS, *CLOUDWATCH[1:4])}
        audit.write(_record("Encrypt", INTENT))
        audit.write(_record("Encrypt", outcome))
        now = {name: counts.by_action(name).get("Encrypt", 0) for name in before}
        assert {name for name in now if now[name] != before[name]} == {REQUESTS, *kinds}, outcome
    audit.refuse(_record("What a stranger likes", "SignatureMismatch"))
    audit.write(_record("RotateDueKeys", "ok", "maintenance"))
    assert counts.by_action(REQUESTS) == {"Encrypt": len(rows), OTHER: 1}
    assert counts.by_action(metrics.REFUSED) == {"Encrypt": 1, OTHER: 1}
    assert counts.total(metrics.AUTHENTICATION_FAILURES) == 1
    assert len(log.lines) == 2 * len(rows) + 2


def test_what_a_worker_has_counted_stays_and_what_stood_with_it_goes() -> None:
    counts = Counts(Memory(), 2)
    counts.join(1)
    counts.put(**{AUDIT_TROUBLE: 1, "DeletionsDone": 3, "DeletionsDue": 2, metrics.PARENT_KEY_LATENCY: 0.25})
    counts.put(DeletionsDone=4, DeletionsDue=1)
    names = (AUDIT_TROUBLE, "DeletionsDone", "DeletionsDue", metrics.COLD_START, metrics.PARENT_KEY_LATENCY)
    assert [counts.total(name) for name in names] == [1, 7, 1, 1, 250]
    counts.join(1)
    assert [counts.total(name) for name in names] == [0, 7, 0, 2, 250]


# -- what is told -----------------------------------------------------------------------------------------


def test_what_clients_do_is_told_of_all_workers(running: tuple[Start, str, Signer]) -> None:
    start, url, signer = running
    before, size = told(url), 12
    key = tencent(start.port, signer, "ListKeys")["Keys"][0]["KeyId"]
    for _ in range(size):
        assert "Error" not in tencent(start.port, signer, "Encrypt", KeyId=key, Plaintext="aGVsbG8=")
    tencent(start.port, signer, "Encrypt", KeyId="5c438b18-05be-40ad-b6c2-3be6752cfa7e", Plaintext="aGVsbG8=")
    tencent(start.port, signer, "NothingOfOurs")
    tencent(start.port, Signer("TKMS0123456789ABCDEF", "x"), "Encrypt", KeyId=key, Plaintext="aGVsbG8=")
    random = [tencent(start.port, signer, "GenerateRandom", NumberOfBytes=1) for _ in range(8)]
    limited = sum("Error" in answer for answer in random)
    assert limited
    with Wire(start.port):
        after = told(url)
        assert of(after, "connections") >= 1

    def more(name: str, **labels: str) -> float:
        return of(after, name, **labels) - of(before, name, **labels)

    assert more("requests_total", action="Encrypt") == size + 1
    assert more("refused_total", action="Encrypt") == 1
    assert more("authentication_failures_total") == 1
    assert more("latency_seconds_count", action="Encrypt") == size + 1
    assert more("latency_seconds_bucket", action="Encrypt", le="+Inf") == size + 1
    assert more("latency_seconds_bucket", action="Encrypt", le="0.000128") < size
    assert 0 < more("latency_seconds_sum", action="Encrypt") < 60
    assert more("throttled_total", action="GenerateRandom") == limited
    assert more("refused_total", action=OTHER) == 2  # what a stranger asks for is not read
    assert (of(after, "workers"), of(after, "store_up"), of(after, "audit_trouble")) == (2, 1, 0)
    assert of(after, "keys", state="Enabled") == 1
    assert of(after, "parent_key_latency_seconds_count") == of(after, "parent_key_calls_total") > 0
    assert 0 <= of(after, "sweep_age_seconds", work="destroy") < 120


def test_nobody_chooses_a_label_and_every_parser_reads_it(running: tuple[Start, str, Signer]) -> None:
    _, url, _ = running
    found = told(url)
    labels = [pair for _, pairs in found for pair in pairs]
    assert {name for name, _ in labels} <= LABELS
    assert {value for name, value in labels if name == "action"} <= {*ACTIONS, OTHER}
    assert len(found) < 1_000
    strict = [family.name for family in open_families(_asked(url, "application/openmetrics-text; version=1.0.0"))]
    assert {name_of(name) for name in (*CLOUDWATCH, REQUESTS, AUDIT_TROUBLE)} <= {*strict}
    helped = {re.sub("_total$", "", family.name): family.documentation for family in families(_asked(url))}
    assert {*helped.values()} - {"The release that serves."} == {*HELP.values()}


def _queries() -> Iterator[str]:
    board = json.loads((ROOT / "docs" / "grafana-dashboard.json").read_text())
    for panel in board["panels"]:
        yield from (target["expr"] for target in panel["targets"])
    yield from (variable["query"] for variable in board["templating"]["list"])
    yield from re.findall(r"```yaml\n(.*?)```", (ROOT / "docs" / "metrics.md").read_text(), re.DOTALL)


def test_the_dashboard_and_the_documents_ask_for_what_there_is(running: tuple[Start, str, Signer]) -> None:
    start, url, signer = running
    tencent(start.port, signer, "ListKeys")
    there = {name for name, _ in told(url)}
    asked = {name for query in _queries() for name in re.findall(r"tkms_\w+", query)}
    assert asked <= there
    assert {re.sub("_(bucket|sum|count)$", "", name) for name in there} == {
        re.sub("_(bucket|sum|count)$", "", name) for name in asked
    }, "what is told is asked for"
    page = (ROOT / "docs" / "metrics.md").read_text()
    assert [name for name in there if re.sub("_(bucket|sum|count)$", "", name) not in page] == []


def test_who_asks_slowly_keeps_nobody_out(running: tuple[Start, str, Signer]) -> None:
    _, url, _ = running
    host, port = url.split("/")[2].split(":")
    slow = [socket.create_connection((host, int(port))) for _ in range(8)]
    for each in slow:
        each.sendall(b"GET /metrics HTTP/1.1\r\nx: ")
    deadline, asked = time.monotonic() + 15, ""
    while not asked:
        assert time.monotonic() < deadline
        for each in slow:
            with suppress(OSError):
                each.sendall(b"x")
        with suppress(OSError):
            asked = _asked(url)
        time.sleep(0.5)
    for each in slow:
        each.close()


def _answered(url: str, method: str, path: str) -> tuple[int, Message, bytes]:
    connection = HTTPConnection(url.split("/")[2], timeout=20)
    with closing(connection):
        connection.request(method, path)
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read()


def test_the_port_answers_what_is_asked_of_metrics_and_nothing_else(running: tuple[Start, str, Signer]) -> None:
    _, url, _ = running
    expected = {
        ("GET", "/metrics"): 200,
        ("GET", "/metrics?name[]=tkms_workers"): 200,
        ("HEAD", "/metrics"): 200,
        ("POST", "/metrics"): 405,
        ("BREW", "/metrics"): 405,
        ("GET", "/"): 404,
        ("HEAD", "/"): 404,
        ("GET", "/metrics/"): 404,
        ("GET", "/favicon.ico"): 404,
        ("POST", "/x"): 404,
    }
    answers = {asked: _answered(url, *asked) for asked in expected}
    assert {asked: status for asked, (status, _, _) in answers.items()} == expected
    assert {headers["Server"] for _, headers, _ in answers.values()} == {"tkms"}
    assert answers["POST", "/metrics"][1]["Allow"] == "GET, HEAD"
    _, head, none = answers["HEAD", "/metrics"]
    assert (head["Content-Type"], none) == (answers["GET", "/metrics"][1]["Content-Type"], b"")
    assert b"tkms_" not in b"".join(body for status, _, body in answers.values() if status != 200)


def test_who_finds_no_thread_leaves_the_place_to_others(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(_: Thread) -> None:
        raise RuntimeError("can't start new thread")

    with socket.create_server(("127.0.0.1", 0)) as listening:
        server = _Server(listening, BaseHTTPRequestHandler)
        with monkeypatch.context() as patch:
            patch.setattr(Thread, "start", refused)
            for _ in range(9):
                with socket.create_connection(listening.getsockname()) as client:
                    server.handle_request()
                    assert client.recv(1) == b""
        with socket.create_connection(listening.getsockname()) as client:
            server.handle_request()
            client.sendall(b"GET / HTTP/1.0\r\n\r\n")
            assert client.makefile("rb").readline().startswith(b"HTTP/1.0 501 ")


# -- ends -------------------------------------------------------------------------------------------------


def test_it_outlives_a_worker_itself_and_its_server(running: tuple[Start, str, Signer]) -> None:
    """Counts go on when a worker is replaced, and begin anew with another server, at the same address."""
    start, url, signer = running
    tencent(start.port, signer, "ListKeys")
    before = told(url)
    first, *_, teller = children(start.process.pid)
    os.kill(first, signal.SIGKILL)
    after = until(url, "cold_start_total", of(before, "cold_start_total") + 1)
    assert of(after, "requests_total", action="ListKeys") == of(before, "requests_total", action="ListKeys")
    os.kill(teller, signal.SIGKILL)
    again = until(url, "workers", 2)
    assert of(again, "requests_total", action="ListKeys") == of(after, "requests_total", action="ListKeys")
    start.process.send_signal(signal.SIGUSR2)
    successor = 0
    while not successor:
        successor = next(filter(children, children(start.process.pid)), 0)
    try:
        assert start.process.wait(30) == 0
        assert of(until(url, "cold_start_total", 2), "requests_total", action="ListKeys") == 0
        tencent(start.port, signer, "ListKeys")
        assert of(told(url), "requests_total", action="ListKeys") == 1
    finally:
        os.kill(successor, signal.SIGTERM)


# -- where ------------------------------------------------------------------------------------------------


def test_where_it_is_told() -> None:
    rows = {
        "9464": ("127.0.0.1", 9464),
        "0.0.0.0:1": ("0.0.0.0", 1),
        "[::1]:9464": ("::1", 9464),
        ":5": ("127.0.0.1", 5),
    }
    assert {text: _address(text) for text in rows} == rows
    for text in ("", "x", "host", "1:x", "70000", "-1"):
        with pytest.raises(ArgumentTypeError, match="neither PORT nor HOST:PORT"):
            _address(text)


def test_a_port_that_is_taken_ends_the_start(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1])
        done = run_tkms("serve", "--data-dir", str(tmp_path / "data"), "--port", "0", "--metrics", port, check=False)
        assert (done.returncode, f"Cannot listen on 127.0.0.1:{port}" in done.stderr) == (1, True)
    done = run_tkms("serve", "--data-dir", str(tmp_path / "data"), "--port", port, "--metrics", port, check=False)
    assert (done.returncode, done.stderr) == (1, f"tkms: --metrics: port {port} is the API's: choose another one.\n")
    assert not (tmp_path / "data").exists()
