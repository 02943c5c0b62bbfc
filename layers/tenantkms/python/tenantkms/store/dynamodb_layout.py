"""The layout of the DynamoDB tables, and what each write of the port is as a part of a transaction.

Keys table     pk=KEY#<id>      sk=META                 record, material (bytes), revision, state, created, token, mac;
                                                        listed by age and due
               pk=KEY#<id>      sk=VERSION#<10 digits>  doc, mac
               pk=ALIAS#<name>  sk=META                 key_id, mac; listed by name
               pk=ROOT          sk=META                 sealed (bytes), token
               pk=WATCH#<job>   sk=META                 since, seen, place; after a failover WATCH#<job>#<epoch>
               pk=REGION#<0-7>  sk=META                 `dynamodb_fence`
               pk=SEGMENTS#KEYS                         `dynamodb_segments`
Access table   pk=CREDENTIAL#<access key id>            doc, token, mac; listed by name and age (`dynamodb_names`)
               pk=USE#<access key id>                   last_used, token; listed by access key id
               pk=NONCE#<hex>                           expires (DynamoDB's TTL), token, source
               pk=RATE#<bucket>#<second>                expires, taken

`doc` is the JSON of the model's struct, `mac` is over all other attributes of its row. The sparse indexes hold the rows
that have their two attributes; they follow a write within moments.

Sealed material of a key stands where a role that only changes the key may not write: that of the primary version in
`material`, and `record` is the JSON of the key without it; that of older versions in their `doc`. A key's row from
before has all of it in `doc`. It is read, and replaced by the next write of material, or by the take-over.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec.structs import replace

from tenantkms.model.key import Key
from tenantkms.model.states import KeyState
from tenantkms.store.integrity import IntegrityFault, RowMac
from tenantkms.store.port import DeleteAlias, DeleteKey, DeleteVersion, PutAlias, PutKey, PutVersion, Write

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.type_defs import TransactWriteItemTypeDef

PARTITION_KEY, SORT_KEY = "pk", "sk"
"""Both strings. The access table has no sort key."""
INDEX = "listing"
INDEX_PARTITION_KEY, INDEX_SORT_KEY = "listing", "order"
"""The key of an index of both tables, strings: of the access table `listing`, which projects all attributes, and of the
keys table `names`, which projects what `NAMES` says."""
NAMES_INDEX = "names"
DUE_INDEX = "due"
DUE_PARTITION_KEY, DUE_SORT_KEY = "waiting", "due"
"""The key of another index of the keys table, strings; it projects all attributes."""
TTL, SOURCE = "expires", "source"
"""Of a nonce: the access table's time-to-live attribute, in Unix seconds, and who used it first, where that counts."""

DOC, REVISION, STATE, TOKEN, KEY_ID, SEALED, MAC = "doc", "revision", "state", "token", "key_id", "sealed", "mac"
NAMES = (STATE, DUE_SORT_KEY)
"""What a row of the index `names` has besides its keys."""
RECORD, MATERIAL, CREATED = "record", "material", "created"
TAKEN = "taken"
META, ROOT = "META", "ROOT"
LAST_USED, SINCE, SEEN, PLACE = "last_used", "since", "seen", "place"
KEYS, ALIASES, CREDENTIALS, USES = "KEYS", "ALIASES", "CREDENTIALS", "USES"
SEGMENTS = "SEGMENTS#KEYS"
ABSENT = f"attribute_not_exists({PARTITION_KEY})"
LONGEST_KEY = 2048
"""Bytes of a partition key."""

CHANGED = (
    RECORD,
    REVISION,
    STATE,
    CREATED,
    TOKEN,
    INDEX_PARTITION_KEY,
    INDEX_SORT_KEY,
    DUE_PARTITION_KEY,
    DUE_SORT_KEY,
    MAC,
)
"""What a write of a key's row that keeps the material says anew: all but `material`, and `doc`, which versions have."""

Row = Mapping[str, Any]
_decode_key = msgspec.json.Decoder(Key).decode


def encode(value: object) -> str:
    return msgspec.json.encode(value).decode()


def typed(**attributes: str | int) -> dict[str, Any]:
    """Attributes as DynamoDB types them: strings and numbers."""
    return {name: {"S": v} if isinstance(v, str) else {"N": str(v)} for name, v in attributes.items()}


