"""Both ports on DynamoDB: the store of a deployment, two tables for each tenant, as `dynamodb_layout` lays them out.

Listings are read from indexes, which follow a write within moments. Every other read is strongly consistent.

A write whose answer was lost, and which botocore may have sent twice, is found by its `token`: whatever went
wrong, the rows are read back, and a write that is there succeeded.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from heapq import merge
from itertools import chain, islice, zip_longest
from math import inf
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import msgspec
from botocore.exceptions import ClientError

from tenantkms.errors import AliasExists
from tenantkms.model.alias import Alias
from tenantkms.model.credential import Credential, by_age
from tenantkms.model.key import Key
from tenantkms.model.states import KeyState
from tenantkms.model.version import KeyVersion
from tenantkms.model.watch import Watch, kept, place_text
from tenantkms.store.dynamodb_fence import DynamoFence
from tenantkms.store.dynamodb_layout import (
    ABSENT,
    ALIASES,
    CREDENTIALS,
    DUE_INDEX,
    DUE_PARTITION_KEY,
    DUE_SORT_KEY,
    INDEX,
    INDEX_PARTITION_KEY,
    INDEX_SORT_KEY,
    KEY_ID,
    KEYS,
    LAST_USED,
    LONGEST_KEY,
    META,
    NAMES_INDEX,
    PARTITION_KEY,
    PLACE,
    ROOT,
    SEALED,
    SEEN,
    SINCE,
    SORT_KEY,
    SOURCE,
    TAKEN,
    TTL,
    USES,
    WAITING,
    WITH_MAC,
    Row,
    alias_pk,
    by_time,
    checked,
    credential_pk,
    due_of,
    encode,
    item_of,
    key_pk,
    typed,
    use_pk,
    version_sk,
    waiting_in,
    watch_pk,
)
from tenantkms.store.dynamodb_listing import Listings
from tenantkms.store.dynamodb_names import each_once, order_of, places_of
from tenantkms.store.dynamodb_table import FAULTS, Table, condition_failed, count_of, faults, lease_of, unavailable
from tenantkms.store.fence import OPEN, Fence
from tenantkms.store.integrity import RowMac
from tenantkms.store.leases import Leases
from tenantkms.store.port import MAX_BUCKETS, PutAlias, PutKey, RevisionConflict, Write, nonce_digest

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

_decode_version = msgspec.json.Decoder(KeyVersion).decode
_decode_credential = msgspec.json.Decoder(Credential).decode

_COUNTED_SECONDS = 60


class DynamoKeyStore(Listings):
    """`KeyStore` on the keys table `table`; where that is replicated, `fence` says whether it is changed here."""

    def __init__(self, client: DynamoDBClient, table: str, macs: RowMac, fence: DynamoFence | None = None) -> None:
        super().__init__(client, table, macs)
        self._counts: dict[str, tuple[float, int]] = {}
        self._fence = fence

    def _with_macs(self) -> Iterator[Row]:
        # From the table: a row that hides from an index is found.
        for answer in self._pages(self._client.scan, {"ConsistentRead": True}):
            yield from (row for row in answer["Items"] if row[PARTITION_KEY]["S"].startswith(WITH_MAC))

    def get(self, key_id: str) -> Key | None:
        return self._key(key_id)

    def get_version(self, key_id: str, number: int) -> KeyVersion | None:
        found = self._get(pk=key_pk(key_id), sk=version_sk(number))
        return _decode_version(self._doc(found)) if found else None

    def list_versions(self, key_id: str, first: int, last: int) -> list[KeyVersion]:
        if first > last:
            return []
        span = (SORT_KEY, version_sk(first), version_sk(last))
        found = self._query(PARTITION_KEY, key_pk(key_id), span, ConsistentRead=True)
        return [_decode_version(self._doc(version)) for version in found]

    def list_due(self, before: int, *, limit: int, after: tuple[int, str] = (0, "")) -> list[tuple[int, str]]:
        if before < after[0]:
            return []
        span = (DUE_SORT_KEY, by_time(*after), by_time(before, "~"))
        how: Any = {"IndexName": DUE_INDEX, "Limit": limit // 8 + 2}
        found = merge(*(map(due_of, self._query(DUE_PARTITION_KEY, part, span, **how)) for part in WAITING))
        return list(islice((due for due in found if due > after), limit))

    def count_waiting(self, state: KeyState) -> int:
        parts = (count_of(DUE_INDEX, DUE_PARTITION_KEY, part, state=state) for part in waiting_in(state))
        return sum(map(self._number, parts))

    def count_keys(self) -> int:
        return self._count(KEYS, self._count_keys)

    def count_aliases(self) -> int:
        aliases = count_of(NAMES_INDEX, INDEX_PARTITION_KEY, ALIASES)
        return self._count(ALIASES, lambda: self._number(aliases))

    def _count(self, what: str, number: Callable[[], int]) -> int:
        """Rows of an index are read to be counted, so it is not done for each key that is made."""
        counted, count = self._counts.get(what, (-inf, 0))
        if time.monotonic() - counted < _COUNTED_SECONDS:
            return count
        count = number()
        self._counts[what] = time.monotonic(), count
        return count

    def get_alias(self, name: str) -> Alias | None:
        found = self._get(pk=alias_pk(name), sk=META)
        return Alias(name=name, key_id=checked(self._macs, found)[KEY_ID]["S"]) if found else None

    def commit(self, writes: Sequence[Write]) -> None:
        items = [item_of(self._table, self._macs, write) for write in writes]
        items += self._counting(writes)
        try:
            if self._fence:
                self._fence.transact(self._client, items)
            else:
                self._client.transact_write_items(TransactItems=items, ClientRequestToken=str(uuid4()))
        except FAULTS as e:
            if not self._landed(writes):
                raise _refusal(e, writes) from e

    def _landed(self, writes: Sequence[Write]) -> bool:
        """Whether the table holds what this commit, and no other, wrote: a key row names the write by its token."""
        keys = [write.key for write in writes if isinstance(write, PutKey)]
        return bool(keys) and all(key.token and self.get(key.id) == key for key in keys)

    def list_aliases(self, *, offset: int, limit: int) -> tuple[int, list[Alias]]:
        total, page = self._aliases(offset, limit)
        return total, [Alias(name=name, key_id=key_id) for name, key_id in page]

    def get_root(self) -> bytes | None:
        found = self._get(pk=ROOT, sk=META)
        return found[SEALED]["B"] if found else None

    def put_root(self, sealed: bytes) -> None:
        (self._fence or OPEN).check()  # there is one, which may be on its way
        row = {**typed(pk=ROOT, sk=META), SEALED: {"B": sealed}}
        self._put(row, {"ConditionExpression": ABSENT})

    def settle(self, now: int, more: Callable[[], bool]) -> None:
        if not (self._fence or OPEN).behind():
            super().settle(now, more)

    def _watch_pk(self, job: str) -> str:
        """Time that one region watched is none that another one did, so each epoch has rows of its own."""
        return watch_pk(job, self._fence.active().epoch if self._fence else 0)

    def replace_root(self, before: bytes, after: bytes) -> None:
        row = {**typed(pk=ROOT, sk=META), SEALED: {"B": after}}
        condition: dict[str, Any] = {
            "ConditionExpression": f"{SEALED} IN (:before, :after)",
            "ExpressionAttributeValues": {":before": {"B": before}, ":after": {"B": after}},
        }
        if not self._put(row, condition):
            raise RevisionConflict

    def get_watch(self, job: str) -> Watch | None:
        found = self._get(pk=self._watch_pk(job), sk=META)
        try:
            if found:
                place = found[PLACE].get("S") if PLACE in found else None
                return kept(int(found[SINCE]["N"]), int(found[SEEN]["N"]), place)
        except (KeyError, ValueError):  # no release wrote it
            pass
        return None

    def put_watch(self, job: str, watch: Watch) -> None:
        if (self._fence or OPEN).behind():
            return  # another region watches
        place = place_text(watch.place)
        row = typed(pk=self._watch_pk(job), sk=META, since=watch.since, seen=watch.seen, place=place)
        with faults():
            self._client.put_item(TableName=self._table, Item=row)


def _refusal(fault: Exception, writes: Sequence[Write]) -> Exception:
    """The port's error for a transaction that failed; its reasons stand in the order of the writes."""
    reasons = fault.response.get("CancellationReasons", ()) if isinstance(fault, ClientError) else ()
    codes = [reason.get("Code") for reason in reasons]
    for write, code in zip_longest(writes, codes):  # behind the writes is what counts them
        if code == "ConditionalCheckFailed":
            is_new_alias = isinstance(write, PutAlias) and write.expect is None
            return AliasExists() if is_new_alias else RevisionConflict()
    return RevisionConflict() if "TransactionConflict" in codes else unavailable()


