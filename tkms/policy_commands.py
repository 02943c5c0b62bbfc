"""`tkms policy`: the ready-made policies, and why a call is allowed or denied."""

from __future__ import annotations

import argparse
import time
from typing import Any

import msgspec

from tenantkms.access import key_policy, policy, vocabulary
from tenantkms.access.conditions import NO_TAGS, WITH_CONTEXT, Facts, Tags
from tenantkms.access.credentials import called
from tenantkms.access.operators import moment
from tenantkms.errors import InvalidPolicy
from tenantkms.model.alias import ALIAS_PREFIX
from tenantkms.model.credential import Credential
from tenantkms.model.grant import MAX_GRANTS, Grant
from tkms import policies
from tkms.commands import context, no_credential, only
from tkms.output import UsageError, painted, print_json, table
from tkms.places import Place, find


def policy_list(args: argparse.Namespace) -> int:
    if args.json:
        print_json({name: ready.says for name, ready in policies.READY.items()})
    else:
        table([("NAME", "MAY"), *((name, ready.says) for name, ready in policies.READY.items())])
    return 0


def policy_show(args: argparse.Namespace) -> int:
    print(msgspec.json.format(policies.READY[args.name].text, indent=2))
    return 0


def _decision(asked: str, of: tuple[str, ...], by: str, number: int, text: str) -> dict[str, Any]:
    """What `decide` of the policy document `text` answered."""
    statements = msgspec.json.decode(text)["Statement"]
    said = (statements if isinstance(statements, list) else [statements])[abs(number) - 1] if number else None
    return {"asked": asked, "of": of, "by": by, "allowed": number > 0, "statement": abs(number), "says": said}


def _conditions(found: policy.Found, facts: Facts, tags: Tags) -> dict[str, Any]:
    """What became of the conditions that can change the decision."""
    statements = () if isinstance(found, int) else found
    rows = [(number, rule.allow, c, c.met(facts, tags)) for number, rule in statements for c in rule.conditions]
    return {
        "conditions": [
            {"statement": number, "allows": allow, "operator": c.operator, "asks": c.asks, "met": met}
            for number, allow, c, met in rows
        ]
    }


def _facts(args: argparse.Namespace, credential: Credential) -> Facts:
    """The call that the command line supposes. Raises `UsageError`."""
    import ipaddress  # only for this command

    if args.context and args.action not in WITH_CONTEXT:
        raise UsageError(f"{args.action} takes no encryption context: {', '.join(sorted(WITH_CONTEXT))} do")
    try:
        source = str(ipaddress.ip_address(args.source_ip)) if args.source_ip else ""
        now = moment(args.at) if args.at else int(time.time())
    except (ValueError, InvalidPolicy) as e:
        raise UsageError(str(e)) from e
    return Facts(args.dialect or credential.dialects[0], source, now, context(args))


def _decisions(args: argparse.Namespace, place: Place, credential: Credential, facts: Facts) -> list[dict[str, Any]]:
    asked: list[tuple[str, tuple[str, ...], Tags]] = []
    key: Any = None
    if args.key:
        described: Any = place.call("DescribeKey", {"key_ids": [args.key]})
        key = described["keys"][0]
        asked.append(("key", policy.names_of(key["id"], key["aliases"]), key["tags"]))
    else:
        asked.append(("no key", policy.NO_KEY, NO_TAGS))
    if args.alias:
        asked.append(("alias", (ALIAS_PREFIX + args.alias.removeprefix(ALIAS_PREFIX),), NO_TAGS))
    decisions = []
    for what, names, tags in asked:
        found = policy.matching(credential.policy, args.action, names)
        number = policy.decide(credential.policy, args.action, names, facts, tags)
        decisions.append(
            _decision(what, names, "the access key's policy", number, credential.policy)
            | _conditions(found, facts, tags)
        )
    if key:
        text, who = str(place.call("GetKeyPolicy", {"key_id": key["id"]})["policy"]), credential.access_key_id
        number = key_policy.decide(text, who, args.action, facts, key["tags"])
        about = key_policy.matching(text, who, args.action)
        conditions = [row for found in about for row in _conditions(found, facts, key["tags"])["conditions"]]
        decisions.append(_decision("key", (who,), "the key's policy", number, text) | {"conditions": conditions})
        decisions += _by_grant(place, credential, args.action, key["id"], decisions, facts)
    return decisions


def _by_grant(
    place: Place, credential: Credential, action: str, key_id: str, decisions: list[dict[str, Any]], facts: Facts
) -> list[dict[str, Any]]:
    """What a grant of the key makes of what policies neither allow nor deny: nothing, or one decision more."""
    from tenantkms.access import grants  # few keys have any

    silent = not any(row["statement"] and not row["allowed"] for row in decisions)
    if not silent or all(row["allowed"] for row in decisions) or decisions[0]["of"] == policy.NO_KEY:
        return []
    answer: Any = place.call("ListGrants", {"key_id": key_id, "limit": MAX_GRANTS})
    own = [Grant(**{name: row[name] for name in Grant.__struct_fields__}) for row in answer["grants"]]
    within = decisions[0]["allowed"]
    found = grants.found(own, credential.access_key_id, action, facts.context, within=within)
    if found is None:
        return []
    said = {"asked": "key", "of": (credential.access_key_id,), "by": f"the grant {found.id}", "allowed": True}
    return [{**said, "statement": 0, "says": None, "conditions": []}]


def policy_check(args: argparse.Namespace) -> int:
    """0 if the credential may, else 1."""
    for complaint in vocabulary.complaints(1, args.action):
        raise UsageError(complaint.replace(" of statement 1 of the policy", ""))
    place = find(args)
    found = called(place.access.store, args.credential)
    if not found:
        raise no_credential(args.credential)
    active = [c for c in found if c.active(time.time())]
    credential = only(active or found, args.credential)
    facts = _facts(args, credential)
    decisions = _decisions(args, place, credential, facts)
    spoken = facts.dialect in credential.dialects
    expired = credential.expired(facts.now)
    by_grant = decisions[-1]["by"].startswith("the grant")
    decided = by_grant or all(decision["allowed"] for decision in decisions)
    allowed = credential.enabled and not expired and spoken and decided
    if args.json:
        supposed = {"dialect": facts.dialect, "source_ip": facts.source_ip, "at": facts.now, "context": facts.context}
        told = {"allowed": allowed, "enabled": credential.enabled, "expired": expired}
        print_json({**told, "supposed": supposed, "decisions": decisions})
        return 0 if allowed else 1
    print(painted("allowed" if allowed else "denied"))
    if not credential.enabled:
        print("  the access key is disabled")
    if expired:
        print("  the access key has expired")
    if not spoken:
        print(f"  the access key may not be used in the dialect {facts.dialect}")
    for d in decisions:
        verb = "allows" if d["allowed"] else "denies"
        why = f"statement {d['statement']} of {d['by']} {verb} it" if d["statement"] else f"{d['by']} is silent"
        if d["allowed"] and not d["statement"]:
            why = f"{d['by']} allows it"
        print(f"  {d['asked']} ({', '.join(d['of'])}): {why}")
        for c in d["conditions"]:
            if c["met"] is not True:
                print(f"    statement {c['statement']}: {_outcome(c)}")
    return 0 if allowed else 1


def _outcome(condition: dict[str, Any]) -> str:
    what = f"{condition['operator']} of {condition['asks']}"
    if condition["met"] is False:
        return f"{what} does not hold"
    return f"{what} cannot be told, so it {'does not allow' if condition['allows'] else 'may deny'}"
