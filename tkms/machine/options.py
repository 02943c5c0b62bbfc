"""The options of `tkms serve`, `init` and `welcome`."""

from __future__ import annotations

import argparse
import os
from functools import partial
from pathlib import Path
from typing import Any

from tkms.machine.directory import Directory, Seed
from tkms.machine.site_file import DEFAULT_REGION
from tkms.machine.welcome import greet, welcome
from tkms.output import duration, up_to
from tkms.places import DEFAULT_URL, tell_absence
from tkms.tls import options as tls_options


def _serve(args: argparse.Namespace) -> int:
    from tkms.machine.serve import serve  # the server's libraries are not the other commands' to load

    return serve(args, partial(_seed, args))


def _seed(args: argparse.Namespace) -> Seed | None:
    if not args.seed:
        return None
    from tkms.seed.apply import Seed as Given  # few have one

    return Given(args.seed)


def _init(args: argparse.Namespace) -> int:
    """A data directory that is there already stays as it is."""
    directory = Directory(args.data_dir)
    settings = directory.make(args.tenant, args.region, args.account, _seed(args))
    if not greet(directory, settings, directory.server_url() or DEFAULT_URL):
        print(f"{args.data_dir} is there already, of tenant {settings.site.tenant}: tkms serve", flush=True)
    return 0


def _welcome(args: argparse.Namespace) -> int:
    directory = Directory(args.data_dir)
    url = directory.server_url() or DEFAULT_URL
    print(welcome(directory, directory.open(), url), end="", flush=True)
    tell_absence(url, directory)
    return 0


def _ready(args: argparse.Namespace) -> int:
    from tkms.machine.ready import ready  # TLS and HTTP are not the other commands' to load

    return ready(args)


def _upgrade(args: argparse.Namespace) -> int:
    from tkms.machine.upgrade import upgrade  # for none of the other commands to load

    return upgrade(args)


def _address(text: str) -> tuple[str, int]:
    """`HOST:PORT`, or a port of this machine's own address."""
    host, _, port = text.rpartition(":")
    if not (port.isdecimal() and len(port) <= 5 and int(port) <= 65535):
        raise argparse.ArgumentTypeError(f"{text} is neither PORT nor HOST:PORT")
    return host.removeprefix("[").removesuffix("]") or "127.0.0.1", int(port)


def add(words: Any, command: Any, directory: argparse.ArgumentParser, as_json: argparse.ArgumentParser) -> None:
    """`command(words, name, help, run, *parents)` makes them, as `cli` does."""
    serve = command(words, "serve", "run the KMS on this machine", _serve, where=directory)
    serve.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    serve.add_argument("--port", type=int, default=8480, help="port; 0 picks a free one (default: %(default)s)")
    serve.add_argument(
        "--workers",
        type=up_to(64),
        default=len(os.sched_getaffinity(0)),
        metavar="N",
        help="processes that serve, 1 to 64 (default: as many as this machine has processors, %(default)s)",
    )
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
        type=up_to(1000),
        default=256,
        metavar="N",
        help="most connections of one address, 1 to 1000; behind a proxy all are of its own (default: %(default)s)",
    )
    serve.add_argument(
        "--other-arns",
        action="append",
        default=[],
        metavar="REGION:ACCOUNT",
        help="ARNs of this region and account name keys here, too; repeat. For programs that were moved and have such"
        " ARNs in their settings (default: the server's own only)",
    )
    serve.add_argument(
        "--metrics",
        type=_address,
        metavar="[HOST:]PORT",
        help="tell Prometheus there what the server does, at /metrics, whoever asks, such as 9464 (default: nowhere;"
        " HOST: 127.0.0.1)",
    )
    init = command(words, "init", "make the data directory, with a first key and access key", _init, where=directory)
    for parser in (serve, init):
        parser.add_argument(
            "--seed", type=Path, metavar="FILE", help="keys and access keys of given ids and secrets (docs/seed.md)"
        )
        parser.add_argument("--tenant", help="name of the tenant, chosen once (default: local)")
        parser.add_argument(
            "--region", help=f"region in ARNs, chosen once (default: {DEFAULT_REGION}): it stands in messages for ever"
        )
        parser.add_argument("--account", metavar="DIGITS", help="account in ARNs, likewise (default: 12 random digits)")
    command(words, "welcome", "print again what the first start printed, with a secret", _welcome, where=directory)
    tls_options.add(words, command, serve, directory, as_json)
    ready = command(
        words,
        "ready",
        "say whether the server of this data directory is ready; status 1: it is not",
        _ready,
        where=directory,
    )
    ready.add_argument("--wait", type=duration, default=0, metavar="TIME", help="until it is, so long at most, as 30s")
    upgrade = command(
        words,
        "upgrade",
        "have the program that is installed now take over from the running server, which refuses nobody meanwhile",
        _upgrade,
        where=directory,
    )
    upgrade.add_argument("--wait", type=duration, default=60, metavar="TIME", help="so long at most (default: 60s)")
