"""Policies: what an access key may do, evaluated at the point of use.

A policy is a JSON document:

    {"Statement": [
        {"Effect": "Allow", "Action": ["Encrypt", "Generate*"], "Resource": ["alias/app-*"]},
        {"Effect": "Deny", "Action": "*", "Resource": "key/5c438b18-05be-40ad-b6c2-3be6752cfa7e"}]}

Actions are this project's own names (docs/coverage.md), whatever the dialect calls them. A resource is `*`,
`key/<id>` or `alias/<name>` (any alias of the key), with `*` for any run of characters. Deny wins;
what no statement allows is denied. An Action that uses no key needs the resource `*`. An alias that an Action makes,
moves or takes away is a resource of its own beside the key (`action/scope.py`). A statement may have a `Condition`
(`access/conditions.py`); a decision without any is remembered.

Beside the statements it may have `Limits`, requests per second of this access key by Action or `*`, 0 for none, such as
`{"Encrypt": 1000, "*": 0}`: they go before those of the tenant (`access/limits.py`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Literal, NamedTuple, Protocol, TypeVar

import msgspec
from msgspec import UNSET, Struct, UnsetType

from tenantkms.access.conditions import (
    NO_TAGS,
    WITHOUT_KEY,
    Condition,
    Facts,
    Tags,
    Written,
    apply,
    conditions,
    unmeetable,
)
from tenantkms.access.gains import Change, lifts, more
from tenantkms.access.patterns import GLOB_WORK, Patterns, patterns
from tenantkms.access.vocabulary import complaints, instead, listed, matched, refuse, repeats
from tenantkms.errors import InvalidPolicy
from tenantkms.keys.cache import remembered
from tenantkms.model.alias import ALIAS_PREFIX
from tenantkms.model.key import Key
from tenantkms.model.limits import EVERY, LARGEST
from tenantkms.model.version import UUID_FORM
from tenantkms.names import ACTIONS

ALLOW_ALL = '{"Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}'
KEY_PREFIX = "key/"
_MAX_SIZE = 32_768
MAX_WORK = 1_000
"""Of a document that is set: about a millisecond for a key of fifty long aliases."""
_STATEMENT_WORK = 6
_NO_NAMES = WITHOUT_KEY - {"CreateKey"}
"""Actions that are asked for no key and no alias, which CreateKey may be given."""
_ACTION = re.compile(r"[A-Za-z*]{1,64}")
_KEY = re.compile(rf"key/({UUID_FORM.pattern}|[0-9a-f-]*\*[0-9a-f*-]*)")
_RESOURCE = re.compile(r"\*|key/[A-Za-z0-9_/*-]{1,255}|alias/[A-Za-z0-9_/:*-]{1,255}")


class _Statement(Struct, frozen=True, forbid_unknown_fields=True, rename="pascal"):
    effect: Literal["Allow", "Deny"]
    action: str | list[str]
    resource: str | list[str] | UnsetType = UNSET  # documents that were set without one mean every resource
    condition: Written | UnsetType = UNSET


class _Document(Struct, frozen=True, forbid_unknown_fields=True, rename="pascal"):
    statement: list[_Statement]
    limits: dict[str, int] = {}
    version: str = "1"


_decoder = msgspec.json.Decoder(_Document)
D = TypeVar("D")


class _Rule(Struct, frozen=True):
    allow: bool
    actions: Patterns
    resources: Patterns
    conditions: tuple[Condition, ...]


def check_itself(resource: str | list[str]) -> None:
    """Raises `InvalidPolicy` for what a statement of a key's policy is about, unless that is the key."""
    if resource not in ("*", ["*"]):
        raise InvalidPolicy("The Resource of a key policy must be *, which is the key itself.")


class KeyRule(Struct, frozen=True):
    """A statement of a key's policy; `actions` are patterns of the permissions that its form of documents has."""

    allow: bool
    principals: Patterns
    actions: Patterns
    conditions: tuple[Condition, ...]


def globs(texts: str | list[str], grammar: re.Pattern[str], what: str) -> Patterns:
    """The patterns `texts`, each of which `grammar` knows. Raises `InvalidPolicy`."""
    all_ = listed(texts)
    for text in all_:
        if not grammar.fullmatch(text):
            raise InvalidPolicy(f"{what} {text!r} of the policy is not valid.")
    return patterns(all_)


def when(written: Written | UnsetType) -> tuple[Condition, ...]:
    """The conditions of a statement. Raises `InvalidPolicy`."""
    return () if written is UNSET else conditions(written)


def too_much(work: Iterable[tuple[tuple[Patterns, ...], tuple[Condition, ...]]]) -> Iterator[str]:
    """Whether statements, as their patterns and conditions, take more work than a request may wait for."""
    needed = sum(_STATEMENT_WORK + sum(p.work for p in given) + sum(c.work for c in if_) for given, if_ in work)
    if needed > MAX_WORK:
        yield (
            f"The policy takes too much work for each request: {needed} of at most {MAX_WORK}. A statement counts"
            f" {_STATEMENT_WORK}, a name or a beginning 1, any other pattern {GLOB_WORK} and 4 for each character"
            " between its stars (16 in a condition), a network 10."
        )


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


@remembered(1024)
def parse(text: str) -> tuple[_Rule, ...]:
    """The rules of a policy document, one for each statement. Raises `InvalidPolicy` that names what is wrong."""
    return tuple(
        _Rule(
            s.effect == "Allow",
            globs(s.action, _ACTION, "Action"),
            globs("*" if s.resource is UNSET else s.resource, _RESOURCE, "Resource"),
            when(s.condition),
        )
        for s in _document(text).statement
    )


