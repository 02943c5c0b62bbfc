"""What only DynamoDB has: its layout, which deployed tables keep, consistent reads, index pages, one token a commit."""

from __future__ import annotations

import hashlib
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from kit.moto_aws import Tables
from kit.samples import ROW_MACS, credential, key, key_id, revised, version
from tenantkms.model.alias import Alias
from tenantkms.model.key import Key, KeyFilter
from tenantkms.model.states import KeyState
from tenantkms.store.dynamodb import DynamoAccessStore, DynamoKeyStore
from tenantkms.store.port import PutAlias, PutKey, PutVersion, RevisionConflict

NOW = 1_700_000_000


@pytest.fixture
def keys(tables: Tables) -> DynamoKeyStore:
    return DynamoKeyStore(tables.client, tables.keys, ROW_MACS)


@pytest.fixture
def access(tables: Tables) -> DynamoAccessStore:
    return DynamoAccessStore(tables.client, tables.access, ROW_MACS)


def rows(tables: Tables, table: str) -> list[dict[str, Any]]:
    """All rows of a table, with the types that DynamoDB has them in, by their keys; their MACs are looked at here."""
    items: list[dict[str, Any]] = tables.client.scan(TableName=table)["Items"]
    for item in items:
        mac = item.pop("mac", {"S": None})["S"]
        assert (mac is None) == item["pk"]["S"].startswith("NONCE#")
        assert mac in (None, ROW_MACS.make(item))
    return sorted(items, key=lambda row: (row["pk"]["S"], row.get("sk", {}).get("S", "")))


def json(value: object) -> dict[str, str]:
    return {"S": msgspec.json.encode(value).decode()}


def without_sealed(key: Key) -> Key:
    return replace(key, primary=replace(version(), sealed=b""))


def test_the_rows_of_the_keys_table(tables: Tables, keys: DynamoKeyStore) -> None:
    alias = Alias(name="app/a", key_id=key_id(1))
    keys.commit([PutKey(key(1)), PutVersion(key_id(1), version(7)), PutAlias(alias, expect=None)])
    assert rows(tables, tables.keys) == [
        {
            "pk": {"S": "ALIAS#app/a"},
            "sk": {"S": "META"},
            "key_id": {"S": key_id(1)},
            "listing": {"S": "ALIASES"},
            "order": {"S": "app/a"},
        },
        {
            "pk": {"S": f"KEY#{key_id(1)}"},
            "sk": {"S": "META"},
            "record": json(without_sealed(key(1))),
            "material": {"B": version().sealed},
            "revision": {"N": "1"},
            "state": {"S": "Enabled"},
            "created": {"N": "1700000001"},
            "token": {"S": "made-1"},
            "listing": {"S": "KEYS"},
            "order": {"S": f"001700000001#{key_id(1)}"},
        },
        {"pk": {"S": f"KEY#{key_id(1)}"}, "sk": {"S": "VERSION#0000000007"}, "doc": json(version(7))},
    ]


def test_a_key_with_work_due_says_when(tables: Tables, keys: DynamoKeyStore) -> None:
    keys.commit([PutKey(key(1, state=KeyState.PENDING_DELETION, deletion_date=1_800_000_000))])
    (stored,) = rows(tables, tables.keys)
    assert (stored["waiting"], stored["due"]) == ({"S": "LEAVING#0"}, {"S": f"001800000000#{key_id(1)}"})


# -- material --------------------------------------------------------------------------------------------

LEAVING = revised(key(1), "2", state=KeyState.PENDING_DELETION, deletion_date=1_800_000_000)


def test_a_change_that_keeps_the_material_does_not_name_it(tables: Tables, keys: DynamoKeyStore) -> None:
    """The row is what a put would have left, also where an attribute comes and goes."""
    second = Tables.fresh()
    other = DynamoKeyStore(second.client, second.keys, ROW_MACS)
    for before, after in ((None, key(1)), (key(1), LEAVING), (LEAVING, revised(LEAVING, "3", state=KeyState.ENABLED))):
        keys.commit([PutKey(after, before)])
        other.commit([PutKey(after)])
        assert rows(tables, tables.keys) == rows(second, second.keys)
        assert keys.get(key_id(1)) == after
    first, *changes = [body["TransactItems"] for _, body in tables.wire.sent if "TransactItems" in body]
    assert "'material'" in str(first)
    assert [list(item) for (item,) in changes] == [["Update"]] * 2
    assert "'material'" not in str(changes)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (key(1), revised(key(1), "2", primary=version(2))),
        (key(1), revised(key(1), "2", primary=None)),
        (key(1, primary=None), revised(key(1), "2")),
        (key(1, revision=2), revised(key(1), "2")),
        (key(2), revised(key(1), "2")),
        (None, revised(key(1), "2")),
    ],
    ids=["other material", "none any more", "the first", "another revision", "another key", "not known"],
)
def test_whatever_may_change_the_material_is_put(
    tables: Tables, keys: DynamoKeyStore, before: Key | None, after: Key
) -> None:
    keys.commit([PutKey(key(1))])
    keys.commit([PutKey(after, before)])
    assert "Put" in tables.wire.sent[-1][1]["TransactItems"][0]
    assert keys.get(key_id(1)) == after


