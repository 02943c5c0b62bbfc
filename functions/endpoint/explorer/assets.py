"""The explorer's page and its files, made once by each process that is asked for them; and how any such page is served.

The files are under a folder whose name is the hash of them all, so browsers keep them for good, and a new version asks
for new ones. Nothing here depends on a tenant, and nothing is fetched from elsewhere: the policy of the page says so.
"""

from __future__ import annotations

import gzip
import hashlib
import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path

from msgspec import Struct, json

from functions.endpoint import clients
from functions.endpoint.explorer import reference
from tenantkms.wire.http import Request, Response

PATH = "/explorer"
STATIC = Path(__file__).with_name("static")
_PAGE, _MAIN = "index.html", "main.js"
_IMPORT = re.compile(rb'^(?:import|export) [^"]*from "\./([\w.]+)"', re.MULTILINE)
_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".svg": "image/svg+xml",
}
_POLICY = "; ".join(
    (
        "default-src 'none'",
        *(f"{kind}-src 'self'" for kind in ("script", "style", "connect")),
        "img-src 'self' data:",
        *(f"{what} 'none'" for what in ("base-uri", "form-action", "frame-ancestors")),
    )
)
_ALWAYS = {
    "content-security-policy": _POLICY,
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "vary": "accept-encoding",
}
_FOR_GOOD = {"cache-control": "public, max-age=31536000, immutable"}
_ASK_AGAIN = {"cache-control": "no-cache"}


class Asset(Struct, frozen=True):
    """`packed` by gzip. A tag stands for one of both forms, as strong ones do."""

    content_type: str
    plain: bytes
    packed: bytes
    tag: str
    caching: Mapping[str, str]

    def response(self, request: Request) -> Response:
        takes = (word.partition(";")[0].strip() for word in request.header("accept-encoding").split(","))
        packed = "gzip" in takes
        headers = {**_ALWAYS, **self.caching, "etag": f'"{self.tag}{"-gzip" if packed else ""}"'}
        if packed:
            headers["content-encoding"] = "gzip"
        body = self.packed if packed else self.plain
        return Response(status=200, content_type=self.content_type, body=body, headers=headers)


def files_of(folder: Path) -> Iterator[tuple[str, bytes]]:
    """By name, those that a browser may ask for."""
    for path in sorted(folder.iterdir()):
        if path.suffix in _TYPES:
            yield path.name, path.read_bytes()


def _files() -> Iterator[tuple[str, bytes]]:
    yield from files_of(STATIC)
    yield "reference.json", reference.build()
    yield "programs.json", json.encode(clients.build())


def _imported(name: str, files: Mapping[str, bytes]) -> list[str]:
    """The modules that `name` needs before it runs, itself among them: not those that it imports later."""
    found = [name]
    for one in found:
        names = (match.decode() for match in _IMPORT.findall(files[one]))
        found += [other for other in dict.fromkeys(names) if other not in found]
    return found


def _digest(*parts: bytes) -> str:
    return hashlib.sha256(b"".join(hashlib.sha256(part).digest() for part in parts)).hexdigest()[:16]


def served(path: str, files: Mapping[str, bytes]) -> Mapping[str, Asset]:
    """What is at `path` and below it, by path: the page of `files` with the others, which it names by the folder that
    stands for `{folder}`; it preloads the modules that it needs (`{preloads}`).
    """
    files = dict(files)
    page = files.pop(_PAGE).decode()
    folder = f"{path}/{_digest(*(name.encode() + body for name, body in files.items()))}"
    preloads = "\n".join(f'<link rel="modulepreload" href="{folder}/{name}">' for name in _imported(_MAIN, files))
    made = {f"{folder}/{name}": _asset(name, body, _FOR_GOOD) for name, body in files.items()}
    whole = page.replace("{preloads}", preloads).replace("{folder}", folder)
    return {path: _asset(_PAGE, whole.encode(), _ASK_AGAIN), **made}


@lru_cache(maxsize=1)
def assets() -> Mapping[str, Asset]:
    """By path."""
    return served(PATH, dict(_files()))


def _asset(name: str, body: bytes, caching: Mapping[str, str]) -> Asset:
    packed = gzip.compress(body, 9, mtime=0)
    return Asset(_TYPES[Path(name).suffix], body, packed, _digest(body), caching)


def respond(request: Request) -> Response | None:
    """The answer to a GET or HEAD of a file of the explorer; None where there is none of that path."""
    asset = assets().get(request.path.rstrip("/"))
    return asset.response(request) if asset else None