def by_time(seconds: int, name: str) -> str:
    """Sorts as (seconds, name) does."""
    return f"{seconds:012}#{name}"


_LEAVING = "LEAVING"
_SHARDS = range(8)
_ANY_WORK = [f"{KEYS}#{shard}" for shard in _SHARDS]
_DELETION = [f"{_LEAVING}#{shard}" for shard in _SHARDS]
WAITING = (KEYS, *_ANY_WORK, *_DELETION)
"""Partitions of the due index, over which keys are spread since each takes a thousand units of writes a second. Rows
from before are in the first one."""


def waiting_in(state: KeyState) -> Sequence[str]:
    """The partitions in which a key in `state` may be."""
    return (KEYS, *(_DELETION if state is KeyState.PENDING_DELETION else _ANY_WORK))


def _waiting(key: Key) -> str:
    """The partition of a key, by its id."""
    return waiting_in(key.state)[1 + int(key.id[0], 16) % len(_SHARDS)]


def due_of(row: Row) -> tuple[int, str]:
    """(due, key id) of a row of the due index; (0, "") if it says no such thing, as none that this wrote does."""
    said = row[DUE_SORT_KEY]["S"]
    seconds, _, key_id = said.partition("#")
    due = (int(seconds), key_id) if seconds.isascii() and seconds.isdigit() else (0, "")
    return due if by_time(*due) == said else (0, "")


def key_pk(key_id: str) -> str:
    return f"KEY#{key_id}"


def alias_pk(name: str) -> str:
    return f"ALIAS#{name}"


def watch_pk(job: str, epoch: int = 0) -> str:
    """`epoch`, where the table has two regions: how often another one took over."""
    return f"WATCH#{job}#{epoch}" if epoch else f"WATCH#{job}"


def credential_pk(access_key_id: str) -> str:
    return f"CREDENTIAL#{access_key_id}"


def use_pk(access_key_id: str) -> str:
    return f"USE#{access_key_id}"


def version_sk(number: int) -> str:
    return f"VERSION#{number:010}"


# -- rows with a MAC ---------------------------------------------------------------------------------

WITH_MAC = (key_pk(""), alias_pk(""))
"""How the partition keys of these rows of the keys table begin."""


def with_mac(macs: RowMac, row: Row) -> Row:
    return {**row, MAC: {"S": macs.make(row)}}


def row_name(row: Row) -> str:
    return " ".join(row[part]["S"] for part in (PARTITION_KEY, SORT_KEY) if part in row)


def _parts(row: Row) -> tuple[Row, Any, str]:
    """(what the MAC is over, the MAC, the row's name)"""
    rest = {name: value for name, value in row.items() if name != MAC}
    return rest, row[MAC].get("S", "") if MAC in row else None, row_name(row)


def fault(macs: RowMac, row: Row) -> IntegrityFault | None:
    """What is wrong with a row."""
    return macs.fault(*_parts(row))


def checked(macs: RowMac, row: Row) -> Row:
    """`row`, if it is believed. Raises `IntegrityFault`."""
    macs.check(*_parts(row))
    return row


# -- keys --------------------------------------------------------------------------------------------


def _of_key(key: Key) -> dict[str, Any]:
    """The attributes that a key is read from."""
    if key.primary is None:
        return typed(record=encode(key))
    record = replace(key, primary=replace(key.primary, sealed=b""))
    return {**typed(record=encode(record)), MATERIAL: {"B": key.primary.sealed}}


def key_of(row: Row) -> Key:
    if RECORD not in row:
        return _decode_key(row[DOC]["S"])
    key = _decode_key(row[RECORD]["S"])
    return replace(key, primary=replace(key.primary, sealed=row[MATERIAL]["B"])) if key.primary else key


def with_key(row: Row, key: Key) -> Row:
    """A key's row as it is for `key`, of which only what is sealed and the revision are other ones."""
    return {**row, **_of_key(key), **typed(revision=key.revision, token=key.token)}


def renewed(row: Row) -> Row:
    """A row as it is laid out now; one that cannot be read stays as it is."""
    if DOC in row and row[PARTITION_KEY]["S"].startswith(key_pk("")) and row[SORT_KEY]["S"] == META:
        with suppress(msgspec.MsgspecError):
            return {name: value for name, value in row.items() if name != DOC} | _of_key(key_of(row))
    return row


