"""The `tkms` command."""

from __future__ import annotations

import argparse
import base64
import os
import secrets
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec

from local.data import DEFAULT_ALIAS, Directory, call, default_directory
from local.snippets import SNIPPETS, render
from tenantkms import maintenance, policy
from tenantkms.access import DIALECTS
from tenantkms.errors import KmsError
from tenantkms.keystore import RevisionConflict
from tenantkms.model import ALIAS_PREFIX, Credential, KeySpec
from tenantkms.settings import Settings, SettingsError
from tenantkms.wire.http import decode_base64

Run = Callable[[argparse.Namespace], int]
DEFAULT_URL = "http://127.0.0.1:8480"

_EPILOG = """\
a first session:
  tkms serve                                   a running KMS, with a key and a credential, printed ready to paste
  tkms snippet alibaba > try.py                the same program again, for one SDK
  echo secret | tkms encrypt > blob.txt        encrypt on this machine, without a network
  tkms decrypt < blob.txt

Everything is kept in one directory: --data-dir, $TKMS_DATA_DIR, or %(directory)s.
Back up parent.key apart from the rest: nothing opens without it.
"""


class UsageError(Exception):
    """The command line, or what came with it, is not right."""


def _print_json(value: object) -> None:
    print(msgspec.json.format(msgspec.json.encode(value), indent=2).decode())


def _table(rows: Sequence[Sequence[str]]) -> None:
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def _open(args: argparse.Namespace) -> Settings:
    return Directory(args.data_dir).open()


# -- commands ------------------------------------------------------------------------------------------


def _serve(args: argparse.Namespace) -> int:
    from local.serve import serve  # the server's libraries are not the other commands' to load

    return serve(args)


def _first_credential(settings: Settings, wanted: str | None) -> tuple[Credential, str]:
    credentials = [c for c in settings.access.store.list_credentials() if c.enabled]
    if wanted:
        credentials = [c for c in credentials if wanted in (c.access_key_id, c.name)]
    if not credentials:
        raise UsageError("There is no enabled credential of that name: tkms credential list")
    return credentials[0], settings.access.secret(credentials[0])


def _snippet(args: argparse.Namespace) -> int:
    directory = Directory(args.data_dir)
    settings = directory.open()
    credential, secret = _first_credential(settings, args.credential)
    key: Any = call(settings, "DescribeKey", {"key_ids": [args.key]})
    url = args.endpoint or directory.server_url() or DEFAULT_URL
    names = [args.name] if args.name else list(SNIPPETS)
    programs = [
        render(name, url=url, access_key_id=credential.access_key_id, secret=secret, key_id=key["keys"][0]["id"])
        for name in names
    ]
    print("\n".join(programs), end="")
    return 0


def _credential_row(credential: Credential) -> dict[str, Any]:
    return {
        "access_key_id": credential.access_key_id,
        "name": credential.name,
        "dialects": list(credential.dialects),
        "enabled": credential.enabled,
        "created": credential.created,
        "policy": msgspec.json.decode(credential.policy),
    }


def _credential_create(args: argparse.Namespace) -> int:
    text = policy.ALLOW_ALL
    if args.policy:
        try:
            text = args.policy.read_text("utf-8")
        except (OSError, UnicodeDecodeError) as e:
            raise UsageError(f"The policy file {args.policy} cannot be read: {e}") from e
        policy.parse(text)
    settings = _open(args)
    dialects = tuple(dict.fromkeys(args.dialect or DIALECTS))
    credential, secret = settings.access.create(args.name, dialects, text, int(settings.deps.clock()))
    if args.json:
        _print_json({**_credential_row(credential), "access_key_secret": secret})
    else:
        print(f"access_key_id      {credential.access_key_id}")
        print(f"access_key_secret  {secret}")
    return 0


def _credential_list(args: argparse.Namespace) -> int:
    rows = [_credential_row(c) for c in _open(args).access.store.list_credentials()]
    if args.json:
        _print_json(rows)
    else:
        state = {True: "enabled", False: "disabled"}
        _table(
            [("ACCESS KEY ID", "NAME", "STATE", "DIALECTS")]
            + [(r["access_key_id"], r["name"], state[r["enabled"]], " ".join(r["dialects"])) for r in rows]
        )
    return 0


