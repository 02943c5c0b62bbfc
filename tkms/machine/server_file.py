"""What `server.json` of a data directory says of its last server, which need not run any more."""

from __future__ import annotations

from pathlib import Path

import msgspec
from msgspec import Struct

from tkms.whole import write_whole

_NAME = "server.json"


class ServerFile(Struct, frozen=True, omit_defaults=True):
    """Where it serves, the files of its certificate and its key, if these are not the directory's own, and its process
    once it is ready: the supervisor."""

    url: str = ""
    tls_cert: str = ""
    tls_key: str = ""
    process: int = 0


def read_server(directory: Path) -> ServerFile:
    try:
        return msgspec.json.decode((directory / _NAME).read_bytes(), type=ServerFile)
    except (OSError, msgspec.DecodeError):
        return ServerFile()


def write_server(directory: Path, server: ServerFile) -> None:
    write_whole(directory / _NAME, msgspec.json.encode(server))


def server_since(directory: Path) -> float:
    """When it began to serve, in Unix seconds; 0: there was none."""
    try:
        return (directory / _NAME).stat().st_mtime
    except OSError:
        return 0
