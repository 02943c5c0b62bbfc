"""A row that somebody else wrote is not believed by anything that reads it, and is found; on both stores."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from kit.moto_aws import Fault, Tables, refusal
from kit.raw_rows import Row, raw_rows, without_mac
from kit.samples import ROW_MACS, credential, key, key_id, revised, version
from tenantkms.errors import Unavailable, kind
from tenantkms.model.alias import Alias
from tenantkms.model.key import KeyFilter
from tenantkms.model.states import KeyState
from tenantkms.model.watch import Place, Watch
from tenantkms.store.dynamodb import DynamoKeyStore
from tenantkms.store.integrity import IntegrityFault, RowMac
from tenantkms.store.port import AccessStore, KeyStore, PutAlias, PutKey, PutVersion
from tenantkms.store.sqlite import SqliteStore
from tenantkms.store.sqlite_layout import TABLES

LEAVING = key(1, state=KeyState.PENDING_DELETION, deletion_date=1_800_000_000, aliases=("a",))
ALIAS = Alias(name="a", key_id=key_id(1))
ID = credential(1).access_key_id

Reads = dict[str, Callable[[], object]]


def fill(store: KeyStore) -> None:
    store.commit([PutKey(LEAVING), PutVersion(key_id(1), version(7)), PutAlias(ALIAS, expect=None)])


def reads(store: KeyStore) -> dict[str, Reads]:
    """By a word of a row's name: everything that shows it."""
    return {
        "key": {
            "get": lambda: store.get(key_id(1)),
            "list": lambda: store.list_keys(KeyFilter(), now=0, offset=0, limit=10),
            "list by tag": lambda: store.list_keys(
                KeyFilter(tags=((frozenset(), frozenset()),)), now=0, offset=0, limit=10, descending=True
            ),
        },
        "version": {
            "get": lambda: store.get_version(key_id(1), 7),
            "list": lambda: store.list_versions(key_id(1), 1, 9),
        },
        "alias": {"get": lambda: store.get_alias("a"), "list": lambda: store.list_aliases(offset=0, limit=10)},
    }


def shown_by(row: Row) -> str:
    """Which of `reads`."""
    if "sk" in row:
        return "alias" if row["pk"]["S"].startswith("ALIAS#") else "key" if row["sk"]["S"] == "META" else "version"
    return {"keys": "key", "versions": "version", "aliases": "alias"}[row[""]]


def refused(call: Callable[[], object]) -> IntegrityFault:
    with pytest.raises(IntegrityFault) as caught:
        call()
    return caught.value


def bad(store: KeyStore | AccessStore) -> list[str]:
    return [fault.details for fault in store.check_rows() if fault]


HIDES = ("listing", "order")
"""Attributes that an index of DynamoDB is made of: a listing does not have the row any more, or elsewhere."""


def test_whatever_is_changed_in_a_row_no_read_believes_it(store: KeyStore) -> None:
    fill(store)
    raw, changed = raw_rows(store), 0
    for row in raw.rows():
        for attribute, other in raw.variants(row):
            raw.put(other)
            for name, read in reads(store)[shown_by(row)].items():
                if name == "get" or attribute not in HIDES:
                    refused(read)
                    changed += 1
            (named,) = bad(store)
            assert ("has no MAC" in named) == ("mac" not in other or other["mac"] is None)
            raw.put(row)
    assert changed > 30
    for kinds in reads(store).values():
        assert all(read() for read in kinds.values())
    assert bad(store) == []


def test_whatever_is_changed_in_an_access_key_no_read_believes_it(access: AccessStore) -> None:
    access.put_credential(credential(1), new=True)
    raw = raw_rows(access)
    (row,) = raw.rows()
    for attribute, other in raw.variants(row):
        raw.put(other)
        refused(lambda: access.get_credential(ID))
        if attribute not in HIDES:
            refused(access.list_credentials)
            if attribute != "doc":  # it may have another name then
                refused(lambda: access.credentials_named(credential(1).name))
            assert len(bad(access)) == 1
        raw.put(row)
    assert access.list_credentials() == [access.get_credential(ID)] == [credential(1)]


