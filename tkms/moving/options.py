"""The options of `tkms import-from`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

VENDORS = ("aws", "alibaba", "tencent")


def _import_from(args: argparse.Namespace) -> int:
    from tkms.moving.commands import import_from  # the dialects are not the other commands' to load

    return import_from(args)


def add(words: Any, command: Any, as_json: argparse.ArgumentParser) -> None:
    """`command(words, name, help, run, *parents)` makes it, as `cli` does."""
    parser = command(
        words,
        "import-from",
        "decrypt at a vendor and encrypt here, or make keys here like those there",
        _import_from,
        as_json,
    )
    parser.add_argument("vendor", choices=VENDORS, metavar="VENDOR", help=f"{', '.join(VENDORS)}: asked by its SDK")
    parser.add_argument(
        "--files",
        nargs="+",
        default=[],
        type=Path,
        metavar="PATH",
        help='files with a ciphertext each, and directories (default: lines {"id", "ciphertext", "context", "key"} of'
        " standard input)",
    )
    parser.add_argument("--keys", action="store_true", help="make keys, and write --key-map")
    parser.add_argument("--key-map", type=Path, metavar="FILE", help="JSON: from each key there to one here")
    parser.add_argument("--key", default="", help="key id, alias/NAME or ARN here for what --key-map does not name")
    parser.add_argument(
        "--context", action="append", default=[], metavar="NAME=VALUE", help="encryption context of files; repeat"
    )
    parser.add_argument(
        "--to", type=Path, metavar="PATH", help="directory for files; file that lines are added to, whatever is there"
    )
    parser.add_argument(
        "--check", action="store_true", help="decrypt, and write nothing; status 1 if something is to be moved"
    )
    parser.add_argument("--endpoint", default="", metavar="URL", help="of the vendor (default: the SDK's)")
    parser.add_argument("--region", default="", help="of the vendor (default: the SDK's)")
    parser.add_argument("--profile", default="", metavar="NAME", help="AWS: of the configuration files")
