"""What the operators of conditions say of a value, in the spelling of AWS and of Alibaba's RAM, by kinds of values."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from operator import ge, gt, le, lt
from typing import Any

from tenantkms.access.patterns import patterns
from tenantkms.access.vocabulary import nearest
from tenantkms.errors import InvalidPolicy
from tenantkms.names import DIALECTS, NATIVE

_CALLERS = (*DIALECTS, NATIVE)
Holds = Callable[[Any], bool]
"""What an operator says of a value that is there."""
Make = Callable[[list[str]], tuple[Holds, int]]
"""From the values of a condition to what it says, and its work. Raises `InvalidPolicy` for a value that is none."""
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(Z|[+-][0-9]{2}:[0-9]{2})")


def _not(make: Make) -> Make:
    def made(values: list[str]) -> tuple[Holds, int]:
        holds, work = make(values)
        return (lambda value: not holds(value)), work

    return made


def _equal(values: list[str]) -> tuple[Holds, int]:
    return frozenset(values).__contains__, len(values)


def _like(values: list[str]) -> tuple[Holds, int]:
    for value in values:
        if "?" in value:
            raise InvalidPolicy(f"{value!r} has '?', which stands for nothing here: '*' does, for any run.")
    like = patterns(values, search=16)  # values of a context are longer than names
    return like.match, like.work


def _all_of(values: list[str]) -> tuple[Holds, int]:
    """As with `_none_of`, what is asked costs as much as the values, however many names a context has."""
    known = frozenset(values)
    return (lambda names: len(names) <= len(known) and known.issuperset(names)), len(values)


def _none_of(values: list[str]) -> tuple[Holds, int]:
    known = frozenset(values)
    return (lambda names: names.isdisjoint(known)), len(values)


def _dialect(values: list[str]) -> tuple[Holds, int]:
    for value in values:
        if value not in _CALLERS:
            raise InvalidPolicy(f"{value!r} is no dialect: did you mean {nearest(value, _CALLERS)}?")
    return _equal(values)


def _network(text: str) -> tuple[int, int, int]:
    """(version, first, last address)."""
    import ipaddress  # only where a policy asks for it

    try:
        network = ipaddress.ip_network(text)
    except ValueError as e:
        raise InvalidPolicy(f"{text!r} is no network, such as 10.0.0.0/8 or 2001:db8::/32: {e}.") from None
    first, last = network.network_address, network.broadcast_address
    if isinstance(first, ipaddress.IPv6Address) and first.ipv4_mapped:
        raise InvalidPolicy(f"{text!r} is a network of IPv4: write it as one.")
    return network.version, int(first), int(last)


@lru_cache(maxsize=1024)
def address(text: str) -> tuple[int, int] | None:
    """(version, number) of an address, None if it is none; IPv4 that came in through a socket of IPv6 is IPv4."""
    import ipaddress  # only where a policy asks for it

    try:
        found = ipaddress.ip_address(text)
    except ValueError:
        return None
    if isinstance(found, ipaddress.IPv6Address):
        found = found.ipv4_mapped or found
    return found.version, int(found)


def _within(values: list[str]) -> tuple[Holds, int]:
    networks = [_network(value) for value in values]

    def holds(address: tuple[int, int]) -> bool:
        version, number = address
        return any(version == v and first <= number <= last for v, first, last in networks)

    return holds, 10 * len(networks)


def moment(text: str) -> int:
    """The Unix time that `text` names. Raises `InvalidPolicy`."""
    from datetime import datetime  # only where a policy asks for it

    try:
        if _DATE.fullmatch(text):
            return int(datetime.fromisoformat(text).timestamp())
    except ValueError:
        pass
    raise InvalidPolicy(f"{text!r} is no time, such as 2026-12-31T23:59:59Z.")


def _when(pick: Callable[[Iterable[int]], int], compare: Callable[[int, int], bool]) -> Make:
    def made(values: list[str]) -> tuple[Holds, int]:
        bound = pick(map(moment, values))
        return (lambda now: compare(now, bound)), 2 * len(values)

    return made


TEXT: Mapping[str, Make] = {
    "StringEquals": _equal,
    "StringNotEquals": _not(_equal),
    "StringLike": _like,
    "StringNotLike": _not(_like),
}
SET: Mapping[str, Make] = {
    "ForAllValues:StringEquals": _all_of,
    "ForAnyValue:StringEquals": _not(_none_of),
    "ForAllValues:StringNotEquals": _none_of,
    "ForAnyValue:StringNotEquals": _not(_all_of),
}
ADDRESS: Mapping[str, Make] = {"IpAddress": _within, "NotIpAddress": _not(_within)}
DIALECT: Mapping[str, Make] = {"StringEquals": _dialect, "StringNotEquals": _not(_dialect)}
TIME: Mapping[str, Make] = {
    "DateLessThan": _when(max, lt),
    "DateLessThanEquals": _when(max, le),
    "DateGreaterThan": _when(min, gt),
    "DateGreaterThanEquals": _when(min, ge),
}