def test_rows_that_change_places_are_not_believed(store: KeyStore, access: AccessStore) -> None:
    """Each is authentic, but not there."""
    store.commit([PutKey(key(1)), PutKey(key(2)), PutVersion(key_id(1), version(1)), PutVersion(key_id(2), version(1))])
    for number in (1, 2):
        store.commit([PutAlias(Alias(name=f"a{number}", key_id=key_id(number)), expect=None)])
        access.put_credential(credential(number), new=True)
    for rows in map(raw_rows, {getattr(each, "_path", each): each for each in (store, access)}.values()):
        pairs: dict[str, list[Row]] = {}
        for row in rows.rows():
            pairs.setdefault(f"{row.get('')}{row.get('sk')}{str(row.get('pk'))[:12]}", []).append(row)
        for one, other in pairs.values():
            named = next(name for name in ("id", "name", "key_id", "access_key_id", "pk") if name in one)
            rows.put({**one, named: other[named]})
            rows.put({**other, named: one[named]})
    for number in (1, 2):
        refused(lambda n=number: store.get(key_id(n)))
        refused(lambda n=number: store.get_version(key_id(n), 1))
        refused(lambda n=number: store.get_alias(f"a{n}"))
        refused(lambda n=number: access.get_credential(credential(n).access_key_id))


def test_a_table_that_finds_another_row_is_not_believed(sqlite: SqliteStore) -> None:
    """What compares names rests in the file as well. The row is authentic, and another one than was asked for."""
    sqlite.commit([PutKey(key(10)), PutVersion(key_id(10), version(1))])
    sqlite.commit([PutAlias(Alias(name="MINE", key_id=key_id(10)), expect=None)])
    sqlite.put_credential(credential(1), new=True)
    db = sqlite._at.db
    for table in TABLES:
        db.execute(f"ALTER TABLE {table.name} RENAME TO was_{table.name}")
        lower = ", ".join(f"{column} COLLATE NOCASE AS {column}" for column in table.columns)
        db.execute(f"CREATE VIEW {table.name} AS SELECT {lower}, mac FROM was_{table.name}")
    assert sqlite.get_alias("MINE") == Alias(name="MINE", key_id=key_id(10))
    refused(lambda: sqlite.get_alias("mine"))
    refused(lambda: sqlite.get_credential(ID.swapcase()))
    refused(lambda: sqlite.get(key_id(10).upper()))
    refused(lambda: sqlite.get_version(key_id(10).upper(), 1))


def test_a_row_of_another_tenant_is_not_believed(store: KeyStore) -> None:
    fill(store)
    macs = RowMac(lambda: bytes(32))
    other = SqliteStore(store._path, macs) if isinstance(store, SqliteStore) else None
    if isinstance(store, DynamoKeyStore):
        refused(lambda: DynamoKeyStore(store._client, store._table, macs).get(key_id(1)))
    else:
        assert other is not None
        refused(lambda: other.get(key_id(1)))


def test_callers_are_told_no_more_than_of_a_store_that_fails(store: KeyStore) -> None:
    fill(store)
    raw = raw_rows(store)
    for row in raw.rows():
        raw.put(without_mac(row))
    fault = refused(lambda: store.get(key_id(1)))
    assert kind(fault) is Unavailable
    assert (fault.message, fault.retryable) == (Unavailable.text, True)
    assert key_id(1) in fault.row
    assert key_id(1) not in fault.message


def test_each_row_that_is_read_and_not_believed_rings_once() -> None:
    rung: list[int] = []
    macs = RowMac(lambda: bytes(32), lambda: rung.append(1))
    macs.check(["row"], macs.make(["row"]), "row")
    assert rung == []
    for mac in (None, "", "0" * 32, macs.make(["other"]), "é" * 32, b"0" * 32, 7):
        refused(lambda m=mac: macs.check(["row"], m, "row"))
    assert len(rung) == 7


def test_a_name_that_somebody_chose_does_nothing_to_a_terminal() -> None:
    macs = RowMac(lambda: bytes(32))
    fault = macs.fault([], None, "aliases", "a\x1b[2J\n" + "b" * 1000)
    assert fault is not None
    assert fault.row.isprintable()
    assert len(fault.row) == 300