def _credential_switch(args: argparse.Namespace) -> int:
    store = _open(args).access.store
    credential = store.get_credential(args.access_key_id)
    if credential is None:
        raise UsageError(f"There is no credential {args.access_key_id}: tkms credential list")
    store.put_credential(msgspec.structs.replace(credential, enabled=args.verb == "enable"), new=False)
    return 0


def _credential_delete(args: argparse.Namespace) -> int:
    if not _open(args).access.store.delete_credential(args.access_key_id):
        raise UsageError(f"There is no credential {args.access_key_id}: tkms credential list")
    return 0


def _key_list(args: argparse.Namespace) -> int:
    settings = _open(args)
    keys: list[Any] = []
    while True:
        page: Any = call(settings, "ListKeys", {"offset": len(keys), "limit": 1000})
        keys += page["keys"]
        if not page["keys"]:
            break
    if args.json:
        _print_json(keys)
    else:
        rows = [(k["id"], k["spec"], k["state"], " ".join(ALIAS_PREFIX + a for a in k["aliases"])) for k in keys]
        _table([("KEY ID", "SPEC", "STATE", "ALIASES"), *rows])
    return 0


def _show_key(key: dict[str, Any], as_json: bool) -> int:
    if as_json:
        _print_json(key)
    else:
        for name, value in key.items():
            shown = " ".join(value) if isinstance(value, list | tuple) else value
            print(f"{name:<24}{shown}".rstrip())
    return 0


def _key_describe(args: argparse.Namespace) -> int:
    answer: Any = call(_open(args), "DescribeKey", {"key_ids": [args.key]})
    return _show_key(answer["keys"][0], args.json)


def _key_create(args: argparse.Namespace) -> int:
    params = {
        "alias": args.alias.removeprefix(ALIAS_PREFIX),
        "description": args.description,
        "spec": args.spec,
    }
    answer: Any = call(_open(args), "CreateKey", params)
    return _show_key(answer["key"], args.json)


def _context(args: argparse.Namespace) -> dict[str, str]:
    pairs = [item.partition("=") for item in args.context]
    if not all(equals and name for name, equals, _ in pairs):
        raise UsageError("--context takes NAME=VALUE")
    if len({name for name, _, _ in pairs}) != len(pairs):
        raise UsageError("--context names a pair twice")
    return {name: value for name, _, value in pairs}


def _encrypt(args: argparse.Namespace) -> int:
    context = _context(args)
    plaintext = base64.b64encode(sys.stdin.buffer.read()).decode()
    answer: Any = call(_open(args), "Encrypt", {"key_id": args.key, "plaintext": plaintext, "context": context})
    if args.json:
        _print_json(answer)
    else:
        print(answer["ciphertext"])
    return 0


def _decrypt(args: argparse.Namespace) -> int:
    context = _context(args)
    text = sys.stdin.read().strip()
    if decode_base64(text) is None:
        raise UsageError("The standard input is not a ciphertext blob in base64.")
    answer: Any = call(_open(args), "Decrypt", {"ciphertext": text, "context": context})
    if args.json:
        _print_json(answer)
    else:
        sys.stdout.buffer.write(base64.b64decode(answer["plaintext"]))
        sys.stdout.buffer.flush()
    return 0


def _maintain(args: argparse.Namespace) -> int:
    deps = _open(args).deps
    reports = {}
    for name, job in (("rotate", maintenance.ROTATE), ("destroy", maintenance.DESTROY)):
        progress = None
        if not args.json and sys.stderr.isatty():
            progress = _Progress(name, maintenance.run(job, deps, "count", dry_run=True).due)
        reports[name] = maintenance.run(job, deps, secrets.token_hex(16), dry_run=args.dry_run, progress=progress)
        if progress:
            progress.end()
    if args.json:
        _print_json(reports)
    else:
        rows = [(name, str(r.due), str(r.done), str(r.failed)) for name, r in reports.items()]
        _table([("WORK", "DUE", "DONE", "FAILED"), *rows])
    return 1 if any(report.failed for report in reports.values()) else 0


