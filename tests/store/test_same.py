"""Random commits give both stores the same answers and the same contents."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

import pytest

from kit.moto_aws import Tables
from kit.samples import ROW_MACS, key, key_id, version
from tenantkms.errors import AliasExists
from tenantkms.model.alias import Alias
from tenantkms.model.key import KeyFilter
from tenantkms.store.dynamodb import DynamoKeyStore
from tenantkms.store.port import (
    DeleteAlias,
    DeleteKey,
    DeleteVersion,
    KeyStore,
    PutAlias,
    PutKey,
    PutVersion,
    RevisionConflict,
    Write,
)
from tenantkms.store.sqlite import SqliteStore

KEYS, ALIASES, VERSIONS = (1, 2, 3), ("a", "b", "c"), (1, 2, 3)


def some_writes(random: Random, turn: int) -> list[Write]:
    """One to four writes to different rows; many of them are refused."""
    every: list[Write] = []
    for number in KEYS:
        changed = key(number, revision=random.randint(1, 5), token=f"{turn}", description=f"{turn}")
        before = key(number, revision=changed.revision - 1) if changed.revision > 1 else None
        puts = PutKey(changed), PutKey(changed, before), PutKey(key(number, token=f"first {turn}"))
        every.append(random.choice((*puts, DeleteKey(changed))))
        every += [
            random.choice((PutVersion(key_id(number), version(v)), DeleteVersion(key_id(number), v))) for v in VERSIONS
        ]
    for name in ALIASES:
        alias = Alias(name=name, key_id=key_id(random.choice(KEYS)))
        put = PutAlias(alias, expect=random.choice((None, None, key_id(1))))
        every += [random.choice((put, put, DeleteAlias(alias)))]
    return random.sample(every, random.randint(1, 4))


def outcome(store: KeyStore, writes: Sequence[Write]) -> str:
    try:
        store.commit(writes)
    except (AliasExists, RevisionConflict) as e:
        return type(e).__name__
    return "ok"


def contents(store: KeyStore) -> object:
    return (
        [store.get(key_id(n)) for n in KEYS],
        [store.get_version(key_id(n), v) for n in KEYS for v in VERSIONS],
        [store.list_versions(key_id(n), 1, 9) for n in KEYS],
        [store.get_alias(name) for name in ALIASES],
        store.list_keys(KeyFilter(), now=0, offset=0, limit=10),
        store.list_aliases(offset=0, limit=10),
    )


@pytest.mark.parametrize("seed", range(3))
def test_both_stores_are_the_same(sqlite: SqliteStore, tables: Tables, seed: int) -> None:
    dynamodb = DynamoKeyStore(tables.client, tables.keys, ROW_MACS)
    random = Random(seed)
    seen: set[str] = set()
    for turn in range(80):
        writes = some_writes(random, turn)
        answers = [outcome(store, writes) for store in (sqlite, dynamodb)]
        assert answers[0] == answers[1], writes
        seen.add(answers[0])
        if turn % 10 == 9:
            assert contents(sqlite) == contents(dynamodb)
    assert seen == {"ok", "AliasExists", "RevisionConflict"}
