"""A key policy that was set in one form, shown in the other: the same decisions, or a refusal that names what differs.

Statements are carried over one by one, with their principals and conditions. Whether all permissions that an Action
needs are allowed is a matter of several statements, so it is compared for every Action that the key can do.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import msgspec
from msgspec import UNSET

from tenantkms.access import iam, ram
from tenantkms.access.policy import KeyRule
from tenantkms.access.vocabulary import listed
from tenantkms.errors import UnsupportedAction
from tenantkms.model.specs import RSA, SYMMETRIC, KeySpec
from tenantkms.names import ACTIONS, IAM, RAM

_AT_ONCE = ("Decrypt ReEncrypt", "Encrypt ReEncrypt", "Decrypt ExportDataKey")
_RSA_AT_ONCE = ("AsymmetricDecrypt ReEncrypt", "AsymmetricEncrypt ReEncrypt")
_NOT_ALONE = frozenset({"ReEncrypt", "ExportDataKey"})
_SYMMETRIC = frozenset(
    """
    Decrypt Encrypt ExportDataKey GenerateAndExportDataKey GenerateDataKey GenerateDataKeyPair
    GenerateDataKeyPairWithoutPlaintext GenerateDataKeyWithoutPlaintext ReEncrypt UpdateRotationPolicy
    """.split()
)
"""What symmetric keys alone do."""


def _asked(spec: KeySpec) -> list[str]:
    """What is asked of the policy of a key of `spec`: `Scope.admit` asks for some Actions at once."""
    if spec in SYMMETRIC:
        alone = (a for a in ACTIONS if not a.startswith("Asymmetric") and a not in _NOT_ALONE)
        return [*alone, *_AT_ONCE]
    return [*(action for action in ACTIONS if action not in _SYMMETRIC), *(_RSA_AT_ONCE if spec in RSA else ())]


def shown(text: str, form: str, account: str, spec: KeySpec) -> str:
    """`text`, the policy of a key of `spec`, which has the other form, in `form`.

    Raises `UnsupportedAction` where that form cannot say the same.
    """
    return _TO[form](text, account, spec)


# -- into IAM's form -------------------------------------------------------------------------------------


def _to_iam(text: str, account: str, spec: KeySpec) -> str:
    asked, statements = _asked(spec), []
    for statement, rule in zip(ram.read(text).statement, ram.parse(text), strict=True):
        principal: Any = "*"
        if isinstance(statement.principal, ram.Principals):
            names = zip(listed(statement.principal.RAM), ram.who(statement.principal), strict=True)
            principal = {"AWS": [_user(account, name, who) for name, who in names]}
        conditions = {} if statement.condition is UNSET else statement.condition
        statements.append(
            {
                **({"Sid": statement.sid} if statement.sid else {}),
                "Effect": statement.effect,
                "Principal": principal,
                "Action": _whole(rule) or [iam.SERVICE + name for name in _allowed_by(rule, asked)],
                "Resource": "*",
                **({"Condition": _each_asked(conditions, _theirs)} if conditions else {}),
            }
        )
    made = msgspec.json.encode({"Version": "2012-10-17", "Statement": statements}).decode()
    _compare(_Side(ram.parse(text), ram.permissions), _Side(iam.parse(made), iam.permissions), asked, IAM)
    return made


def _user(account: str, name: str, who: str) -> str:
    if who == "*":
        return f"arn:aws:iam::{account}:root" if name.endswith("root") else "*"
    if "*" in who:
        raise _no_words(IAM, f"the pattern {name}")
    return f"arn:aws:iam::{account}:user/{who}"


def _theirs(asks: str) -> str:
    own = {ours: theirs for theirs, ours in iam.RENAMED.items()}
    theirs, ours = iam.RENAMED_TAG
    return theirs + asks.removeprefix(ours) if asks.startswith(ours) else own.get(asks, asks)


def _allowed_by(rule: KeyRule, asked: Iterable[str]) -> list[str]:
    """IAM's permissions for what a statement in RAM's form is about."""
    some = any if not rule.allow else all
    about = [name for name in asked if some(rule.actions.match(p) for p in ram.permissions(name))]
    return sorted({permission for name in about for permission in iam.permissions(name)})


# -- into RAM's form -------------------------------------------------------------------------------------


def _to_ram(text: str, _account: str, spec: KeySpec) -> str:
    asked, statements = _asked(spec), []
    for statement, rule in zip(iam.read(text).statements, iam.parse(text), strict=True):
        conditions, holds = iam.translated(statement.condition)
        if not holds:
            continue  # it is about calls that there are none of
        principal: Any = "*"
        if isinstance(statement.principal, iam.Principals):
            ids = [who for who, _ in iam.who(statement.principal)]
            principal = {"RAM": ["*" if who == "*" else f"acs:ram::*:user/{who}" for who in ids]}
        statements.append(
            {
                **({"Sid": statement.sid} if statement.sid else {}),
                "Effect": statement.effect,
                "Principal": principal,
                "Action": _whole(rule) or [ram.SERVICE + name for name in _about(rule, asked)],
                "Resource": ["*"],
                **({"Condition": conditions} if conditions else {}),
            }
        )
    made = msgspec.json.encode({"Version": "1", "Statement": statements}).decode()
    kept = tuple(rule for rule in iam.parse(text) if not any(c.asks == iam.FOR_AWS for c in rule.conditions))
    _compare(_Side(kept, iam.permissions), _Side(ram.parse(made), ram.permissions), asked, RAM)
    return made


def _about(rule: KeyRule, asked: Iterable[str]) -> list[str]:
    """The Actions that a statement in IAM's form is about."""
    some = any if not rule.allow else all
    about = [name for name in asked if some(rule.actions.match(p) for p in iam.permissions(name))]
    return sorted({action for name in about for action in name.split(" ")})


