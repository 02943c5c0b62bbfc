"""`tkms serve`: one process, one tenant, HTTP or HTTPS."""

from __future__ import annotations

import argparse
import socket
import ssl
import sys
from typing import Any

import uvicorn

from functions.endpoint.dispatch import InlineDispatcher
from functions.endpoint.handler import Endpoint
from local.data import DEFAULT_ALIAS, Directory, call
from local.server import App
from local.snippets import SNIPPETS, render
from tenantkms.model import ALIAS_PREFIX
from tenantkms.settings import Settings, SettingsError


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, ready: str) -> None:
        super().__init__(config)
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            print(self._ready, flush=True)


def _listen(host: str, port: int) -> socket.socket:
    try:
        family, kind, proto, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, kind, proto)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
    except (OSError, OverflowError) as e:
        raise SettingsError(f"Cannot listen on {host}:{port}: {e}.") from e
    return listener


def _welcome(settings: Settings, url: str) -> str:
    """What a first start prints: where, who, and a program for each SDK."""
    credential = settings.access.store.list_credentials()[0]
    secret = settings.access.secret(credential)
    key: Any = call(settings, "DescribeKey", {"key_ids": [ALIAS_PREFIX + DEFAULT_ALIAS]})
    key_id = key["keys"][0]["id"]
    programs = "\n".join(
        render(name, url=url, access_key_id=credential.access_key_id, secret=secret, key_id=key_id) for name in SNIPPETS
    )
    return (
        f"endpoint           {url}\n"
        f"access key id      {credential.access_key_id}\n"
        f"access key secret  {secret}\n"
        f"key                {key_id}  ({ALIAS_PREFIX}{DEFAULT_ALIAS})\n\n"
        f"{programs}\n"
        "These programs again: tkms snippet NAME. More access keys: tkms credential create.\n"
    )


def serve(args: argparse.Namespace) -> int:
    if bool(args.tls_cert) != bool(args.tls_key):
        raise SettingsError("--tls-cert and --tls-key go together.")
    directory = Directory(args.data_dir)
    first = not directory.exists()
    settings = directory.open(args.tenant)
    config = uvicorn.Config(
        App(Endpoint(settings, InlineDispatcher(settings.deps))),
        http="httptools",
        loop="uvloop",
        ws="none",
        interface="asgi3",
        lifespan="off",
        log_level="warning",
        access_log=False,
        server_header=False,
        date_header=False,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=5,
        ssl_certfile=args.tls_cert,
        ssl_keyfile=args.tls_key,
    )
    try:
        config.load()
    except (OSError, ssl.SSLError) as e:
        raise SettingsError(f"The TLS certificate or key cannot be used: {e}.") from e
    with _listen(args.host, args.port) as listener:
        host = f"[{args.host}]" if ":" in args.host else args.host
        url = f"{'https' if config.is_ssl else 'http'}://{host}:{listener.getsockname()[1]}"
        with directory.serving(url):
            if first:
                print(_welcome(settings, url), flush=True)
            else:
                print(f"data {args.data_dir}, tenant {settings.site.tenant}; programs: tkms snippet", flush=True)
            _Server(config, f"tkms: ready on {url}").run(sockets=[listener])
    sys.stdout.flush()
    return 0
