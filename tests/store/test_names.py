"""Access keys by name: who looks for one reads those that have it, and misses none that a release before wrote."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from kit.fakes import Clock
from kit.moto_aws import Tables
from kit.samples import ROW_MACS, credential
from tenantkms.access.credentials import Access, called
from tenantkms.errors import LimitExceeded
from tenantkms.model.credential import Credential, by_age
from tenantkms.parent.file import FileParentKey
from tenantkms.store.dynamodb import DynamoAccessStore
from tenantkms.store.dynamodb_layout import by_time, with_mac
from tenantkms.store.integrity import RowMac
from tenantkms.store.port import AccessStore
from tenantkms.store.sqlite import SqliteStore
from tenantkms.store.sqlite_layout import CREDENTIALS_NAMED

NOW = 1_700_000_000
NAMES = ("app", "App", "app ", "", "ключ", 'a"b', "a\\u0000", "a", "a\x00", "a\x00b", "/\u2028\U0001f600", "n" * 5_000)


def put(store: AccessStore, number: int, name: str, **changes: Any) -> Credential:
    made = credential(number, name=name, **changes)
    store.put_credential(made, new=True)
    return made


def test_those_of_a_name_are_found_by_age_and_no_others(access: AccessStore) -> None:
    made = {name: [put(access, 10 * at + n, name, created=NOW - n) for n in (1, 2, 3)] for at, name in enumerate(NAMES)}
    for name, found in made.items():
        assert access.credentials_named(name) == found[::-1]
    assert access.credentials_named("ap") == access.credentials_named("NAME#") == []


def test_what_a_policy_says_is_no_name(access: AccessStore) -> None:
    put(access, 1, "other", policy='{"name":"app"}')
    assert access.credentials_named("app") == []


def test_it_follows_what_becomes_of_them(access: AccessStore) -> None:
    one, other = put(access, 1, "app"), put(access, 2, "app", enabled=False)
    access.put_credential(off := replace(one, enabled=False), new=False)
    access.put_credential(away := replace(other, name="elsewhere"), new=False)
    assert (access.credentials_named("app"), access.credentials_named("elsewhere")) == ([off], [away])
    access.delete_credential(one.access_key_id)
    assert access.credentials_named("app") == []


def test_one_may_be_called_by_its_id_or_by_its_name(access: AccessStore) -> None:
    one = put(access, 1, "app")
    named_so = put(access, 2, one.access_key_id, created=NOW - 1)
    assert called(access, one.access_key_id) == [named_so, one]
    assert called(access, "app") == [one]
    twice = put(access, 3, credential(3).access_key_id)
    assert called(access, twice.name) == [twice]
    put(access, 4, "")
    assert called(access, "") == called(access, "nobody") == called(access, "\udcff") == []


# -- what is read ----------------------------------------------------------------------------------------


class Counted(RowMac):
    """How many rows were looked at."""

    looked = 0

    def check(self, row: object, mac: object, *name: object) -> None:
        self.looked += 1
        super().check(row, mac, *name)


@pytest.fixture
def macs() -> Counted:
    return Counted(lambda: bytes(32))


def opened(store: AccessStore) -> Access:
    return Access("acme", store, FileParentKey(bytes(32)), clock=Clock())


def test_the_file_looks_at_those_of_the_name_alone(tmp_path: Path, macs: Counted) -> None:
    store = SqliteStore(tmp_path / "kms.sqlite3", macs)
    for number in range(100):
        put(store, number, f"name {number // 2}", enabled=False)
    for read in (
        lambda: opened(store).create("name 7", (), "", NOW),
        lambda: opened(store).change(credential(15).access_key_id, NOW, enabled=True),
        lambda: opened(store).create("", (), "", NOW),
    ):
        macs.looked = 0
        read()
        assert macs.looked <= 4, "the two that have the name, the new one, and that which is changed"
    plan = store._at.db.execute(f"EXPLAIN QUERY PLAN {CREDENTIALS_NAMED}", ("a", "a")).fetchall()
    assert ["credentials_by_name" in row[-1] for row in plan if "credentials" in row[-1]] == [True]


@pytest.fixture
def read_rows(tables: Tables) -> list[int]:
    """For each query how many rows DynamoDB has looked at."""
    looked: list[int] = []
    event = "after-call.dynamodb.Query"
    tables.client.meta.events.register(event, lambda parsed, **_: looked.append(parsed["ScannedCount"]))
    return looked


def test_dynamodb_looks_at_those_of_the_name_alone(tables: Tables, macs: Counted, read_rows: list[int]) -> None:
    store = DynamoAccessStore(tables.client, tables.access, macs)
    for number in range(100):
        put(store, number, f"name {number // 2}", enabled=False)
    for read, rows in (
        (lambda: opened(store).create("name 7", (), "", NOW), [0, 2]),
        (lambda: opened(store).change(credential(15).access_key_id, NOW, enabled=True), [0, 3]),
        (lambda: opened(store).create("", (), "", NOW), []),
    ):
        read_rows.clear()
        read()
        assert read_rows == rows


# -- the release before -----------------------------------------------------------------------------------


def before(tables: Tables, made: Credential) -> None:
    """Give its row the place that a release before gives it, whether it makes or changes it."""
    key = {"pk": {"S": f"CREDENTIAL#{made.access_key_id}"}}
    row: dict[str, Any] = dict(tables.client.get_item(TableName=tables.access, Key=key)["Item"])
    del row["mac"]
    row["order"] = {"S": by_time(made.created, made.access_key_id)}
    tables.client.put_item(TableName=tables.access, Item=with_mac(ROW_MACS, row))


@pytest.fixture
def dynamodb(tables: Tables) -> DynamoAccessStore:
    return DynamoAccessStore(tables.client, tables.access, ROW_MACS)


def test_what_a_release_before_wrote_is_found(
    tables: Tables, dynamodb: DynamoAccessStore, read_rows: list[int]
) -> None:
    made = {name: [put(dynamodb, 10 * at + n, name) for n in (1, 2)] for at, name in enumerate(NAMES)}
    for name in NAMES:
        before(tables, made[name][0])
    for name in NAMES:
        read_rows.clear()
        assert dynamodb.credentials_named(name) == made[name]
        assert read_rows == [len(NAMES), 1], "those from before are all looked at"
    assert dynamodb.list_credentials() == sorted(chain.from_iterable(made.values()), key=by_age)
    with pytest.raises(LimitExceeded):
        opened(dynamodb).create("app", (), "", NOW)


def test_a_change_gives_it_its_place(tables: Tables, dynamodb: DynamoAccessStore, read_rows: list[int]) -> None:
    made = put(dynamodb, 1, "app")
    before(tables, made)
    dynamodb.put_credential(made, new=False)
    assert dynamodb.credentials_named("app") == [made]
    assert read_rows == [0, 1]


def test_one_that_gets_its_place_while_all_are_gone_through_is_found_once(
    tables: Tables, dynamodb: DynamoAccessStore
) -> None:
    """Its place is further on."""
    made = [put(dynamodb, n, f"app {n}") for n in (1, 2, 3)]
    before(tables, made[0])
    tables.client.meta.events.register(
        "provide-client-params.dynamodb.Query", lambda params, **_: {**params, "Limit": 1}
    )
    found = dynamodb.credentials()
    first = next(found)
    dynamodb.put_credential(first, new=False)
    assert sorted([first, *found], key=by_age) == made


class Nothing:
    """A reseal that finds everything sealed as it is to be."""

    def __getattr__(self, _: str) -> Any:
        return lambda *values: values[-1]


def test_a_reseal_gives_it_its_place(tables: Tables, dynamodb: DynamoAccessStore, read_rows: list[int]) -> None:
    made = put(dynamodb, 1, "app")
    before(tables, made)
    assert [seen.renewed for seen in dynamodb.reseal(Nothing())] == [True]
    read_rows.clear()
    assert dynamodb.credentials_named("app") == [made]
    assert read_rows == [0, 1]
    assert [seen.renewed for seen in dynamodb.reseal(Nothing())] == [False]


def raw(path: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        yield db


def test_a_file_from_before_has_the_index_once_it_is_opened_and_keeps_its_version(tmp_path: Path) -> None:
    path = tmp_path / "kms.sqlite3"
    made = put(SqliteStore(path, ROW_MACS), 1, "app")
    for db in raw(path):
        (version,) = db.execute("PRAGMA user_version").fetchone()
        db.execute("DROP INDEX credentials_by_name")
        db.execute("INSERT INTO credentials (access_key_id, created, doc) VALUES ('no json', 1, '{\"name\":')")
    assert version == 4, "another one would be refused by the release before"
    assert SqliteStore(path, ROW_MACS).credentials_named("app") == [made]
    for db in raw(path):
        assert db.execute("PRAGMA user_version").fetchone() == (version,)


def test_the_index_of_the_file_follows_who_does_not_know_it(tmp_path: Path) -> None:
    path = tmp_path / "kms.sqlite3"
    store = SqliteStore(path, ROW_MACS)
    made = [put(store, n, "app") for n in (1, 2)]
    rows = list(store._at.db.execute("SELECT access_key_id, created, doc, mac FROM credentials ORDER BY created"))
    for db in raw(path):
        db.execute("DELETE FROM credentials")
        db.execute("INSERT INTO credentials (access_key_id, created, doc, mac) VALUES (?, ?, ?, ?)", rows[1])
    assert store.credentials_named("app") == made[1:]
