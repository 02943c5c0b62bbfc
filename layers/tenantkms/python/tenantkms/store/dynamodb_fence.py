"""The fence of a tenant whose tables are replicated: rows of the keys table, which every commit has a condition on.

A row says in which region changes are made. There are several that say the same, since a row can be part of one
transaction at a time; each commit checks one of them. So in a region nothing is committed from the moment on in which
its own replica has the new rows. Until then it is, and no condition can help: docs/decisions/0056-standby.md.

pk=REGION#<0 to 7>  sk=META  region, to, epoch, since
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from math import inf
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from msgspec import structs

from tenantkms.model.watch import HELD
from tenantkms.store.dynamodb_layout import ABSENT, DOC, META, SINCE, Row, equals, typed, watch_pk
from tenantkms.store.dynamodb_table import FAULTS, cancelled, faults, unavailable
from tenantkms.store.fence import Active, refuse
from tenantkms.store.port import RevisionConflict

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

REGION, TO, EPOCH = "region", "to", "epoch"
SHARDS = tuple("01234567")
MOST = 100
"""Items of a transaction."""


def fence_pk(shard: str) -> str:
    return f"REGION#{shard}"


class FenceRows:
    """The rows of one replica of the keys table."""

    def __init__(self, client: DynamoDBClient, table: str, first: str) -> None:
        """`first` is the region where changes are made until somebody says otherwise."""
        self._client, self._table, self._first = client, table, first

    def read(self, shard: str = SHARDS[0]) -> Active:
        with faults():
            answer: Any = self._client.get_item(
                TableName=self._table, Key=typed(pk=fence_pk(shard), sk=META), ConsistentRead=True
            )
        return _active(answer["Item"]) if "Item" in answer else Active(region=self._first)

    def all(self) -> set[Active]:
        """What they say: one thing, unless some have not come yet."""
        left: Any = {self._table: {"Keys": [typed(pk=fence_pk(s), sk=META) for s in SHARDS], "ConsistentRead": True}}
        rows: list[Row] = []
        while left:
            with faults():
                answer: Any = self._client.batch_get_item(RequestItems=left)
            rows += answer["Responses"].get(self._table, [])
            left = answer.get("UnprocessedKeys")
        missing = {Active(region=self._first)} if len(rows) < len(SHARDS) else set()
        return {_active(row) for row in rows} | missing

    def write(self, active: Active) -> None:
        """Say it in all rows, or in none. Raises `RevisionConflict` where one of them says something newer."""
        puts: list[Any] = [
            {
                "Put": {
                    "TableName": self._table,
                    "Item": typed(pk=fence_pk(shard), sk=META, **structs.asdict(active)),
                    "ConditionExpression": f"{ABSENT} OR #{EPOCH} < :epoch",
                    "ExpressionAttributeNames": {f"#{EPOCH}": EPOCH},
                    "ExpressionAttributeValues": typed(**{":epoch": active.epoch}),
                }
            }
            for shard in SHARDS
        ]
        try:
            self._client.transact_write_items(TransactItems=puts, ClientRequestToken=str(uuid4()))
        except FAULTS as e:
            if self.all() == {active}:  # the answer was lost, or somebody has said the same
                return
            if cancelled(e):
                raise RevisionConflict from e
            raise unavailable() from e

    def hold(self, job: str, epoch: int) -> None:
        """Have scheduled work of that epoch, which is to come, wait for an operator's word."""
        with faults():
            self._client.put_item(
                TableName=self._table, Item=typed(pk=watch_pk(job, epoch), sk=META, since=HELD, seen=HELD)
            )

    def condition(self, here: str) -> Any:
        """The part of a transaction that cancels it unless changes are made `here`, in a row by chance."""
        name = f"#{REGION}"
        here_is_it = f"{name} = :{REGION}"
        return {
            "ConditionCheck": {
                "TableName": self._table,
                "Key": typed(pk=fence_pk(random.choice(SHARDS)), sk=META),  # noqa: S311 - no secret depends on it
                "ConditionExpression": f"{ABSENT} OR {here_is_it}" if here == self._first else here_is_it,
                "ExpressionAttributeNames": {name: REGION},
                "ExpressionAttributeValues": typed(**{f":{REGION}": here}),
            }
        }


def _active(row: Row) -> Active:
    region, to = row[REGION]["S"], row[TO]["S"]
    return Active(region=region, to=to, epoch=int(row[EPOCH]["N"]), since=int(row[SINCE]["N"]))


class DynamoFence:
    """`Fence` of the region `here`; what it has read is remembered for `seconds`, but for what is committed."""

    replicated = True

    def __init__(
        self, rows: FenceRows, here: str, seconds: float = 1, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._rows, self._here, self._seconds, self._clock = rows, here, seconds, clock
        self._known: tuple[float, Active] = (-inf, Active(region=""))

    def active(self, *, fresh: bool = False) -> Active:
        at, active = self._known
        now = self._clock()
        if fresh or now - at >= self._seconds:
            active = self._rows.read()
            self._known = now, active
        return active

    def behind(self) -> bool:
        return self.active().region != self._here

    def check(self, dated: float | None = None) -> None:
        refuse(self.active(), self._here, dated)

    def transact(self, client: DynamoDBClient, items: list[Any]) -> None:
        """Write `items` as one transaction, if changes are made here. Raises `ChangesElsewhere`, and botocore's."""
        items = [_or_the_same(item) for item in items]
        guarded = [*items, self._rows.condition(self._here)]
        if len(guarded) > MOST:
            # There is no room for the condition, which is asked just before.
            refuse(self.active(fresh=True), self._here)
            guarded = items
        try:
            client.transact_write_items(TransactItems=guarded, ClientRequestToken=str(uuid4()))
        except FAULTS as e:
            if len(guarded) > len(items) and _last_failed(e):
                refuse(self.active(fresh=True), self._here)
            raise


def _or_the_same(item: Any) -> Any:
    """A version's row may be there already: it came from a region that was lost, without the other half of its
    transaction."""
    put = item.get("Put")
    if not put or DOC not in put["Item"]:
        return item
    same = equals(DOC, put["Item"][DOC]["S"])
    return {"Put": {**put, **same, "ConditionExpression": f"{ABSENT} OR {same['ConditionExpression']}"}}


def _last_failed(fault: Exception) -> bool:
    response = getattr(fault, "response", {})
    reasons = response.get("CancellationReasons") or [{}]
    return bool(reasons[-1].get("Code") == "ConditionalCheckFailed")
