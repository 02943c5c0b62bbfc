"""What each command of `tkms` does, on the place that its command line names. `cli.py` has their options."""

from __future__ import annotations

import argparse
import base64
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from tenantkms.access import key_policy, policy, vocabulary
from tenantkms.errors import InvalidPolicy
from tenantkms.model.alias import ALIAS_PREFIX
from tenantkms.model.credential import Credential
from tenantkms.names import DIALECTS
from tenantkms.wire.parse import decode_base64
from tkms import policies
from tkms.places import Place, find
from tkms.snippets import SNIPPETS, render

Run = Callable[[argparse.Namespace], int]


class UsageError(Exception):
    """The command line, or what came with it, is not right."""


def _print_json(value: object) -> None:
    print(msgspec.json.format(msgspec.json.encode(value), indent=2).decode())


def _table(rows: Sequence[Sequence[str]]) -> None:
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def serve(args: argparse.Namespace) -> int:
    from tkms.machine.serve import serve  # the server's libraries are not the other commands' to load

    return serve(args)


def _first_credential(place: Place, wanted: str | None) -> tuple[Credential, str]:
    credentials = [c for c in place.access.store.list_credentials() if c.enabled]
    if wanted:
        credentials = [c for c in credentials if wanted in (c.access_key_id, c.name)]
    if not credentials:
        raise UsageError("There is no enabled credential of that name: tkms credential list, or create")
    return credentials[0], place.access.secret(credentials[0])


def snippet(args: argparse.Namespace) -> int:
    place = find(args)
    credential, secret = _first_credential(place, args.credential)
    key: Any = place.call("DescribeKey", {"key_ids": [args.key]})
    url = args.endpoint or place.url
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


def credential_create(args: argparse.Namespace) -> int:
    try:
        text = policies.read(args.policy)
    except (OSError, UnicodeDecodeError) as e:
        raise UsageError(
            f"The policy file {args.policy} cannot be read, and no ready-made policy has that name: {e}"
        ) from e
    dialects = tuple(dict.fromkeys(args.dialect or DIALECTS))
    credential, secret = find(args).access.create(args.name, dialects, text, int(time.time()))
    if args.json:
        _print_json({**_credential_row(credential), "access_key_secret": secret})
    else:
        print(f"access_key_id      {credential.access_key_id}")
        print(f"access_key_secret  {secret}")
    return 0


def credential_list(args: argparse.Namespace) -> int:
    credentials = find(args).access.store.list_credentials()
    rows = [_credential_row(c) for c in credentials]
    if args.json:
        _print_json(rows)
    else:
        state = {True: "enabled", False: "disabled"}
        _table(
            [("ACCESS KEY ID", "NAME", "STATE", "DIALECTS")]
            + [(r["access_key_id"], r["name"], state[r["enabled"]], " ".join(r["dialects"])) for r in rows]
        )
    for credential in credentials:
        try:
            flaws = list(policy.flaws(credential.policy))
        except InvalidPolicy as e:
            flaws = [f"{e} Nothing is allowed."]
        for flaw in flaws:
            print(f"tkms: warning: {credential.access_key_id}: {flaw}", file=sys.stderr)
    return 0


def credential_switch(args: argparse.Namespace) -> int:
    store = find(args).access.store
    credential = store.get_credential(args.access_key_id)
    if credential is None:
        raise UsageError(f"There is no credential {args.access_key_id}: tkms credential list")
    store.put_credential(msgspec.structs.replace(credential, enabled=args.verb == "enable"), new=False)
    return 0


def credential_delete(args: argparse.Namespace) -> int:
    if not find(args).access.store.delete_credential(args.access_key_id):
        raise UsageError(f"There is no credential {args.access_key_id}: tkms credential list")
    return 0


def policy_list(args: argparse.Namespace) -> int:
    if args.json:
        _print_json({name: ready.says for name, ready in policies.READY.items()})
    else:
        _table([("NAME", "MAY"), *((name, ready.says) for name, ready in policies.READY.items())])
    return 0


def policy_show(args: argparse.Namespace) -> int:
    print(msgspec.json.format(policies.READY[args.name].text, indent=2))
    return 0


def _decision(number: int, text: str) -> dict[str, Any]:
    """What `decide` of a policy document answered."""
    said = msgspec.json.decode(text)["Statement"][abs(number) - 1] if number else None
    return {"allowed": number > 0, "statement": abs(number), "says": said}


