"""An object store as oss2 needs one: it keeps what is put, with its headers, and gives it back, in parts too."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Objects = dict[str, tuple[dict[str, str], bytes]]
"""Path -> (metadata, content)"""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Any

    def do_PUT(self) -> None:
        metadata = {name: value for name, value in self.headers.items() if name.lower().startswith("x-oss-meta-")}
        self.server.objects[self.path] = metadata, self._body()
        self._answer(200)

    def do_GET(self) -> None:
        found = self.server.objects.get(self.path)
        if found is None:
            self._answer(404, body=b"<Error><Code>NoSuchKey</Code></Error>")
            return
        metadata, content = found
        span = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        if span is None:
            self._answer(200, metadata, content)
            return
        first, last = int(span[1]), min(int(span[2] or len(content)), len(content) - 1)
        partial = {"Content-Range": f"bytes {first}-{last}/{len(content)}"}
        self._answer(206, {**metadata, **partial}, content[first : last + 1])

    def do_HEAD(self) -> None:
        self.do_GET()

    def _body(self) -> bytes:
        if length := self.headers.get("Content-Length"):
            return self.rfile.read(int(length))
        parts = []
        while size := int(self.rfile.readline(), 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    def _answer(self, status: int, headers: dict[str, str] | None = None, body: bytes = b"") -> None:
        self.send_response(status)
        for name, value in {**(headers or {}), "Content-Length": str(len(body)), "ETag": '"1"'}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        """Nothing is logged."""


class _Store(ThreadingHTTPServer):
    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.objects: Objects = {}


@contextmanager
def object_store() -> Iterator[tuple[str, Objects]]:
    """(URL, what it holds). It looks at no signature."""
    with _Store() as store:
        thread = threading.Thread(target=store.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{store.server_port}", store.objects
        finally:
            store.shutdown()
            thread.join()
