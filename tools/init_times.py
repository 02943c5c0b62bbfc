"""A function as AWS Lambda runs it: AWS's runtime client, in a process that sees its code, its layer and nothing else.

`make init-times` prints how long each function takes to start, beside one that makes botocore's clients and nothing
else: `make init-times ARGS="encrypt endpoint"` those, and all without ARGS.
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import find_spec
from pathlib import Path
from threading import Event, Thread
from typing import Any

import botocore

from cdk import bundles
from cdk.progress import step
from cdk.tenants import SEALING, folders

ENVIRONMENT = {
    "TENANT": "acme",
    "REGION": "eu-central-1",
    "ACCOUNT": "123456789012",
    "KEYS_TABLE": "keys",
    "ACCESS_TABLE": "access",
    "PARENT_KEY_ARN": "arn:aws:kms:eu-central-1:123456789012:key/5c438b18-05be-40ad-b6c2-3be6752cfa7e",
    "FUNCTION_PREFIX": "tkms-acme-",
    "EVENTS_TABLE": "events",
    "EVENT_BUS": "tkms-acme",
    "REJECTED_QUEUE_URL": "http://127.0.0.1:9/rejected",
    "TARGETS": '[{"type":"ssm","name":"*"}]',
    "INBOX_BUCKET": "inbox",
    "SEALED_BUCKET": "sealed",
    "OBJECTS_QUEUE_URL": "http://127.0.0.1:9/objects",
    "OBJECTS_KEY": "alias/inbox",
    "OBJECTS_CONTEXT": "{}",
    "AWS_REGION": "eu-central-1",
    "AWS_DEFAULT_REGION": "eu-central-1",
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_LAMBDA_LOG_FORMAT": "JSON",
    "AWS_LAMBDA_LOG_LEVEL": "INFO",
    # A port that nobody listens on: no function may need AWS to answer here.
    "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
}
_MESSAGE = {
    "messageId": "m",
    "receiptHandle": "r",
    "eventSource": "aws:sqs",
    "attributes": {"SentTimestamp": "0", "ApproximateReceiveCount": "1"},
}
_CLIENT = ("awslambdaric", "runtime_client", "snapshot_restore_py", "simplejson")
_PROGRAM = """
import sys
code, layer, client, handler = sys.argv[1:]
sys.path[:0] = [code, layer]
sys.path.append(client)
sys.argv = ["bootstrap", handler]
import runpy
runpy.run_module("awslambdaric", run_name="__main__")
"""


@dataclass
class Outcome:
    """`answer`, or the `error` that the runtime reports; milliseconds from the start to ready, from there to it, and of
    the processor for both."""

    answer: Any = None
    error: Any = None
    init: float = 0
    first: float = 0
    cpu: float = 0
    output: str = ""


class _Api(ThreadingHTTPServer):
    """The Lambda Runtime API for one invocation of one function."""

    daemon_threads = True

    def __init__(self, event: Any) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.event, self.outcome = json.dumps(event).encode(), Outcome()
        self.started, self.ready, self.asked, self.done = time.perf_counter(), 0.0, False, Event()

    def handle_error(self, request: object, client_address: object) -> None:
        """The function's process is ended while it waits for another event."""

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    server: _Api
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        if self.server.asked:
            self.server.done.wait()
            self.close_connection = True
            return
        self.server.asked, self.server.ready = True, time.perf_counter()
        self._answer(
            self.server.event,
            {
                "Lambda-Runtime-Aws-Request-Id": "6f1e2d3c-1111-4222-8333-444455556666",
                "Lambda-Runtime-Deadline-Ms": str(int(time.time() * 1000) + 7000),
                "Lambda-Runtime-Trace-Id": "Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700;Sampled=0",
                "Content-Type": "application/json",
                "Lambda-Runtime-Invoked-Function-Arn": "arn:aws:lambda:eu-central-1:123456789012:function:tested",
            },
        )

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])) or b"null")
        outcome, now = self.server.outcome, time.perf_counter()
        if self.path.endswith("/response"):
            outcome.answer = body
        else:
            outcome.error = body
        ready = self.server.ready or now
        outcome.init, outcome.first = (ready - self.server.started) * 1000, (now - ready) * 1000
        self._answer(b"{}", {}, status=202)
        self.server.done.set()

    def _answer(self, body: bytes, headers: Mapping[str, str], status: int = 200) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        """Nothing: the tests say what matters."""


_CLIENTS = """
import botocore.session
from botocore.config import Config

session = botocore.session.get_session()
retries = {"total_max_attempts": 2, "mode": "standard"}
clients = [
    session.create_client(service, config=Config(connect_timeout=0.5, read_timeout=1, retries=retries))
    for service in SERVICES.split()
]

def handler(event, context):
    return {}
"""
_ROUNDS = 15