# -- writes ------------------------------------------------------------------------------------------

_NEW = {"ConditionExpression": ABSENT}


def equals(name: str, value: str | int) -> dict[str, Any]:
    return {
        "ConditionExpression": "#name = :value",
        "ExpressionAttributeNames": {"#name": name},
        "ExpressionAttributeValues": typed(**{":value": value}),
    }


def _put(table: str, macs: RowMac, item: Row, condition: dict[str, Any]) -> TransactWriteItemTypeDef:
    put: Any = {"TableName": table, "Item": with_mac(macs, item), **condition}
    return {"Put": put}


def _delete(table: str, pk: str, sk: str, condition: dict[str, Any]) -> TransactWriteItemTypeDef:
    delete: Any = {"TableName": table, "Key": typed(pk=pk, sk=sk), **condition}
    return {"Delete": delete}


def _put_key(table: str, macs: RowMac, write: PutKey) -> TransactWriteItemTypeDef:
    key = write.key
    item = _of_key(key) | typed(
        pk=key_pk(key.id),
        sk=META,
        revision=key.revision,
        state=key.state,
        created=key.created,
        token=key.token,
        listing=KEYS,
        order=by_time(key.created, key.id),
    )
    if key.due:
        item |= typed(waiting=_waiting(key), due=by_time(key.due, key.id))
    if write.keeps_material:
        return _change_key(table, with_mac(macs, item), key.revision - 1)
    return _put(table, macs, item, _NEW if key.revision == 1 else equals(REVISION, key.revision - 1))


def _change_key(table: str, row: Row, revision: int) -> TransactWriteItemTypeDef:
    """Make a key's row of that revision `row`, whose material it has; one from before, which has none, is refused."""
    sets = ", ".join(f"#{name} = :{name}" for name in CHANGED if name in row)
    gone = ", ".join(f"#{name}" for name in CHANGED if name not in row)
    update: Any = {
        "TableName": table,
        "Key": {name: row[name] for name in (PARTITION_KEY, SORT_KEY)},
        "UpdateExpression": f"SET {sets} REMOVE {gone}" if gone else f"SET {sets}",
        "ConditionExpression": f"#{REVISION} = :before AND attribute_exists(#{RECORD})",
        "ExpressionAttributeNames": {f"#{name}": name for name in CHANGED},
        "ExpressionAttributeValues": {
            **{f":{name}": row[name] for name in CHANGED if name in row},
            **typed(**{":before": revision}),
        },
    }
    return {"Update": update}


def _put_version(table: str, macs: RowMac, write: PutVersion) -> TransactWriteItemTypeDef:
    item = typed(pk=key_pk(write.key_id), sk=version_sk(write.version.number), doc=encode(write.version))
    return _put(table, macs, item, _NEW)


def _put_alias(table: str, macs: RowMac, write: PutAlias) -> TransactWriteItemTypeDef:
    name, key_id = write.alias.name, write.alias.key_id
    item = typed(pk=alias_pk(name), sk=META, key_id=key_id, listing=ALIASES, order=name)
    return _put(table, macs, item, _NEW if write.expect is None else equals(KEY_ID, write.expect))


def _delete_alias(table: str, _macs: RowMac, write: DeleteAlias) -> TransactWriteItemTypeDef:
    return _delete(table, alias_pk(write.alias.name), META, equals(KEY_ID, write.alias.key_id))


def _delete_key(table: str, _macs: RowMac, write: DeleteKey) -> TransactWriteItemTypeDef:
    return _delete(table, key_pk(write.key.id), META, equals(REVISION, write.key.revision))


def _delete_version(table: str, _macs: RowMac, write: DeleteVersion) -> TransactWriteItemTypeDef:
    return _delete(table, key_pk(write.key_id), version_sk(write.number), {})


_ITEMS: dict[type[Write], Callable[[str, RowMac, Any], TransactWriteItemTypeDef]] = {
    PutKey: _put_key,
    PutVersion: _put_version,
    PutAlias: _put_alias,
    DeleteAlias: _delete_alias,
    DeleteKey: _delete_key,
    DeleteVersion: _delete_version,
}


def item_of(table: str, macs: RowMac, write: Write) -> TransactWriteItemTypeDef:
    """The part that `write` has in a transaction on the keys table `table`."""
    return _ITEMS[type(write)](table, macs, write)
