"""Listings of both stores: every filter, order, pages and totals."""

from __future__ import annotations

import time
from itertools import pairwise

import pytest
from msgspec.structs import replace

from kit.fakes import Clock
from kit.moto_aws import Tables
from kit.samples import ROW_MACS, key, key_id, version
from tenantkms.model.alias import Alias
from tenantkms.model.key import Key, KeyFilter
from tenantkms.model.specs import KeySpec, KeyUsage, Origin
from tenantkms.model.states import KeyState
from tenantkms.store.dynamodb import DynamoKeyStore
from tenantkms.store.port import DeleteKey, KeyStore, PutAlias, PutKey, PutVersion

SOME: list[Key] = [
    key(1, aliases=("app/one", "blue"), tags={"env": "prod", "team": "a"}),
    key(2, state=KeyState.DISABLED, aliases=("app/two",), tags={"env": "test"}),
    key(3, spec=KeySpec.SM4, creator="other", tags={"team": "prod"}),
    key(4, usage=KeyUsage.SIGN_VERIFY, origin=Origin.EXTERNAL, tags={}),
    key(5, state=KeyState.PENDING_DELETION, spec=KeySpec.SM4, tags={"env": ""}),
]


def of(*values: str) -> frozenset[str]:
    return frozenset(values)


FILTERS: dict[str, tuple[KeyFilter, list[int]]] = {
    "nothing": (KeyFilter(), [1, 2, 3, 4, 5]),
    "state": (KeyFilter(states=frozenset({KeyState.ENABLED})), [1, 3, 4]),
    "states": (KeyFilter(states=frozenset({KeyState.DISABLED, KeyState.PENDING_DELETION})), [2, 5]),
    "no state": (KeyFilter(states=frozenset()), []),
    "spec": (KeyFilter(specs=frozenset({KeySpec.SM4})), [3, 5]),
    "usage": (KeyFilter(usages=frozenset({KeyUsage.SIGN_VERIFY})), [4]),
    "origin": (KeyFilter(origins=frozenset({Origin.EXTERNAL})), [4]),
    "creator": (KeyFilter(creators=of("other", "nobody")), [3]),
    "ids": (KeyFilter(ids=of(key_id(2), key_id(4), key_id(99))), [2, 4]),
    "alias": (KeyFilter(aliases=of("blue", "app/two", "app")), [1, 2]),
    "part of an alias": (KeyFilter(alias_contains="app/"), [1, 2]),
    "part of no alias": (KeyFilter(alias_contains="%"), []),
    "part of an alias in capitals": (KeyFilter(alias_contains="APP/"), []),
    "no part of an alias": (KeyFilter(alias_contains="\0"), []),
    "no alias": (KeyFilter(aliases=of()), []),
    "an alias and a part of another": (KeyFilter(aliases=of("blue", "app/two"), alias_contains="one"), [1]),
    "an alias and an id": (KeyFilter(aliases=of("blue", "app/two"), ids=of(key_id(2), key_id(3))), [2]),
    "a part of an alias and a tag": (KeyFilter(alias_contains="app", tags=((of(), of("test")),)), [2]),
    "tag": (KeyFilter(tags=((of("env"), of("prod")),)), [1]),
    "tag key": (KeyFilter(tags=((of("env"), of()),)), [1, 2, 5]),
    "tag value": (KeyFilter(tags=((of(), of("prod")),)), [1, 3]),
    "two tags": (KeyFilter(tags=((of("env"), of()), (of("team"), of("a", "b")))), [1]),
    "an empty tag value": (KeyFilter(tags=((of("env"), of("")),)), [5]),
    "any tag": (KeyFilter(tags=((of(), of()),)), [1, 2, 3, 5]),
    "state and spec": (KeyFilter(states=frozenset({KeyState.ENABLED}), specs=frozenset({KeySpec.SM4})), [3]),
    "state and tag": (KeyFilter(states=frozenset({KeyState.ENABLED}), tags=((of("env"), of()),)), [1]),
}


@pytest.mark.parametrize(("where", "found"), FILTERS.values(), ids=FILTERS)
def test_filters(store: KeyStore, where: KeyFilter, found: list[int]) -> None:
    aliases = [Alias(name=name, key_id=k.id) for k in SOME for name in k.aliases]
    store.commit([*(PutKey(k) for k in SOME), *(PutAlias(alias, expect=None) for alias in aliases)])
    expected = [SOME[n - 1] for n in found]
    assert store.list_keys(where, now=0, offset=0, limit=10) == (len(found), expected)
    assert store.list_keys(where, now=0, offset=0, limit=10, descending=True) == (len(found), expected[::-1])
    assert store.list_keys(where, now=0, offset=1, limit=1) == (len(found), expected[1:2])


