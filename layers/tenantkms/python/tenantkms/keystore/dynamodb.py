"""Both ports on DynamoDB: the store of a deployment, two tables for each tenant.

Keys table     pk=KEY#<id>      sk=META                 doc, revision, state, created, token; listed by age
               pk=KEY#<id>      sk=VERSION#<10 digits>  doc
               pk=ALIAS#<name>  sk=META                 key_id; listed by name
Access table   pk=CREDENTIAL#<access key id>            doc, token; listed by age
               pk=NONCE#<hex>                           expires (DynamoDB's TTL), token

`doc` is the JSON of the model's struct. The sparse index `listing` of either table holds the rows that have its
two attributes; it follows a write within moments. Every other read is strongly consistent.

A write whose answer was lost, and which botocore may have sent twice, is found by its `token`: whatever went
wrong, the rows are read back, and a write that is there succeeded.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import msgspec
from botocore.exceptions import BotoCoreError, ClientError

from tenantkms.errors import AliasExists, Unavailable
from tenantkms.keystore import DeleteAlias, PutAlias, PutKey, PutVersion, RevisionConflict, Write
from tenantkms.model import Alias, Credential, Key, KeyFilter, KeyVersion

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodb.type_defs import QueryInputTypeDef, TransactWriteItemTypeDef

PARTITION_KEY, SORT_KEY = "pk", "sk"
"""Both strings. The access table has no sort key."""
INDEX = "listing"
INDEX_PARTITION_KEY, INDEX_SORT_KEY = "listing", "order"
"""The key of the index, strings, of both tables; it projects all attributes."""
TTL = "expires"
"""The access table's time-to-live attribute, in Unix seconds."""

_DOC, _REVISION, _TOKEN, _KEY_ID = "doc", "revision", "token", "key_id"
_META = "META"
_KEYS, _ALIASES, _CREDENTIALS = "KEYS", "ALIASES", "CREDENTIALS"
_ABSENT = f"attribute_not_exists({PARTITION_KEY})"
_LONGEST_KEY = 2048

_decode_key = msgspec.json.Decoder(Key).decode
_decode_version = msgspec.json.Decoder(KeyVersion).decode
_decode_credential = msgspec.json.Decoder(Credential).decode

Row = Mapping[str, Any]
_FAULTS = (BotoCoreError, ClientError)


def _encode(value: object) -> str:
    return msgspec.json.encode(value).decode()


def _row(**attributes: str | int) -> dict[str, Any]:
    """Attributes as DynamoDB types them: strings and numbers."""
    return {name: {"S": v} if isinstance(v, str) else {"N": str(v)} for name, v in attributes.items()}


def _by_age(created: int, name: str) -> str:
    return f"{created:012}#{name}"


def _unavailable() -> Unavailable:
    return Unavailable("The key store is not available.")


@contextmanager
def _faults() -> Iterator[None]:
    try:
        yield
    except _FAULTS as e:
        raise _unavailable() from e


class _Table:
    def __init__(self, client: DynamoDBClient, table: str) -> None:
        self._client = client
        self._table = table

    def _get(self, **key: str) -> Row | None:
        with _faults():
            answer = self._client.get_item(TableName=self._table, Key=_row(**key), ConsistentRead=True)
        return answer.get("Item")

    def _listed(self, what: str, *, descending: bool = False) -> Iterator[Row]:
        query: QueryInputTypeDef = {
            "TableName": self._table,
            "IndexName": INDEX,
            "KeyConditionExpression": "#listing = :what",
            "ExpressionAttributeNames": {"#listing": INDEX_PARTITION_KEY},
            "ExpressionAttributeValues": {":what": {"S": what}},
            "ScanIndexForward": not descending,
        }
        while True:
            with _faults():
                answer = self._client.query(**query)
            yield from answer["Items"]
            if not (last := answer.get("LastEvaluatedKey")):
                return
            query["ExclusiveStartKey"] = last


