"""What a process keeps of names that come once each: `make bench ARGS=caches`, `--keys N`.

Each cache is given `N` distinct names in turn, as the requests of as many keys, access keys, addresses, policies or
signatures would, and then what it holds is counted (tracemalloc). The rows are the largest of each kind that is kept,
and the largest documents that callers may make them of. What OpenSSL keeps of asymmetric keys is not counted.
"""

from __future__ import annotations

import json
import time
import tracemalloc
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from uuid import UUID

from functions.endpoint.repeats import Answers
from kit.samples import credential, key, largest_grants
from tenantkms.access import key_policy, policy
from tenantkms.access.credentials import Access
from tenantkms.access.limits import Limiter
from tenantkms.access.sessions import Sessions
from tenantkms.audit.line import Record
from tenantkms.audit.refusals import Refusals
from tenantkms.crypto.envelope import derive
from tenantkms.keys.cache import Cache
from tenantkms.keys.keyring import Keyring
from tenantkms.model.alias import Alias
from tenantkms.model.credential import Credential, Secret, Session
from tenantkms.model.key import Key, check_key_id
from tenantkms.model.limits import DEFAULT, NO_LIMIT, OFF, Rate
from tenantkms.model.version import version_id
from tenantkms.store.buckets import Buckets
from tenantkms.store.leases import Leases
from tenantkms.store.port import MAX_BUCKETS
from tenantkms.wire.http import Response

Feed = Callable[[int], None]


class _NoStore:
    def note_use(self, *_: object) -> None:
        """Written, and forgotten."""


def _id(number: int) -> str:
    return str(UUID(int=number))


def _put(size: int, value: Callable[[int], Any]) -> Feed:
    kept: Cache[Any] = Cache(size, 300, time.monotonic)
    return lambda number: kept.put(_id(number), value(number))


def _keys(**changes: Callable[[int], Any]) -> Feed:
    class Store:
        def get(self, name: str) -> Key:
            number = UUID(name).int
            return key(number, **{field: make(number) for field, make in changes.items()})

    ring = Keyring("acme", Store(), None, clock=time.monotonic, state_seconds=3600)  # type: ignore[arg-type]
    return lambda number: ring.key(_id(number)) and None


def _first(feed: Feed) -> Feed:
    """Of names whose documents take long to make or to read, only so many as fill what keeps them several times."""
    return lambda number: feed(number) if number < 300 else None


def _aliases() -> Feed:
    class Store:
        def get_alias(self, name: str) -> Alias:
            return Alias(name=name, key_id=_id(int(name)))

    ring = Keyring("acme", Store(), None, clock=time.monotonic, state_seconds=3600)  # type: ignore[arg-type]
    return lambda number: ring.alias(f"{number:0255}") and None


def _access_keys(make: Callable[[int], Credential]) -> Feed:
    class Store(_NoStore):
        def get_credential(self, access_key_id: str) -> Credential:
            return make(int(access_key_id))

        def has_credentials(self) -> bool:
            return True

    access = Access("acme", Store(), None, clock=time.monotonic, state_seconds=3600)  # type: ignore[arg-type]
    return lambda number: access.known(str(number)) and None


def _long(number: int) -> str:
    """A policy of the longest there may be, of about half the work that one may take."""
    names = [f"alias/{number:012}-{each:03}-{'x' * 40}" for each in range(450)]
    return json.dumps({"Statement": [{"Effect": "Allow", "Action": "Encrypt", "Resource": names}]})


def _conditions(number: int) -> str:
    """A policy that takes about as much memory as the most expensive ones once it is read."""
    conditions = [{"StringEquals": {f"kms:EncryptionContext:{number}-{each}": ["x"]}} for each in range(100)]
    statement = {"Effect": "Allow", "Action": "Encrypt", "Resource": "*"}
    return json.dumps({"Statement": [{**statement, "Condition": each} for each in conditions]})


def _sessions() -> Feed:
    sessions = Sessions(_NoStore(), None, bytes, clock=time.monotonic)  # type: ignore[arg-type]
    sessions._open = lambda token: Session(  # type: ignore[method-assign]
        access_key_id="TKMT", secret=Secret("x"), token=token, parent="TKMS", expires=0, policy=f"{int(token):02048}"
    )
    return lambda number: sessions.open(f"{number:03072}", "TKMT") and None


def _secrets() -> Feed:
    class Parent:
        def unseal(self, sealed: bytes, _binding: object) -> bytes:
            return sealed

    access = Access("acme", _NoStore(), Parent(), clock=time.monotonic)  # type: ignore[arg-type]
    return lambda number: access.secret(credential(number, sealed=f"{number:040}".encode())) and None


def _noted() -> Feed:
    access = Access("acme", _NoStore(), None, clock=time.monotonic, apart=lambda work: work())  # type: ignore[arg-type]
    return lambda number: access.note_use(f"TKMS{number:020}", 0)


