"""A DynamoDB table as both stores use it: its rows, their MACs, and what is told of its faults."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Self
from uuid import uuid4

from botocore.exceptions import BotoCoreError, ClientError

from tenantkms.errors import Unavailable
from tenantkms.model.key import Key
from tenantkms.parent.port import SealBroken
from tenantkms.store.dynamodb_layout import (
    ABSENT,
    DOC,
    INDEX,
    INDEX_PARTITION_KEY,
    KEY_ID,
    MAC,
    META,
    PARTITION_KEY,
    RECORD,
    SORT_KEY,
    STATE,
    TAKEN,
    TOKEN,
    TTL,
    Row,
    checked,
    equals,
    fault,
    key_of,
    key_pk,
    renewed,
    typed,
    with_mac,
)
from tenantkms.store.dynamodb_reseal import Resealing, trouble
from tenantkms.store.integrity import UNCHECKED, IntegrityFault, RowMac
from tenantkms.store.port import Renewal, Seen

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

FAULTS = (BotoCoreError, ClientError)


def unavailable() -> Unavailable:
    return Unavailable("The key store is not available.")


def condition_failed(fault: Exception) -> bool:
    return isinstance(fault, ClientError) and fault.response["Error"]["Code"] == "ConditionalCheckFailedException"


def cancelled(fault: Exception) -> bool:
    """Whether a transaction was not made, since something is not as expected or is written by another."""
    return isinstance(fault, ClientError) and fault.response["Error"]["Code"] == "TransactionCanceledException"


@contextmanager
def faults() -> Iterator[None]:
    try:
        yield
    except FAULTS as e:
        raise unavailable() from e


class Table(ABC):
    """Rows as they are found are what `_get`, `_query` and `_listed` answer: what is made of one is `checked` first."""

    def __init__(self, client: DynamoDBClient, table: str, macs: RowMac) -> None:
        self._client = client
        self._table = table
        self._macs = macs

    def _doc(self, row: Row) -> str:
        """The document of a row that is believed."""
        doc: str = checked(self._macs, row)[DOC]["S"]
        return doc

    def _get(self, **key: str) -> Row | None:
        with faults():
            answer = self._client.get_item(TableName=self._table, Key=typed(**key), ConsistentRead=True)
        return answer.get("Item")

    def _put(self, row: Row, condition: dict[str, Any], *, mac: bool = False) -> bool:
        """Write a row; False if the condition does not hold, unless it is this very write that broke it."""
        row = {**row, **typed(token=uuid4().hex)}
        if mac:
            row = with_mac(self._macs, row)
        try:
            self._client.put_item(TableName=self._table, Item=row, **condition)
        except FAULTS as e:
            stored = self._get(**{name: row[name]["S"] for name in (PARTITION_KEY, SORT_KEY) if name in row})
            if stored and stored.get(TOKEN) == row[TOKEN]:
                return True
            if condition_failed(e):
                return False
            raise unavailable() from e
        return True

    def _query(
        self,
        name: str,
        value: str,
        span: tuple[str, str, str] | None = None,
        part: tuple[str, str] | None = None,
        **how: Any,
    ) -> Iterator[Row]:
        """The rows whose attribute `name` is `value`, and in `span` (attribute, first, last), page by page. With `part`
        (attribute, text) those alone which have it in them: DynamoDB reads them all."""
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
        if part:
            query["FilterExpression"] = "contains(#part, :part)"
            query["ExpressionAttributeNames"]["#part"] = part[0]
            query["ExpressionAttributeValues"] |= typed(**{":part": part[1]})
        for answer in self._pages(self._client.query, query):
            yield from answer["Items"]

    def _pages(self, ask: Callable[..., Any], query: dict[str, Any]) -> Iterator[Row]:
        """DynamoDB's answers to a query or a scan, a megabyte of rows each."""
        while True:
            with faults():
                answer = ask(TableName=self._table, **query)
            yield answer
            if not (last := answer.get("LastEvaluatedKey")):
                return
            query["ExclusiveStartKey"] = last

    def _number(self, query: dict[str, Any]) -> int:
        return sum(answer["Count"] for answer in self._pages(self._client.query, query))

    def _listed(self, what: str, *, descending: bool = False) -> Iterator[Row]:
        return self._query(INDEX_PARTITION_KEY, what, IndexName=INDEX, ScanIndexForward=not descending)

    @abstractmethod
    def _with_macs(self) -> Iterator[Row]:
        """Every row that has a MAC or must get one."""

    def unauthenticated(self) -> Self:
        return type(self)(self._client, self._table, UNCHECKED)  # without a fence: it is read only

    def check_rows(self) -> Iterator[IntegrityFault | None]:
        return (fault(self._macs, row) for row in self._with_macs())

    def take_over(self) -> Iterator[None]:
        for row in self._with_macs():
            if MAC not in row and self._give_mac(row):
                yield

    def reseal(self, renewal: Renewal) -> Iterator[Seen]:
        resealing = Resealing(self._macs, self._key, renewal)
        for row in self._with_macs():
            try:
                new = resealing.renewed(checked(self._macs, row))
            except (IntegrityFault, SealBroken) as e:
                yield Seen(renewed=False, trouble=trouble(row, e))
                continue
            if new != row:
                self._replace(row, new)
            yield Seen(renewed=new != row)

    def _replace(self, row: Row, new: Row) -> None:
        """A row that another has changed meanwhile has another MAC, and stays as it is."""
        condition = equals(MAC, row[MAC]["S"])
        try:
            self._client.put_item(TableName=self._table, Item=new, **condition)
        except FAULTS as e:
            if not condition_failed(e):
                raise unavailable() from e

    def _key(self, key_id: str) -> Key | None:
        found = self._get(pk=key_pk(key_id), sk=META)
        return key_of(checked(self._macs, found)) if found else None

    def _give_mac(self, row: Row) -> bool:
        """Write a row as it is with its MAC, as it is laid out now; False if it was changed meanwhile."""
        what = next(name for name in (RECORD, DOC, KEY_ID) if name in row)
        condition = equals(what, row[what]["S"])
        condition["ConditionExpression"] += f" AND attribute_not_exists({MAC})"
        try:
            self._client.put_item(TableName=self._table, Item=with_mac(self._macs, renewed(row)), **condition)
        except FAULTS as e:
            if condition_failed(e):
                return False
            raise unavailable() from e
        return True