class DynamoKeyStore(_Table):
    """`KeyStore` on the keys table `table`."""

    def get(self, key_id: str) -> Key | None:
        row = self._get(pk=f"KEY#{key_id}", sk=_META)
        return _decode_key(row[_DOC]["S"]) if row else None

    def get_version(self, key_id: str, number: int) -> KeyVersion | None:
        row = self._get(pk=f"KEY#{key_id}", sk=_version_sk(number))
        return _decode_version(row[_DOC]["S"]) if row else None

    def get_alias(self, name: str) -> Alias | None:
        row = self._get(pk=f"ALIAS#{name}", sk=_META)
        return Alias(name=name, key_id=row[_KEY_ID]["S"]) if row else None

    def commit(self, writes: Sequence[Write]) -> None:
        items = [_ITEMS[type(write)](self._table, write) for write in writes]
        try:
            self._client.transact_write_items(TransactItems=items, ClientRequestToken=str(uuid4()))
        except _FAULTS as e:
            if not self._landed(writes):
                raise _refusal(e, writes) from e

    def _landed(self, writes: Sequence[Write]) -> bool:
        """Whether the table holds what this commit, and no other, wrote: a key row names the write by its token."""
        keys = [write.key for write in writes if isinstance(write, PutKey)]
        return bool(keys) and all(key.token and self.get(key.id) == key for key in keys)

    def list_keys(
        self, where: KeyFilter, *, offset: int, limit: int, descending: bool = False
    ) -> tuple[int, list[Key]]:
        total = 0
        page: list[Key] = []
        for row in self._listed(_KEYS, descending=descending):
            key = _decode_key(row[_DOC]["S"])
            if where.matches(key):
                if offset <= total < offset + limit:
                    page.append(key)
                total += 1
        return total, page

    def list_aliases(self, *, offset: int, limit: int) -> tuple[int, list[Alias]]:
        rows = list(self._listed(_ALIASES))
        page = rows[offset : offset + limit]
        return len(rows), [Alias(name=row[INDEX_SORT_KEY]["S"], key_id=row[_KEY_ID]["S"]) for row in page]


def _refusal(fault: Exception, writes: Sequence[Write]) -> Exception:
    """The port's error for a transaction that failed; its reasons stand in the order of the writes."""
    reasons = fault.response.get("CancellationReasons", ()) if isinstance(fault, ClientError) else ()
    codes = [reason.get("Code") for reason in reasons]
    for write, code in zip(writes, codes, strict=False):
        if code == "ConditionalCheckFailed":
            is_new_alias = isinstance(write, PutAlias) and write.expect is None
            return AliasExists() if is_new_alias else RevisionConflict()
    return RevisionConflict() if "TransactionConflict" in codes else _unavailable()


