"""`tkms policy`: the ready-made policies, and why a call is allowed or denied."""

from __future__ import annotations

import argparse
import time
from typing import Any

import msgspec

from tenantkms.access import key_policy, policy, vocabulary
from tenantkms.model.alias import ALIAS_PREFIX
from tkms import policies
from tkms.commands import named, no_credential
from tkms.output import UsageError, print_json, table
from tkms.places import find


def policy_list(args: argparse.Namespace) -> int:
    if args.json:
        print_json({name: ready.says for name, ready in policies.READY.items()})
    else:
        table([("NAME", "MAY"), *((name, ready.says) for name, ready in policies.READY.items())])
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
    found = named(place.access.store.list_credentials(), args.credential)
    if not found:
        raise no_credential(args.credential)
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
    expired = credential.expired(time.time())
    allowed = credential.enabled and not expired and all(decision["allowed"] for decision in decisions)
    if args.json:
        print_json({"allowed": allowed, "enabled": credential.enabled, "expired": expired, "decisions": decisions})
    else:
        print("allowed" if allowed else "denied")
        if not credential.enabled:
            print("  the access key is disabled")
        if expired:
            print("  the access key has expired")
        for d in decisions:
            verb = "allows" if d["allowed"] else "denies"
            why = f"statement {d['statement']} of {d['by']} {verb} it" if d["statement"] else f"{d['by']} is silent"
            print(f"  {d['asked']} ({', '.join(d['of'])}): {why}")
    return 0 if allowed else 1