# -- counting ----------------------------------------------------------------------------------------


def count_of(
    index: str, name: str, value: str, *, state: str = "", span: tuple[str, str, str] | None = None
) -> dict[str, Any]:
    """The query that counts the rows of an index whose attribute `name` is `value`: in `state`, and in `span`
    (attribute, first, last), if they are given."""
    names, values = {"#name": name}, {":value": value}
    query: dict[str, Any] = {"IndexName": index, "Select": "COUNT", "KeyConditionExpression": "#name = :value"}
    if span:
        query["KeyConditionExpression"] += " AND #span BETWEEN :first AND :last"
        names["#span"], values[":first"], values[":last"] = span
    if state:
        query["FilterExpression"] = "#state = :state"
        names["#state"], values[":state"] = STATE, state
    return {**query, "ExpressionAttributeNames": names, "ExpressionAttributeValues": typed(**values)}


_KEPT = 3600
"""Seconds that a count outlives its second: the clocks of functions differ by less."""


def lease_of(bucket: str, second: int, wanted: int, rate: int) -> dict[str, Any]:
    """The update of the access table that takes `wanted` of the `rate` in that second, if there is one left."""
    return {
        "Key": typed(pk=f"RATE#{bucket}#{second}"),
        "UpdateExpression": f"ADD {TAKEN} :wanted SET {TTL} = :end",
        "ConditionExpression": f"{ABSENT} OR {TAKEN} < :rate",
        "ExpressionAttributeValues": typed(**{":wanted": wanted, ":rate": rate, ":end": second + _KEPT}),
        "ReturnValues": "UPDATED_NEW",
    }