def as_before(tables: Tables, *, mac: bool) -> None:
    """The first key's row as it was laid out before material had an attribute."""
    (row,) = tables.client.scan(TableName=tables.keys)["Items"]
    old: Any = {n: v for n, v in row.items() if n not in ("record", "material", "mac")} | {"doc": json(key(1))}
    tables.client.put_item(TableName=tables.keys, Item={**old, "mac": {"S": ROW_MACS.make(old)}} if mac else old)


def test_a_row_from_before_is_read_and_keeps_its_material(tables: Tables, keys: DynamoKeyStore) -> None:
    keys.commit([PutKey(key(1))])
    as_before(tables, mac=True)
    assert keys.get(key_id(1)) == key(1)
    assert keys.list_keys(KeyFilter(), now=0, offset=0, limit=1) == (1, [key(1)])
    with pytest.raises(RevisionConflict):
        keys.commit([PutKey(LEAVING, key(1))])
    assert keys.get(key_id(1)) == key(1)
    keys.commit([PutKey(LEAVING)])
    (row,) = rows(tables, tables.keys)
    assert "doc" not in row
    assert keys.get(key_id(1)) == LEAVING


def test_a_take_over_lays_rows_out_anew(tables: Tables, keys: DynamoKeyStore) -> None:
    keys.commit([PutKey(key(1))])
    (new,) = rows(tables, tables.keys)
    as_before(tables, mac=False)
    assert len(list(keys.take_over())) == 1
    assert rows(tables, tables.keys) == [new]
    keys.commit([PutKey(LEAVING, key(1))])
    assert keys.get(key_id(1)) == LEAVING


def test_a_take_over_does_not_end_at_a_row_that_cannot_be_read(tables: Tables, keys: DynamoKeyStore) -> None:
    keys.commit([PutKey(key(1))])
    as_before(tables, mac=False)
    tables.client.update_item(
        TableName=tables.keys,
        Key={"pk": {"S": f"KEY#{key_id(1)}"}, "sk": {"S": "META"}},
        UpdateExpression="SET doc = :other",
        ExpressionAttributeValues={":other": {"S": "{"}},
    )
    assert len(list(keys.take_over())) == 1
    (row,) = rows(tables, tables.keys)
    assert row["doc"] == {"S": "{"}


# -- access ----------------------------------------------------------------------------------------------


def test_the_rows_of_the_access_table(tables: Tables, access: DynamoAccessStore) -> None:
    access.put_credential(credential(1), new=True)
    access.use_nonce(b"\x00\xff", now=NOW, expires=NOW + 600)
    access.use_nonce(b"\x00\xfe", now=NOW, expires=NOW + 600, source="192.0.2.1", again=5)
    first, second, third = rows(tables, tables.access)
    name = hashlib.sha256("credential 1, ключ".encode()).hexdigest()[:32]
    assert len(first.pop("token")["S"]) == len(second.pop("token")["S"]) == 32
    assert first == {
        "pk": {"S": "CREDENTIAL#TKMS00000000000000000001"},
        "doc": json(credential(1)),
        "listing": {"S": "CREDENTIALS"},
        "order": {"S": f"NAME#{name}#001700000001#TKMS00000000000000000001"},
    }
    place = hashlib.sha256(b"\x00\xff").hexdigest()[:32]
    assert second == {"pk": {"S": f"NONCE#{place}"}, "expires": {"N": str(NOW + 600)}}
    assert third["source"] == {"S": "192.0.2.1"}


def test_every_read_of_a_row_is_consistent(tables: Tables, keys: DynamoKeyStore, access: DynamoAccessStore) -> None:
    keys.get(key_id(1))
    keys.get_version(key_id(1), 1)
    keys.get_alias("a")
    keys.list_versions(key_id(1), 1, 2)
    access.get_credential("a")
    assert [body["ConsistentRead"] for _, body in tables.wire.sent] == [True] * 5


