"""What a page of a listing reads of either store: requests and rows of DynamoDB, and steps of SQLite's own machine.

Pages of ListKeys by position are in `test_dynamodb_segments.py` and `test_segments.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from functions.list_tag_resources import handler as list_tag_resources
from kit.moto_aws import Tables
from kit.samples import ROW_MACS, key, key_id
from tenantkms.model.alias import Alias
from tenantkms.store.dynamodb import DynamoKeyStore
from tenantkms.store.port import KeyStore, PutAlias, PutKey
from tenantkms.store.sqlite import SqliteStore


@pytest.fixture
def store(tables: Tables) -> DynamoKeyStore:
    return DynamoKeyStore(tables.client, tables.keys, ROW_MACS)


def put_keys(store: KeyStore, count: int, first: int = 1) -> None:
    for start in range(first, first + count, 100):
        store.commit([PutKey(key(n)) for n in range(start, min(start + 100, first + count))])


def put_aliases(store: KeyStore, names: Sequence[str]) -> None:
    for start in range(0, len(names), 100):
        some = [Alias(name=name, key_id=key_id(1)) for name in names[start : start + 100]]
        store.commit([PutAlias(alias, expect=None) for alias in some])


# -- DynamoDB --------------------------------------------------------------------------------------------


class Reads:
    """What DynamoDB has read: its answers to each operation, and the rows in them, of an index or of the table."""

    def __init__(self, tables: Tables) -> None:
        self.requests: list[str] = []
        self.names = self.rows = 0
        events = tables.client.meta.events
        events.register("after-call.dynamodb.Query", self._queried)
        events.register("after-call.dynamodb.BatchGetItem", self._fetched)

    def _queried(self, parsed: Any, **_: Any) -> None:
        self.requests.append("Query")
        self.names += parsed["ScannedCount"]

    def _fetched(self, parsed: Any, **_: Any) -> None:
        self.requests.append("BatchGetItem")
        self.rows += sum(map(len, parsed["Responses"].values()))

    def taken(self) -> tuple[list[str], int, int]:
        """(operations, rows of an index, rows of the table) since it was asked last."""
        found = self.requests, self.names, self.rows
        self.requests, self.names, self.rows = [], 0, 0
        return found


def test_keys_beyond_a_place_take_the_same_reads_wherever_it_is(tables: Tables, store: DynamoKeyStore) -> None:
    """A page of ListTagResources."""
    size, reads, taken = list_tag_resources.KEYS, Reads(tables), []
    for first in (1, 301):
        put_keys(store, 300, first)
        keys = store.keys_after((0, ""), limit=1_000)
        for at in (0, len(keys) // 4, len(keys) - size - 1):
            reads.taken()
            assert store.keys_after((keys[at].created, keys[at].id), limit=size) == keys[at + 1 : at + 1 + size]
            taken.append(reads.taken())
    assert taken == [(["Query", "BatchGetItem", "BatchGetItem"], size + 1, size)] * 6


def megabytes_of(tables: Tables, rows: int) -> None:
    """Let DynamoDB answer so many rows of an index at a time, where it would a megabyte of them."""

    def limited(params: Any, **_: Any) -> None:
        if params.get("IndexName"):
            params["Limit"] = min(params.get("Limit", rows), rows)

    tables.client.meta.events.register("provide-client-params.dynamodb.Query", limited)


def test_a_page_of_aliases_is_looked_for_in_its_own_megabyte(tables: Tables, store: DynamoKeyStore) -> None:
    """All are counted; those before the page are not passed over one by one."""
    many, megabyte, size = 230, 50, 20
    names = [f"a{n:03}" for n in range(many)]
    put_aliases(store, names)
    megabytes_of(tables, megabyte)
    reads = Reads(tables)
    for offset in (0, 1, 49, 50, 99, 120, 200, 215, 229):
        total, page = store.list_aliases(offset=offset, limit=size)
        assert (total, [alias.name for alias in page]) == (many, names[offset : offset + size])
        operations, found, rows = reads.taken()
        counted = -(-many // megabyte)
        assert operations.count("Query") <= counted + 2
        assert operations.count("BatchGetItem") == 1
        assert found <= many + 2 * megabyte
        assert rows == len(page)
    assert store.list_aliases(offset=many, limit=size) == (many, [])
    assert reads.taken() == (["Query"] * counted, many, 0)


def test_a_page_of_aliases_takes_the_same_reads_however_many_keys_there_are(
    tables: Tables, store: DynamoKeyStore
) -> None:
    put_aliases(store, [f"a{n:03}" for n in range(30)])
    reads, taken = Reads(tables), []
    for first in (1, 101):
        put_keys(store, 100, first)
        store.list_aliases(offset=10, limit=10)
        taken.append(reads.taken())
    assert taken == [(["Query", "Query", "BatchGetItem"], 30 + 20, 10)] * 2


# -- one machine -----------------------------------------------------------------------------------------


def steps(store: SqliteStore, listed: Callable[[], object]) -> int:
    """How many steps SQLite takes for it."""
    taken = [0]

    def step() -> int:
        taken[0] += 1
        return 0

    store._at.db.set_progress_handler(step, 1)
    listed()
    store._at.db.set_progress_handler(None, 0)
    return taken[0]


def test_a_page_of_tags_takes_the_same_steps_wherever_it_is(sqlite: SqliteStore) -> None:
    size, taken = list_tag_resources.KEYS, list[int]()
    for first in (1, 1_001):
        put_keys(sqlite, 1_000, first)
        last = first + 999
        for at in (1, last // 2, last - size):
            after = (key(at).created, key(at).id)
            taken.append(steps(sqlite, lambda after=after: sqlite.keys_after(after, limit=size)))
    assert max(taken) == min(taken)


def test_a_page_of_aliases_takes_steps_for_its_segment_alone(sqlite: SqliteStore) -> None:
    """However many there are, as long as segments are as full: each time one is added up, that is a row."""
    names = [f"a{n:05}" for n in range(12_000)]
    put_aliases(sqlite, names)
    taken = {at: steps(sqlite, lambda at=at: sqlite.list_aliases(offset=at, limit=100)) for at in (500, 4_500, 8_500)}
    assert max(taken.values()) < 1.02 * min(taken.values())
    put_keys(sqlite, 500)
    assert steps(sqlite, lambda: sqlite.list_aliases(offset=4_500, limit=100)) == taken[4_500]
