"""Both ports on DynamoDB: the store of a deployment, two tables for each tenant, as `dynamodb_layout` lays them out.

Listings are read from indexes, which follow a write within moments. Every other read is strongly consistent.

A write whose answer was lost, and which botocore may have sent twice, is found by its `token`: whatever went
wrong, the rows are read back, and a write that is there succeeded.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import msgspec
from botocore.exceptions import BotoCoreError, ClientError

from tenantkms.errors import AliasExists, Unavailable
from tenantkms.model.alias import Alias
from tenantkms.model.credential import Credential
from tenantkms.model.key import Key, KeyFilter
from tenantkms.model.states import KeyState
from tenantkms.model.version import KeyVersion
from tenantkms.model.watch import Watch
from tenantkms.store.dynamodb_layout import (
    ABSENT,
    ALIASES,
    CREDENTIALS,
    DOC,
    DUE_INDEX,
    DUE_PARTITION_KEY,
    DUE_SORT_KEY,
    INDEX,
    INDEX_PARTITION_KEY,
    INDEX_SORT_KEY,
    KEY_ID,
    KEYS,
    LONGEST_KEY,
    META,
    PARTITION_KEY,
    ROOT,
    SEALED,
    SEEN,
    SINCE,
    SORT_KEY,
    STATE,
    TOKEN,
    TTL,
    Row,
    alias_pk,
    by_time,
    credential_pk,
    encode,
    item_of,
    key_pk,
    typed,
    version_sk,
    watch_pk,
)
from tenantkms.store.port import PutAlias, PutKey, RevisionConflict, Write

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

_decode_key = msgspec.json.Decoder(Key).decode
_decode_version = msgspec.json.Decoder(KeyVersion).decode
_decode_credential = msgspec.json.Decoder(Credential).decode

_FAULTS = (BotoCoreError, ClientError)


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
            answer = self._client.get_item(TableName=self._table, Key=typed(**key), ConsistentRead=True)
        return answer.get("Item")

    def _put(self, row: Row, condition: dict[str, Any]) -> bool:
        """Write a row; False if the condition does not hold, unless it is this very write that broke it."""
        row = {**row, **typed(token=uuid4().hex)}
        try:
            self._client.put_item(TableName=self._table, Item=row, **condition)
        except _FAULTS as e:
            stored = self._get(**{name: row[name]["S"] for name in (PARTITION_KEY, SORT_KEY) if name in row})
            if stored and stored.get(TOKEN) == row[TOKEN]:
                return True
            if isinstance(e, ClientError) and e.response["Error"]["Code"] == "ConditionalCheckFailedException":
                return False
            raise _unavailable() from e
        return True

    def _query(self, name: str, value: str, span: tuple[str, str, str] | None = None, **how: Any) -> Iterator[Row]:
        """The rows whose attribute `name` is `value`, and in `span` (attribute, first, last), page by page."""
        query: dict[str, Any] = {
            "KeyConditionExpression": "#name = :value",
            "ExpressionAttributeNames": {"#name": name},
            "ExpressionAttributeValues": typed(**{":value": value}),
            **how,
        }
        if span:
            query["KeyConditionExpression"] += " AND #span BETWEEN :first AND :last"
            query["ExpressionAttributeNames"]["#span"] = span[0]
            query["ExpressionAttributeValues"] |= typed(**{":first": span[1], ":last": span[2]})
        for answer in self._pages(query):
            yield from answer["Items"]

    def _pages(self, query: dict[str, Any]) -> Iterator[Row]:
        """DynamoDB's answers to a query, a megabyte of rows each."""
        while True:
            with _faults():
                answer = self._client.query(TableName=self._table, **query)
            yield answer
            if not (last := answer.get("LastEvaluatedKey")):
                return
            query["ExclusiveStartKey"] = last

    def _listed(self, what: str, *, descending: bool = False) -> Iterator[Row]:
        return self._query(INDEX_PARTITION_KEY, what, IndexName=INDEX, ScanIndexForward=not descending)