EXPIRED = {
    KeyState.ENABLED: KeyState.PENDING_IMPORT,
    KeyState.DISABLED: KeyState.PENDING_IMPORT,
    KeyState.ARCHIVED: KeyState.PENDING_IMPORT,
    KeyState.PENDING_IMPORT: KeyState.PENDING_IMPORT,
    KeyState.PENDING_DELETION: KeyState.PENDING_DELETION,
}
"""State that was set -> the one from the second on in which imported material expires."""


@pytest.mark.parametrize("tagged", [False, True])
def test_material_that_expires_is_listed_so_from_its_second_on(store: KeyStore, tagged: bool) -> None:
    """In every state, by pages too; whose material does not expire, and who has none, stays as it is."""
    ends = 1_800_000_000
    imported = [
        key(n, origin=Origin.EXTERNAL, state=state, material_expires=ends, deletion_date=ends - 9)
        for n, state in enumerate(EXPIRED, 1)
    ]
    others = [key(n, state=state, deletion_date=1) for n, state in enumerate(EXPIRED, 11)]
    others += [key(21, origin=Origin.EXTERNAL), key(22, origin=Origin.EXTERNAL, primary=None)]
    others += [key(23, rotation_seconds=1), key(24, rotation_seconds=1, state=KeyState.DISABLED)]
    store.commit([PutKey(k) for k in (*imported, *others)])
    for now in (ends - 1, ends):
        for state in KeyState:
            of_others = [k for k in others if k.state is state]
            wanted = [k for k in imported if (EXPIRED[k.state] if now == ends else k.state) is state] + of_others
            where = KeyFilter(states=frozenset({state}), tags=((of("env"), of("prod")),) if tagged else ())
            assert store.list_keys(where, now=now, offset=0, limit=100) == (len(wanted), wanted)
            for offset in range(len(wanted) + 1):
                page = store.list_keys(where, now=now, offset=offset, limit=2)
                assert page == (len(wanted), wanted[offset : offset + 2])


def test_every_filter_field_is_tested() -> None:
    default = KeyFilter()
    fields = KeyFilter.__struct_fields__
    used = {f for where, _ in FILTERS.values() for f in fields if getattr(where, f) != getattr(default, f)}
    assert used == set(fields)


def test_keys_stand_in_the_order_of_their_creation_and_then_of_their_ids(store: KeyStore) -> None:
    keys = [key(n, created=created) for n, created in ((1, 10_000), (2, 9_999), (3, 10_000), (4, 0), (5, 2**33))]
    store.commit([PutKey(k) for k in keys])
    _, listed = store.list_keys(KeyFilter(), now=0, offset=0, limit=10)
    assert [k.id for k in listed] == [key_id(n) for n in (4, 2, 1, 3, 5)]


@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("limit", [1, 5, 12, 1000])
@pytest.mark.parametrize("where", [KeyFilter(), KeyFilter(tags=((of(), of("empty")),))], ids=["all", "tagged"])
def test_pages_put_together_are_the_listing(store: KeyStore, where: KeyFilter, limit: int, descending: bool) -> None:
    keys = [key(n) for n in range(1, 13)]
    store.commit([PutKey(k) for k in keys])
    paged: list[Key] = []
    for offset in range(0, 12, limit):
        total, page = store.list_keys(where, now=0, offset=offset, limit=limit, descending=descending)
        assert total == 12
        assert len(page) == min(limit, 12 - offset)
        paged += page
    assert paged == (keys[::-1] if descending else keys)
    assert store.list_keys(where, now=0, offset=12, limit=limit, descending=descending) == (12, [])


@pytest.mark.parametrize("limit", [1, 2, 4, 10])
def test_keys_are_listed_beyond_the_last_one_seen(store: KeyStore, limit: int) -> None:
    alike = [replace(key(n), created=SOME[2].created) for n in (8, 6, 7)]
    store.commit([PutKey(k) for k in (*SOME, *alike)])
    ordered = sorted((*SOME, *alike), key=lambda k: (k.created, k.id))
    seen: list[Key] = []
    while page := store.keys_after((seen[-1].created, seen[-1].id) if seen else (0, ""), limit=limit):
        assert len(page) <= limit
        seen += page
    assert seen == ordered
    gone = ordered[3]
    store.commit([DeleteKey(gone)])
    assert store.keys_after((gone.created, gone.id), limit=10) == ordered[4:]


