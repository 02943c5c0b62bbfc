"""The layout of the DynamoDB tables, and what each write of the port is as a part of a transaction.

Keys table     pk=KEY#<id>      sk=META                 doc, revision, state, created, token; listed by age and due
               pk=KEY#<id>      sk=VERSION#<10 digits>  doc
               pk=ALIAS#<name>  sk=META                 key_id; listed by name
               pk=ROOT          sk=META                 sealed (bytes), token
               pk=WATCH#<job>   sk=META                 since, seen
Access table   pk=CREDENTIAL#<access key id>            doc, token; listed by age
               pk=NONCE#<hex>                           expires (DynamoDB's TTL), token

`doc` is the JSON of the model's struct. The sparse indexes hold the rows that have their two attributes; they
follow a write within moments.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from tenantkms.store.port import DeleteAlias, DeleteKey, DeleteVersion, PutAlias, PutKey, PutVersion, Write

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.type_defs import TransactWriteItemTypeDef

PARTITION_KEY, SORT_KEY = "pk", "sk"
"""Both strings. The access table has no sort key."""
INDEX = "listing"
INDEX_PARTITION_KEY, INDEX_SORT_KEY = "listing", "order"
"""The key of the index of both tables, strings; it projects all attributes."""
DUE_INDEX = "due"
DUE_PARTITION_KEY, DUE_SORT_KEY = "waiting", "due"
"""The key of another index of the keys table, strings; it projects all attributes."""
TTL = "expires"
"""The access table's time-to-live attribute, in Unix seconds."""

DOC, REVISION, STATE, TOKEN, KEY_ID, SEALED = "doc", "revision", "state", "token", "key_id", "sealed"
META, ROOT = "META", "ROOT"
SINCE, SEEN = "since", "seen"
KEYS, ALIASES, CREDENTIALS = "KEYS", "ALIASES", "CREDENTIALS"
ABSENT = f"attribute_not_exists({PARTITION_KEY})"
LONGEST_KEY = 2048
"""Bytes of a partition key."""

Row = Mapping[str, Any]


def encode(value: object) -> str:
    return msgspec.json.encode(value).decode()


def typed(**attributes: str | int) -> dict[str, Any]:
    """Attributes as DynamoDB types them: strings and numbers."""
    return {name: {"S": v} if isinstance(v, str) else {"N": str(v)} for name, v in attributes.items()}


def by_time(seconds: int, name: str) -> str:
    """Sorts as (seconds, name) does."""
    return f"{seconds:012}#{name}"


def key_pk(key_id: str) -> str:
    return f"KEY#{key_id}"


def alias_pk(name: str) -> str:
    return f"ALIAS#{name}"


def watch_pk(job: str) -> str:
    return f"WATCH#{job}"


def credential_pk(access_key_id: str) -> str:
    return f"CREDENTIAL#{access_key_id}"


def version_sk(number: int) -> str:
    return f"VERSION#{number:010}"


# -- writes ------------------------------------------------------------------------------------------

_NEW = {"ConditionExpression": ABSENT}


def _equals(name: str, value: str | int) -> dict[str, Any]:
    return {
        "ConditionExpression": "#name = :value",
        "ExpressionAttributeNames": {"#name": name},
        "ExpressionAttributeValues": typed(**{":value": value}),
    }


def _put(table: str, item: Row, condition: dict[str, Any]) -> TransactWriteItemTypeDef:
    put: Any = {"TableName": table, "Item": item, **condition}
    return {"Put": put}


def _delete(table: str, pk: str, sk: str, condition: dict[str, Any]) -> TransactWriteItemTypeDef:
    delete: Any = {"TableName": table, "Key": typed(pk=pk, sk=sk), **condition}
    return {"Delete": delete}


def _put_key(table: str, write: PutKey) -> TransactWriteItemTypeDef:
    key = write.key
    item = typed(
        pk=key_pk(key.id),
        sk=META,
        doc=encode(key),
        revision=key.revision,
        state=key.state,
        created=key.created,
        token=key.token,
        listing=KEYS,
        order=by_time(key.created, key.id),
    )
    if key.due:
        item |= typed(waiting=KEYS, due=by_time(key.due, key.id))
    return _put(table, item, _NEW if key.revision == 1 else _equals(REVISION, key.revision - 1))


def _put_version(table: str, write: PutVersion) -> TransactWriteItemTypeDef:
    item = typed(pk=key_pk(write.key_id), sk=version_sk(write.version.number), doc=encode(write.version))
    return _put(table, item, _NEW)


def _put_alias(table: str, write: PutAlias) -> TransactWriteItemTypeDef:
    name, key_id = write.alias.name, write.alias.key_id
    item = typed(pk=alias_pk(name), sk=META, key_id=key_id, listing=ALIASES, order=name)
    return _put(table, item, _NEW if write.expect is None else _equals(KEY_ID, write.expect))


def _delete_alias(table: str, write: DeleteAlias) -> TransactWriteItemTypeDef:
    return _delete(table, alias_pk(write.alias.name), META, _equals(KEY_ID, write.alias.key_id))


def _delete_key(table: str, write: DeleteKey) -> TransactWriteItemTypeDef:
    return _delete(table, key_pk(write.key.id), META, _equals(REVISION, write.key.revision))


def _delete_version(table: str, write: DeleteVersion) -> TransactWriteItemTypeDef:
    return _delete(table, key_pk(write.key_id), version_sk(write.number), {})


_ITEMS: dict[type[Write], Callable[[str, Any], TransactWriteItemTypeDef]] = {
    PutKey: _put_key,
    PutVersion: _put_version,
    PutAlias: _put_alias,
    DeleteAlias: _delete_alias,
    DeleteKey: _delete_key,
    DeleteVersion: _delete_version,
}


def item_of(table: str, write: Write) -> TransactWriteItemTypeDef:
    """The part that `write` has in a transaction on the keys table `table`."""
    return _ITEMS[type(write)](table, write)