class DynamoKeyStore(_Table):
    """`KeyStore` on the keys table `table`."""

    def get(self, key_id: str) -> Key | None:
        found = self._get(pk=key_pk(key_id), sk=META)
        return _decode_key(found[DOC]["S"]) if found else None

    def get_version(self, key_id: str, number: int) -> KeyVersion | None:
        found = self._get(pk=key_pk(key_id), sk=version_sk(number))
        return _decode_version(found[DOC]["S"]) if found else None

    def list_versions(self, key_id: str, first: int, last: int) -> list[KeyVersion]:
        if first > last:
            return []
        span = (SORT_KEY, version_sk(first), version_sk(last))
        found = self._query(PARTITION_KEY, key_pk(key_id), span, ConsistentRead=True)
        return [_decode_version(version[DOC]["S"]) for version in found]

    def list_due(self, before: int, *, limit: int, after: tuple[int, str] = (0, "")) -> list[Key]:
        if before < after[0]:
            return []
        span = (DUE_SORT_KEY, by_time(*after), by_time(before, "~"))
        found = self._query(DUE_PARTITION_KEY, KEYS, span, IndexName=DUE_INDEX)
        keys = (_decode_key(key[DOC]["S"]) for key in found)
        return list(islice((key for key in keys if (key.due, key.id) > after), limit))

    def count_waiting(self, state: KeyState) -> int:
        query = {
            "IndexName": DUE_INDEX,
            "Select": "COUNT",
            "KeyConditionExpression": "#name = :value",
            "FilterExpression": "#state = :state",
            "ExpressionAttributeNames": {"#name": DUE_PARTITION_KEY, "#state": STATE},
            "ExpressionAttributeValues": typed(**{":value": KEYS, ":state": state.value}),
        }
        return sum(answer["Count"] for answer in self._pages(query))

    def get_alias(self, name: str) -> Alias | None:
        found = self._get(pk=alias_pk(name), sk=META)
        return Alias(name=name, key_id=found[KEY_ID]["S"]) if found else None

    def commit(self, writes: Sequence[Write]) -> None:
        items = [item_of(self._table, write) for write in writes]
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
        for found in self._listed(KEYS, descending=descending):
            key = _decode_key(found[DOC]["S"])
            if where.matches(key):
                if offset <= total < offset + limit:
                    page.append(key)
                total += 1
        return total, page

    def list_aliases(self, *, offset: int, limit: int) -> tuple[int, list[Alias]]:
        found = list(self._listed(ALIASES))
        page = found[offset : offset + limit]
        return len(found), [Alias(name=alias[INDEX_SORT_KEY]["S"], key_id=alias[KEY_ID]["S"]) for alias in page]

    def get_root(self) -> bytes | None:
        found = self._get(pk=ROOT, sk=META)
        return found[SEALED]["B"] if found else None

    def put_root(self, sealed: bytes) -> None:
        row = {**typed(pk=ROOT, sk=META), SEALED: {"B": sealed}}
        self._put(row, {"ConditionExpression": ABSENT})

    def get_watch(self, job: str) -> Watch | None:
        found = self._get(pk=watch_pk(job), sk=META)
        return Watch(since=int(found[SINCE]["N"]), seen=int(found[SEEN]["N"])) if found else None

    def put_watch(self, job: str, watch: Watch) -> None:
        row = typed(pk=watch_pk(job), sk=META, since=watch.since, seen=watch.seen)
        with _faults():
            self._client.put_item(TableName=self._table, Item=row)


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
        pk = credential_pk(access_key_id)
        if len(pk.encode("utf-8", "replace")) > LONGEST_KEY:  # strangers choose it, and DynamoDB would refuse it
            return None
        found = self._get(pk=pk)
        return _decode_credential(found[DOC]["S"]) if found else None

    def put_credential(self, credential: Credential, *, new: bool) -> None:
        row = typed(
            pk=credential_pk(credential.access_key_id),
            doc=encode(credential),
            listing=CREDENTIALS,
            order=by_time(credential.created, credential.access_key_id),
        )
        if not self._put(row, {"ConditionExpression": ABSENT if new else f"attribute_exists({PARTITION_KEY})"}):
            raise RevisionConflict

    def delete_credential(self, access_key_id: str) -> bool:
        key = typed(pk=credential_pk(access_key_id))
        with _faults():
            answer = self._client.delete_item(TableName=self._table, Key=key, ReturnValues="ALL_OLD")
        return bool(answer.get("Attributes"))

    def list_credentials(self) -> list[Credential]:
        return [_decode_credential(row[DOC]["S"]) for row in self._listed(CREDENTIALS)]

    def has_credentials(self) -> bool:
        rows = self._query(INDEX_PARTITION_KEY, CREDENTIALS, IndexName=INDEX, Limit=1)
        return next(rows, None) is not None

    def use_nonce(self, nonce: bytes, *, now: int, expires: int) -> bool:
        # DynamoDB deletes expired rows when it finds the time, up to days later.
        condition = {
            "ConditionExpression": f"{ABSENT} OR {TTL} < :now",
            "ExpressionAttributeValues": typed(**{":now": now}),
        }
        return self._put(typed(pk=f"NONCE#{nonce.hex()}", expires=expires), condition)
