"""Policies: what an access key may do, evaluated at the point of use.

A policy is a JSON document:

    {"Statement": [
        {"Effect": "Allow", "Action": ["Encrypt", "Generate*"], "Resource": ["alias/app-*"]},
        {"Effect": "Deny", "Action": "*", "Resource": "key/5c438b18-05be-40ad-b6c2-3be6752cfa7e"}]}

Actions are this project's own names (docs/coverage.md), whatever the dialect calls them. A resource is `*`,
`key/<id>` or `alias/<name>` (any alias of the key), with `*` for any run of characters. Deny wins;
what no statement allows is denied. An Action that uses no key needs the resource `*`. An alias that an Action makes,
moves or takes away is a resource of its own beside the key (`action/scope.py`).

Beside the statements it may have `Limits`, requests per second of this access key by Action or `*`, 0 for none, such as
`{"Encrypt": 1000, "*": 0}`: they go before those of the tenant (`access/limits.py`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Literal, TypeVar

import msgspec
from msgspec import UNSET, Struct, UnsetType

from tenantkms.access.vocabulary import complaints, instead, listed, refuse, repeats
from tenantkms.errors import InvalidPolicy
from tenantkms.model.alias import ALIAS_PREFIX
from tenantkms.model.key import Key
from tenantkms.model.limits import EVERY, LARGEST
from tenantkms.model.version import UUID_FORM
from tenantkms.names import ACTIONS

ALLOW_ALL = '{"Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}'
KEY_PREFIX = "key/"
_MAX_SIZE = 32_768
_ACTION = re.compile(r"[A-Za-z*]{1,64}")
_KEY = re.compile(rf"key/({UUID_FORM.pattern}|[0-9a-f-]*\*[0-9a-f*-]*)")
_RESOURCE = re.compile(r"\*|(key|alias)/[A-Za-z0-9_/*-]{1,255}")


class _Statement(Struct, frozen=True, forbid_unknown_fields=True, rename="pascal"):
    effect: Literal["Allow", "Deny"]
    action: str | list[str]
    resource: str | list[str] | UnsetType = UNSET  # documents that were set without one mean every resource


class _Document(Struct, frozen=True, forbid_unknown_fields=True, rename="pascal"):
    statement: list[_Statement]
    limits: dict[str, int] = {}
    version: str = "1"


_decoder = msgspec.json.Decoder(_Document)
D = TypeVar("D")


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
    all_ = listed(patterns)
    for glob in all_:
        if not grammar.fullmatch(glob):
            raise InvalidPolicy(f"{what} {glob!r} of the policy is not valid.")
    return re.compile("|".join(map(_expression, all_)) or r"(?!)")


def decoded(text: str, decoder: msgspec.json.Decoder[D], what: str) -> D:
    """The document `what`, of at most 32 KB. Raises `InvalidPolicy`."""
    if len(text.encode("utf-8", "replace")) > _MAX_SIZE:
        raise InvalidPolicy(f"The {what} is longer than {_MAX_SIZE} bytes.")
    try:
        return decoder.decode(text)
    except (msgspec.DecodeError, UnicodeError) as e:
        raise InvalidPolicy(f"The {what} is not valid: {e}.") from e


def _document(text: str) -> _Document:
    return decoded(text, _decoder, "policy")


@lru_cache(maxsize=1024)
def parse(text: str) -> tuple[_Rule, ...]:
    """The rules of a policy document, one for each statement. Raises `InvalidPolicy` that names what is wrong."""
    return tuple(
        _Rule(
            s.effect == "Allow",
            globs(s.action, _ACTION, "Action"),
            globs("*" if s.resource is UNSET else s.resource, _RESOURCE, "Resource"),
        )
        for s in _document(text).statement
    )


def rates(text: str) -> Mapping[str, int]:
    """The limits of a policy document: requests per second by Action or `EVERY`. Raises `InvalidPolicy`."""
    return _document(text).limits


def flaws(text: str) -> Iterator[str]:
    """What a policy says that means nothing, or not what it seems to. Raises `InvalidPolicy` if it has no meaning."""
    parse(text)
    yield from repeats(text)
    document = _document(text)
    for name, figure in document.limits.items():
        if name not in (EVERY, *ACTIONS):
            yield f"The limit {name!r} of the policy is for no Action: {instead(name)}."
        if not 0 <= figure <= LARGEST:
            yield f"The limit {name} of the policy is {figure}: 1 to {LARGEST}, or 0 for none."
    statements = document.statement
    if not statements:
        yield "The policy allows nothing: it has no statement."
    for number, statement in enumerate(statements, 1):
        if statement.resource is UNSET:
            yield f"Statement {number} of the policy has no Resource: name keys or aliases, or * for all."
        else:
            yield from complaints(number, statement.action, ("Resource", statement.resource))
            for name in listed(statement.resource):
                if name.startswith(KEY_PREFIX) and not _KEY.fullmatch(name):
                    yield f"Resource {name!r} of statement {number} of the policy is no key: its id is in lower case."


def check(text: str) -> str:
    """`text`, if it may be given to an access key now. Raises `InvalidPolicy` that names what is wrong."""
    refuse(flaws(text))
    return text


def deciding(statements: Iterable[tuple[bool, bool]]) -> int:
    """Of statements as (whether it applies, whether it allows): the first one (from 1) that allows, if none denies; the
    first one that denies, as a negative number; 0: denied, since no statement says anything."""
    allowing = 0
    for number, (applies, allows) in enumerate(statements, 1):
        if applies and not allows:
            return -number
        if applies:
            allowing = allowing or number
    return allowing


@lru_cache(maxsize=1024)
def decide(policy: str, action: str, names: tuple[str, ...]) -> int:
    """The statement by which `policy` allows or denies `action` on what has `names`, as `deciding` says it."""
    return deciding(
        (bool(rule.actions.fullmatch(action)) and any(map(rule.resources.fullmatch, names)), rule.allow)
        for rule in parse(policy)
    )


def names_of(key_id: str, aliases: Iterable[str]) -> tuple[str, ...]:
    """What policies know a key by."""
    return (KEY_PREFIX + key_id, *[ALIAS_PREFIX + alias for alias in aliases])


NO_KEY = ("*",)
"""The names of what an Action works on that uses no key."""


def may(policy: str, action: str, key: Key | None) -> bool:
    """Whether `policy` allows `action` on `key` (None: an Action that uses no key)."""
    if policy == ALLOW_ALL:
        return True
    return decide(policy, action, NO_KEY if key is None else names_of(key.id, key.aliases)) > 0


def may_name(policy: str, action: str, name: str) -> bool:
    """Whether `policy` allows `action` on `alias/<name>` or `key/<id>` as such, whatever it names."""
    return policy == ALLOW_ALL or decide(policy, action, (name,)) > 0


def gains(policy: str, before: Key, after: Key) -> bool:
    """Whether `policy` allows any Action on a key as it is `after` a change that it did not allow `before`."""
    return any(may(policy, action, after) and not may(policy, action, before) for action in ACTIONS)
