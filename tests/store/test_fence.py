"""In which of two regions keys are changed: rows that every commit has a condition on."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from botocore.exceptions import EndpointConnectionError
from msgspec.structs import replace

from kit.fakes import Clock
from kit.moto_aws import Fault, Tables
from kit.samples import ROW_MACS, credential, key, revised, version
from tenantkms.model.watch import Watch
from tenantkms.store.dynamodb import DynamoAccessStore, DynamoKeyStore
from tenantkms.store.dynamodb_fence import DynamoFence, FenceRows
from tenantkms.store.fence import Active, ChangesElsewhere
from tenantkms.store.port import DeleteKey, PutKey, PutVersion, RevisionConflict

FIRST, SECOND = "eu-central-1", "eu-west-1"
OVER = Active(region=SECOND, epoch=1, since=1_000)
NOWHERE = Active(region="", epoch=1, since=1_000)


@pytest.fixture
def tables() -> Tables:
    return Tables.fresh()


@pytest.fixture
def rows(tables: Tables) -> FenceRows:
    return FenceRows(tables.client, tables.keys, FIRST)


def stores(tables: Tables, here: str, seconds: float = 0) -> tuple[DynamoKeyStore, DynamoAccessStore]:
    fence = DynamoFence(FenceRows(tables.client, tables.keys, FIRST), here, seconds, Clock())
    keys = DynamoKeyStore(tables.client, tables.keys, ROW_MACS, fence)
    return keys, DynamoAccessStore(tables.client, tables.access, ROW_MACS, fence)


CHANGES: dict[str, Callable[[DynamoKeyStore, DynamoAccessStore], object]] = {
    "a key": lambda keys, _: keys.commit([PutKey(key(2))]),
    "a hundred, with no room for the condition": lambda keys, _: keys.commit([PutKey(key(n)) for n in range(2, 102)]),
    "the end of one": lambda keys, _: keys.commit([DeleteKey(key(1))]),
    "a root secret": lambda keys, _: keys.put_root(b"sealed"),
    "an access key": lambda _, access: access.put_credential(credential(), new=True),
    "the end of an access key": lambda _, access: access.delete_credential("TKMS1"),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_changes_are_made_in_one_region(change: Callable[..., object], tables: Tables, rows: FenceRows) -> None:
    """The first one, until somebody says another one, or none."""
    first, second = stores(tables, FIRST), stores(tables, SECOND)
    first[0].commit([PutKey(key(1))])
    with pytest.raises(ChangesElsewhere, match=FIRST):
        change(*second)
    for active, refusing in ((OVER, first), (Active(region="", epoch=2), second)):
        rows.write(active)
        with pytest.raises(ChangesElsewhere, match=active.region or "takes over"):
            change(*refusing)
    rows.write(Active(region=SECOND, epoch=3))
    change(*second)


def test_what_was_read_before_does_not_let_a_commit_through(tables: Tables, rows: FenceRows) -> None:
    """It is the condition that decides, not what is remembered."""
    keys, _ = stores(tables, FIRST, seconds=60)
    keys.commit([PutKey(key(1))])
    keys.put_watch("job", Watch(since=1, seen=1))  # it has looked
    rows.write(OVER)
    with pytest.raises(ChangesElsewhere, match=SECOND):
        keys.commit([PutKey(key(2))])
    assert keys.get(key(2).id) is None


def test_what_else_fails_is_told_as_ever(tables: Tables) -> None:
    keys, _ = stores(tables, FIRST)
    keys.commit([PutKey(key(1))])
    with pytest.raises(RevisionConflict):
        keys.commit([PutKey(key(1, token="another"))])


def test_each_epoch_has_watched_for_itself(tables: Tables, rows: FenceRows) -> None:
    first, second = stores(tables, FIRST)[0], stores(tables, SECOND)[0]
    first.put_watch("job", Watch(since=1, seen=1))
    second.put_watch("job", Watch(since=7, seen=7))  # it does not: another region watches
    assert second.get_watch("job") == Watch(since=1, seen=1)
    rows.write(OVER)
    assert second.get_watch("job") is None
    second.put_watch("job", Watch(since=2, seen=2))
    first.put_watch("job", Watch(since=3, seen=3))
    assert second.get_watch("job") == Watch(since=2, seen=2)


def test_a_version_that_came_alone_from_a_lost_region_is_in_nobody_s_way(tables: Tables) -> None:
    keys, _ = stores(tables, FIRST)
    keys.commit([PutKey(key(1)), PutVersion(key(1).id, version(1))])
    keys.commit([PutVersion(key(1).id, version(1)), PutKey(revised(key(1), "next"))])
    with pytest.raises(RevisionConflict):
        keys.commit([PutVersion(key(1).id, replace(version(2), number=1))])


def test_the_rows_say_one_thing_or_stay(tables: Tables, rows: FenceRows) -> None:
    assert rows.all() == {Active(region=FIRST)}
    rows.write(NOWHERE)
    assert rows.all() == {NOWHERE}
    rows.write(NOWHERE)  # said again
    with pytest.raises(RevisionConflict):  # somebody else was faster
        rows.write(OVER)
    tables.wire.faults = [Fault("TransactWriteItems", EndpointConnectionError(endpoint_url="x"), done=True)]
    taken = Active(region=SECOND, epoch=2, since=5)
    rows.write(taken)
    assert rows.all() == {taken}


def test_a_request_from_before_is_to_be_signed_anew(tables: Tables, rows: FenceRows) -> None:
    fence = DynamoFence(rows, SECOND, 0)
    rows.write(OVER)
    fence.check(OVER.since)
    with pytest.raises(ChangesElsewhere, match="sign it anew"):
        fence.check(OVER.since - 1)
