"""The options of `tkms serve`, `init` and `welcome`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from tkms.machine.directory import DEFAULT_REGION, Directory
from tkms.machine.welcome import greet, welcome
from tkms.places import DEFAULT_URL


def _serve(args: argparse.Namespace) -> int:
    from tkms.machine.serve import serve  # the server's libraries are not the other commands' to load

    return serve(args)


def _init(args: argparse.Namespace) -> int:
    """A data directory that is there already stays as it is."""
    directory = Directory(args.data_dir)
    settings = directory.make(args.tenant, args.region, args.account)
    if not greet(directory, settings, directory.server_url() or DEFAULT_URL):
        print(f"{args.data_dir} is there already, of tenant {settings.site.tenant}: tkms serve", flush=True)
    return 0


def _welcome(args: argparse.Namespace) -> int:
    directory = Directory(args.data_dir)
    print(welcome(directory.open(), directory.server_url() or DEFAULT_URL), end="")
    return 0


def _connections(text: str) -> int:
    if not (text.isdecimal() and len(text) <= 4 and 1 <= int(text) <= 1000):
        raise argparse.ArgumentTypeError(f"{text} is not from 1 to 1000")
    return int(text)


def add(words: Any, command: Any, directory: argparse.ArgumentParser) -> None:
    """`command(words, name, help, run, *parents)` makes them, as `cli` does."""
    serve = command(words, "serve", "run the KMS on this machine", _serve, where=directory)
    serve.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    serve.add_argument("--port", type=int, default=8480, help="port; 0 picks a free one (default: %(default)s)")
    serve.add_argument(
        "--audit-days", type=int, default=365, metavar="N", help="keep audit lines so long (default: %(default)s)"
    )
    serve.add_argument(
        "--audit-mb", type=int, default=4096, metavar="N", help="and so many of them, in MiB (default: %(default)s)"
    )
    serve.add_argument(
        "--credentials-uri",
        metavar="NAME",
        help="give temporary access keys of this credential to programs on this machine that know a secret URL",
    )
    serve.add_argument("--tls-cert", type=Path, metavar="FILE", help="serve https with this certificate (PEM)")
    serve.add_argument("--tls-key", type=Path, metavar="FILE", help="and its private key (PEM)")
    serve.add_argument(
        "--limit",
        action="append",
        default=[],
        metavar="NAME=FIGURE",
        help="a limit, 0 for none; repeat. NAME is an Action or *: requests per second of one access key (default: what"
        " the vendor's API allows, such as 300 Encrypt of Tencent's); strangers: requests per second from one address"
        " that are not signed rightly (default: 50); keys, aliases, versions, tags: how many (defaults:"
        " docs/limits.md). --limit off: requests are not counted",
    )
    serve.add_argument(
        "--connections-per-address",
        type=_connections,
        default=256,
        metavar="N",
        help="most connections of one address, 1 to 1000; behind a proxy all are of its own (default: %(default)s)",
    )
    init = command(words, "init", "make the data directory, with a first key and access key", _init, where=directory)
    for parser in (serve, init):
        parser.add_argument("--tenant", help="name of the tenant, chosen once (default: local)")
        parser.add_argument(
            "--region", help=f"region in ARNs, chosen once (default: {DEFAULT_REGION}): it stands in messages for ever"
        )
        parser.add_argument("--account", metavar="DIGITS", help="account in ARNs, likewise (default: 12 random digits)")
    command(words, "welcome", "print again what the first start printed, with a secret", _welcome, where=directory)