def test_a_commit_is_one_request_with_a_token_of_its_own(tables: Tables, keys: DynamoKeyStore) -> None:
    keys.commit([PutKey(key(1)), PutAlias(Alias(name="a", key_id=key_id(1)), expect=None)])
    keys.commit([PutKey(revised(key(1), "2"))])
    assert [operation for operation, _ in tables.wire.sent] == ["TransactWriteItems"] * 2
    assert len({body["ClientRequestToken"] for _, body in tables.wire.sent}) == 2


def test_listings_follow_the_pages_of_the_index(
    tables: Tables, keys: DynamoKeyStore, access: DynamoAccessStore
) -> None:
    made = [key(n) for n in range(1, 11)]
    aliases = [Alias(name=f"a{n}", key_id=key_id(1)) for n in range(10)]
    credentials = [credential(n) for n in range(1, 11)]
    keys.commit([PutKey(k) for k in made] + [PutAlias(a, expect=None) for a in aliases])
    for one in credentials:
        access.put_credential(one, new=True)
    tables.client.meta.events.register(
        "provide-client-params.dynamodb.Query", lambda params, **_: {**params, "Limit": 3}
    )
    assert keys.list_keys(KeyFilter(), now=0, offset=0, limit=100) == (10, made)
    assert keys.list_keys(KeyFilter(), now=0, offset=2, limit=5, descending=True) == (10, made[::-1][2:7])
    assert keys.list_aliases(offset=4, limit=3) == (10, aliases[4:7])
    assert access.list_credentials() == credentials
    assert tables.wire.count("Query") > 20


def test_of_what_is_due_no_more_is_read_than_is_asked_for(tables: Tables, keys: DynamoKeyStore) -> None:
    """A megabyte of rows for each hundred of them would be read ten times."""
    leaving = [key(n, state=KeyState.PENDING_DELETION, deletion_date=100 + n) for n in range(1, 13)]
    keys.commit([PutKey(one) for one in leaving])
    found, after = list[tuple[int, str]](), (0, "")
    while page := keys.list_due(10**10, limit=5, after=after):
        found += page
        after = page[-1]
    assert found == [(one.due, one.id) for one in leaving]
    asked = [body["Limit"] for operation, body in tables.wire.sent if operation == "Query"]
    assert set(asked) == {2}


def test_what_is_due_is_spread_over_partitions(tables: Tables, keys: DynamoKeyStore) -> None:
    """And is one list, in which rows from before, that stand in one partition, have their place."""
    ids = [f"{n % 16:x}" + key_id(n)[1:] for n in range(1, 33)]
    work = [key(n, id=id_, rotation_seconds=86_400 * (n % 7 + 1)) for n, id_ in enumerate(ids, 1)]
    keys.commit([PutKey(one) for one in work])
    places = {row["waiting"]["S"] for row in rows(tables, tables.keys)}
    assert places == {f"KEYS#{shard}" for shard in range(8)}
    for row in tables.client.scan(TableName=tables.keys)["Items"][:9]:
        tables.client.put_item(TableName=tables.keys, Item={**row, "waiting": {"S": "KEYS"}})
    in_turn = sorted((one.due, one.id) for one in work)
    assert keys.list_due(10**10, limit=100) == in_turn
    assert keys.list_due(10**10, limit=7, after=in_turn[4]) == in_turn[5:12]
    assert keys.count_waiting(KeyState.ENABLED) == 32


def test_keys_pending_deletion_are_counted_without_a_look_at_others(tables: Tables, keys: DynamoKeyStore) -> None:
    keys.commit([PutKey(key(n, rotation_seconds=86_400)) for n in range(1, 10)])
    tables.wire.sent.clear()
    assert keys.count_waiting(KeyState.PENDING_DELETION) == 0
    asked = [body["ExpressionAttributeValues"][":value"]["S"] for _, body in tables.wire.sent]
    assert asked == ["KEYS", *(f"LEAVING#{shard}" for shard in range(8))]


def test_an_access_key_id_too_long_for_a_row_is_unknown_without_asking(
    tables: Tables, access: DynamoAccessStore
) -> None:
    """DynamoDB refuses a partition key of more than 2048 bytes, and a stranger's id must not look like a fault."""
    fits = "x" * (2048 - len("CREDENTIAL#"))
    for access_key_id in (fits, fits + "x", fits[:-1] + "é"):
        assert access.get_credential(access_key_id) is None
    assert tables.wire.count("GetItem") == 1
