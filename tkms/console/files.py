"""The console's page and its files, which are served as the explorer's are, and share its looks."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

from functions.endpoint.explorer.assets import STATIC as EXPLORER
from functions.endpoint.explorer.assets import Asset, files_of, served
from tenantkms.wire.http import Request, Response

PATH = "/console"
_HERE = Path(__file__).parent
_SHARED = ("dom.js", "explorer.css", "frame.js", "language.js")


@lru_cache(maxsize=1)
def assets() -> Mapping[str, Asset]:
    """By path."""
    shared = {name: (EXPLORER / name).read_bytes() for name in _SHARED}
    return served(PATH, {**shared, **dict(files_of(_HERE / "vendor")), **dict(files_of(_HERE / "static"))})


def respond(request: Request) -> Response | None:
    """The answer to a GET or HEAD of a file of the console; None where there is none of that path."""
    asset = assets().get(request.path.rstrip("/"))
    return asset.response(request) if asset else None
