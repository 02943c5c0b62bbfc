"""Policies: what an access key may do, evaluated at the point of use.

A policy is a JSON document:

    {"Statement": [
        {"Effect": "Allow", "Action": ["Encrypt", "Generate*"], "Resource": ["alias/app-*"]},
        {"Effect": "Deny", "Action": "*", "Resource": "key/5c438b18-05be-40ad-b6c2-3be6752cfa7e"}]}

Actions are this project's own names (docs/coverage.md), whatever the dialect calls them. A resource is `*`,
`key/<id>` or `alias/<name>` (any alias of the key), with `*` for any run of characters. Deny wins;
what no statement allows is denied. An Action that uses no key needs the resource `*`. An alias that an Action makes,
moves or takes away is a resource of its own beside the key (`action/scope.py`).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Literal

import msgspec
from msgspec import Struct

from tenantkms.errors import InvalidPolicy
from tenantkms.model.alias import ALIAS_PREFIX
from tenantkms.model.key import Key
from tenantkms.names import ACTIONS

ALLOW_ALL = '{"Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}'
_MAX_SIZE = 32_768
_ACTION = re.compile(r"[A-Za-z*]{1,64}")
_RESOURCE = re.compile(r"\*|(key|alias)/[A-Za-z0-9_/*-]{1,255}")


class _Statement(Struct, frozen=True, forbid_unknown_fields=True, rename="pascal"):
    effect: Literal["Allow", "Deny"]
    action: str | list[str]
    resource: str | list[str] = "*"


class _Document(Struct, frozen=True, forbid_unknown_fields=True, rename="pascal"):
    statement: list[_Statement]
    version: str = "1"


_decode = msgspec.json.Decoder(_Document).decode


class _Rule(Struct, frozen=True):
    allow: bool
    actions: re.Pattern[str]
    resources: re.Pattern[str]


def _expression(glob: str) -> str:
    head, *rest = map(re.escape, glob.split("*"))
    if not rest:
        return head
    # Atomic groups never try again, so a pattern of many stars costs no more than its length times the name's.
    *middle, tail = rest
    return head + "".join(f"(?>.*?{part})" for part in middle) + ".*" + tail


def globs(patterns: str | list[str], grammar: re.Pattern[str], what: str) -> re.Pattern[str]:
    """One pattern for all of `patterns`, in which `*` stands for any run. Raises `InvalidPolicy`."""
    listed = [patterns] if isinstance(patterns, str) else patterns
    for glob in listed:
        if not grammar.fullmatch(glob):
            raise InvalidPolicy(f"{what} {glob!r} of the policy is not valid.")
    return re.compile("|".join(map(_expression, listed)) or r"(?!)")


@lru_cache(maxsize=1024)
def parse(text: str) -> tuple[_Rule, ...]:
    """The rules of a policy document. Raises `InvalidPolicy` that names what is wrong."""
    if len(text.encode("utf-8", "replace")) > _MAX_SIZE:
        raise InvalidPolicy(f"The policy is longer than {_MAX_SIZE} bytes.")
    try:
        document = _decode(text)
    except (msgspec.DecodeError, UnicodeError) as e:
        raise InvalidPolicy(f"The policy is not valid: {e}.") from e
    return tuple(
        _Rule(s.effect == "Allow", globs(s.action, _ACTION, "Action"), globs(s.resource, _RESOURCE, "Resource"))
        for s in document.statement
    )


def _allows(policy: str, action: str, names: Sequence[str]) -> bool:
    allowed = False
    for rule in parse(policy):
        if rule.actions.fullmatch(action) and any(rule.resources.fullmatch(name) for name in names):
            if not rule.allow:
                return False
            allowed = True
    return allowed


def may(policy: str, action: str, key: Key | None) -> bool:
    """Whether `policy` allows `action` on `key` (None: an Action that uses no key)."""
    if policy == ALLOW_ALL:
        return True
    names = ["*"] if key is None else [f"key/{key.id}", *(ALIAS_PREFIX + alias for alias in key.aliases)]
    return _allows(policy, action, names)


def may_name(policy: str, action: str, name: str) -> bool:
    """Whether `policy` allows `action` on `alias/<name>` or `key/<id>` as such, whatever it names."""
    return policy == ALLOW_ALL or _allows(policy, action, [name])


def gains(policy: str, before: Key, after: Key) -> bool:
    """Whether `policy` allows any Action on a key as it is `after` a change that it did not allow `before`."""
    return any(may(policy, action, after) and not may(policy, action, before) for action in ACTIONS)