def rates(text: str) -> Mapping[str, int]:
    """The limits of a policy document: requests per second by Action or `EVERY`. Raises `InvalidPolicy`."""
    return _document(text).limits


def flaws(text: str) -> Iterator[str]:
    """What a policy says that means nothing, or not what it seems to. Raises `InvalidPolicy` if it has no meaning."""
    rules = parse(text)
    yield from repeats(text)
    yield from too_much(((rule.actions, rule.resources), rule.conditions) for rule in rules)
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
            yield from unmeetable(number, matched(statement.action), rules[number - 1].conditions)
            if "*" not in listed(statement.resource):
                yield from _keyless(number, statement.action)
            for name in listed(statement.resource):
                if name.startswith(KEY_PREFIX) and not _KEY.fullmatch(name):
                    yield f"Resource {name!r} of statement {number} of the policy is no key: its id is in lower case."


def _keyless(number: int, actions: str | list[str]) -> Iterator[str]:
    """Patterns of a statement about keys and aliases that match only Actions that are asked for neither."""
    for pattern, own in matched(actions).items():
        if own <= _NO_NAMES:
            yield f"Action {pattern!r} of statement {number} of the policy uses no key: its Resource is *."


def check(text: str) -> str:
    """`text`, if it may be given to an access key now. Raises `InvalidPolicy` that names what is wrong."""
    refuse(flaws(text))
    return text


def deciding(statements: Iterable[tuple[int, bool]]) -> int:
    """Of statements that apply, as (number from 1, whether it allows): the first one that allows, if none denies; the
    first one that denies, as a negative number; 0: denied, since no statement says anything."""
    allowing = 0
    for number, allows in statements:
        if not allows:
            return -number
        allowing = allowing or number
    return allowing


class Rule(Protocol):
    """A statement as it is evaluated."""

    @property
    def allow(self) -> bool: ...
    @property
    def conditions(self) -> tuple[Condition, ...]: ...


Found = int | tuple[tuple[int, Rule], ...]
"""Statements about a call with their numbers (from 1); the decision, as `deciding` says it, where no condition can
change it."""


def found(statements: Iterable[tuple[int, Rule]]) -> Found:
    about = tuple(statements)
    certain = deciding((number, rule.allow) for number, rule in about if not rule.conditions)
    return about if certain >= 0 and any(rule.conditions for _, rule in about) else certain


def decided(found: Found, facts: Facts, tags: Tags) -> int:
    """As `deciding` says it; `tags` are those of the key."""
    if isinstance(found, int):
        return found
    return deciding(
        (number, rule.allow) for number, rule in found if apply(rule.conditions, facts, tags, allow=rule.allow)
    )


@remembered(1024)
def matching(policy: str, action: str, names: tuple[str, ...]) -> Found:
    """The statements of `policy` about `action` on what has `names`."""
    return found(
        (number, rule)
        for number, rule in enumerate(parse(policy), 1)
        if rule.actions.match(action) and rule.resources.match_any(names)
    )


def decide(policy: str, action: str, names: tuple[str, ...], facts: Facts, tags: Tags) -> int:
    """The statement by which `policy` allows or denies `action` on what has `names`, as `deciding` says it."""
    return decided(matching(policy, action, names), facts, tags)


def names_of(key_id: str, aliases: Iterable[str]) -> tuple[str, ...]:
    """What policies know a key by."""
    return (KEY_PREFIX + key_id, *[ALIAS_PREFIX + alias for alias in aliases])


NO_KEY = ("*",)
"""The names of what an Action works on that uses no key."""


def may(policy: str, action: str, key: Key | None, facts: Facts) -> bool:
    """Whether `policy` allows `action` on `key` (None: an Action that uses no key)."""
    if policy == ALLOW_ALL:
        return True
    if key is None:
        return decide(policy, action, NO_KEY, facts, NO_TAGS) > 0
    return decide(policy, action, names_of(key.id, key.aliases), facts, key.tags) > 0


def may_name(policy: str, action: str, name: str, facts: Facts, tags: Tags) -> bool:
    """Whether `policy` allows `action` on `alias/<name>` or `key/<id>` as such, whatever it names. An alias has no
    tags of its own (`NO_TAGS`); those of what a name stands for are not known (None)."""
    return policy == ALLOW_ALL or decide(policy, action, (name,), facts, tags) > 0


class Asking(NamedTuple):
    """Who asks: an access key, and the policies all of which must allow what it does, its own first. `bound`: whether
    key policies and grants are for it."""

    who: str
    policies: tuple[str, ...]
    bound: bool


def gains(policy: str, before: Key, after: Key, *, granted: bool = False) -> bool:
    """Whether `policy` may allow any Action on a key as it is `after` a change that it did not allow `before`; or deny
    less, if a grant may allow what it denies (`granted`)."""
    if policy == ALLOW_ALL:
        return False
    old, new = (names_of(key.id, key.aliases) for key in (before, after))
    changes = [
        Change(rule.allow, rule.actions, rule.conditions, rule.resources.match_any(old), rule.resources.match_any(new))
        for rule in parse(policy)
    ]
    lifted = granted and lifts(changes, before.tags, after.tags)
    return lifted or more(changes, before.tags, after.tags, ACTIONS)
