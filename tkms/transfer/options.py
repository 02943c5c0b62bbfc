"""The options of `tkms export` and `tkms import`."""

from __future__ import annotations

import argparse
from functools import partial
from typing import Any

from tkms.backup.options import closing_options, identity_option, passphrase_option

_EXAMPLE = """\
from this machine to a stack, with the AWS settings of this shell:
  tkms export kms.tke
  tkms import kms.tke --stack tkms-acme --from-tenant local --dry-run
  tkms import kms.tke --stack tkms-acme --from-tenant local

into a data directory, which is made if there is none:
  tkms import kms.tke --data-dir ./new
"""


def _run(name: str, args: argparse.Namespace) -> int:
    from tkms.transfer import commands  # nobody else's to load

    return int(getattr(commands, name)(args))


def add(words: Any, command: Any, as_json: argparse.ArgumentParser) -> None:
    """`command(words, name, help, run, *parents)` makes each, as `cli` does."""
    export = command(
        words,
        "export",
        "write keys and access keys, in clear within an encrypted file, for tkms import elsewhere",
        partial(_run, "export"),
        passphrase_option(),
        closing_options(),
        as_json,
    )
    import_ = command(
        words,
        "import",
        "make what tkms export has written: on one machine, or on a stack",
        partial(_run, "import_"),
        passphrase_option(),
        identity_option(),
        as_json,
    )
    export.add_argument("file", metavar="FILE", help="which is made: none that is there is replaced")
    import_.add_argument("file", metavar="FILE", help="what tkms export has written")
    for parser in (export, import_):
        parser.epilog, parser.formatter_class = _EXAMPLE, argparse.RawDescriptionHelpFormatter
        parser.add_argument(
            "--keys",
            action="append",
            default=[],
            metavar="KEY",
            help="this one only, by id, alias/NAME or ARN, and no access keys; repeat",
        )
        parser.add_argument("--without-credentials", action="store_true", help="no access keys")
    import_.add_argument(
        "--from-tenant", default="", metavar="NAME", help="the tenant that the file is of, where this is another one"
    )
    import_.add_argument(
        "--keep-changed",
        action="store_true",
        help="leave what is here with all material of the file, and was changed since, as it is",
    )
    import_.add_argument("--dry-run", action="store_true", help="only say what is new, and what stands against it")