def _known() -> Feed:
    limiter = Limiter(None, DEFAULT)  # type: ignore[arg-type]

    def feed(number: int) -> None:
        limiter.passed(f"2001:db8::{number >> 16:x}:{number & 0xFFFF:x}", f"TKMS{number:020}")
        limiter.failed(f"2001:db8:{number >> 16:x}:{number & 0xFFFF:x}::1", 1e9)

    return feed


def _leases() -> Feed:
    leases = Leases(lambda _bucket, _second, wanted, _rate: wanted, MAX_BUCKETS)
    return lambda number: leases.take(f"TKMS{number:020} Encrypt", 300, 1e9) and None


def _buckets() -> Feed:
    buckets = Buckets(MAX_BUCKETS)
    return lambda number: buckets.take(f"TKMS{number:020} Encrypt", 300, 1e9) and None


def _answers() -> Feed:
    answers = Answers()
    return lambda number: answers.put(
        (f"TKMS{number:020}", number.to_bytes(32)),
        Response(status=200, content_type="application/json", body=f"{number:02000}"),
        1e12,
    )


def _refusals() -> Feed:
    refusals = Refusals()
    line = {"time": 1e9, "request_id": _id(1), "tenant": "acme", "action": "Encrypt", "profile": "aws"}
    return lambda number: (
        refusals.add(
            Record(**line, principal=f"TKMS{number}", outcome="UnknownAccessKey", source_ip=f"address {number}")
        )
        and None
    )


def _policies(make: Callable[[int], str]) -> Feed:
    def feed(number: int) -> None:
        text = make(number)
        policy.parse(text)
        policy.matching(text, "Encrypt", (f"key/{_id(number)}",))

    return feed


def _short(number: int) -> str:
    return json.dumps({"Statement": [{"Effect": "Allow", "Action": "Encrypt", "Resource": f"key/{_id(number)}"}]})


def _key_policies(number: int) -> None:
    """One in each form."""
    for version, who in (("1", {"RAM": [f"acs:ram::1:user/{number}"]}), ("2012-10-17", {"AWS": f"{number:012}"})):
        statement = {"Effect": "Allow", "Action": "kms:Encrypt", "Resource": "*", "Principal": who}
        key_policy.matching(json.dumps({"Version": version, "Statement": [statement]}), f"TKMS{number:020}", "Encrypt")


def _figures() -> Feed:
    limiter = Limiter(_NoStore(), OFF)  # type: ignore[arg-type]
    rate = Rate("", NO_LIMIT)
    return lambda number: limiter.take(credential(number, policy=_short(number)), "Encrypt", rate, 0) and None


def _ids(number: int) -> None:
    check_key_id(_id(number))
    version_id(_id(number), 1)


CACHES: Mapping[str, Callable[[], Feed]] = {
    "keys, 10,000": _keys,
    "keys with 32 KB of policy": lambda: _keys(policy=lambda number: f"{number:032768}"),
    "keys with 50 KB of grants": lambda: _first(_keys(grants=largest_grants)),
    "aliases of 255 characters, 10,000": _aliases,
    "keys ready to use, 10,000": lambda: _put(10_000, lambda number: derive(number.to_bytes(32))),
    "access keys, 1,000": lambda: _access_keys(credential),
    "access keys with 32 KB of policy": lambda: _access_keys(lambda n: credential(n, policy=f"{n:032768}")),
    "secrets of access keys, 1,000": _secrets,
    "sessions with 2 KB of policy, 1,000": _sessions,
    "uses of access keys noted, 20,000": _noted,
    "addresses known and failed": _known,
    "buckets of one process, 20,000": _buckets,
    "shares of buckets, 20,000": _leases,
    "answers to repeat, 2,000 of 2,000 bytes": _answers,
    "refusals of a minute, 256": _refusals,
    "policies and decisions, 1,024 each": lambda: _policies(_short),
    "policies of 30 KB and decisions": lambda: _first(_policies(_long)),
    "policies of a hundred conditions": lambda: _first(_policies(_conditions)),
    "limits of policies, 4,096": _figures,
    "key policies, two forms, 1,024 each": lambda: _key_policies,
    "ids of keys and versions, 4,096 each": lambda: _ids,
}


@contextmanager
def _counted() -> Iterator[list[int]]:
    found: list[int] = []
    tracemalloc.start()
    try:
        yield found
        found.extend(tracemalloc.get_traced_memory())
    finally:
        tracemalloc.stop()


def rows(count: int) -> dict[str, dict[str, float]]:
    """Prints and answers, for each cache, bytes after a tenth of the names, after all, and the most between."""
    print(f"{count:,} distinct names in turn; KB after a tenth of them, after all, and at most", flush=True)
    found = {}
    for name, make in CACHES.items():
        with _counted() as bytes_:
            feed = make()
            for number in range(count // 10):
                feed(number)
            tenth = tracemalloc.get_traced_memory()[0]
            for number in range(count // 10, count):
                feed(number)
        row = found[name] = {"tenth": tenth, "all": bytes_[0], "most": bytes_[1]}
        print(f"  {name:<42}" + "".join(f"{value / 1000:>10,.0f}" for value in row.values()), flush=True)
    return found
