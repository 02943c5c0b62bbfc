"""The `tkms` command."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from tenantkms import __version__
from tenantkms.errors import KmsError
from tenantkms.model.alias import ALIAS_PREFIX
from tenantkms.names import DIALECTS
from tenantkms.runtime.assemble import SettingsError
from tenantkms.store.port import RevisionConflict
from tkms import commands, completion, credential_options, doctor_commands, policy_commands, snippet_commands
from tkms.audit import commands as audit_commands
from tkms.backup import options as backup_options
from tkms.console import options as console_options
from tkms.drill import options as drill_options
from tkms.events import commands as event_commands
from tkms.explain import options as explain_options
from tkms.files import options as file_options
from tkms.fleet import options as fleet_options
from tkms.keys import options as key_options
from tkms.machine import options as serve_options
from tkms.machine.directory import DEFAULT_ALIAS, default_directory
from tkms.moving import options as moving_options
from tkms.output import Failed, Run, UsageError, path_text, printable, say, yes_option
from tkms.places import reason
from tkms.policies import READY
from tkms.process import OutputError, drop_output, lacking, open_streams
from tkms.reseal import options as reseal_options
from tkms.standby import options as standby_options
from tkms.transfer import options as transfer_options

_EPILOG = """\
a first session:
  tkms serve                                   a running KMS, with a key and a credential, printed ready to paste
  tkms snippet alibaba > try.py                the same program again, for one SDK
  echo secret | tkms encrypt > blob.txt        encrypt on this machine, without a network
  tkms decrypt < blob.txt
  tkms seal report.csv                         seal a file of any size; tkms watch does it for a directory
  tkms audit                                   who used which key when

on AWS, after `cdk deploy`, with AWS credentials of the tenant's account:
  tkms credential create --stack tkms-NAME     the first access key of a deployment
  tkms doctor --stack tkms-NAME                what is in order, and what to do about what is not

