"""Key policies: a document on a key that says who may do what with it, in Alibaba Cloud's form.

    {"Version": "1", "Statement": [
        {"Effect": "Allow", "Principal": {"RAM": ["acs:ram::*:user/TKMS..."]}, "Action": ["kms:Decrypt"]}]}

Both must allow a call: the access key's own policy, and the key's policy if it has one. In a principal, `user/`
and `role/` are followed by an access key id; `*` and `root` mean every access key of the tenant. The account in it
is not compared: a deployment is one account. Actions are those of docs/coverage.md, with `kms:` before them.
Deny wins. The operator's own `tkms` command is not bound by key policies, so a key cannot be locked away.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Literal

import msgspec
from msgspec import Struct

from tenantkms.access.policy import deciding, decoded, globs
from tenantkms.access.vocabulary import complaints, listed, refuse, repeats
from tenantkms.errors import InvalidPolicy

DEFAULT = (
    '{"Version":"1","Statement":[{"Effect":"Allow","Principal":{"RAM":["*"]},"Action":["kms:*"],"Resource":["*"]}]}'
)
_SERVICE = "kms:"
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


class _Document(Struct, frozen=True, forbid_unknown_fields=True, rename="pascal"):
    statement: list[_Statement]
    version: Literal["1"] = "1"


_decoder = msgspec.json.Decoder(_Document)


class _Rule(Struct, frozen=True):
    allow: bool
    principals: re.Pattern[str]
    actions: re.Pattern[str]


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
        actions = globs(statement.action, _ACTION, "Action")
        rules.append(
            _Rule(statement.effect == "Allow", globs(_who(statement.principal), re.compile(".*"), ""), actions)
        )
    return tuple(rules)


def flaws(text: str) -> Iterator[str]:
    """What a key policy says that means nothing. Raises `InvalidPolicy` if it has no meaning at all."""
    parse(text)
    yield from repeats(text)
    statements = _document(text).statement
    if not statements:
        yield "The key policy allows nothing: it has no statement."
    for number, statement in enumerate(statements, 1):
        own = [action.removeprefix(_SERVICE) for action in listed(statement.action)]
        yield from complaints(number, own, ("Principal", _who(statement.principal)))


def check(text: str) -> str:
    """`text`, if it may be put on a key now. Raises `InvalidPolicy` that names what is wrong."""
    refuse(flaws(text))
    return text


def decide(policy: str, principal: str, action: str) -> int:
    """The statement by which a key's `policy` allows or denies `action` to the access key `principal`, as `deciding`
    says it."""
    return deciding(
        (bool(rule.principals.fullmatch(principal) and rule.actions.fullmatch(_SERVICE + action)), rule.allow)
        for rule in parse(policy)
    )


def allows(policy: str, principal: str, action: str) -> bool:
    """Whether a key's `policy` (empty: the default) allows `action` to the access key `principal`."""
    return not policy or decide(policy, principal, action) > 0
