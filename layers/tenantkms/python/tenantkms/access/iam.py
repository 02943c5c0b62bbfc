"""Key policies in the form of AWS's IAM, and AWS's names of permissions.

    {"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::<account>:user/TKMS..."}, "Action": "kms:Decrypt",
         "Resource": "*"}]}

A principal is `*`, the account (its number, or `arn:aws:iam::<account>:root`), which mean every access key of the
tenant, or one access key as the user of that name. An Action of this project is one permission or several, all of
which must be allowed: `permissions`. Those that no operation of AWS KMS is served by have their own names, and, where
an operation of AWS KMS gives as much, the name of that too, so that what denies the one denies the other.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import Literal

import msgspec
from msgspec import UNSET, Struct, UnsetType
from msgspec.structs import replace

from tenantkms.access.conditions import Condition, conditions, unmeetable
from tenantkms.access.patterns import GLOB_WORK, Patterns, patterns
from tenantkms.access.policy import KeyRule, check_itself, decoded, too_much
from tenantkms.access.vocabulary import listed, nearest, repeats
from tenantkms.errors import InvalidPolicy
from tenantkms.keys.cache import remembered
from tenantkms.names import ACTIONS

SERVICE = "kms:"
RE_ENCRYPT_FROM, RE_ENCRYPT_TO = "ReEncryptFrom", "ReEncryptTo"
_PERMISSIONS: Mapping[str, tuple[str, ...]] = {
    "ArchiveKey": ("ArchiveKey", "DisableKey"),
    "AsymmetricDecrypt": ("Decrypt",),
    "AsymmetricEncrypt": ("Encrypt",),
    "AsymmetricSign": ("Sign",),
    "AsymmetricVerify": ("Verify",),
    "CancelKeyArchive": ("CancelKeyArchive", "EnableKey"),
    "CreateKeyVersion": ("RotateKeyOnDemand",),
    "DeleteKeyMaterial": ("DeleteImportedKeyMaterial",),
    "GenerateAndExportDataKey": ("GenerateAndExportDataKey", "GenerateDataKey"),
    "ListKeyVersions": ("ListKeyRotations",),
    "ListTagResources": ("ListResourceTags",),
    "ReEncrypt": (RE_ENCRYPT_FROM, RE_ENCRYPT_TO),
    "SetKeyAlias": ("SetKeyAlias", "UpdateAlias"),
    "SetKeyPolicy": ("PutKeyPolicy",),
    "TagResources": ("TagResource",),
    "UntagResources": ("UntagResource",),
    "UpdateRotationPolicy": ("EnableKeyRotation", "DisableKeyRotation"),
}
"""Of Actions that have not their own name alone."""
_AT_ONCE: Mapping[str, tuple[str, ...]] = {
    "Decrypt ReEncrypt": (RE_ENCRYPT_FROM,),
    "Encrypt ReEncrypt": (RE_ENCRYPT_TO,),
    "AsymmetricDecrypt ReEncrypt": (RE_ENCRYPT_FROM,),
    "AsymmetricEncrypt ReEncrypt": (RE_ENCRYPT_TO,),
}
ANSWERED_BY = {"GetKeyRotationStatus": "DescribeKey", "ListKeyPolicies": "DescribeKey"}
"""AWS's permissions that are asked for by another name here."""
_ELSEWHERE = frozenset(
    """
    ConnectCustomKeyStore CreateCustomKeyStore Decapsulate DeleteCustomKeyStore
    DescribeCustomKeyStores DisconnectCustomKeyStore Encapsulate GetKeyLastUsage
    ReplicateKey SynchronizeMultiRegionKey UpdateCustomKeyStore UpdatePrimaryRegion
    """.split()
)
"""AWS's permissions for what is not served here: to allow or deny them says nothing."""


@lru_cache(maxsize=1024)
def permissions(asked: str) -> tuple[str, ...]:
    """What a document must allow for an Action, or for several that are asked at once, apart by spaces."""
    together = _AT_ONCE.get(asked)
    return together or tuple(
        dict.fromkeys(name for action in asked.split(" ") for name in _PERMISSIONS.get(action, (action,)))
    )


VOCABULARY = tuple(sorted({name for action in ACTIONS for name in permissions(action)}))
_KNOWN = frozenset({*VOCABULARY, *ANSWERED_BY, *_ELSEWHERE})
_LOWER = {name.lower(): name for name in _KNOWN}

_ACTION = re.compile(r"kms:[A-Za-z*?]{1,64}|\*", re.IGNORECASE)
_PRINCIPAL = re.compile(r"\*|([0-9]{12})|arn:aws:iam::([0-9]{12}):(root|user/([A-Za-z0-9_+=,.@-]{1,128}))")
_INVALID_PRINCIPAL = "Policy contains a statement with one or more invalid principals"

