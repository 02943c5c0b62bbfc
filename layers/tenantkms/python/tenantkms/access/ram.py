"""Key policies in Alibaba Cloud's form.

    {"Version": "1", "Statement": [
        {"Effect": "Allow", "Principal": {"RAM": ["acs:ram::*:user/TKMS..."]}, "Action": ["kms:Decrypt"]}]}

In a principal, `user/` and `role/` are followed by an access key id; `*` and `root` mean every access key of the
tenant. The account in it is not compared: a deployment is one account. Actions are those of docs/coverage.md, with
`kms:` before them. A `Condition` is as in the policies of access keys (`access/conditions.py`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Literal

import msgspec
from msgspec import UNSET, Struct, UnsetType

from tenantkms.access.conditions import Written, unmeetable
from tenantkms.access.patterns import patterns
from tenantkms.access.policy import KeyRule, check_itself, decoded, globs, too_much, when
from tenantkms.access.vocabulary import complaints, listed, matched, repeats
from tenantkms.errors import InvalidPolicy
from tenantkms.keys.cache import remembered
from tenantkms.names import ACTIONS

DEFAULT = (
    '{"Version":"1","Statement":[{"Effect":"Allow","Principal":{"RAM":["*"]},"Action":["kms:*"],"Resource":["*"]}]}'
)
SERVICE = "kms:"
VOCABULARY = tuple(SERVICE + action for action in ACTIONS)
_ACTION = re.compile(r"kms:[A-Za-z*]{1,64}|\*")
_PRINCIPAL = re.compile(r"\*|acs:ram::(\*|[0-9]{1,20}):(\*|root|(user|role)/[A-Za-z0-9._@*-]{1,128})")


class Principals(Struct, frozen=True, forbid_unknown_fields=True):
    RAM: str | list[str]


class Statement(Struct, frozen=True, forbid_unknown_fields=True, rename="pascal", omit_defaults=True):
    effect: Literal["Allow", "Deny"]
    principal: Literal["*"] | Principals
    action: str | list[str]
    resource: str | list[str] = "*"
    sid: str = ""
    condition: Written | UnsetType = UNSET


class Document(Struct, frozen=True, forbid_unknown_fields=True, rename="pascal"):
    statement: list[Statement]
    version: Literal["1"] = "1"


_decoder = msgspec.json.Decoder(Document)


def who(principal: str | Principals) -> list[str]:
    """Patterns of access key ids. Raises `InvalidPolicy`."""
    names = ["*"] if isinstance(principal, str) else listed(principal.RAM)
    for name in names:
        if not _PRINCIPAL.fullmatch(name):
            raise InvalidPolicy(f"Principal {name!r} of the key policy is not valid.")
    return [
        "*" if (name[-1] == "*" and "/" not in name) or name.endswith(":root") else name.split("/")[1] for name in names
    ]


def read(text: str) -> Document:
    """Raises `InvalidPolicy`."""
    return decoded(text, _decoder, "key policy")


@remembered(1024)
def parse(text: str) -> tuple[KeyRule, ...]:
    """The rules of a key policy, one for each statement. Raises `InvalidPolicy` that names what is wrong."""
    rules = []
    for statement in read(text).statement:
        check_itself(statement.resource)
        rules.append(
            KeyRule(
                statement.effect == "Allow",
                patterns(who(statement.principal)),
                globs(statement.action, _ACTION, "Action"),
                when(statement.condition),
            )
        )
    return tuple(rules)


def flaws(text: str, _account: str) -> Iterator[str]:
    """What a key policy says that means nothing. Raises `InvalidPolicy` if it has no meaning at all."""
    rules = parse(text)
    yield from repeats(text)
    yield from too_much(((rule.actions, rule.principals), rule.conditions) for rule in rules)
    statements = read(text).statement
    if not statements:
        yield "The key policy allows nothing: it has no statement."
    for number, statement in enumerate(statements, 1):
        own = [action.removeprefix(SERVICE) for action in listed(statement.action)]
        yield from complaints(number, own, ("Principal", who(statement.principal)))
        yield from unmeetable(number, matched(own), rules[number - 1].conditions)


@lru_cache(maxsize=1024)
def permissions(asked: str) -> tuple[str, ...]:
    """What a document must allow for an Action, or for several that are asked at once, apart by spaces."""
    return tuple(SERVICE + action for action in asked.split(" "))


def default(_account: str) -> str:
    return DEFAULT