On one machine everything is kept in one directory: --data-dir, $TKMS_DATA_DIR, or
%(directory)s.
Back it up with tkms backup, and parent.key apart from that: nothing opens without it.
"""


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
        description="A key management service that the SDKs of Alibaba Cloud, Tencent Cloud and AWS KMS can use.",
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
        parser.set_defaults(run=run, verb=name, line=parser.prog, refuse=parser.error)
        return parser

    serve_options.add(words, command, directory, as_json)

    snippet_commands.add(words, command)

    credential_options.add(words, command, as_json)

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
    check.add_argument("--key", default="", metavar="KEY", help=f"{key_options.KEY}; none: the Action uses no key")
    check.add_argument("--alias", default="", metavar="NAME", help="an alias that the Action makes, moves or deletes")
    check.add_argument(
        "--source-ip", default="", metavar="ADDRESS", help="where the call comes from (default: unknown)"
    )
    check.add_argument("--dialect", choices=DIALECTS, help="the call's (default: the first of the credential)")
    check.add_argument("--at", default="", metavar="TIME", help="when, such as 2026-12-31T23:59:59Z (default: now)")

    key_options.add(words, command, as_json)

    maintain = command(
        words, "maintain", "rotate and destroy keys that are due, as happens by itself", commands.maintain, as_json
    )
    maintain.add_argument("--dry-run", action="store_true", help="only count what is due")
    maintain.add_argument(
        "--trust-clock",
        action="store_true",
        help="the clock is right, though nothing has run for an hour: go on with destroying, a day from now",
    )

    audit = command(words, "audit", "say who used which key when", audit_commands.audit, as_json)
    audit.add_argument("--lines", action="store_true", help="print the lines instead of a summary")
    audit.add_argument("--follow", action="store_true", help="print lines as they are written")
    audit.add_argument("--key", default="", metavar="KEY", help=f"of this key only: {key_options.KEY}")
    audit.add_argument("--principal", default="", metavar="ID", help="of this access key only")
    audit.add_argument("--since", default="", metavar="TIME", help="not before: 15m, 2h, 7d ago, or 2026-11-28T12:00")
    _add_verify(audit)
    doctor = command(words, "doctor", "check what is there, and say what to do", doctor_commands.doctor, as_json)
    doctor.add_argument(
        "--all", action="store_true", help="of a data directory: open every version of every key, and look at indexes"
    )
    doctor.add_argument(
        "--endpoint",
        action="append",
        default=[],
        metavar="URL",
        help="and whether the API answers clients there; repeat",
    )
    explain_options.add(words, command, directory, as_json)
    console_options.add(words, command, deployed)
    command(
        words,
        "take-over",
        "authenticate the rows of a stack of an older release as they are, once",
        doctor_commands.take_over_rows,
        yes_option(),
        where=deployed,
    )

    backup_options.add(words, command, directory, as_json)
    transfer_options.add(words, command, as_json)
    reseal_options.add(words, command, as_json)

    encrypt = command(
        words, "encrypt", "encrypt a few KB; print a ciphertext blob in base64", commands.encrypt, as_json
    )
    encrypt.add_argument(
        "--key", default=ALIAS_PREFIX + DEFAULT_ALIAS, help=f"{key_options.KEY} (default: %(default)s)"
    )
    decrypt = command(
        words,
        "decrypt",
        "decrypt a ciphertext blob in base64: to bytes, of an Alibaba string its UTF-8",
        commands.decrypt,
        as_json,
    )
    for parser in (encrypt, decrypt):
        parser.add_argument("file", nargs="?", default="-", metavar="FILE", help="default: standard input")
    for parser in (encrypt, decrypt, check):
        parser.add_argument(
            "--context", action="append", default=[], metavar="NAME=VALUE", help="encryption context; repeat"
        )
    file_options.add(words, command, as_json)
    moving_options.add(words, command, as_json)
    event_commands.add(words, command, deployed, as_json)
    fleet_options.add(words, command, as_json)
    standby_options.add(words, command, deployed, as_json)
    drill_options.add(words, command, as_json)
    shell = command(
        words,
        "completion",
        "print a script that completes tkms in a shell",
        lambda args: completion.show(top, args.shell),
        where=nowhere,
    )
    shell.add_argument("shell", choices=completion.SHELLS, metavar="SHELL", help=", ".join(completion.SHELLS))
    return top


def _add_verify(audit: argparse.ArgumentParser) -> None:
    """`tkms audit verify`. What stands before `verify` counts, too: its own options have no defaults."""
    words = "say whether lines of the log were removed, changed, added or moved"
    verify = audit.add_subparsers(metavar="verify").add_parser(
        "verify", help=words, description=f"{words[:1].upper()}{words[1:]}.", argument_default=argparse.SUPPRESS
    )
    either = verify.add_mutually_exclusive_group()
    either.add_argument("--data-dir", type=Path, metavar="DIR", help="where everything is kept")
    either.add_argument("--stack", metavar="NAME", help="a deployed stack (tkms-<tenant>)")
    verify.add_argument("--json", action="store_true", help="print JSON")
    verify.add_argument("--since", metavar="TIME", help="with --stack: not before")
    verify.add_argument("--head", default="", metavar="SEQ:MAC", help="a line that was the last one, as noted then")
    verify.add_argument("--from", dest="first", type=int, default=-1, metavar="SEQ", help="only from this line on")
    verify.add_argument("files", nargs="*", default=[], type=Path, metavar="FILE", help="exported lines; none: all")
    verify.set_defaults(run=audit_commands.verify)


_FILES = (
    "file",
    "files",
    "places",
    "policy",
    "parent",
    "to",
    "tenants",
    "identity",
    "passphrase_file",
    "offline",
    "recipient",
)
"""What may name a file, whose name may be any bytes. Options of files alone are no text."""


def _check_text(args: argparse.Namespace) -> None:
    """Raises `UsageError`: everything else is kept, sent or compared as text."""
    for name, value in vars(args).items():
        for text in value if isinstance(value, list) else [value]:
            if isinstance(text, str) and name not in _FILES and path_text(text) != text:
                raise UsageError(f"{path_text(text)} is not UTF-8")


def _tell(error: str) -> None:
    """What an error says may be of a file that others have made."""
    say("\n".join(map(printable, f"tkms: {error}".split("\n"))), sys.stderr)


def _parsed(argv: Sequence[str]) -> argparse.Namespace:
    """As `parse_args`, which would show the usage of `tkms` to whom that of a command can help."""
    parser = _parser()
    args, beyond = parser.parse_known_args(argv)
    if beyond:
        getattr(args, "refuse", parser.error)(f"unrecognized arguments: {' '.join(beyond)}")
    return args


def main(argv: Sequence[str] | None = None) -> int:
    """Exit status: 0 done, 1 refused or failed (the reason on standard error), 2 a command line that cannot be right.

    Who is stopped has what shells give them: 130 of Ctrl-C, 143 of SIGTERM.
    """
    open_streams()
    try:
        try:
            args = _parsed(backup_options.joined(sys.argv[1:] if argv is None else argv))
            _check_text(args)
            with ExitStack() as args.ending:
                return int(args.run(args))
        finally:
            sys.stdout.flush()  # what fails only when Python ends would have a status of its own
    except UsageError as e:
        _tell(str(e))
        return 2
    except (SettingsError, Failed, KmsError, RevisionConflict) as e:
        _tell(reason(e))
        return 1
    except ImportError as e:
        if not (told := lacking(e)):
            raise
        say(f"tkms: {told}", sys.stderr)
        return 1
    except BrokenPipeError:
        drop_output()
        return 1
    except OutputError as e:
        drop_output()
        say(f"tkms: The standard output cannot be written: {e.strerror}.", sys.stderr)
        return 1
    except OSError as e:  # of a file of the command line
        where = f"{path_text(e.filename)}: " if e.filename else ""
        _tell(f"{where}{e.strerror or e}")
        return 1
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
