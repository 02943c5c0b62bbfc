"""Requests per second: of an access key by what it does, and of addresses from which nobody has signed rightly."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from functools import lru_cache
from math import inf
from socket import AF_INET6, inet_pton

from tenantkms.access.policy import ALLOW_ALL, rates
from tenantkms.access.vocabulary import instead
from tenantkms.errors import Throttled
from tenantkms.keys.cache import remembered
from tenantkms.model.credential import Credential
from tenantkms.model.limits import COUNTS, EVERY, LARGEST, NO_LIMIT, OFF, Limits, Rate
from tenantkms.names import ACTIONS
from tenantkms.store.buckets import AnyBuckets, Buckets
from tenantkms.store.port import AccessStore

ADDRESSES = 10_000
"""Addresses, and pairs of an address and an access key, that a process remembers."""


def limits_of(given: Mapping[str, int]) -> Limits:
    """`Limits` of their names and figures: those of `Limits`, Actions, and `*` for every Action that is not named.

    Raises `ValueError` that says what is wrong.
    """
    for name, figure in given.items():
        if name not in (EVERY, *COUNTS, *ACTIONS):
            raise ValueError(f"{name!r} is no limit: one of {', '.join(COUNTS)}, *, or an Action; {instead(name)}")
        if not 0 <= figure <= LARGEST:
            raise ValueError(f"the limit {name} is {figure}: 1 to {LARGEST}, or 0 for none")
    counts = {name: figure for name, figure in given.items() if name in COUNTS}
    return Limits(rates={name: figure for name, figure in given.items() if name not in COUNTS}, **counts)


def limits_of_text(text: str) -> Limits:
    """`Limits` of `NAME=FIGURE` joined by commas, or of `off`. Raises `ValueError` that says what is wrong."""
    if text == "off":
        return OFF
    given: dict[str, int] = {}
    for part in filter(None, text.split(",")):
        name, equals, figure = part.partition("=")
        if not equals or not figure.isdecimal() or name in given:
            raise ValueError(f"{part!r} is not NAME=FIGURE, each name once")
        given[name] = int(figure)
    return limits_of(given)


class Limiter:
    """What the endpoint asks of each request. Raises `Throttled`.

    `most`: no more requests come in a second, whoever sends them, so what may be called as often is not counted.
    `failed` has `ADDRESSES` buckets, of requests that were not signed rightly.
    """

    def __init__(self, store: AccessStore, limits: Limits, most: float = inf, failed: AnyBuckets | None = None) -> None:
        self._store = store
        self._most = most
        self._rates = dict(limits.rates)
        self._strangers = limits.strangers
        self._failed = Buckets(ADDRESSES) if failed is None else failed
        self._known: OrderedDict[tuple[str, str], None] = OrderedDict()

    def take(self, credential: Credential, action: str, rate: Rate, now: float) -> str:
        """Count a request that `credential` has signed; `rate` is the vendor's for it. The bucket, for `give_back`.

        What the access key's policy says goes before what the operator says, and that before the vendor's figure.
        """
        name, per_second = rate.bucket, rate.per_second
        figure = None if credential.policy == ALLOW_ALL else _figure(credential.policy, action)
        if figure is None and self._rates:
            figure = self._rates.get(action, self._rates.get(EVERY))
        if figure is not None:
            name, per_second = action, figure
        if per_second == NO_LIMIT or per_second >= self._most:
            return ""
        bucket = f"{credential.access_key_id} {name}"
        if not self._store.take(bucket, per_second, now):
            raise Throttled(f"More than {per_second} requests per second ({name}): try again later.")
        return bucket

    def give_back(self, bucket: str) -> None:
        """The request of that bucket was none of the access key's own."""
        if bucket:
            self._store.give_back(bucket)

    # -- addresses --

    def knows(self, address: str, access_key_id: str, now: float) -> bool:
        """Whether that access key has signed rightly from there: then it is served on, for one address may be that of
        a proxy, before which honest clients and others stand alike.

        Refuses a request from where too many were not signed rightly, before anything is read or computed for it.
        """
        if (address, access_key_id) in self._known:
            return True
        if self._failed and self._failed.is_empty(_network(address), self._strangers, now):
            raise Throttled("Too many requests from this address are not signed rightly: try again later.")
        return False

    def failed(self, address: str, now: float) -> None:
        """A request from `address` was not signed rightly."""
        if self._strangers != NO_LIMIT:
            self._failed.take(_network(address), self._strangers, now)

    def passed(self, address: str, access_key_id: str) -> None:
        """A first request from `address` was. Only who can sign gets here, so strangers drive nobody out."""
        if len(self._known) >= ADDRESSES:
            self._known.popitem(last=False)
        self._known[address, access_key_id] = None


@remembered(4096)
def _figure(policy: str, action: str) -> int | None:
    """What the policy says of the Action."""
    said = rates(policy)
    return said.get(action, said.get(EVERY)) if said else None


@lru_cache(maxsize=4096)
def _network(address: str) -> str:
    """What one caller has: an IPv4 address, or 64 bits of an IPv6 address."""
    if ":" not in address or address.startswith("::ffff:"):
        return address
    try:
        return inet_pton(AF_INET6, address.partition("%")[0])[:8].hex()
    except (OSError, UnicodeError):
        return address
