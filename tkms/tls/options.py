"""The options of `tkms tls`, and those of `tkms serve` that are about TLS."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any


def _tls(args: argparse.Namespace) -> int:
    from tkms.tls.commands import tls  # the library of certificates is not the other commands' to load

    return tls(args)


def add(words: Any, command: Any, serve: argparse.ArgumentParser, *parents: argparse.ArgumentParser) -> None:
    """`command(words, name, help, run, where=)` makes it, as `cli` does. `parents`: where it works, and its output."""
    where, *rest = parents
    tls = command(
        words,
        "tls",
        "make a certificate authority and the server's certificate, and say how each client trusts it",
        _tls,
        *rest,
        where=where,
    )
    tls.add_argument(
        "names",
        nargs="*",
        default=[],
        metavar="NAME",
        help="host name or address of the server, beside those that it has (a new one: localhost, 127.0.0.1, ::1 and"
        " this machine's name)",
    )
    tls.add_argument("--renew", action="store_true", help="a new certificate of the same authority now")
    tls.add_argument("--copy-ca", type=Path, metavar="FILE", help="write what clients are to trust for them, too")
    serve.add_argument(
        "--tls", action="store_true", help="serve https with the certificate of tkms tls, which is made if need be"
    )
    serve.add_argument("--tls-cert", type=Path, metavar="FILE", help="serve https with this certificate (PEM)")
    serve.add_argument("--tls-key", type=Path, metavar="FILE", help="and its private key (PEM)")
    serve.add_argument(
        "--tls-key-password-file", type=Path, metavar="FILE", help="with its password (default: it is asked for)"
    )
