"""The table `events`: for each message the one ciphertext it is delivered with, and how far that is.

    SEAL#<id>                the row of a message
    TARGET#<type>#<name>     the fence of a target: the newest sequence that goes there, and the message it is of
    META                     the key of `request_mac`, wrapped

There is no lease. A row is fixed by one conditional put, and whoever comes later goes on with it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from botocore.exceptions import ClientError
from msgspec import Struct

from tenantkms_events.aws import aws_faults, code_of
from tenantkms_events.errors import unavailable
from tenantkms_events.message import Item, Target, kind_of
from tenantkms_events.names import EXPIRES, PARTITION_KEY

KEPT = 45 * 86_400
"""Seconds that a row counts: 14 days of a queue, 14 of its dead-letter queue, and margin. DynamoDB drops it later."""
SEALED, DELIVERED, DONE = "SEALED", "DELIVERED", "DONE"
"""States of a row. `DELIVERED` is known only where delivery and row are one transaction."""
_META = "META"


class Row(Struct, frozen=True, kw_only=True):
    """`document` is the very text that is delivered; times are Unix seconds; `message_id` is of the message of the
    queue that fixed it."""

    id: str
    request_mac: bytes
    document: str
    target: Target
    sequence: int | None
    state: str
    message_id: str
    created: int


class Fence(Struct, frozen=True):
    sequence: int
    id: str


def row_key(event: str) -> dict[str, Any]:
    return {PARTITION_KEY: {"S": f"SEAL#{event}"}}


def fence_key(target: Target) -> dict[str, Any]:
    """Of an item the key is in it too, at a length that fits: its hash."""
    name = f"TARGET#{kind_of(target)}#{target.name}"
    if isinstance(target, Item):
        name += f"#{hashlib.sha256(msgspec.json.encode(sorted(target.key.items()))).hexdigest()}"
    return {PARTITION_KEY: {"S": name}}


class Table:
    """Raises `Unavailable` for every fault of DynamoDB and of the way to it."""

    def __init__(self, client: Any, name: str, clock: Callable[[], float]) -> None:
        self._client = client
        self._clock = clock
        self.name = name

    def get(self, event: str) -> Row | None:
        """The row of a message, unless it has expired."""
        item = self._get(row_key(event))
        return _row(item, event, self._clock()) if item else None

    def fix(self, row: Row) -> Row:
        """The row that stands from now on: this one, or that of whoever was faster."""
        item = {
            **row_key(row.id),
            "request_mac": {"B": row.request_mac},
            "document": {"S": row.document},
            "target": {"S": msgspec.json.encode(row.target).decode()},
            "state": {"S": row.state},
            "message_id": {"S": row.message_id},
            "created": _number(row.created),
            EXPIRES: _number(row.created + KEPT),
        }
        if row.sequence is not None:
            item["sequence"] = _number(row.sequence)
        condition = f"attribute_not_exists({PARTITION_KEY}) OR {EXPIRES} <= :now"
        standing = self._put(item, condition, {":now": _number(int(self._clock()))})
        found = _row(standing, row.id, self._clock()) if standing else row
        if found is None:  # it expired between the condition and here
            raise unavailable()
        return found

    def finish(self, row: Row) -> None:
        """`row` is done, if it is still the row."""
        condition = {"ConditionExpression": "request_mac = :mac", "Values": {":mac": {"B": row.request_mac}}}
        self._update(self.state_update(row, DONE, condition))

    def state_update(self, row: Row, state: str, condition: Mapping[str, Any]) -> dict[str, Any]:
        """The update of a row's state, as a transaction or a call has it."""
        return {
            "TableName": self.name,
            "Key": row_key(row.id),
            "UpdateExpression": "SET #state = :state",
            "ConditionExpression": condition["ConditionExpression"],
            "ExpressionAttributeNames": {"#state": "state"},
            "ExpressionAttributeValues": {":state": {"S": state}, **condition["Values"]},
        }

    def fence(self, target: Target) -> Fence | None:
        item = self._get(fence_key(target))
        return Fence(int(item["sequence"]["N"]), item["id"]["S"]) if item else None

    def advance(self, row: Row) -> None:
        """Move the fence of the row's target to it, unless it stands at a newer one."""
        self._update(self.fence_update(row))

    def fence_update(self, row: Row) -> dict[str, Any]:
        """The fence never expires: an old message that comes late must not pass."""
        return {
            "TableName": self.name,
            "Key": fence_key(row.target),
            "UpdateExpression": "SET #sequence = :sequence, id = :id",
            "ConditionExpression": f"attribute_not_exists({PARTITION_KEY}) OR #sequence < :sequence",
            "ExpressionAttributeNames": {"#sequence": "sequence"},
            "ExpressionAttributeValues": {":sequence": _number(row.sequence or 0), ":id": {"S": row.id}},
        }

    def wrapped_key(self) -> bytes | None:
        item = self._get({PARTITION_KEY: {"S": _META}})
        return bytes(item["wrapped"]["B"]) if item else None

    def fix_wrapped_key(self, wrapped: bytes) -> bytes:
        """The wrapped key that stands from now on."""
        item = {PARTITION_KEY: {"S": _META}, "wrapped": {"B": wrapped}}
        standing = self._put(item, f"attribute_not_exists({PARTITION_KEY})", {})
        return bytes(standing["wrapped"]["B"]) if standing else wrapped

    def _get(self, key: dict[str, Any]) -> dict[str, Any] | None:
        with aws_faults():
            answer = self._client.get_item(TableName=self.name, Key=key, ConsistentRead=True)
        found: dict[str, Any] | None = answer.get("Item")
        return found

    def _put(self, item: dict[str, Any], condition: str, values: dict[str, Any]) -> dict[str, Any] | None:
        """The item that is there instead, if the condition does not hold: after a lost answer it may be this one."""
        how = {"ConditionExpression": condition, **({"ExpressionAttributeValues": values} if values else {})}
        with aws_faults():
            try:
                self._client.put_item(TableName=self.name, Item=item, **how)
            except ClientError as e:
                if code_of(e) != "ConditionalCheckFailedException":
                    raise
            else:
                return None
        standing = self._get({PARTITION_KEY: item[PARTITION_KEY]})
        if standing is None:  # it has gone meanwhile
            raise unavailable()
        return standing

    def _update(self, update: dict[str, Any]) -> None:
        """What the condition refuses has been done before, or is no longer to be done."""
        with aws_faults():
            try:
                self._client.update_item(**update)
            except ClientError as e:
                if code_of(e) != "ConditionalCheckFailedException":
                    raise


def _number(value: int) -> dict[str, str]:
    return {"N": str(value)}


def _row(item: Mapping[str, Any], event: str, now: float) -> Row | None:
    if int(item[EXPIRES]["N"]) <= now:
        return None
    return Row(
        id=event,
        request_mac=bytes(item["request_mac"]["B"]),
        document=item["document"]["S"],
        target=msgspec.json.decode(item["target"]["S"], type=Target),
        sequence=int(item["sequence"]["N"]) if "sequence" in item else None,
        state=item["state"]["S"],
        message_id=item["message_id"]["S"],
        created=int(item["created"]["N"]),
    )
