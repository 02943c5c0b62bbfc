"""Where ciphertexts go: one class for each type of target. To deliver a row twice is to deliver it once.

| type | why twice is once | order by `sequence` |
|---|---|---|
| secretsmanager | the version's id is made of the document | fence |
| ssm | an equal value is not written again | fence |
| s3 | `If-None-Match`, `If-Match` | the object's metadata, compared and set |
| dynamodb | item and row in one transaction | fence, in the same transaction |
| eventbridge | it is not: consumers drop what has an `id` that they know | consumers compare `sequence` |
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from typing import Any, Protocol
from uuid import NAMESPACE_URL, uuid5

from botocore.exceptions import ClientError

from tenantkms_events.aws import aws_faults, code_of
from tenantkms_events.errors import TARGET_REFUSED, TARGET_TAKEN, Rejected, unavailable
from tenantkms_events.message import Item, Target
from tenantkms_events.table import DELIVERED, SEALED, Fence, Row, Table

LONGEST: Mapping[str, int] = {"ssm": 4096}
"""Bytes of a document, by the type of target, where it takes less than a message can become."""
CURRENT = "AWSCURRENT"
_ROUNDS = 100  # of two that overtake each other; each round was another message's


class Delivery(Protocol):
    """`settles`: whether a row that is done is still to be looked after, since a worker that was overtaken may have
    written later.
    """

    settles: bool

    def deliver(self, row: Row) -> bool:
        """Write the row's document, or nothing if a newer one is there: then False.

        Raises `Unavailable` for what may work later, `Rejected` for what will not.
        """


class Writer(Protocol):
    """A service that holds one value under a name and cannot compare and set."""

    def write(self, row: Row) -> None:
        """Make the row's document the value that is read."""


class Fenced:
    """A `Writer`, in the order of sequences.

    A worker may sleep between its look at the fence and its write, and then write last. So each one ends by writing
    what the fence names, until the fence has not moved meanwhile; that of a message that comes again, too.
    """

    settles = True

    def __init__(self, writer: Writer, table: Table) -> None:
        self._writer = writer
        self._table = table

    def deliver(self, row: Row) -> bool:
        if row.sequence is None:
            self._writer.write(row)
            return True
        self._table.advance(row)
        fence = self._table.fence(row.target)
        for _ in range(_ROUNDS):
            if fence is None:
                break
            newest = row if _is_of(fence, row, row.target) else self._table.get(fence.id)
            if newest is not None and _is_of(fence, newest, row.target):
                self._writer.write(newest)
            before, fence = fence, self._table.fence(row.target)
            if fence == before:
                return _is_of(fence, row, row.target)
        raise unavailable()


def _is_of(fence: Fence, row: Row, target: Target) -> bool:
    """Whether the fence of `target` names this row: its id may be another wish's, once its own row has expired."""
    return (fence.id, fence.sequence, target) == (row.id, row.sequence, row.target)


class SecretWriter:
    """The version's id is made of the document: what is written again is ignored, and stays where it was."""

    _PERMANENT = ("InvalidRequestException", "InvalidParameterException", "LimitExceededException")

    def __init__(self, client: Any) -> None:
        self._client = client

    def write(self, row: Row) -> None:
        version = str(uuid5(NAMESPACE_URL, row.document))
        given = {"ClientRequestToken": version, "SecretString": row.document}
        with aws_faults(*self._PERMANENT):
            if not self._put(row.target.name, given):
                if self._create(row.target.name, given):
                    return  # its only version is the current one
                self._put(row.target.name, given)
        if row.sequence is not None:
            with aws_faults():  # that the label has been moved meanwhile is told by a code of `_PERMANENT`
                self._make_current(row.target.name, version)

    def _put(self, name: str, given: Mapping[str, str]) -> bool:
        """False if there is no such secret."""
        try:
            self._client.put_secret_value(SecretId=name, **given)
        except ClientError as e:
            if code_of(e) != "ResourceNotFoundException":
                raise
            return False
        return True

    def _create(self, name: str, given: Mapping[str, str]) -> bool:
        """False if somebody else has made it meanwhile."""
        try:
            self._client.create_secret(Name=name, **given)
        except ClientError as e:
            if code_of(e) != "ResourceExistsException":
                raise
            return False
        return True

    def _make_current(self, name: str, version: str) -> None:
        """What was overtaken for a moment is ignored when it is written again, but is to be read again."""
        stages = self._client.describe_secret(SecretId=name)["VersionIdsToStages"]
        current = next((v for v, labels in stages.items() if CURRENT in labels), "")
        if current != version:
            moved = {"RemoveFromVersionId": current} if current else {}
            self._client.update_secret_version_stage(
                SecretId=name, VersionStage=CURRENT, MoveToVersionId=version, **moved
            )