def runtime_client(folder: Path) -> Path:
    """AWS's runtime client in `folder`, without what else is installed beside it."""
    folder.mkdir(exist_ok=True)
    for name in _CLIENT:
        spec = find_spec(name)
        assert spec is not None
        assert spec.origin is not None
        source = Path(spec.origin)
        if source.name == "__init__.py":
            shutil.copytree(source.parent, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copyfile(source, folder / source.name)
    return folder


def run(code: Path, layer: Path, client: Path, handler: str, event: Any) -> Outcome:
    """What the function answers to one event. `layer` holds `python/`."""
    with _Api(event) as api:
        serving = Thread(target=api.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        serving.start()
        environment = {
            **ENVIRONMENT,
            "PATH": os.environ["PATH"],
            "AWS_LAMBDA_RUNTIME_API": api.address,
            "AWS_LAMBDA_FUNCTION_NAME": "tested",
            "LAMBDA_TASK_ROOT": str(code),
        }
        paths = [str(code), str(layer / "python"), str(client)]
        api.started, used = time.perf_counter(), _processor()
        with subprocess.Popen(
            [sys.executable, "-I", "-S", "-B", "-c", _PROGRAM, *paths, handler],
            env=environment,
            cwd=code,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        ) as process:
            try:
                while not api.done.wait(0.05) and process.poll() is None:
                    assert time.perf_counter() - api.started < 30, "no answer"
            finally:
                api.done.set()
                process.kill()
                api.outcome.output = process.communicate()[0]
                api.outcome.cpu = _processor() - used
                api.shutdown()
    return api.outcome


def event(folder: str) -> Any:
    """An event that is answered without AWS, where the function has one."""
    if folder == "endpoint":
        http = {"method": "GET", "path": "/healthz", "sourceIp": "192.0.2.1"}
        return {"version": "2.0", "rawPath": "/healthz", "headers": {}, "requestContext": {"http": http}}
    if folder in SEALING.values():
        return {"Records": [{**_MESSAGE, "body": '{"Event": "s3:TestEvent"}'}]}
    return {"dry_run": True} if folder in ("rotate_due_keys", "delete_due_keys") else {"v": 1}


def _processor() -> float:
    """Milliseconds of the processor that ended children of this process have had."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (used.ru_utime + used.ru_stime) * 1000


def _whole(layer: Path, folder: Path) -> Path:
    """The layer with botocore's data of the same services as it is installed."""
    shutil.copytree(layer, folder)
    data = folder / "python/botocore/data"
    shutil.rmtree(data)
    installed = Path(botocore.__file__).with_name("data")
    for name in bundles.SHARED.services:
        shutil.copytree(installed / name, data / name)
    for path in installed.glob("*.json"):
        shutil.copyfile(path, data / path.name)
    return folder


def _only_clients(services: str, folder: Path) -> Path:
    """The code of a function that makes botocore's clients of `services`, apart by spaces, and nothing else."""
    code = folder / "functions/clients"
    code.mkdir(parents=True)
    (code / "handler.py").write_text(_CLIENTS.replace("SERVICES", repr(services)))
    return folder


def main(chosen: Sequence[str]) -> None:
    """The tables of docs/operations.md and docs/performance.md."""
    twin = bundles.layer(bundles.HERE).path
    size = bundles.size(bundles.layer())
    print(f"layer: {size / 1e6:.1f} MB ({size:,} bytes) for {bundles.LAMBDA.system}, Python {bundles.LAMBDA.python}")
    names = chosen or folders()
    with tempfile.TemporaryDirectory() as temporary:
        place = Path(temporary)
        client, whole = runtime_client(place / "client"), _whole(twin, place / "whole")
        # What a function is compared with: the clients that it makes.
        peers = {folder: "dynamodb kms lambda" if folder == "endpoint" else "dynamodb kms" for folder in names}
        starts = {}
        for services in dict.fromkeys(peers.values()):
            code = _only_clients(services, place / services.replace(" ", "-"))
            starts[services] = (code, whole, "functions.clients.handler.handler")
            starts[f"{services} (thin)"] = (code, twin, "functions.clients.handler.handler")
        for folder in names:
            starts[folder] = (bundles.function(folder).path, twin, f"functions.{folder}.handler.handler")
        found: dict[str, list[Outcome]] = {name: [] for name in starts}
        for turn in range(_ROUNDS):
            with step(f"round {turn + 1} of {_ROUNDS}"):
                for name, (code, layer, handler) in starts.items():
                    found[name].append(run(code, layer, client, handler, event(name)))
    print(
        f"medians of {_ROUNDS} rounds of all in turns: ms to ready, of the processor, from ready to the first answer;"
    )
    print("times botocore's clients alone, with its data as they are installed, and as the layer has them (thin)")
    for name, outcomes in found.items():
        medians = {at: statistics.median(getattr(one, at) for one in outcomes) for at in ("init", "cpu", "first")}
        line = f"{name:41} {medians['init']:6.0f} {medians['cpu']:6.0f} {medians['first']:6.0f}"
        for peer in (peers[name], f"{peers[name]} (thin)") if name in peers else ():
            line += "".join(
                f" {medians[at] / statistics.median(getattr(one, at) for one in found[peer]):6.2f}"
                for at in ("init", "cpu")
            )
        print(line, flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
