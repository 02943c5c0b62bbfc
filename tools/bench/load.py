"""Load on HTTP servers by `wrk`, with requests that were made before, and the servers that ours are compared with."""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import Request, urlopen

from kit.emulator import PROGRAM, free_port, settings

Event = dict[str, Any]
HOST = "127.0.0.1"
PLAINTEXT = base64.b64encode(b"x" * 64).decode()
_START_SECONDS = 30
_LUA = """
local requests, i = {}, 0
function init(args) for line in io.lines(args[1]) do requests[#requests + 1] = line:gsub("\\\\n", "\\r\\n") end end
function request() i = i % #requests + 1 return requests[i] end
"""
_UNITS = {"us": 0.001, "ms": 1.0, "s": 1000.0}


def check_wrk() -> None:
    if shutil.which("wrk") is None:
        raise SystemExit("wrk is not installed, and measuring HTTP needs it: apt-get install wrk")


def raw(event: Event, host: str) -> str:
    """The event as an HTTP/1.1 request on one line, line ends written as backslash n."""
    http = event["requestContext"]["http"]
    body = base64.b64decode(event["body"]).decode() if event["body"] else ""
    target = event["rawPath"] + ("?" + event["rawQueryString"] if event["rawQueryString"] else "")
    headers = {**event["headers"], "host": host, "content-length": str(len(body.encode()))}
    lines = [f"{http['method']} {target} HTTP/1.1", *(f"{k}: {v}" for k, v in headers.items()), "", body]
    return "\\n".join(lines)


@dataclass
class Run:
    """Requests per second, and milliseconds of an answer: of one in two, of one in a hundred."""

    per_second: float
    p50_ms: float
    p99_ms: float


def run(url: str, connections: int, seconds: int, requests: Sequence[str], directory: Path) -> Run:
    """A run of `wrk` in one thread, which needs its own requests if they have nonces. `directory`: for its files."""
    script, file = directory / "replay.lua", directory / "requests.txt"
    script.write_text(_LUA)
    file.write_text("\n".join(requests) + "\n")
    command = ["wrk", "--latency", "-t1", f"-c{connections}", f"-d{seconds}s", "-s", str(script), url, "--", str(file)]
    out = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    if "Non-2xx" in out:
        raise SystemExit(f"the server refused requests under load:\n{out}")
    speed = re.search(r"Requests/sec:\s+([0-9.]+)", out)
    assert speed, out
    times = {found[1]: float(found[2]) * _UNITS[found[3]] for found in re.finditer(r"(\d+)%\s+([\d.]+)(us|ms|s)", out)}
    return Run(float(speed[1]), times["50"], times["99"])


@dataclass
class Peer:
    """A running server of others: where, its process, and a raw AWS KMS Encrypt for it."""

    url: str
    process: int
    request: str


@contextmanager
def moto() -> Iterator[Peer]:
    """moto's server."""
    command = [sys.executable, "-W", "ignore", "-m", "moto.server", "-H", HOST, "-p", "0"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr is not None
            line = next(line for line in process.stderr if "Running on" in line)
            # moto logs each request: read on, or it would block.
            subprocess.Popen(["cat"], stdin=process.stderr, stdout=subprocess.DEVNULL)
            url = line.split()[-1].strip()
            yield Peer(url, process.pid, _request(url))
        finally:
            process.terminate()
            process.wait(10)


@contextmanager
def _served(port: int, command: Sequence[str], environment: dict[str, str], cwd: Path | None = None) -> Iterator[Peer]:
    url, quiet = f"http://{HOST}:{port}", subprocess.DEVNULL
    process = subprocess.Popen(command, stdout=quiet, stderr=quiet, env={**os.environ, **environment}, cwd=cwd)
    try:
        yield Peer(url, process.pid, _request_when_ready(url, process))
    finally:
        process.terminate()
        process.wait(10)


@contextmanager
def ministack() -> Iterator[Peer]:
    """MiniStack, if it is installed (`make .venv-ministack/ready`)."""
    port = free_port()
    with _served(port, [str(PROGRAM)], {**settings(port), "LOG_LEVEL": "WARNING"}) as peer:
        yield peer


@contextmanager
def local_kms(program: Path, directory: Path) -> Iterator[Peer]:
    """nsmithuk/local-kms, the binary `program`, with its data in `directory`."""
    port = free_port()
    data = {"PORT": str(port), "KMS_DATA_PATH": str(directory), "KMS_REGION": "us-east-1"}
    with _served(port, [str(program.resolve())], data, directory) as peer:
        yield peer


def _request_when_ready(url: str, process: subprocess.Popen[bytes]) -> str:
    end = time.monotonic() + _START_SECONDS
    while time.monotonic() < end and process.poll() is None:
        with suppress(URLError, ConnectionError):
            return _request(url)
        time.sleep(0.2)
    raise SystemExit(f"{process.args!r} does not serve")


def _request(url: str) -> str:
    host = url.partition("://")[2]

    def headers(target: str) -> dict[str, str]:
        scope = "Credential=test/20260101/us-east-1/kms/aws4_request, SignedHeaders=host, Signature=0"
        return {
            "X-Amz-Target": f"TrentService.{target}",
            "Content-Type": "application/x-amz-json-1.1",
            "Authorization": f"AWS4-HMAC-SHA256 {scope}",
        }

    with urlopen(Request(url, b"{}", headers("CreateKey"))) as answer:
        key = json.load(answer)["KeyMetadata"]["KeyId"]
    body = json.dumps({"KeyId": key, "Plaintext": PLAINTEXT})
    every = {**headers("Encrypt"), "Host": host, "Content-Length": str(len(body))}
    return "\\n".join(["POST / HTTP/1.1", *(f"{k}: {v}" for k, v in every.items()), "", body])