class ParameterWriter:
    _PERMANENT = (
        "ValidationException",
        "HierarchyLevelLimitExceededException",
        "HierarchyTypeMismatchException",
        "ParameterLimitExceeded",
        "ParameterMaxVersionLimitExceeded",
        "UnsupportedParameterType",
    )

    def __init__(self, client: Any) -> None:
        self._client = client

    def write(self, row: Row) -> None:
        with aws_faults(*self._PERMANENT):
            if self._read(row.target.name) != row.document:
                self._client.put_parameter(Name=row.target.name, Value=row.document, Type="String", Overwrite=True)

    def _read(self, name: str) -> str | None:
        try:
            value: str = self._client.get_parameter(Name=name)["Parameter"]["Value"]
        except ClientError as e:
            if code_of(e) != "ParameterNotFound":
                raise
            return None
        return value


class Objects:
    """An object is made, or replaced where both have a sequence and it is older. Its metadata says what is in it."""

    settles = False
    _DIGEST, _SEQUENCE = "tkms-sha256", "tkms-sequence"

    def __init__(self, client: Any, bucket: str) -> None:
        self._client = client
        self._bucket = bucket

    def deliver(self, row: Row) -> bool:
        body = row.document.encode()
        metadata = {self._DIGEST: hashlib.sha256(body).hexdigest()}
        if row.sequence is not None:
            metadata[self._SEQUENCE] = str(row.sequence)
        where = {"Bucket": self._bucket, "Key": row.target.name}
        put = {**where, "Body": body, "Metadata": metadata, "ContentType": "application/json"}
        condition = {"IfNoneMatch": "*"}
        for _ in range(_ROUNDS):
            with aws_faults():
                if self._done(lambda put=put, condition=condition: self._client.put_object(**put, **condition)):  # type: ignore[misc]
                    return True
                there = self._client.head_object(**where)
            found = there["Metadata"]
            if found.get(self._DIGEST) == metadata[self._DIGEST]:
                return True
            if row.sequence is None or self._SEQUENCE not in found:
                raise Rejected(TARGET_TAKEN, "target")
            if int(found[self._SEQUENCE]) >= row.sequence:
                return False
            condition = {"IfMatch": there["ETag"]}
        raise unavailable()

    @staticmethod
    def _done(put: Callable[[], object]) -> bool:
        """False if the condition does not hold."""
        try:
            put()
        except ClientError as e:
            if code_of(e) not in ("PreconditionFailed", "412"):
                raise
            return False
        return True


class Items:
    """The item has its key and one attribute, `sealed`, the document. Only what was written so is replaced."""

    settles = False
    _SEALED = "sealed"

    def __init__(self, client: Any, table: Table) -> None:
        self._client = client
        self._table = table

    def deliver(self, row: Row) -> bool:
        target = row.target
        assert isinstance(target, Item)  # noqa: S101 - the table of targets says so
        if self._SEALED in target.key:
            raise Rejected(TARGET_REFUSED, "target")
        put = {
            "TableName": target.name,
            "Item": {**{name: {"S": value} for name, value in target.key.items()}, self._SEALED: {"S": row.document}},
            "ConditionExpression": "attribute_not_exists(#key) OR attribute_exists(#sealed)",
            "ExpressionAttributeNames": {"#key": next(iter(target.key)), "#sealed": self._SEALED},
        }
        first = {"ConditionExpression": "#state = :sealed", "Values": {":sealed": {"S": SEALED}}}
        parts = [{"Put": put}, {"Update": self._table.state_update(row, DELIVERED, first)}]
        if row.sequence is not None:
            parts.append({"Update": self._table.fence_update(row)})
        with aws_faults("ValidationException"):
            try:
                self._client.transact_write_items(TransactItems=parts)
            except ClientError as e:
                if code_of(e) != "TransactionCanceledException":
                    raise
                codes = [reason.get("Code") for reason in e.response.get("CancellationReasons", [])]
                done = self._done_before(codes)
                if done is None:
                    raise
                return done
        return True

    @staticmethod
    def _done_before(codes: list[str | None]) -> bool | None:
        """What broke off the transaction: the row first, which says that it was done before. None: something else."""
        failed = [code == "ConditionalCheckFailed" for code in (*codes, None, None, None)[:3]]
        target, row, fence = failed
        if row or fence:
            return row
        if target:
            raise Rejected(TARGET_TAKEN, "target")
        if "ValidationError" in codes:
            raise Rejected(TARGET_REFUSED, "target")
        return None


class Buses:
    """The event that tells of a row is what is delivered: `tell` sends it to this bus instead."""

    settles = False

    def deliver(self, row: Row) -> bool:
        del row
        return True