class DynamoAccessStore(Table):
    """`AccessStore` on the access table `table`, whose credentials `fence` guards; the rest is each region's own."""

    def __init__(self, client: DynamoDBClient, table: str, macs: RowMac, fence: Fence = OPEN) -> None:
        super().__init__(client, table, macs)
        self._fence = fence
        leases = Leases(self._lease, MAX_BUCKETS)
        self.take, self.give_back = leases.take, leases.give_back

    def _with_macs(self) -> Iterator[Row]:
        # Not from the table, which is full of nonces: a credential that hides from the index does no harm.
        return self._listed(CREDENTIALS)

    def get_credential(self, access_key_id: str) -> Credential | None:
        pk = credential_pk(access_key_id)
        if len(pk.encode("utf-8", "replace")) > LONGEST_KEY:  # strangers choose it, and DynamoDB would refuse it
            return None
        found = self._get(pk=pk)
        return _decode_credential(self._doc(found)) if found else None

    def put_credential(self, credential: Credential, *, new: bool) -> None:
        self._fence.check()
        row = typed(
            pk=credential_pk(credential.access_key_id),
            doc=encode(credential),
            listing=CREDENTIALS,
            order=order_of(credential),
        )
        condition = {"ConditionExpression": ABSENT if new else f"attribute_exists({PARTITION_KEY})"}
        if not self._put(row, condition, mac=True):
            raise RevisionConflict

    def delete_credential(self, access_key_id: str) -> bool:
        self._fence.check()
        self._delete(use_pk(access_key_id))
        return self._delete(credential_pk(access_key_id))

    def _delete(self, pk: str) -> bool:
        with faults():
            answer = self._client.delete_item(TableName=self._table, Key=typed(pk=pk), ReturnValues="ALL_OLD")
        return bool(answer.get("Attributes"))

    def credentials(self) -> Iterator[Credential]:
        return map(_decode_credential, map(self._doc, each_once(self._listed(CREDENTIALS))))

    def list_credentials(self) -> list[Credential]:
        return sorted(self.credentials(), key=by_age)

    def credentials_named(self, name: str) -> list[Credential]:
        finds = (self._query(INDEX_PARTITION_KEY, CREDENTIALS, *place, IndexName=INDEX) for place in places_of(name))
        found = {one.access_key_id: one for one in map(_decode_credential, map(self._doc, chain.from_iterable(finds)))}
        return [credential for credential in sorted(found.values(), key=by_age) if credential.name == name]

    def note_use(self, access_key_id: str, when: int) -> None:
        # A row of its own: the endpoint writes it, and may not write a credential's.
        row = typed(pk=use_pk(access_key_id), last_used=when, listing=USES, order=access_key_id)
        condition = {
            "ConditionExpression": f"{ABSENT} OR {LAST_USED} < :when",
            "ExpressionAttributeValues": typed(**{":when": when}),
        }
        self._put(row, condition)

    def last_uses(self) -> dict[str, int]:
        return {row[INDEX_SORT_KEY]["S"]: int(row[LAST_USED]["N"]) for row in self._listed(USES)}

    def has_credentials(self) -> bool:
        rows = self._query(INDEX_PARTITION_KEY, CREDENTIALS, IndexName=INDEX, Limit=1)
        return next(rows, None) is not None

    def use_nonce(self, nonce: bytes, *, now: int, expires: int, source: str | None = None, again: int = 0) -> bool:
        # DynamoDB deletes expired rows when it finds the time, up to days later.
        condition = {
            "ConditionExpression": f"{ABSENT} OR {TTL} < :now",
            "ExpressionAttributeValues": typed(**{":now": now}),
        }
        pk = f"NONCE#{nonce_digest(nonce).hex()}"
        row = typed(pk=pk, expires=expires, **({} if source is None else {SOURCE: source}))
        if self._put(row, condition):
            return True
        first = self._get(pk=pk) if SOURCE in row else None
        if first is None or first.get(SOURCE) != row[SOURCE]:
            return False
        return abs(expires - int(first[TTL]["N"])) <= again

    def _lease(self, bucket: str, second: int, wanted: int, rate: int) -> int:
        """One write; if its answer is lost and it is sent again, some that are counted are never used."""
        try:
            answer = self._client.update_item(TableName=self._table, **lease_of(bucket, second, wanted, rate))
        except FAULTS as e:
            if condition_failed(e):
                return 0
            raise unavailable() from e
        return min(wanted, rate - (int(answer["Attributes"][TAKEN]["N"]) - wanted))
