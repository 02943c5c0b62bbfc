"""Names of rows from an index, and segments: how many keys there are, and where the n-th one is.

The index `names` has the rows that have `listing` and `order`, of each only its keys, its state and when work on it is
due: five thousand in a megabyte. It is written where one of these changes: not by a tag, a policy or a grant.

Rows of the table say, for all but the newest keys:

    pk=SEGMENTS#KEYS  sk=<order>  rows        how many keys there are behind the place before, up to this one
                      sk=~        upto, changes, looked
                                              the last of these places, how often a key beyond it was destroyed, and the
                                              segment that was counted again last

Keys come at the end, so making one writes none of them. `settle` counts a segment off what is beyond, when it is old
enough that the index has it, and destroying a key counts it out in the same transaction. Rows that segments are made
of are read from the table itself; if a key is destroyed meanwhile, `changes` or `upto` is another, and nothing is kept.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from tenantkms.store.dynamodb_layout import (
    ABSENT,
    INDEX_PARTITION_KEY,
    INDEX_SORT_KEY,
    KEYS,
    META,
    NAMES_INDEX,
    PARTITION_KEY,
    SEGMENTS,
    SORT_KEY,
    Row,
    by_time,
    typed,
)
from tenantkms.store.dynamodb_table import FAULTS, Table, cancelled, condition_failed, count_of, faults, unavailable
from tenantkms.store.port import DeleteKey, Write

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.type_defs import TransactWriteItemTypeDef

SEGMENT = 1_000
"""Keys of a segment when it is made."""
SETTLED = 600
"""Seconds after which a key is in the index, and none is made that is older: clocks differ by less."""
_TAIL, _LAST = "~", "~"
"""The sort key of the row that is none of a segment, and a place behind all."""
FIRST = "0"
BATCH = 100
"""Rows that DynamoDB reads at a time by their keys."""
ROWS, UPTO, CHANGES, LOOKED = "rows", "upto", "changes", "looked"


def _behind(place: str) -> str:
    """Where what follows a place begins: orders have no blank."""
    return f"{place} "


class Segments(Table):
    """The part of the key store that reads rows by their names and counts keys by segments."""

    # -- rows by their names ---------------------------------------------------------------------------------

    def _names(self, what: str, first: str, last: str = _LAST, **how: Any) -> Iterator[Row]:
        span = (INDEX_SORT_KEY, first, last)
        return self._query(INDEX_PARTITION_KEY, what, span, IndexName=NAMES_INDEX, **how)

    def _rows(self, pks: Sequence[str]) -> Iterator[Row]:
        """Those of these rows that are there, in their order, a hundred of them in memory."""
        for start in range(0, len(pks), BATCH):
            part = pks[start : start + BATCH]
            found = {row[PARTITION_KEY]["S"]: row for row in self._batch(part)}
            yield from (found[pk] for pk in part if pk in found)

    def _batch(self, pks: Iterable[str], **how: Any) -> Iterator[Row]:
        keys = [typed(pk=pk, sk=META) for pk in dict.fromkeys(pks)]
        while keys:
            asked: Any = {self._table: {"Keys": keys, "ConsistentRead": True, **how}}
            with faults():
                answer = self._client.batch_get_item(RequestItems=asked)
            yield from answer["Responses"].get(self._table, ())
            unread: Any = answer.get("UnprocessedKeys", {})
            left = unread.get(self._table, {}).get("Keys", [])
            if len(left) == len(keys):  # it is throttled
                raise unavailable()
            keys = left

    # -- segments --------------------------------------------------------------------------------------------

    def _segments(self) -> tuple[list[tuple[str, int]], Row]:
        """((the last place of each, how many keys it has), the row of what is beyond; it may say nothing)."""
        rows = list(self._query(PARTITION_KEY, SEGMENTS, ConsistentRead=True))
        tail = rows.pop() if rows and rows[-1][SORT_KEY]["S"] == _TAIL else {}
        return [(row[SORT_KEY]["S"], int(row[ROWS]["N"])) for row in rows], tail

    def _counted(self) -> tuple[list[str], list[int]]:
        """(where each segment begins, how many keys it has), the last of which is what is beyond all segments."""
        segments, _ = self._segments()
        starts = [FIRST, *(_behind(place) for place, _ in segments)]
        beyond = self._number(
            count_of(NAMES_INDEX, INDEX_PARTITION_KEY, KEYS, span=(INDEX_SORT_KEY, starts[-1], _LAST))
        )
        return starts, [*(count for _, count in segments), beyond]

    def _count_keys(self) -> int:
        return sum(self._counted()[1])

    def _counting(self, writes: Iterable[Write]) -> list[TransactWriteItemTypeDef]:
        """The parts of a transaction that count out the keys that it deletes."""
        places: dict[str, tuple[Row, int]] = {}
        for write in writes:
            if isinstance(write, DeleteKey):
                span = (SORT_KEY, by_time(write.key.created, write.key.id), _TAIL)
                row = next(self._query(PARTITION_KEY, SEGMENTS, span, ConsistentRead=True, Limit=1), {})
                place = row[SORT_KEY]["S"] if row else _TAIL
                places[place] = row, places.get(place, (row, 0))[1] + 1
        return [self._count_out(place, row, count) for place, (row, count) in places.items()]

    def _count_out(self, place: str, row: Row, count: int) -> TransactWriteItemTypeDef:
        name, more, condition = (CHANGES, count, _same(row, UPTO)) if place == _TAIL else (ROWS, -count, {})
        update: Any = {
            "TableName": self._table,
            "Key": typed(pk=SEGMENTS, sk=place),
            "UpdateExpression": f"ADD #{name} :more",
            "ConditionExpression": condition.get("ConditionExpression", f"attribute_exists({PARTITION_KEY})"),
            "ExpressionAttributeNames": {f"#{name}": name, **condition.get("ExpressionAttributeNames", {})},
            "ExpressionAttributeValues": {
                **typed(**{":more": more}),
                **condition.get("ExpressionAttributeValues", {}),
            },
        }
        return {"Update": update}

    def settle(self, now: int, more: Callable[[], bool]) -> None:
        """Count segments off what is beyond them, while `more()`, and then the next one of them again."""
        while more() and self._settle_one(now):
            pass
        if more():
            self._look_again()

    def _settle_one(self, now: int) -> bool:
        """Whether there may be another."""
        tail = self._get(pk=SEGMENTS, sk=_TAIL) or {}
        start = _behind(tail[UPTO]["S"]) if UPTO in tail else FIRST
        rows = list(islice(self._names(KEYS, start, by_time(max(0, now - SETTLED), _LAST), Limit=SEGMENT), SEGMENT))
        if len(rows) < SEGMENT:
            return False
        upto = rows[-1][INDEX_SORT_KEY]["S"]
        segment = typed(pk=SEGMENTS, sk=upto, rows=self._there(rows))
        condition = _same(tail, UPTO, CHANGES)
        update: Any = {
            "TableName": self._table,
            "Key": typed(pk=SEGMENTS, sk=_TAIL),
            "UpdateExpression": f"SET #{UPTO} = :new",
            **condition,
        }
        update["ExpressionAttributeNames"] = {f"#{UPTO}": UPTO, **condition["ExpressionAttributeNames"]}
        update["ExpressionAttributeValues"] = {
            ":new": {"S": upto},
            **condition.get("ExpressionAttributeValues", {}),
        }
        put: Any = {"TableName": self._table, "Item": segment, "ConditionExpression": ABSENT}
        try:
            self._client.transact_write_items(
                TransactItems=[{"Put": put}, {"Update": update}], ClientRequestToken=str(uuid4())
            )
        except FAULTS as e:
            if cancelled(e):
                return False  # a key was destroyed meanwhile, or another run was faster
            raise unavailable() from e
        return True

    def _there(self, rows: Iterable[Row]) -> int:
        """How many of these rows of the index are in the table now."""
        pks, count = [row[PARTITION_KEY]["S"] for row in rows], 0
        for start in range(0, len(pks), BATCH):
            part = pks[start : start + BATCH]
            count += sum(1 for _ in self._batch(part, ProjectionExpression=PARTITION_KEY))
        return count

    def _look_again(self) -> None:
        """Count the segment behind the one that was counted last: a clock that was behind may have dated keys there."""
        segments, tail = self._segments()
        if not segments:
            return
        looked = tail[LOOKED]["S"] if LOOKED in tail else ""
        at = next((at for at, (place, _) in enumerate(segments) if place > looked), 0)
        place, count = segments[at]
        span = (INDEX_SORT_KEY, _behind(segments[at - 1][0]) if at else FIRST, place)
        if self._number(count_of(NAMES_INDEX, INDEX_PARTITION_KEY, KEYS, span=span)) != count:
            # The index may be behind, so the rows are looked for.
            right = self._there(self._names(KEYS, *span[1:]))
            self._set(place, ROWS, right, {f":{ROWS}": {"N": str(count)}})
        self._set(_TAIL, LOOKED, place, {})

    def _set(self, place: str, name: str, value: str | int, was: Row) -> None:
        """Unless it is not what it `was`."""
        update: Any = {"ExpressionAttributeValues": {**typed(**{":new": value}), **was}}
        if was:
            update["ConditionExpression"] = f"#{name} = :{name}"
        try:
            self._client.update_item(
                TableName=self._table,
                Key=typed(pk=SEGMENTS, sk=place),
                UpdateExpression=f"SET #{name} = :new",
                ExpressionAttributeNames={f"#{name}": name},
                **update,
            )
        except FAULTS as e:
            if not condition_failed(e):
                raise unavailable() from e


def _same(row: Row, *names: str) -> dict[str, Any]:
    """The condition that these attributes are as in `row`, in which they may be missing."""
    terms = [f"#{name} = :{name}" if name in row else f"attribute_not_exists(#{name})" for name in names]
    found: dict[str, Any] = {
        "ConditionExpression": " AND ".join(terms),
        "ExpressionAttributeNames": {f"#{name}": name for name in names},
    }
    if values := {f":{name}": row[name] for name in names if name in row}:
        found["ExpressionAttributeValues"] = values
    return found
