"""Key policies: a document on a key that says who may do what with it, in Alibaba Cloud's form.

    {"Version": "1", "Statement": [
        {"Effect": "Allow", "Principal": {"RAM": ["acs:ram::*:user/TKMS..."]}, "Action": ["kms:Decrypt"]}]}

Both must allow a call: the access key's own policy, and the key's policy if it has one. In a principal, `user/`
and `role/` are followed by an access key id; `*` and `root` mean every access key of the tenant. The account in it
is not compared: a deployment is one account. Actions are those of docs/coverage.md, with `kms:` before them.
A `Condition` is as in the policies of access keys (`access/conditions.py`). Deny wins. The operator's own `tkms`
command is not bound by key policies, so a key cannot be locked away: `tkms key policy get`, `set`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Literal

import msgspec
from msgspec import UNSET, Struct, UnsetType
from msgspec.structs import replace

from tenantkms.access.conditions import Condition, Facts, Tags, Written, unmeetable
from tenantkms.access.gains import Change, more
from tenantkms.access.patterns import Patterns, patterns
from tenantkms.access.policy import Found, decided, decoded, found, globs, too_much, when
from tenantkms.access.vocabulary import complaints, listed, refuse, repeats
from tenantkms.errors import InvalidPolicy
from tenantkms.model.key import Key

DEFAULT = (
    '{"Version":"1","Statement":[{"Effect":"Allow","Principal":{"RAM":["*"]},"Action":["kms:*"],"Resource":["*"]}]}'
)
_SERVICE = "kms:"
_END_OF_TIME = 2**62
_ACTION = re.compile(r"kms:[A-Za-z*]{1,64}|\*")
_PRINCIPAL = re.compile(r"\*|acs:ram::(\*|[0-9]{1,20}):(\*|root|(user|role)/[A-Za-z0-9._@*-]{1,128})")


class _Ram(Struct, frozen=True, forbid_unknown_fields=True):
    RAM: str | list[str]


class _Statement(Struct, frozen=True, forbid_unknown_fields=True, rename="pascal"):
    effect: Literal["Allow", "Deny"]
    principal: Literal["*"] | _Ram
    action: str | list[str]
    resource: str | list[str] = "*"
    sid: str = ""
    condition: Written | UnsetType = UNSET


class _Document(Struct, frozen=True, forbid_unknown_fields=True, rename="pascal"):
    statement: list[_Statement]
    version: Literal["1"] = "1"


_decoder = msgspec.json.Decoder(_Document)


class _Rule(Struct, frozen=True):
    allow: bool
    principals: Patterns
    actions: Patterns
    conditions: tuple[Condition, ...]


def _who(principal: str | _Ram) -> list[str]:
    """Patterns of access key ids."""
    names = ["*"] if isinstance(principal, str) else listed(principal.RAM)
    for name in names:
        if not _PRINCIPAL.fullmatch(name):
            raise InvalidPolicy(f"Principal {name!r} of the key policy is not valid.")
    return [
        "*" if (name[-1] == "*" and "/" not in name) or name.endswith(":root") else name.split("/")[1] for name in names
    ]


def _document(text: str) -> _Document:
    return decoded(text, _decoder, "key policy")


@lru_cache(maxsize=1024)
def parse(text: str) -> tuple[_Rule, ...]:
    """The rules of a key policy, one for each statement. Raises `InvalidPolicy` that names what is wrong."""
    rules = []
    for statement in _document(text).statement:
        if statement.resource not in ("*", ["*"]):
            raise InvalidPolicy("The Resource of a key policy must be *, which is the key itself.")
        rules.append(
            _Rule(
                statement.effect == "Allow",
                patterns(_who(statement.principal)),
                globs(statement.action, _ACTION, "Action"),
                when(statement.condition),
            )
        )
    return tuple(rules)


def flaws(text: str) -> Iterator[str]:
    """What a key policy says that means nothing. Raises `InvalidPolicy` if it has no meaning at all."""
    rules = parse(text)
    yield from repeats(text)
    yield from too_much(((rule.actions, rule.principals), rule.conditions) for rule in rules)
    statements = _document(text).statement
    if not statements:
        yield "The key policy allows nothing: it has no statement."
    for number, statement in enumerate(statements, 1):
        own = [action.removeprefix(_SERVICE) for action in listed(statement.action)]
        yield from complaints(number, own, ("Principal", _who(statement.principal)))
        yield from unmeetable(number, own, rules[number - 1].conditions)


def check(text: str) -> str:
    """`text`, if it may be put on a key now. Raises `InvalidPolicy` that names what is wrong."""
    refuse(flaws(text))
    return text


@lru_cache(maxsize=1024)
def matching(policy: str, principal: str, action: str) -> Found:
    """The statements of a key's `policy` about `action` of the access key `principal`."""
    return found(
        (number, rule)
        for number, rule in enumerate(parse(policy), 1)
        if rule.principals.match(principal) and rule.actions.match(_SERVICE + action)
    )


def decide(policy: str, principal: str, action: str, facts: Facts, tags: Tags) -> int:
    """The statement by which a key's `policy` allows or denies `action` to the access key `principal`, as `deciding`
    says it; `tags` are the key's."""
    return decided(matching(policy, principal, action), facts, tags)


def allows(policy: str, principal: str, action: str, facts: Facts, tags: Tags) -> bool:
    """Whether a key's `policy` (empty: the default) allows `action` to the access key `principal`."""
    return not policy or decide(policy, principal, action, facts, tags) > 0


def gains(principal: str, before: Key, after: Key) -> bool:
    """Whether a key's policy may allow `principal` any Action with the tags that the key has `after` a change and did
    not allow it `before`."""
    if not after.policy:
        return False
    rules = parse(after.policy)
    about = [(rule, rule.principals.match(principal)) for rule in rules]
    changes = (Change(rule.allow, rule.actions, rule.conditions, is_, is_) for rule, is_ in about)
    return more(changes, before.tags, after.tags, _SERVICE)


def check_lockout(policy: str, principal: str, facts: Facts, tags: Tags) -> None:
    """Raises `InvalidPolicy` for a key's `policy` under which `principal`, who sets it, could not set another one: at
    once, as it calls now, or ever again."""
    for now in (facts.now, _END_OF_TIME):
        if not allows(policy, principal, "SetKeyPolicy", replace(facts, now=now), tags):
            raise InvalidPolicy("The new key policy will not allow you to update the key policy in the future.")
