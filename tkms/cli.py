"""The `tkms` command."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tenantkms import __version__
from tenantkms.errors import KmsError
from tenantkms.model.alias import ALIAS_PREFIX
from tenantkms.model.specs import KeySpec
from tenantkms.names import DIALECTS
from tenantkms.runtime.assemble import SettingsError
from tenantkms.store.port import RevisionConflict
from tkms import commands, policy_commands
from tkms.machine.directory import DEFAULT_ALIAS, default_directory
from tkms.output import Run, UsageError
from tkms.places import reason
from tkms.policies import READY
from tkms.snippets import SNIPPETS

_EPILOG = """\
a first session:
  tkms serve                                   a running KMS, with a key and a credential, printed ready to paste
  tkms snippet alibaba > try.py                the same program again, for one SDK
  echo secret | tkms encrypt > blob.txt        encrypt on this machine, without a network
  tkms decrypt < blob.txt

on AWS, after `cdk deploy`, with AWS credentials of the tenant's account:
  tkms credential create --stack tkms-NAME     the first access key of a deployment
  tkms doctor --stack tkms-NAME                what is in order, and what to do about what is not

On one machine everything is kept in one directory: --data-dir, $TKMS_DATA_DIR, or
%(directory)s.
Back up parent.key apart from the rest: nothing opens without it.
"""


def _connections(text: str) -> int:
    number = int(text)
    if not 1 <= number <= 1000:
        raise argparse.ArgumentTypeError(f"{text} is not from 1 to 1000")
    return number


# -- the command line ----------------------------------------------------------------------------------


def _parser() -> argparse.ArgumentParser:
    directory = argparse.ArgumentParser(add_help=False)
    deployed = argparse.ArgumentParser(add_help=False)
    place = argparse.ArgumentParser(add_help=False)
    either = place.add_mutually_exclusive_group()
    for parser in (directory, either):
        parser.add_argument(
            "--data-dir", type=Path, default=default_directory(), metavar="DIR", help="where everything is kept"
        )
    for parser in (deployed, either):
        parser.add_argument(
            "--stack",
            required=parser is deployed,
            metavar="NAME",
            help="a deployed stack (tkms-<tenant>), with the AWS settings of this shell",
        )
    as_json = argparse.ArgumentParser(add_help=False)
    as_json.add_argument("--json", action="store_true", help="print JSON")

    top = argparse.ArgumentParser(
        prog="tkms",
        description="A key management service that Alibaba Cloud and Tencent Cloud KMS SDKs can use.",
        epilog=_EPILOG % {"directory": default_directory()},
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    top.add_argument("--version", action="version", version=f"tkms {__version__}", help="print the version")
    words = top.add_subparsers(metavar="COMMAND", required=True)

    def command(
        group: Any,
        name: str,
        help_: str,
        run: Run,
        *parents: argparse.ArgumentParser,
        where: argparse.ArgumentParser = place,
    ) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = group.add_parser(
            name, help=help_, description=help_[:1].upper() + help_[1:] + ".", parents=[where, *parents]
        )
        parser.set_defaults(run=run, verb=name)
        return parser

    serve = command(words, "serve", "run the KMS on this machine", commands.serve, where=directory)
    serve.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    serve.add_argument("--port", type=int, default=8480, help="port; 0 picks a free one (default: %(default)s)")
    serve.add_argument("--tenant", help="name of the tenant, chosen on the first start (default: local)")
    serve.add_argument("--tls-cert", type=Path, metavar="FILE", help="serve https with this certificate (PEM)")
    serve.add_argument("--tls-key", type=Path, metavar="FILE", help="and its private key (PEM)")
    serve.add_argument(
        "--connections-per-address",
        type=_connections,
        default=256,
        metavar="N",
        help="most connections of one address, 1 to 1000; behind a proxy all are of its own (default: %(default)s)",
    )

    snippet = command(words, "snippet", "print a ready program for an SDK, or for each", commands.snippet)
    snippet.add_argument("name", nargs="?", choices=SNIPPETS, metavar="NAME", help=", ".join(SNIPPETS))
    snippet.add_argument("--credential", metavar="ID", help="access key id or name (default: the first enabled)")
    snippet.add_argument("--key", default=ALIAS_PREFIX + DEFAULT_ALIAS, help="key id or alias (default: %(default)s)")
    snippet.add_argument("--endpoint", metavar="URL", help="default: where the last server, or the stack, serves")

    credential = words.add_parser("credential", help="create and manage access keys")
    verbs = credential.add_subparsers(metavar="VERB", required=True)
    create = command(
        verbs, "create", "create an access key; its secret is shown once", commands.credential_create, as_json
    )
    create.add_argument("--name", default="", help="a name for people")
    create.add_argument(
        "--dialect", action="append", choices=DIALECTS, help="dialect that it may be used in; repeat (default: all)"
    )
    create.add_argument(
        "--policy",
        default="",
        metavar="NAME|FILE",
        help=f"a ready-made policy ({', '.join(READY)}) or a document (default: everything is allowed)",
    )
    command(verbs, "list", "list access keys", commands.credential_list, as_json)
    for verb, help_, run in (
        ("disable", "disable an access key; it stops working within a second", commands.credential_switch),
        ("enable", "enable an access key again", commands.credential_switch),
        ("delete", "delete an access key", commands.credential_delete),
    ):
        command(verbs, verb, help_, run).add_argument("access_key_id", metavar="ID")

    policy = words.add_parser("policy", help="ready-made policies, and what a policy decides")
    verbs = policy.add_subparsers(metavar="VERB", required=True)
    nowhere = argparse.ArgumentParser(add_help=False)
    command(verbs, "list", "list the ready-made policies", policy_commands.policy_list, as_json, where=nowhere)
    command(verbs, "show", "print a ready-made policy", policy_commands.policy_show, where=nowhere).add_argument(
        "name", choices=READY, metavar="NAME", help=", ".join(READY)
    )
    check = command(
        verbs, "check", "say which statements allow or deny an Action", policy_commands.policy_check, as_json
    )
    check.add_argument("--credential", required=True, metavar="ID", help="access key id or name")
    check.add_argument("--action", required=True, help="the Action, by its own name (docs/coverage.md)")
    check.add_argument("--key", default="", metavar="KEY", help="key id or alias/NAME; none: the Action uses no key")
    check.add_argument("--alias", default="", metavar="NAME", help="an alias that the Action makes, moves or deletes")

    key = words.add_parser("key", help="list, describe and create keys")
    verbs = key.add_subparsers(metavar="VERB", required=True)
    command(verbs, "list", "list all keys", commands.key_list, as_json)
    command(verbs, "describe", "describe a key", commands.key_describe, as_json).add_argument(
        "key", metavar="KEY", help="key id or alias/NAME"
    )
    create = command(verbs, "create", "create a key", commands.key_create, as_json)
    create.add_argument("--alias", default="", help="alias for it")
    create.add_argument("--description", default="", help="description")
    create.add_argument(
        "--spec",
        default="AES_256",
        choices=list(KeySpec),
        metavar="SPEC",
        help=f"one of {', '.join(KeySpec)} (default: %(default)s)",
    )

    maintain = command(
        words, "maintain", "rotate and destroy keys that are due, as happens by itself", commands.maintain, as_json
    )
    maintain.add_argument("--dry-run", action="store_true", help="only count what is due")

    command(words, "doctor", "check a deployed stack, and say what to do", commands.doctor, as_json, where=deployed)

    encrypt = command(
        words, "encrypt", "encrypt standard input; print a ciphertext blob in base64", commands.encrypt, as_json
    )
    encrypt.add_argument("--key", default=ALIAS_PREFIX + DEFAULT_ALIAS, help="key id or alias (default: %(default)s)")
    decrypt = command(
        words, "decrypt", "decrypt a ciphertext blob in base64 from standard input", commands.decrypt, as_json
    )
    for parser in (encrypt, decrypt):
        parser.add_argument(
            "--context", action="append", default=[], metavar="NAME=VALUE", help="encryption context; repeat"
        )
    return top


def main(argv: Sequence[str] | None = None) -> int:
    """Exit status: 0 done, 1 refused or failed (the reason on standard error), 2 a wrong command line."""
    args = _parser().parse_args(argv)
    try:
        return int(args.run(args))
    except UsageError as e:
        print(f"tkms: {e}", file=sys.stderr)
        return 2
    except (SettingsError, KmsError, RevisionConflict) as e:
        print(f"tkms: {reason(e)}", file=sys.stderr)
        return 1
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
