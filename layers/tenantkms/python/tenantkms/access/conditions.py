"""Conditions of a statement, in the form of AWS and of Alibaba's RAM: {operator: {what is asked: values}}.

    {"StringEquals": {"kms:EncryptionContext:app": ["shop"]}, "IpAddress": {"kms:SourceIp": ["10.0.0.0/8"]}}

All of them must hold; of the values of one, any for an operator, and none for its negative form. What is asked is
there, or is not there (a pair that the context lacks, a tag that the key lacks): then an operator does not hold, and
its negative form holds. Or it is not known (the source of a call without one): then the statement does not allow,
and does deny. docs/policies.md has this for those who write policies.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from msgspec import Struct

from tenantkms.access.operators import ADDRESS, DIALECT, SET, TEXT, TIME, Holds, Make, address
from tenantkms.access.vocabulary import listed, nearest
from tenantkms.errors import InvalidPolicy
from tenantkms.names import ACTIONS

NO_CONTEXT: Mapping[str, str] = {}
NO_TAGS: Mapping[str, str] = {}


class Facts(Struct, frozen=True):
    """What conditions ask of a call: an empty `source_ip` is not known; `now` in Unix seconds."""

    dialect: str
    source_ip: str
    now: int
    context: Mapping[str, str] = NO_CONTEXT


Tags = Mapping[str, str] | None
"""Of the key that is asked about; None: not known, since it is not known which key that is."""
Values = str | list[str]
Written = dict[str, dict[str, Values]]
_UNKNOWN = object()
Read = Callable[[Facts, Tags], Any]
"""Gives what is asked: None if it is not there, `_UNKNOWN` if that is not known."""

WITH_CONTEXT = frozenset(
    {
        "Decrypt",
        "Encrypt",
        "ExportDataKey",
        "GenerateAndExportDataKey",
        "GenerateDataKey",
        "GenerateDataKeyPair",
        "GenerateDataKeyPairWithoutPlaintext",
        "GenerateDataKeyWithoutPlaintext",
        "ReEncrypt",
    }
)
"""Actions that take an encryption context."""
WITHOUT_KEY = frozenset(
    {"CreateKey", "DescribeService", "GenerateRandom", "IssueSession", "ListKeys", "ListRetirableGrants"}
)
"""Actions that use no key, or one that has no tags yet."""


class _Partly(dict[str, Any]):
    """An encryption context of which some pairs are known, and which may have others."""

    def get(self, name: str, default: Any = _UNKNOWN) -> Any:
        return super().get(name, default)

    def keys(self) -> Any:
        return _UNKNOWN


def supposed(context: Mapping[str, str], *, whole: bool) -> Facts:
    """Of a call that is not made yet: only these pairs of its encryption context are known, or that it has no others
    if they are the `whole` of it."""
    unknown: Any = _UNKNOWN
    return Facts(unknown, "", unknown, context if whole else _Partly(context))


class Condition(Struct, frozen=True):
    """`holds` of what is there; `absent`: whether it holds of what is not."""

    operator: str
    asks: str
    read: Read
    holds: Holds
    absent: bool
    of_tags: bool
    work: int

    def met(self, facts: Facts, tags: Tags) -> bool | None:
        """None: not known."""
        value = self.read(facts, tags)
        if value is None:
            return self.absent
        return None if value is _UNKNOWN else self.holds(value)


def apply(conditions: Iterable[Condition], facts: Facts, tags: Tags, *, allow: bool) -> bool:
    """Whether a statement under `conditions` counts: what is not known makes none allow, and each deny."""
    known = True
    for condition in conditions:
        met = condition.met(facts, tags)
        if met is False:
            return False
        known = known and met is True
    return known or not allow


# -- what is asked ---------------------------------------------------------------------------------------


def _pair(name: str) -> Read:
    return lambda facts, _tags: facts.context.get(name)


def _names(facts: Facts, _tags: Tags) -> Any:
    return facts.context.keys()


def _tag(name: str) -> Read:
    return lambda _facts, tags: _UNKNOWN if tags is None else tags.get(name)


def _source(facts: Facts, _tags: Tags) -> Any:
    return address(facts.source_ip) or _UNKNOWN


# -- what can be asked -----------------------------------------------------------------------------------


class _Asked(Struct, frozen=True):
    """`read` of the name that it goes on with, if it is `named`. `actions`: those of which it can be asked.
    `lacking`: it may not be there, which `Null` asks."""

    read: Callable[[str], Read]
    operators: Mapping[str, Make]
    actions: frozenset[str]
    named: bool = False
    lacking: bool = False


_NEGATIVE = frozenset({"StringNotEquals", "StringNotLike"})
"""Operators that hold of what is not there."""
_NULL = "Null"
_ALL = frozenset(ACTIONS)
_ASKED: Mapping[str, _Asked] = {
    "kms:EncryptionContext:": _Asked(_pair, TEXT, WITH_CONTEXT, named=True, lacking=True),
    "kms:EncryptionContextKeys": _Asked(lambda _: _names, SET, WITH_CONTEXT, lacking=True),
    "kms:SourceIp": _Asked(lambda _: _source, ADDRESS, _ALL),
    "kms:Dialect": _Asked(lambda _: lambda facts, _tags: facts.dialect, DIALECT, _ALL),
    "kms:CurrentTime": _Asked(lambda _: lambda facts, _tags: facts.now, TIME, _ALL),
    "kms:ResourceTag/": _Asked(_tag, TEXT, _ALL - WITHOUT_KEY, named=True, lacking=True),
}
_OPERATORS = (*dict.fromkeys(name for asked in _ASKED.values() for name in asked.operators), _NULL)


def _found(text: str) -> tuple[str, _Asked]:
    """What `text` asks, as (name that it goes on with, row). Raises `InvalidPolicy`."""
    for head, asked in _ASKED.items():
        if text == head if not asked.named else text.startswith(head) and text != head:
            return text.removeprefix(head), asked
    written = [head + "..." if asked.named else head for head, asked in _ASKED.items()]
    known = ", ".join(written)
    raise InvalidPolicy(f"No condition can ask {text!r}: did you mean {nearest(text, written)}? There are {known}.")


def _null(values: list[str]) -> bool:
    if values not in (["true"], ["false"]):
        raise InvalidPolicy(f"Null is true, for what must not be there, or false, not {', '.join(values)}.")
    return values == ["true"]


def _condition(operator: str, asks: str, values: list[str]) -> Condition:
    name, asked = _found(asks)
    if not values:
        raise InvalidPolicy(f"The condition {operator} of {asks} has no values.")
    if any("${" in value for value in values):
        raise InvalidPolicy(f"The condition {operator} of {asks} has a variable, which nothing stands for here.")
    read = asked.read(name)
    of_tags = asked.read is _tag
    if operator == _NULL and asked.lacking:
        wanted = _null(values)
        # The set of names is always there, and may be empty.
        null: Holds = (lambda names: (not names) is wanted) if asked.operators is SET else lambda _: not wanted
        return Condition(operator, asks, read, null, wanted, of_tags, 1)
    make = asked.operators.get(operator)
    if make is None:
        raise InvalidPolicy(_no_operator(operator, asks, [*asked.operators, *([_NULL] if asked.lacking else [])]))
    holds, work = make(values)
    return Condition(operator, asks, read, holds, operator in _NEGATIVE, of_tags, 1 + work)


def _no_operator(operator: str, asks: str, possible: list[str]) -> str:
    if operator in _OPERATORS:
        return f"{operator} cannot ask {asks}: {', '.join(possible)} can."
    return f"There is no operator {operator!r} of conditions: did you mean {nearest(operator, possible)}?"


def conditions(written: Written) -> tuple[Condition, ...]:
    """Raises `InvalidPolicy` that names what is wrong."""
    if not written or not all(written.values()):
        raise InvalidPolicy("A Condition of the policy is empty.")
    return tuple(
        _condition(operator, asks, listed(values))
        for operator, rows in written.items()
        for asks, values in rows.items()
    )


def unmeetable(statement: int, actions: Mapping[str, set[str]], of: Iterable[Condition]) -> Iterator[str]:
    """Which `actions` of the `statement`-th statement, patterns and the Actions that each is about, have nothing that
    its conditions ask."""
    for condition in of:
        having = _found(condition.asks)[1].actions
        for pattern, own in actions.items():
            if own.isdisjoint(having):
                what = "takes no encryption context" if having is WITH_CONTEXT else "uses no key that has tags"
                yield (
                    f"Action {pattern!r} of statement {statement} of the policy {what}, so its condition of"
                    f" {condition.asks} asks for nothing."
                )
