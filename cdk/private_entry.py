"""A tenant's private address, as its entry says it."""

from __future__ import annotations

import re
from ipaddress import ip_network

from msgspec import Struct

_DOMAIN = r"([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]{2,63}"
_ID = r"[0-9a-f]{8,17}"


class Private(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`clients`: networks, security groups and prefix lists that may connect. `only`: there is no public address."""

    domain: str
    certificate: str
    vpc: str
    subnets: tuple[str, ...]
    clients: tuple[str, ...]
    ipv6: bool = False
    only: bool = False


def is_group(client: str) -> bool:
    return _is(rf"sg-{_ID}", client)


def is_list(client: str) -> bool:
    return _is(rf"pl-{_ID}", client)


def is_network(client: str) -> bool:
    """With an address that is the network's own, and not all there are."""
    try:
        return ip_network(client).prefixlen > 0
    except ValueError:
        return False


def wrong(private: Private, account: str, region: str) -> str:
    """What is expected in place of the first thing that is not valid, or ""."""
    arn = rf"arn:aws[a-z-]*:acm:{region}:{account}:certificate/[\w-]+"
    clients, subnets = private.clients, private.subnets
    checks = {
        "domain: a host name in lower case": _is(_DOMAIN, private.domain),
        "certificate: the ARN of an ACM certificate in the tenant's account and region": _is(arn, private.certificate),
        "vpc: the id of a VPC": _is(rf"vpc-{_ID}", private.vpc),
        "subnets: ids of two subnets at least, in different zones": len({*subnets}) == len(subnets) >= 2
        and all(_is(rf"subnet-{_ID}", subnet) for subnet in subnets),
        "clients: networks such as 10.0.0.0/16 but not all addresses, sg-... or pl-...": bool(clients)
        and all(is_network(client) or is_group(client) or is_list(client) for client in clients),
    }
    return next((expected for expected, holds in checks.items() if not holds), "")


def _is(pattern: str, text: str) -> bool:
    return re.fullmatch(pattern, text, re.ASCII) is not None