RENAMED = {"aws:CurrentTime": "kms:CurrentTime", "aws:SourceIp": "kms:SourceIp"}
RENAMED_TAG = ("aws:ResourceTag/", "kms:ResourceTag/")
FOR_AWS = "kms:GrantIsForAWSResource"
"""Whether a service of AWS calls with the user's rights to make a grant for itself: there is none here."""
_ASKED_FOR_AWS = frozenset({"CreateGrant", "ListGrants", "RevokeGrant"})
"""Of which that is asked: at AWS a `Bool` of it holds of nothing else, whatever its value."""

Written = dict[str, dict[str, str | bool | list[str | bool]]]


class Principals(Struct, frozen=True, forbid_unknown_fields=True):
    AWS: str | list[str]


class Statement(Struct, frozen=True, forbid_unknown_fields=True, rename="pascal", omit_defaults=True):
    effect: Literal["Allow", "Deny"]
    principal: Literal["*"] | Principals
    action: str | list[str]
    resource: str | list[str] = "*"
    sid: str = ""
    condition: Written | UnsetType = UNSET


class Document(Struct, frozen=True, forbid_unknown_fields=True, rename="pascal"):
    version: Literal["2008-10-17", "2012-10-17"]
    statement: list[Statement] | Statement
    id: str = ""

    @property
    def statements(self) -> list[Statement]:
        return [self.statement] if isinstance(self.statement, Statement) else self.statement


_decoder = msgspec.json.Decoder(Document)


def read(text: str) -> Document:
    """Raises `InvalidPolicy`."""
    return decoded(text, _decoder, "key policy")


def who(principal: str | Principals) -> list[tuple[str, str]]:
    """(access key id or `*`, the account that is named or "") of each principal. Raises `InvalidPolicy`."""
    found = []
    for name in ["*"] if isinstance(principal, str) else listed(principal.AWS):
        match = _PRINCIPAL.fullmatch(name)
        if match is None:
            raise InvalidPolicy(
                f"{_INVALID_PRINCIPAL}: {name!r}. A principal is the account, or an access key as"
                " arn:aws:iam::<account>:user/<access key id>."
            )
        found.append((match[4] or "*", match[1] or match[2] or ""))
    return found


def _glob(pattern: str) -> str:
    """An Action of a document without its service: upper and lower case are the same."""
    if not _ACTION.fullmatch(pattern):
        raise InvalidPolicy(f"Action {pattern!r} of the key policy is not valid.")
    return pattern.lower().removeprefix(SERVICE)


def _matched(globs: Iterable[str]) -> tuple[set[str], int]:
    """(the permissions that `globs` are about, the work that it is to find them)."""
    by_question = {True: list[str](), False: list[str]()}
    for glob in globs:
        by_question["?" in glob].append(glob)
    plain, searched = patterns(by_question[False]), by_question[True]
    found = {_LOWER[name] for name in plain.names if name in _LOWER}
    if plain.every or plain.beginnings or plain.globs:
        found |= {name for lower, name in _LOWER.items() if plain.match(lower)}
    found |= {name for lower, name in _LOWER.items() for glob in searched if fnmatchcase(lower, glob)}
    return found, plain.work + sum(GLOB_WORK + 4 * len(glob) for glob in searched)


def named(pattern: str) -> list[str]:
    """The permissions that an Action of a document, with its service, is about."""
    return sorted(_matched([_glob(pattern)])[0])


def _actions(written: str | list[str]) -> Patterns:
    """They are told apart now, so that deciding looks names up; their work is that of reading them."""
    all_ = listed(written)
    if "*" in all_ or "kms:*" in all_:
        return patterns(["*"])
    found, work = _matched(map(_glob, all_))
    return replace(patterns(found), work=work)


def _renamed(asks: str) -> str:
    theirs, ours = RENAMED_TAG
    return ours + asks.removeprefix(theirs) if asks.startswith(theirs) else RENAMED.get(asks, asks)


def _text(value: str | bool) -> str:
    return value if isinstance(value, str) else str(value).lower()