def test_one_row_that_fails_hides_no_key_that_is_due(store: KeyStore) -> None:
    store.commit([PutKey(key(n, state=KeyState.PENDING_DELETION, deletion_date=100 + n)) for n in (1, 2, 3)])
    raw = raw_rows(store)
    for row in raw.rows():
        if key_id(2) in str(row):
            raw.put(without_mac(row))
    assert store.list_due(200, limit=10) == [(101, key_id(1)), (102, key_id(2)), (103, key_id(3))]


def test_an_id_that_is_no_text_ends_no_list_of_what_is_due(sqlite: SqliteStore) -> None:
    sqlite.commit([PutKey(key(n, state=KeyState.PENDING_DELETION, deletion_date=100 + n)) for n in (1, 2)])
    sqlite._at.db.execute("UPDATE keys SET id = CAST(x'ff' AS TEXT) WHERE due = 101")
    assert sqlite.list_due(200, limit=10) == [(102, key_id(2))]


@pytest.mark.parametrize("value", ["x", 1e300, 2**62])
def test_what_has_no_mac_is_of_its_kind_whatever_somebody_wrote(sqlite: SqliteStore, value: object) -> None:
    sqlite.put_credential(credential(1), new=True)
    sqlite.put_root(b"sealed")
    sqlite._at.db.execute("UPDATE credentials SET last_used = ?", (value,))
    sqlite._at.db.execute("UPDATE root SET sealed = ?", (value,))
    assert sqlite.last_uses() == {}
    assert isinstance(sqlite.get_root(), bytes)


@pytest.mark.parametrize("seen", ["x", 2**62, -1])
def test_a_watch_that_no_run_can_have_left_is_none(store: KeyStore, seen: str | int) -> None:
    store.put_watch("job", Watch(since=1, seen=2))
    if isinstance(store, SqliteStore):
        store._at.db.execute("UPDATE watches SET seen = ?", (seen,))
    else:
        assert isinstance(store, DynamoKeyStore)
        (row,) = (row for row in store._client.scan(TableName=store._table)["Items"] if "since" in row)
        typed: Any = {"N": str(seen)} if isinstance(seen, int) else {"S": seen}
        store._client.put_item(TableName=store._table, Item={**row, "seen": typed})
    assert store.get_watch("job") is None


@pytest.mark.parametrize(
    "place", [None, 7, "", "{", "[[1]]", '[[1, 2], [0, ""], 0]', '[[-1,""],[0,""],0]', f'[[1,"{"x" * 65}"],[0,""],0]']
)
def test_a_place_that_no_run_can_have_left_is_before_the_first_key(store: KeyStore, place: str | int | None) -> None:
    """The watch counts all the same, and nothing keeps the next run from its work."""
    store.put_watch("job", Watch(since=1, seen=2, place=Place(after=(3, key_id(1)), looked=4)))
    if isinstance(store, SqliteStore):
        store._at.db.execute("UPDATE watches SET place = ?", (place,))
    else:
        assert isinstance(store, DynamoKeyStore)
        (row,) = (row for row in store._client.scan(TableName=store._table)["Items"] if "since" in row)
        typed: Any = {} if place is None else {"place": {"S": place} if isinstance(place, str) else {"N": str(place)}}
        row.pop("place")
        store._client.put_item(TableName=store._table, Item={**row, **typed})
    assert store.get_watch("job") == Watch(since=1, seen=2)


@pytest.mark.parametrize(
    "due", ["000000000101", "000000000101#", "00000000010x#" + key_id(1), "00000000010²#x", "#", "~"]
)
def test_a_due_that_no_release_wrote_does_not_stop_the_list(tables: Tables, due: str) -> None:
    store = DynamoKeyStore(tables.client, tables.keys, ROW_MACS)
    store.commit([PutKey(key(n, state=KeyState.PENDING_DELETION, deletion_date=100 + n)) for n in (1, 2)])
    raw = raw_rows(store)
    (first,) = (row for row in raw.rows() if key_id(1) in row["pk"]["S"])
    raw.put({**first, "due": {"S": due}})
    found, after = list[Any](), (0, "")
    while page := store.list_due(10**10, limit=1, after=after):
        found += page
        after = page[-1]
    assert (102, key_id(2)) in found
    assert len(found) <= 2


