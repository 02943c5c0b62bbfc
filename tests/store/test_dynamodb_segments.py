"""Pages by position on DynamoDB: counted right whoever destroys keys meanwhile, and wherever a run ends."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ReadTimeoutError

from kit.moto_aws import Fault, Tables, refusal
from kit.samples import ROW_MACS, key
from tenantkms.errors import KmsError, Unavailable
from tenantkms.model.key import Key, KeyFilter
from tenantkms.model.states import KeyState
from tenantkms.store import dynamodb_segments
from tenantkms.store.dynamodb import DynamoKeyStore
from tenantkms.store.port import DeleteKey, PutKey, RevisionConflict

BEGAN = 1_700_000_000
NOW = BEGAN + 10_000
SIZE = 7


def always() -> bool:
    return True


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dynamodb_segments, "SEGMENT", SIZE)


@pytest.fixture
def store(tables: Tables) -> DynamoKeyStore:
    return DynamoKeyStore(tables.client, tables.keys, ROW_MACS)


def made(store: DynamoKeyStore, count: int, first: int = 1, **changes: Any) -> list[Key]:
    keys = [key(n, created=BEGAN + n // 3, **changes) for n in range(first, first + count)]
    store.commit([PutKey(k) for k in keys])
    return keys


def check(store: DynamoKeyStore, keys: list[Key]) -> None:
    keys = sorted(keys, key=lambda k: (k.created, k.id))
    for offset, limit in ((0, 100), (SIZE - 1, 3), (max(0, len(keys) - 3), 5), (10_000, 1)):
        for descending in (False, True):
            page = store.list_keys(KeyFilter(), now=0, offset=offset, limit=limit, descending=descending)
            assert page == (len(keys), (keys[::-1] if descending else keys)[offset : offset + limit])


def segments(store: DynamoKeyStore) -> list[int]:
    return [count for _, count in store._segments()[0]]


def test_whole_segments_of_settled_keys_are_counted_off(store: DynamoKeyStore) -> None:
    keys = made(store, 24)
    store.settle(BEGAN + 600 + 3, always)
    assert segments(store) == [SIZE], "of the keys up to then"
    check(store, keys)
    store.settle(NOW, always)
    assert segments(store) == [SIZE] * 3
    check(store, keys)
    keys += made(store, 20, first=25)
    check(store, keys)
    store.settle(NOW, always)
    store.settle(NOW, always)
    assert segments(store) == [SIZE] * 6
    check(store, keys)


def test_it_stops_when_it_is_told_to(store: DynamoKeyStore) -> None:
    made(store, 24)
    turns = iter([True, True, False, False])
    store.settle(NOW, lambda: next(turns))
    assert segments(store) == [SIZE] * 2


def test_keys_that_are_destroyed_are_counted_out(store: DynamoKeyStore) -> None:
    keys = made(store, 36)
    store.settle(NOW, always)
    random.Random(5).shuffle(keys)
    while keys:
        gone, keys = keys[:6], keys[6:]
        store.commit([DeleteKey(k) for k in gone])
        check(store, keys)
        store.settle(NOW, always)
    assert segments(store) == [0] * 5
    check(store, made(store, 9, first=100))


def test_a_key_that_is_not_destroyed_is_not_counted_out(store: DynamoKeyStore) -> None:
    keys = made(store, 10)
    store.settle(NOW, always)
    for wrong in (key(1, created=keys[0].created, revision=2), key(99, created=BEGAN)):
        with pytest.raises(RevisionConflict):
            store.commit([DeleteKey(wrong)])
    check(store, keys)


def before(tables: Tables, operation: str, do: Callable[[], object]) -> None:
    """Somebody else does it before the next request of that operation."""
    left = [do]

    def once(params: Any, **_: Any) -> Any:
        if left:
            left.pop()()
        return params

    tables.client.meta.events.register(f"provide-client-params.dynamodb.{operation}", once)


@pytest.mark.parametrize("operation", ["BatchGetItem", "TransactWriteItems"])
@pytest.mark.parametrize("victim", [0, SIZE - 1, SIZE])
def test_a_key_that_is_destroyed_while_its_segment_is_made(
    tables: Tables, store: DynamoKeyStore, operation: str, victim: int
) -> None:
    other = Tables(tables.wire, Tables.fresh().client, tables.keys, tables.access)
    other.client._endpoint.http_session = tables.wire
    beside = DynamoKeyStore(other.client, tables.keys, ROW_MACS)
    keys = made(store, 20)
    gone = sorted(keys, key=lambda k: (k.created, k.id))[victim]
    before(tables, operation, lambda: beside.commit([DeleteKey(gone)]))
    store.settle(NOW, always)
    keys.remove(gone)
    check(store, keys)
    store.settle(NOW, always)
    assert len(segments(store)) == 2
    check(store, keys)


@pytest.mark.parametrize("lost", [0, SIZE])
def test_a_segment_that_is_made_while_its_key_is_destroyed(tables: Tables, store: DynamoKeyStore, lost: int) -> None:
    """What was read says that nobody has counted the key; the commit finds that somebody has."""
    other = Tables.fresh()
    other.client._endpoint.http_session = tables.wire
    beside = DynamoKeyStore(other.client, tables.keys, ROW_MACS)
    keys = made(store, 20)
    gone = sorted(keys, key=lambda k: (k.created, k.id))[lost]
    before(tables, "TransactWriteItems", lambda: beside.settle(NOW, always))
    with pytest.raises(RevisionConflict):
        store.commit([DeleteKey(gone)])
    check(store, keys)
    store.commit([DeleteKey(gone)])
    keys.remove(gone)
    check(store, keys)


FAULTS = [
    ReadTimeoutError(endpoint_url="https://dynamodb"),
    refusal("ProvisionedThroughputExceededException"),
    refusal("InternalServerError", 500),
]


@pytest.mark.parametrize("answer", FAULTS, ids=["lost", "throttled", "failed"])
@pytest.mark.parametrize("done", [False, True])
@pytest.mark.parametrize("operation", ["GetItem", "Query", "BatchGetItem", "TransactWriteItems", "UpdateItem"])
def test_wherever_a_run_ends_nothing_is_counted_wrong(
    tables: Tables, store: DynamoKeyStore, operation: str, done: bool, answer: Any
) -> None:
    keys = made(store, 16)
    store.settle(NOW, always)
    keys += made(store, 16, first=17)
    tables.wire.faults.append(Fault(operation, answer, done=done))
    with pytest.raises(Unavailable):
        store.settle(NOW, always)
    assert not tables.wire.faults[0].times
    check(store, keys)
    store.settle(NOW, always)
    assert segments(store) == [SIZE] * 4
    check(store, keys)


@pytest.mark.parametrize("done", [False, True])
@pytest.mark.parametrize("operation", ["Query", "TransactWriteItems"])
def test_wherever_a_destruction_ends_the_count_is_of_what_is_there(
    tables: Tables, store: DynamoKeyStore, operation: str, done: bool
) -> None:
    keys = made(store, 20)
    store.settle(NOW, always)
    for gone in (keys[3], keys[19]):
        tables.wire.faults[:] = [Fault(operation, FAULTS[0], done=done)]
        with pytest.raises(KmsError):
            store.commit([DeleteKey(gone)])
        if store.get(gone.id) is None:
            keys.remove(gone)
        check(store, keys)


def test_a_key_that_a_clock_behind_has_dated_is_counted_in_time(store: DynamoKeyStore) -> None:
    keys = made(store, 30)
    store.settle(NOW, always)
    late = key(77, created=keys[10].created)
    store.commit([PutKey(late)])
    assert store.list_keys(KeyFilter(), now=0, offset=0, limit=1)[0] == 30
    for _ in range(4):
        store.settle(NOW, always)
    check(store, [*keys, late])
    looked = store._segments()[1]["looked"]
    store.settle(NOW, always)
    assert store._segments()[1]["looked"] != looked


def test_a_page_reads_no_more_than_its_segment(tables: Tables, store: DynamoKeyStore) -> None:
    """However far it is: four requests, and of the index no more rows than a segment and the page."""
    keys = made(store, 90)
    store.settle(NOW, always)
    for offset in range(0, 90, 10):
        tables.wire.sent.clear()
        assert store.list_keys(KeyFilter(), now=0, offset=offset, limit=10)[0] == len(keys)
        sent = [(operation, body.get("Limit", 0)) for operation, body in tables.wire.sent]
        assert [operation for operation, _ in sent] == ["Query", "Query", "Query", "BatchGetItem"]
        assert max(limit for _, limit in sent) < SIZE + 10


def test_keys_beyond_a_place_are_read_without_a_count(tables: Tables, store: DynamoKeyStore) -> None:
    keys = sorted(made(store, 30), key=lambda k: (k.created, k.id))
    tables.wire.sent.clear()
    assert store.keys_after((keys[9].created, keys[9].id), limit=5) == keys[10:15]
    assert [operation for operation, _ in tables.wire.sent] == ["Query", "BatchGetItem"]


# -- filters ---------------------------------------------------------------------------------------------


def test_a_filter_reads_the_rows_that_it_shows(tables: Tables, store: DynamoKeyStore) -> None:
    made(store, 90)
    off = made(store, 5, first=91, state=KeyState.DISABLED)
    tables.wire.sent.clear()
    where = KeyFilter(states=frozenset({KeyState.DISABLED}))
    assert store.list_keys(where, now=0, offset=1, limit=3) == (5, off[1:4])
    asked = [body["RequestItems"][tables.keys]["Keys"] for _, body in tables.wire.sent if "RequestItems" in body]
    assert [len(keys) for keys in asked] == [3]


def test_other_filters_look_at_the_keys_that_the_state_leaves(tables: Tables, store: DynamoKeyStore) -> None:
    keys = made(store, 6) + made(store, 4, first=7, state=KeyState.DISABLED)
    tables.wire.sent.clear()
    where = KeyFilter(states=frozenset({KeyState.DISABLED}), tags=((frozenset(), frozenset()),))
    assert store.list_keys(where, now=0, offset=0, limit=2) == (4, keys[6:8])
    asked = [body["RequestItems"][tables.keys]["Keys"] for _, body in tables.wire.sent if "RequestItems" in body]
    assert [len(some) for some in asked] == [4, 2]


def test_some_keys_are_read_by_their_names(tables: Tables, store: DynamoKeyStore) -> None:
    keys = made(store, 30)
    tables.wire.sent.clear()
    where = KeyFilter(ids=frozenset({keys[4].id, keys[9].id, "none"}))
    assert store.list_keys(where, now=0, offset=0, limit=10) == (2, [keys[4], keys[9]])
    assert [operation for operation, _ in tables.wire.sent] == ["BatchGetItem"]