def test_aliases_stand_in_the_order_of_their_names(store: KeyStore) -> None:
    names = ["b", "a", "B", "a/b", "a-b", "a_b", "aa", "10", "9", "Z" * 255]
    store.commit([PutKey(key(1, aliases=tuple(names)))])
    store.commit([PutAlias(Alias(name=name, key_id=key_id(1)), expect=None) for name in names])
    total, listed = store.list_aliases(offset=0, limit=100)
    assert total == len(names)
    assert [a.name for a in listed] == sorted(names)
    assert all(a.name < b.name for a, b in pairwise(listed))
    for offset in range(len(names) + 1):
        assert store.list_aliases(offset=offset, limit=3) == (len(names), listed[offset : offset + 3])


def test_a_listing_shows_the_last_revision(store: KeyStore) -> None:
    first = key(1)
    store.commit([PutKey(first)])
    second = replace(first, revision=2, token="2", state=KeyState.DISABLED, aliases=("a",))
    store.commit([PutKey(second)])
    assert store.list_keys(KeyFilter(), now=0, offset=0, limit=10) == (1, [second])
    assert store.list_keys(KeyFilter(states=frozenset({KeyState.ENABLED})), now=0, offset=0, limit=10) == (0, [])


@pytest.mark.parametrize(("first", "last"), [(1, 12), (1, 1), (3, 5), (9, 11), (12, 12), (13, 20), (5, 4), (0, 2**31)])
def test_versions_are_listed_by_number(store: KeyStore, first: int, last: int) -> None:
    store.commit([PutKey(key(1)), *(PutVersion(key_id(1), version(n)) for n in range(1, 13))])
    store.commit([PutVersion(key_id(2), version(4))])
    expected = [version(n) for n in range(1, 13) if first <= n <= last]
    assert store.list_versions(key_id(1), first, last) == expected
    assert store.list_versions(key_id(3), first, last) == []


def going(number: int, date: int) -> Key:
    return key(number, state=KeyState.PENDING_DELETION, deletion_date=date)


def test_due_keys_are_listed_by_time_and_then_by_id(store: KeyStore) -> None:
    due = [going(5, 90), going(1, 100), going(4, 100), going(2, 101)]
    said = [(k.due, k.id) for k in due]
    store.commit([PutKey(k) for k in (key(3), *due[::-1])])
    assert store.list_due(89, limit=10) == []
    assert store.list_due(100, limit=10) == said[:3]
    assert store.list_due(10**10, limit=10) == said
    assert store.list_due(100, limit=2) == said[:2]


def test_due_keys_are_listed_beyond_the_last_one_seen(store: KeyStore) -> None:
    due = [going(n, 100 + n // 3) for n in range(1, 9)]
    said = [(k.due, k.id) for k in due]
    store.commit([PutKey(k) for k in due])
    for seen in range(8):
        after = (due[seen].due, due[seen].id)
        assert store.list_due(10**10, limit=3, after=after) == said[seen + 1 : seen + 4]
    assert store.list_due(99, limit=3, after=(100, key_id(1))) == []


def test_a_key_that_is_no_longer_due_leaves_the_list(store: KeyStore) -> None:
    store.commit([PutKey(going(1, 100)), PutKey(going(2, 100))])
    store.commit([PutKey(key(1, revision=2, token="cancelled")), DeleteKey(going(2, 100))])
    assert store.list_due(10**10, limit=10) == []


def test_keys_that_wait_are_counted_by_state(store: KeyStore) -> None:
    assert store.count_waiting(KeyState.PENDING_DELETION) == 0
    rotated = [key(n, rotation_seconds=86_400) for n in range(1, 4)]
    store.commit([PutKey(k) for k in (*rotated, key(4), going(5, 100), going(6, 10**10))])
    assert store.count_waiting(KeyState.PENDING_DELETION) == 2
    assert store.count_waiting(KeyState.ENABLED) == 3
    store.commit([PutKey(key(5, revision=2, token="cancelled"))])
    assert store.count_waiting(KeyState.PENDING_DELETION) == 1


def test_keys_and_aliases_are_counted_whatever_their_state(store: KeyStore) -> None:
    store.commit([PutKey(key(n)) for n in range(1, 4)])
    store.commit([PutKey(going(4, 100)), PutAlias(Alias(name="a", key_id=key_id(1)), expect=None)])
    assert (store.count_keys(), store.count_aliases()) == (4, 1)


def test_a_count_of_dynamodb_is_a_minute_old_at_most(tables: Tables, monkeypatch: pytest.MonkeyPatch) -> None:
    store, clock = DynamoKeyStore(tables.client, tables.keys, ROW_MACS), Clock()
    monkeypatch.setattr(time, "monotonic", clock)
    assert store.count_keys() == 0
    store.commit([PutKey(key(1))])
    clock.now += 59
    assert store.count_keys() == 0
    clock.now += 1
    assert store.count_keys() == 1