def test_text_that_is_no_utf_8_is_found_as_well(sqlite: SqliteStore) -> None:
    fill(sqlite)
    rows = raw_rows(sqlite)
    rows._do("UPDATE aliases SET key_id = CAST(x'ff' AS TEXT)")  # type: ignore[attr-defined]
    with pytest.raises(Unavailable):
        sqlite.get_alias("a")
    assert bad(sqlite) == ["aliases a is not what its MAC says"]


# -- before there are MACs -----------------------------------------------------------------------------------


def strip(store: KeyStore | AccessStore) -> int:
    raw = raw_rows(store)
    for row in raw.rows():
        raw.put(without_mac(row))
    return len(raw.rows())


def test_rows_of_an_older_release_are_believed_from_the_take_over_on(store: KeyStore, access: AccessStore) -> None:
    fill(store)
    access.put_credential(credential(1), new=True)
    for one in (store, access):
        count = strip(one)
        assert len(bad(one)) == count
        assert len(list(one.take_over())) == count
        assert list(one.take_over()) == []
        assert bad(one) == []
    assert store.get(key_id(1)) == LEAVING
    assert access.get_credential(ID) == credential(1)
    store.commit([PutKey(revised(LEAVING, "next"))])


def test_a_take_over_that_was_ended_goes_on(store: KeyStore) -> None:
    store.commit([PutKey(key(n)) for n in range(1, 6)])
    strip(store)
    next(iter(store.take_over()))
    list(store.take_over())
    assert bad(store) == []


def test_a_row_with_a_wrong_mac_is_not_taken_over(store: KeyStore) -> None:
    fill(store)
    raw = raw_rows(store)
    for row in raw.rows():
        for attribute, other in raw.variants(row):
            if attribute in ("record", "doc", "key_id"):
                raw.put(other)
    assert list(store.take_over()) == []
    assert len(bad(store)) == 3


def test_a_row_that_is_changed_meanwhile_does_not_get_the_mac_of_what_it_was(tables: Tables) -> None:
    store = DynamoKeyStore(tables.client, tables.keys, ROW_MACS)
    store.commit([PutKey(key(1))])
    strip(store)
    raw = raw_rows(store)
    (old,) = raw.rows()
    taking = store.take_over()
    tables.client.meta.events.register_first(
        "before-parameter-build.dynamodb.PutItem",
        change := lambda params, **_: None if "mac" not in params["Item"] else meanwhile(),
    )

    def meanwhile() -> None:
        tables.client.meta.events.unregister("before-parameter-build.dynamodb.PutItem", change)
        raw.put({**old, "record": {"S": old["record"]["S"].replace("key 1", "key 9")}})

    assert list(taking) == []
    (named,) = bad(store)
    assert named.endswith("has no MAC")
    assert len(list(store.take_over())) == 1


def test_a_store_that_is_looked_at_before_believes_and_writes_nothing(store: KeyStore, access: AccessStore) -> None:
    fill(store)
    access.put_credential(credential(1), new=True)
    strip(store)
    strip(access)
    assert store.unauthenticated().get(key_id(1)) == LEAVING
    assert access.unauthenticated().list_credentials() == [credential(1)]
    with pytest.raises(Unavailable):
        store.unauthenticated().commit([PutKey(key(2))])
    with pytest.raises(Unavailable):
        access.unauthenticated().put_credential(credential(2), new=True)


def test_without_a_root_secret_nothing_is_read_or_written_and_nothing_rings(tables: Tables) -> None:
    def no_key() -> bytes:
        raise Unavailable("There is no root secret.")

    rung: list[int] = []
    DynamoKeyStore(tables.client, tables.keys, ROW_MACS).commit([PutKey(key(1))])
    store = DynamoKeyStore(tables.client, tables.keys, RowMac(no_key, lambda: rung.append(1)))
    for call in (lambda: store.get(key_id(1)), lambda: store.commit([PutKey(key(2))])):
        with pytest.raises(Unavailable, match="no root secret") as caught:
            call()
        assert type(caught.value) is Unavailable
    assert rung == []


def test_a_take_over_that_is_refused_says_so(tables: Tables) -> None:
    store = DynamoKeyStore(tables.client, tables.keys, ROW_MACS)
    store.commit([PutKey(key(1))])
    strip(store)
    tables.wire.faults.append(Fault("PutItem", refusal("AccessDeniedException")))
    with pytest.raises(Unavailable):
        list(store.take_over())
