"""`tkms credential`: access keys made, listed, rotated, disabled and deleted."""

from __future__ import annotations

import argparse
import sys
import time
from typing import Any

import msgspec

from tenantkms.access import policy
from tenantkms.access.credentials import called
from tenantkms.errors import InvalidPolicy, UnknownAccessKey
from tenantkms.model.credential import Credential
from tenantkms.names import DIALECTS
from tkms import policies
from tkms.commands import no_credential, only
from tkms.output import Failed, confirm, date, print_json, printable, table
from tkms.places import Place, find


def _row(credential: Credential) -> dict[str, Any]:
    return {
        "access_key_id": credential.access_key_id,
        "name": credential.name,
        "dialects": list(credential.dialects),
        "enabled": credential.enabled,
        "created": credential.created,
        "expires": credential.expires,
        "policy": msgspec.json.decode(credential.policy),
    }


def _show(credential: Credential, secret: str, as_json: bool, **more: str) -> None:
    if as_json:
        print_json({**_row(credential), "access_key_secret": secret, **more})
    else:
        shown = {"access_key_id": credential.access_key_id, "access_key_secret": secret, **more}
        if credential.expires:
            shown["expires"] = date(credential.expires)
        for name, value in shown.items():
            print(f"{name:<18} {value}")


def _read_policy(args: argparse.Namespace) -> str:
    try:
        return policies.read(args.policy)
    except (OSError, UnicodeDecodeError) as e:
        raise Failed(
            f"The policy file {args.policy} cannot be read, and no ready-made policy has that name: {e}"
        ) from e


def create(args: argparse.Namespace) -> int:
    text = _read_policy(args)
    now = int(time.time())
    dialects = tuple(dict.fromkeys(args.dialect or DIALECTS))
    expires = now + args.expires if args.expires else 0
    credential, secret = find(args).access.create(args.name, dialects, text, now, expires=expires)
    _show(credential, secret, args.json)
    return 0


def _one_active(place: Place, wanted: str, now: float) -> Credential:
    """The one active credential with the id or name `wanted`."""
    found = [c for c in called(place.access.store, wanted) if c.active(now)]
    if not found:
        raise Failed(f"There is no active credential {wanted}: tkms credential list")
    return only(found, wanted)


def rotate(args: argparse.Namespace) -> int:
    place, now = find(args), int(time.time())
    old = _one_active(place, args.credential, now)
    life = args.expires or (old.expires and old.expires - old.created)
    access = place.access
    new, secret = access.create(old.name, old.dialects, old.policy, now, expires=life and now + life)
    _show(new, secret, args.json, replaces=old.access_key_id)  # first of all: it is shown only here
    if args.overlap:
        access.change(old.access_key_id, now, expires=min(now + args.overlap, old.expires or sys.maxsize))
    return 0


def session(args: argparse.Namespace) -> int:
    text = _read_policy(args) if args.policy else ""
    params = {"credential": args.name, "duration": args.duration, "policy": text}
    issued: Any = find(args).call("IssueSession", params)
    if args.json:
        print_json(issued)
    else:
        for name, value in {**issued, "expires": date(issued["expires"])}.items():
            print(f"{name:<18} {value}")
    return 0


def list_(args: argparse.Namespace) -> int:
    store, now = find(args).access.store, time.time()
    credentials, uses = store.list_credentials(), store.last_uses()
    if args.json:
        print_json([{**_row(c), "last_used": uses.get(c.access_key_id, 0)} for c in credentials])
    else:
        table(
            [
                ("ACCESS KEY ID", "NAME", "STATE", "EXPIRES", "LAST USED", "DIALECTS"),
                *(
                    (
                        c.access_key_id,
                        c.name,
                        "disabled" if not c.enabled else "expired" if c.expired(now) else "enabled",
                        date(c.expires),
                        date(uses.get(c.access_key_id, 0)),
                        " ".join(c.dialects),
                    )
                    for c in credentials
                ),
            ]
        )
    for credential in credentials:
        try:
            flaws = list(policy.flaws(credential.policy))
        except InvalidPolicy as e:
            flaws = [f"{e} Nothing is allowed."]
        for flaw in flaws:
            print(f"tkms: warning: {credential.access_key_id}: {flaw}", file=sys.stderr)
    return 0


def _no_id(place: Place, wanted: str) -> Failed:
    """No access key has the id `wanted`: perhaps some have that name."""
    ids = ", ".join(c.access_key_id for c in called(place.access.store, wanted))
    return Failed(f"{wanted} is a name: say which by its id ({ids})") if ids else no_credential(wanted)


def switch(args: argparse.Namespace) -> int:
    place, enabled = find(args), args.verb == "enable"
    try:
        place.access.change(args.access_key_id, time.time(), enabled=enabled)
    except UnknownAccessKey:
        raise _no_id(place, args.access_key_id) from None
    return _done(args, enabled=enabled)


def delete(args: argparse.Namespace) -> int:
    confirm(args, f"The access key {printable(args.access_key_id)} is deleted for good, and its clients are refused.")
    place = find(args)
    if not place.access.store.delete_credential(args.access_key_id):
        raise _no_id(place, args.access_key_id)
    return _done(args, deleted=True)


def _done(args: argparse.Namespace, **facts: bool) -> int:
    """People are told nothing of what went as they said."""
    if args.json:
        print_json({"access_key_id": args.access_key_id, **facts})
    return 0
