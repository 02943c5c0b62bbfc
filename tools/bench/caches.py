"""What a process keeps of names that come once each: `make bench ARGS=caches`, `--keys N`.

Each cache is given `N` distinct names in turn, as the requests of as many keys, access keys, addresses, policies or
signatures would, and then what it holds is counted (tracemalloc). The rows are the largest of each kind that is kept.
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
from kit.samples import credential, key
from tenantkms.access import policy
from tenantkms.access.credentials import Access
from tenantkms.access.limits import Limiter
from tenantkms.audit.line import Record
from tenantkms.audit.refusals import Refusals
from tenantkms.crypto.envelope import derive
from tenantkms.keys.cache import Cache
from tenantkms.model.key import check_key_id
from tenantkms.model.limits import DEFAULT
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


def _policies() -> Feed:
    def feed(number: int) -> None:
        text = json.dumps({"Statement": [{"Effect": "Allow", "Action": "Encrypt", "Resource": f"key/{_id(number)}"}]})
        policy.parse(text)
        policy.matching(text, "Encrypt", (f"key/{_id(number)}",))

    return feed


def _ids(number: int) -> None:
    check_key_id(_id(number))
    version_id(_id(number), 1)


CACHES: Mapping[str, Callable[[], Feed]] = {
    "keys, 10,000": lambda: _put(10_000, key),
    "keys ready to use, 10,000": lambda: _put(10_000, lambda number: derive(number.to_bytes(32))),
    "access keys, 1,000": lambda: _put(1_000, credential),
    "uses of access keys noted, 20,000": _noted,
    "addresses known and failed": _known,
    "buckets of one process, 20,000": _buckets,
    "shares of buckets, 20,000": _leases,
    "answers to repeat, 2,000 of 2,000 bytes": _answers,
    "refusals of a minute, 256": _refusals,
    "policies and decisions, 1,024 each": _policies,
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