class DynamoAccessStore(_Table):
    """`AccessStore` on the access table `table`."""

    def get_credential(self, access_key_id: str) -> Credential | None:
        pk = _credential_pk(access_key_id)
        if len(pk.encode("utf-8", "replace")) > _LONGEST_KEY:  # strangers choose it, and DynamoDB would refuse it
            return None
        row = self._get(pk=pk)
        return _decode_credential(row[_DOC]["S"]) if row else None

    def put_credential(self, credential: Credential, *, new: bool) -> None:
        row = _row(
            pk=_credential_pk(credential.access_key_id),
            doc=_encode(credential),
            listing=_CREDENTIALS,
            order=_by_age(credential.created, credential.access_key_id),
        )
        if not self._put(row, {"ConditionExpression": _ABSENT if new else f"attribute_exists({PARTITION_KEY})"}):
            raise RevisionConflict

    def delete_credential(self, access_key_id: str) -> bool:
        key = _row(pk=_credential_pk(access_key_id))
        with _faults():
            answer = self._client.delete_item(TableName=self._table, Key=key, ReturnValues="ALL_OLD")
        return bool(answer.get("Attributes"))

    def list_credentials(self) -> list[Credential]:
        return [_decode_credential(row[_DOC]["S"]) for row in self._listed(_CREDENTIALS)]

    def use_nonce(self, nonce: bytes, *, now: int, expires: int) -> bool:
        # DynamoDB deletes expired rows when it finds the time, up to days later.
        condition = {
            "ConditionExpression": f"{_ABSENT} OR {TTL} < :now",
            "ExpressionAttributeValues": _row(**{":now": now}),
        }
        return self._put(_row(pk=f"NONCE#{nonce.hex()}", expires=expires), condition)

    def _put(self, row: Row, condition: dict[str, Any]) -> bool:
        """Write a row; False if the condition does not hold, unless it is this very write that broke it."""
        row = {**row, **_row(token=uuid4().hex)}
        try:
            self._client.put_item(TableName=self._table, Item=row, **condition)
        except _FAULTS as e:
            stored = self._get(pk=row[PARTITION_KEY]["S"])
            if stored and stored.get(_TOKEN) == row[_TOKEN]:
                return True
            if isinstance(e, ClientError) and e.response["Error"]["Code"] == "ConditionalCheckFailedException":
                return False
            raise _unavailable() from e
        return True


# -- rows and writes ---------------------------------------------------------------------------------


def _credential_pk(access_key_id: str) -> str:
    return f"CREDENTIAL#{access_key_id}"


def _version_sk(number: int) -> str:
    return f"VERSION#{number:010}"


_NEW = {"ConditionExpression": _ABSENT}


def _equals(name: str, value: str | int) -> dict[str, Any]:
    return {
        "ConditionExpression": "#name = :value",
        "ExpressionAttributeNames": {"#name": name},
        "ExpressionAttributeValues": _row(**{":value": value}),
    }


def _put(table: str, row: Row, condition: dict[str, Any]) -> TransactWriteItemTypeDef:
    put: Any = {"TableName": table, "Item": row, **condition}
    return {"Put": put}


def _put_key(table: str, write: PutKey) -> TransactWriteItemTypeDef:
    key = write.key
    row = _row(
        pk=f"KEY#{key.id}",
        sk=_META,
        doc=_encode(key),
        revision=key.revision,
        state=key.state,
        created=key.created,
        token=key.token,
        listing=_KEYS,
        order=_by_age(key.created, key.id),
    )
    if key.revision == 1:
        return _put(table, row, _NEW)
    return _put(table, row, _equals(_REVISION, key.revision - 1))


def _put_version(table: str, write: PutVersion) -> TransactWriteItemTypeDef:
    row = _row(pk=f"KEY#{write.key_id}", sk=_version_sk(write.version.number), doc=_encode(write.version))
    return _put(table, row, _NEW)


def _put_alias(table: str, write: PutAlias) -> TransactWriteItemTypeDef:
    name, key_id = write.alias.name, write.alias.key_id
    row = _row(pk=f"ALIAS#{name}", sk=_META, key_id=key_id, listing=_ALIASES, order=name)
    if write.expect is None:
        return _put(table, row, _NEW)
    return _put(table, row, _equals(_KEY_ID, write.expect))


def _delete_alias(table: str, write: DeleteAlias) -> TransactWriteItemTypeDef:
    key = _row(pk=f"ALIAS#{write.alias.name}", sk=_META)
    delete: Any = {"TableName": table, "Key": key, **_equals(_KEY_ID, write.alias.key_id)}
    return {"Delete": delete}


_ITEMS: dict[type[Write], Callable[[str, Write], TransactWriteItemTypeDef]] = {
    PutKey: _put_key,  # type: ignore[dict-item]
    PutVersion: _put_version,  # type: ignore[dict-item]
    PutAlias: _put_alias,  # type: ignore[dict-item]
    DeleteAlias: _delete_alias,  # type: ignore[dict-item]
}
