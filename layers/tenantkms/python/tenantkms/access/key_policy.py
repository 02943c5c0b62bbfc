"""Key policies: a document on a key that says who may do what with it.

Both must allow a call: the access key's own policy, and the key's policy if it has one. Deny wins. The operator's own
`tkms` command is not bound by key policies, so a key cannot be locked away: `tkms key policy show`,
`set`, `remove`.

A document is in the form of Alibaba Cloud's RAM (`access/ram.py`) or of AWS's IAM (`access/iam.py`), which its
`Version` tells. It is kept as it was set, and counts for the callers of every dialect.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from tenantkms.access.conditions import Facts, Tags
from tenantkms.access.gains import Change, lifts, more
from tenantkms.access.policy import Found, KeyRule, decided, found
from tenantkms.access.vocabulary import refuse
from tenantkms.errors import InvalidPolicy
from tenantkms.keys.cache import remembered
from tenantkms.model.key import Key
from tenantkms.names import IAM, RAM

_END_OF_TIME = 2**62


class _Form(Struct, frozen=True):
    """`permissions` of an Action, or of several that are asked at once, apart by spaces: all must be allowed.
    `vocabulary`: all there are. `flaws` and `default` are told the account."""

    parse: Callable[[str], tuple[KeyRule, ...]]
    flaws: Callable[[str, str], Iterator[str]]
    permissions: Callable[[str], tuple[str, ...]]
    vocabulary: tuple[str, ...]
    default: Callable[[str], str]


@lru_cache
def _form(name: str) -> _Form:
    """A form is imported only where a policy is in it."""
    if name == IAM:
        from tenantkms.access import iam

        return _Form(iam.parse, iam.flaws, iam.permissions, iam.VOCABULARY, iam.default)
    from tenantkms.access import ram

    return _Form(ram.parse, ram.flaws, ram.permissions, ram.VOCABULARY, ram.default)


class _Head(Struct, frozen=True, rename="pascal"):
    version: Any = None


_head = msgspec.json.Decoder(_Head)
_IAM_VERSIONS = ("2008-10-17", "2012-10-17")


@remembered(1024)
def form_of(text: str) -> str:
    """Which form a document has. One that is none, or says nothing of its form, is RAM's, whose reader says so."""
    try:
        return IAM if _head.decode(text).version in _IAM_VERSIONS else RAM
    except (msgspec.DecodeError, UnicodeError):
        return RAM


def default(form: str, account: str) -> str:
    """What a key has that has no policy: it allows the whole account everything."""
    return _form(form).default(account)


def parse(text: str) -> tuple[KeyRule, ...]:
    """The rules of a key policy, one for each statement. Raises `InvalidPolicy` that names what is wrong."""
    return _form(form_of(text)).parse(text)


def flaws(text: str, form: str = "", account: str = "") -> Iterator[str]:
    """What a key policy says that means nothing. Raises `InvalidPolicy` if it has no meaning at all, or not in `form`
    (empty: its own)."""
    return _form(form or form_of(text)).flaws(text, account)


def check(text: str, form: str = "", account: str = "") -> str:
    """`text`, if it may be put on a key now. Raises `InvalidPolicy` that names what is wrong."""
    refuse(flaws(text, form, account))
    return text


@remembered(1024)
def matching(policy: str, principal: str, asked: str) -> tuple[Found, ...]:
    """Of each permission that is `asked` for, the statements of a key's `policy` about it and the access key
    `principal`."""
    form = _form(form_of(policy))
    about = [(number, rule) for number, rule in enumerate(form.parse(policy), 1) if rule.principals.match(principal)]
    return tuple(
        found((number, rule) for number, rule in about if rule.actions.match(permission))
        for permission in form.permissions(asked)
    )


def decide(policy: str, principal: str, asked: str, facts: Facts, tags: Tags) -> int:
    """The statement by which a key's `policy` allows or denies the access key `principal` the Action `asked`, or
    several at once, apart by spaces, as `deciding` says it; `tags` are the key's."""
    decisions = [decided(about, facts, tags) for about in matching(policy, principal, asked)]
    return min(decisions) if min(decisions) <= 0 else decisions[0]


def allows(policy: str, principal: str, asked: str, facts: Facts, tags: Tags) -> bool:
    """Whether a key's `policy` (empty: the default) allows it."""
    return not policy or decide(policy, principal, asked, facts, tags) > 0


def gains(principal: str, before: Key, after: Key, *, granted: bool = False) -> bool:
    """Whether a key's policy may allow `principal` any Action with the tags that the key has `after` a change and did
    not allow it `before`; or deny less, if a grant may allow what it denies (`granted`)."""
    if not after.policy:
        return False
    rules = parse(after.policy)
    about = [(rule, rule.principals.match(principal)) for rule in rules]
    changes = [Change(rule.allow, rule.actions, rule.conditions, is_, is_) for rule, is_ in about]
    if granted and lifts(changes, before.tags, after.tags):
        return True
    return more(changes, before.tags, after.tags, _form(form_of(after.policy)).vocabulary)


def check_lockout(policy: str, principal: str, facts: Facts, tags: Tags) -> None:
    """Raises `InvalidPolicy` for a key's `policy` under which `principal`, who sets it, could not set another one: at
    once, as it calls now, or ever again."""
    for now in (facts.now, _END_OF_TIME):
        if not allows(policy, principal, "SetKeyPolicy", replace(facts, now=now), tags):
            raise InvalidPolicy("The new key policy will not allow you to update the key policy in the future.")