class _Progress:
    """A bar on standard error while keys are worked through."""

    def __init__(self, name: str, total: int) -> None:
        self._name, self._total = name, total

    def __call__(self, count: int) -> None:
        filled = 30 * count // max(count, self._total)
        bar = "#" * filled + "." * (30 - filled)
        print(f"\r{self._name} [{bar}] {count}/{self._total}", end="", file=sys.stderr, flush=True)

    def end(self) -> None:
        print("\r\033[K", end="", file=sys.stderr, flush=True)


# -- the command line ----------------------------------------------------------------------------------


def _parser() -> argparse.ArgumentParser:
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument(
        "--data-dir", type=Path, default=default_directory(), metavar="DIR", help="where everything is kept"
    )
    as_json = argparse.ArgumentParser(add_help=False)
    as_json.add_argument("--json", action="store_true", help="print JSON")

    top = argparse.ArgumentParser(
        prog="tkms",
        description="A key management service that Alibaba Cloud and Tencent Cloud KMS SDKs can use.",
        epilog=_EPILOG % {"directory": default_directory()},
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = top.add_subparsers(metavar="COMMAND", required=True)

    def command(
        group: Any, name: str, help_: str, run: Run, *parents: argparse.ArgumentParser
    ) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = group.add_parser(
            name, help=help_, description=help_[:1].upper() + help_[1:] + ".", parents=[common, *parents]
        )
        parser.set_defaults(run=run, verb=name)
        return parser

    serve = command(commands, "serve", "run the KMS on this machine", _serve)
    serve.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    serve.add_argument("--port", type=int, default=8480, help="port; 0 picks a free one (default: %(default)s)")
    serve.add_argument("--tenant", help="name of the tenant, chosen on the first start (default: local)")
    serve.add_argument("--tls-cert", type=Path, metavar="FILE", help="serve https with this certificate (PEM)")
    serve.add_argument("--tls-key", type=Path, metavar="FILE", help="and its private key (PEM)")

    snippet = command(commands, "snippet", "print a ready program for an SDK, or for each", _snippet)
    snippet.add_argument("name", nargs="?", choices=SNIPPETS, metavar="NAME", help=", ".join(SNIPPETS))
    snippet.add_argument("--credential", metavar="ID", help="access key id or name (default: the first enabled)")
    snippet.add_argument("--key", default=ALIAS_PREFIX + DEFAULT_ALIAS, help="key id or alias (default: %(default)s)")
    snippet.add_argument("--endpoint", metavar="URL", help="default: where the last server of the directory served")

    credential = commands.add_parser("credential", help="create and manage access keys")
    verbs = credential.add_subparsers(metavar="VERB", required=True)
    create = command(verbs, "create", "create an access key; its secret is shown once", _credential_create, as_json)
    create.add_argument("--name", default="", help="a name for people")
    create.add_argument(
        "--dialect", action="append", choices=DIALECTS, help="dialect that it may be used in; repeat (default: all)"
    )
    create.add_argument("--policy", type=Path, metavar="FILE", help="policy document (default: everything is allowed)")
    command(verbs, "list", "list access keys", _credential_list, as_json)
    for verb, help_, run in (
        ("disable", "disable an access key; it stops working within a second", _credential_switch),
        ("enable", "enable an access key again", _credential_switch),
        ("delete", "delete an access key", _credential_delete),
    ):
        command(verbs, verb, help_, run).add_argument("access_key_id", metavar="ID")

    key = commands.add_parser("key", help="list, describe and create keys")
    verbs = key.add_subparsers(metavar="VERB", required=True)
    command(verbs, "list", "list all keys", _key_list, as_json)
    command(verbs, "describe", "describe a key", _key_describe, as_json).add_argument(
        "key", metavar="KEY", help="key id or alias/NAME"
    )
    create = command(verbs, "create", "create a key", _key_create, as_json)
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
        commands, "maintain", "rotate and destroy keys that are due, as the server does", _maintain, as_json
    )
    maintain.add_argument("--dry-run", action="store_true", help="only count what is due")

    encrypt = command(
        commands, "encrypt", "encrypt standard input; print a ciphertext blob in base64", _encrypt, as_json
    )
    encrypt.add_argument("--key", default=ALIAS_PREFIX + DEFAULT_ALIAS, help="key id or alias (default: %(default)s)")
    decrypt = command(commands, "decrypt", "decrypt a ciphertext blob in base64 from standard input", _decrypt, as_json)
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
        print(f"tkms: {e}", file=sys.stderr)
        return 1
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
