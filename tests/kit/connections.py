"""What tests of the one-machine server share: raw HTTP, signed requests as bytes, and starts that may be refused."""

from __future__ import annotations

import base64
import http.client
import io
import json
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self, cast

import msgspec

from kit.support import Signer
from tenantkms.wire.http import Request, Response
from tkms.machine.guests import Guests
from tkms.machine.listener import Server, server_config
from tkms.machine.ports import Application


@dataclass
class Start:
    """A `tkms serve` that got ready: all that it printed until then, and its URL."""

    printed: str
    url: str
    process: subprocess.Popen[str]

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])


def command(*args: str) -> list[str]:
    return [sys.executable, "-m", "tkms.cli", *args]


@contextmanager
def starting(data_dir: Path, *args: str) -> Iterator[Start]:
    """`tkms serve` on a free port; killed when the block ends, which loses nothing."""
    line = command("serve", "--data-dir", str(data_dir), *(() if "--port" in args else ("--port", "0")), *args)
    # A group of its own, whose parent is in another: the kernel gives no SIGTSTP to a group that nobody would continue,
    # as that of tests which were started in the background by a shell that has ended.
    with subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, process_group=0) as process:
        try:
            assert process.stdout is not None
            printed = ""
            for text in process.stdout:
                printed += text
                if text.startswith("tkms: ready on "):
                    break
            else:
                raise AssertionError(f"the server did not start: {printed}{process.communicate()[1]}")
            yield Start(printed, text.removeprefix("tkms: ready on ").strip(), process)
        finally:
            process.kill()
            process.communicate(timeout=20)


@contextmanager
def listening(
    application: Application, guests: Guests | None = None, tls: tuple[Path, Path] | None = None
) -> Iterator[int]:
    """The port of a server in this process, whose connections ask `application`. `tls`: certificate and key."""
    config = server_config()
    if tls:
        config.ssl = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        config.ssl.load_cert_chain(*tls)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        running = Server(config, listener, application, guests or Guests())
        thread = threading.Thread(target=running.run)
        thread.start()
        while not running.started:
            time.sleep(0.01)
        try:
            yield port
        finally:
            running.should_exit = True
            thread.join(timeout=20)


@dataclass
class Done:
    """What became of a request: `response` is None where it is to be made in a thread."""

    response: Response | None
    request: Request
    admitted: bool = False
    unwritten: bool = False


def request_bytes(event: Mapping[str, Any], *, close: bool = False) -> bytes:
    """The HTTP request that becomes `event`: its Host header too, which signatures cover."""
    body = base64.b64decode(event["body"] or "")
    http_context = event["requestContext"]["http"]
    target = event["rawPath"] + (f"?{event['rawQueryString']}" if event["rawQueryString"] else "")
    headers = {**event["headers"], "content-length": str(len(body)), **({"connection": "close"} if close else {})}
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"{http_context['method']} {target} HTTP/1.1\r\n{lines}\r\n".encode() + body


class _Answers(io.BufferedReader):
    """What comes in on a connection: `HTTPResponse` closes its file after an answer, but more of them follow."""

    def makefile(self, _mode: str) -> Self:
        return self

    def close(self) -> None:
        pass


class Wire:
    """One connection of raw bytes, inside `tls` if it is given."""

    def __init__(self, port: int, tls: ssl.SSLContext | None = None) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=20)
        if tls:
            self.socket = tls.wrap_socket(self.socket, server_hostname="127.0.0.1")
        self._raw = self.socket.makefile("rb", buffering=0)
        self._answers = _Answers(self._raw)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._raw.close()
        self.socket.close()

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def answer(self, method: str = "GET") -> tuple[int, http.client.HTTPMessage, bytes]:
        # Closed while the file below it is open: Python 3.13 tells of a finalizer that finds it closed.
        with closing(http.client.HTTPResponse(cast("socket.socket", self._answers), method=method)) as response:
            response.begin()
            return response.status, response.headers, response.read()

    def ask(self, event: Mapping[str, Any]) -> Any:
        """The parsed answer to a signed request, on a connection that stays open."""
        self.send(request_bytes(event))
        return json.loads(self.answer()[2])


def tencent(port: int, signer: Signer, action: str, **fields: Any) -> dict[str, Any]:
    """The `Response` of a Tencent API 3.0 call on a connection of its own."""
    with Wire(port) as wire:
        response: dict[str, Any] = wire.ask(signer.tencent(action, fields))["Response"]
        return response


class Echo:
    """An application whose answer is the request."""

    pool = ThreadPoolExecutor(1)

    def begin(self, request: Request, *, together: bool = False) -> Done:
        body = msgspec.json.encode(request).decode()
        return Done(Response(status=200, content_type="application/json", body=body), request)

    def finish(self, work: Any) -> Response:
        raise AssertionError(work)

    def settle(self) -> None:
        pass