def policy_check(args: argparse.Namespace) -> int:
    """0 if the credential may, else 1."""
    for complaint in vocabulary.complaints(1, args.action):
        raise UsageError(complaint.replace(" of statement 1 of the policy", ""))
    place = find(args)
    found = [c for c in place.access.store.list_credentials() if args.credential in (c.access_key_id, c.name)]
    if not found:
        raise UsageError(f"There is no credential {args.credential}: tkms credential list")
    credential = found[0]
    asked: list[tuple[str, tuple[str, ...]]] = []
    key_policy_text = ""
    if args.key:
        described: Any = place.call("DescribeKey", {"key_ids": [args.key]})
        key = described["keys"][0]
        asked.append(("key", policy.names_of(key["id"], key["aliases"])))
        key_policy_text = str(place.call("GetKeyPolicy", {"key_id": key["id"]})["policy"])
    else:
        asked.append(("no key", policy.NO_KEY))
    if args.alias:
        asked.append(("alias", (ALIAS_PREFIX + args.alias.removeprefix(ALIAS_PREFIX),)))
    decisions = [
        {"asked": what, "of": list(names), "by": "the access key's policy"}
        | _decision(policy.decide(credential.policy, args.action, names), credential.policy)
        for what, names in asked
    ]
    if key_policy_text:
        number = key_policy.decide(key_policy_text, credential.access_key_id, args.action)
        of = [credential.access_key_id]
        decisions.append({"asked": "key", "of": of, "by": "the key's policy"} | _decision(number, key_policy_text))
    allowed = credential.enabled and all(decision["allowed"] for decision in decisions)
    if args.json:
        _print_json({"allowed": allowed, "enabled": credential.enabled, "decisions": decisions})
    else:
        print("allowed" if allowed else "denied")
        if not credential.enabled:
            print("  the access key is disabled")
        for d in decisions:
            verb = "allows" if d["allowed"] else "denies"
            why = f"statement {d['statement']} of {d['by']} {verb} it" if d["statement"] else f"{d['by']} is silent"
            print(f"  {d['asked']} ({', '.join(d['of'])}): {why}")
    return 0 if allowed else 1


def key_list(args: argparse.Namespace) -> int:
    place = find(args)
    keys: list[Any] = []
    while True:
        page: Any = place.call("ListKeys", {"offset": len(keys), "limit": 1000})
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


def key_describe(args: argparse.Namespace) -> int:
    answer: Any = find(args).call("DescribeKey", {"key_ids": [args.key]})
    return _show_key(answer["keys"][0], args.json)


def key_create(args: argparse.Namespace) -> int:
    params = {
        "alias": args.alias.removeprefix(ALIAS_PREFIX),
        "description": args.description,
        "spec": args.spec,
    }
    answer: Any = find(args).call("CreateKey", params)
    return _show_key(answer["key"], args.json)


def _context(args: argparse.Namespace) -> dict[str, str]:
    pairs = [item.partition("=") for item in args.context]
    if not all(equals and name for name, equals, _ in pairs):
        raise UsageError("--context takes NAME=VALUE")
    if len({name for name, _, _ in pairs}) != len(pairs):
        raise UsageError("--context names a pair twice")
    return {name: value for name, _, value in pairs}


def encrypt(args: argparse.Namespace) -> int:
    context = _context(args)
    plaintext = base64.b64encode(sys.stdin.buffer.read()).decode()
    answer: Any = find(args).call("Encrypt", {"key_id": args.key, "plaintext": plaintext, "context": context})
    if args.json:
        _print_json(answer)
    else:
        print(answer["ciphertext"])
    return 0


def decrypt(args: argparse.Namespace) -> int:
    context = _context(args)
    text = sys.stdin.read().strip()
    if decode_base64(text) is None:
        raise UsageError("The standard input is not a ciphertext blob in base64.")
    answer: Any = find(args).call("Decrypt", {"ciphertext": text, "context": context})
    if args.json:
        _print_json(answer)
    else:
        sys.stdout.buffer.write(base64.b64decode(answer["plaintext"]))
        sys.stdout.buffer.flush()
    return 0


def maintain(args: argparse.Namespace) -> int:
    shown = not args.json and sys.stderr.isatty()
    reports = find(args).maintain(args.dry_run, _Progress if shown else None)
    if shown:
        print("\r\033[K", end="", file=sys.stderr, flush=True)
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


def doctor(args: argparse.Namespace) -> int:
    from tkms.stack.doctor import PROBLEM, WARNING, examine
    from tkms.stack.stack import Stack

    findings = []
    for finding in examine(Stack(args.stack)):
        findings.append(finding)
        if not args.json:
            mark = {PROBLEM: "!!", WARNING: " !"}.get(finding.status, "ok")
            print(f"{mark}  {finding.check:<13} {finding.found}", flush=True)
            if finding.advice:
                print(f"{'':17} -> {finding.advice}", flush=True)
    counts = {status: sum(finding.status == status for finding in findings) for status in (PROBLEM, WARNING)}
    if args.json:
        _print_json(findings)
    else:
        print(f"{counts[PROBLEM]} problems, {counts[WARNING]} warnings")
    return 1 if counts[PROBLEM] else 0