def translated(written: Written | UnsetType) -> tuple[dict[str, dict[str, str | list[str]]], bool]:
    """A condition in this project's names, and whether it can hold at all. Raises `InvalidPolicy`."""
    found: dict[str, dict[str, str | list[str]]] = {}
    holds = True
    for operator, rows in {} if written is UNSET else written.items():
        if not rows:
            raise InvalidPolicy("A Condition of the policy is empty.")
        for asks, values in rows.items():
            texts = [_text(value) for value in values] if isinstance(values, list) else [_text(values)]
            if (operator, asks) == ("Bool", FOR_AWS):
                if not set(texts) <= {"true", "false"}:
                    raise InvalidPolicy(f"Bool of {asks} is true or false, not {', '.join(texts)}.")
                holds = holds and "false" in texts
            elif _renamed(asks) in found.get(operator, {}):
                raise InvalidPolicy(f"A Condition of the policy asks {asks} twice.")
            else:
                found.setdefault(operator, {})[_renamed(asks)] = texts
    if written is not UNSET and not written:
        raise InvalidPolicy("A Condition of the policy is empty.")
    return found, holds


_NEVER = Condition("Bool", FOR_AWS, lambda _facts, _tags: False, bool, absent=False, of_tags=False, work=1)


@remembered(1024)
def parse(text: str) -> tuple[KeyRule, ...]:
    """The rules of a key policy, one for each statement. Raises `InvalidPolicy` that names what is wrong."""
    rules = []
    for statement in read(text).statements:
        check_itself(statement.resource)
        written, holds = translated(statement.condition)
        rules.append(
            KeyRule(
                statement.effect == "Allow",
                patterns(name for name, _ in who(statement.principal)),
                _actions(statement.action),
                (*(conditions(written) if written else ()), *(() if holds else (_NEVER,))),
            )
        )
    return tuple(rules)


def flaws(text: str, account: str) -> Iterator[str]:
    """What a key policy says that means nothing. Raises `InvalidPolicy` if it has no meaning at all."""
    rules = parse(text)
    yield from repeats(text)
    yield from too_much(((rule.actions, rule.principals), rule.conditions) for rule in rules)
    statements = read(text).statements
    if not statements:
        yield "The key policy allows nothing: it has no statement."
    for number, (statement, rule) in enumerate(zip(statements, rules, strict=True), 1):
        principals, actions = who(statement.principal), listed(statement.action)
        for what, of in (("Action", actions), ("Principal", principals)):
            if not of:
                yield f"Statement {number} of the policy says nothing: its {what} is empty."
        for _, said in principals:
            if said not in ("", account):
                yield f"{_INVALID_PRINCIPAL}: the account here is {account}, not {said}."
        yield from _unknown(number, actions, denies=not rule.allow)
        about = {pattern: _own(pattern) for pattern in actions}
        asked = [condition for condition in rule.conditions if condition.asks != FOR_AWS]
        if statement.condition and FOR_AWS in statement.condition.get("Bool", {}) and asked == [*rule.conditions]:
            yield from _not_for_aws(number, actions)
        yield from unmeetable(number, {pattern: own for pattern, own in about.items() if own}, asked)


def _not_for_aws(number: int, actions: list[str]) -> Iterator[str]:
    for pattern in actions:
        if pattern == "*" or not _ASKED_FOR_AWS.issuperset(named(pattern)):
            only = ", ".join(SERVICE + name for name in sorted(_ASKED_FOR_AWS))
            yield f"{FOR_AWS} is asked of {only}, not of Action {pattern!r} of statement {number} of the policy."


def _own(pattern: str) -> set[str]:
    """The Actions that a pattern of permissions is about."""
    found = set(named(pattern)) if pattern != "*" else set(_KNOWN)
    return {action for action in ACTIONS if not found.isdisjoint(permissions(action))}


def _unknown(number: int, actions: list[str], *, denies: bool) -> Iterator[str]:
    for pattern in actions:
        found = _KNOWN if pattern == "*" else named(pattern)
        if not found:
            word = nearest(pattern.lower().removeprefix(SERVICE).replace("*", "").replace("?", ""), _KNOWN)
            yield f"Action {pattern!r} of statement {number} of the policy is none: did you mean {SERVICE}{word}?"
        elif denies and set(found) <= ANSWERED_BY.keys():
            own = " and ".join(sorted({SERVICE + ANSWERED_BY[name] for name in found}))
            yield f"Action {pattern!r} of statement {number} of the policy is not denied by itself: deny {own}."


def default(account: str) -> str:
    """What AWS KMS gives a key that is made without a policy."""
    return msgspec.json.format(
        msgspec.json.encode(
            {
                "Version": "2012-10-17",
                "Id": "key-default-1",
                "Statement": [
                    {
                        "Sid": "Enable IAM User Permissions",
                        "Effect": "Allow",
                        "Principal": {"AWS": f"arn:aws:iam::{account}:root"},
                        "Action": "kms:*",
                        "Resource": "*",
                    }
                ],
            }
        ).decode(),
        indent=2,
    )