# -- both ------------------------------------------------------------------------------------------------


def _whole(rule: KeyRule) -> list[str]:
    return ["kms:*"] if rule.actions.every or "kms:" in rule.actions.beginnings else []


def _each_asked(conditions: dict[str, Any], name: Callable[[str], str]) -> dict[str, Any]:
    return {operator: {name(asks): value for asks, value in rows.items()} for operator, rows in conditions.items()}


class _Side(NamedTuple):
    """Statements, and what their form asks of them."""

    rules: Sequence[KeyRule]
    permissions: Callable[[str], tuple[str, ...]]

    def about(self, asked: str) -> tuple[frozenset[int], frozenset[frozenset[int]]]:
        """(numbers of the statements that deny it, what must be among those that apply for it to be allowed).

        One of each set must; a set that holds another one asks for nothing more.
        """
        denying, clauses = set(), set()
        for permission in self.permissions(asked):
            matching = [(n, rule.allow) for n, rule in enumerate(self.rules) if rule.actions.match(permission)]
            denying |= {n for n, allow in matching if not allow}
            clauses.add(frozenset(n for n, allow in matching if allow))
        return frozenset(denying), frozenset(c for c in clauses if not any(other < c for other in clauses))


def _compare(before: _Side, after: _Side, asked: Iterable[str], form: str) -> None:
    for name in asked:
        (denied, needed), (denies, needs) = before.about(name), after.about(name)
        by_none = frozenset() in needed and frozenset() in needs  # but a grant may, which a denial ends
        if denied != denies or not (needed == needs or by_none):
            raise _no_words(form, " and ".join(name.split(" ")))


_WHOSE = {RAM: "Alibaba Cloud's", IAM: "IAM's"}


def _no_words(form: str, what: str) -> UnsupportedAction:
    return UnsupportedAction(
        f"The key's policy was set in another form, and {_WHOSE[form]} cannot say what it says of {what}."
    )


_TO: dict[str, Callable[[str, str, KeySpec], str]] = {IAM: _to_iam, RAM: _to_ram}
