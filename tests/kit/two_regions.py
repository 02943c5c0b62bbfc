"""A tenant in two regions, as DynamoDB replicates its tables: each row by itself, later, and the last writer wins.

What a region has written waits until a test delivers it, in any order, or not at all: then the region is lost. It is
delivered when the region is back.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from msgspec.structs import replace

from kit.action_samples import ListAudit, Tenant
from kit.campaign.world import TENANT, clock_at
from kit.fakes import Clock
from kit.moto_aws import Tables
from kit.samples import ROW_MACS
from tenantkms.access.sessions import Sessions
from tenantkms.keys.deps import Deps
from tenantkms.keys.keyring import Keyring
from tenantkms.keys.maintenance import DESTROY, JOBS, Report, run
from tenantkms.model.watch import STEP
from tenantkms.parent.file import FileParentKey
from tenantkms.parent.root import Root
from tenantkms.store.dynamodb import DynamoKeyStore
from tenantkms.store.dynamodb_fence import DynamoFence, FenceRows
from tenantkms.store.sqlite import SqliteStore
from tkms.standby.failover import Waits

FIRST, SECOND = "eu-central-1", "eu-west-1"
Key = tuple[str, str]
"""Of a row: partition and sort key."""
_WRITES = ("Put", "Update", "Delete")


@dataclass
class Change:
    """A row as a region wrote it, or None where it deleted it; `at` says which of two was the last."""

    key: Key
    row: Any
    at: int
    to: str


class Region(Tenant):
    """A process of a tenant in one region, and its replica of the keys table."""

    def __init__(
        self, name: str, parent: FileParentKey, clock: Clock, access: SqliteStore, like: Region | None = None
    ) -> None:
        self.name, self.clock = name, clock
        self.tables = Tables.fresh(region=name, like=like.tables if like else None)
        self.rows = FenceRows(self.tables.client, self.tables.keys, FIRST)
        self.fence = DynamoFence(self.rows, name, 0, clock)
        self.audit = ListAudit()
        self.store = DynamoKeyStore(self.tables.client, self.tables.keys, ROW_MACS, self.fence)
        ring = Keyring(TENANT, self.store, parent, clock=clock, state_seconds=0, material_seconds=0, fence=self.fence)
        self.root = Root(TENANT, lambda: [parent], self.store.get_root)
        self.deps = Deps(
            tenant=TENANT,
            account="123456789012",
            keyring=ring,
            audit=self.audit,
            clock=clock,
            random=os.urandom,
            sessions=Sessions(access, self.root, os.urandom, clock=clock),
            fence=self.fence,
        )

    def get(self, key: Key) -> Any:
        typed: Any = {"pk": {"S": key[0]}, "sk": {"S": key[1]}}
        answer = self.tables.client.get_item(TableName=self.tables.keys, Key=typed, ConsistentRead=True)
        return answer.get("Item")

    def written(self) -> list[Key]:
        """The rows that were asked to be written since it was asked last."""
        found: dict[Key, None] = {}
        for operation, body in self.tables.wire.sent:
            parts = body.get("TransactItems", [{operation.removesuffix("Item"): body}])
            for part in parts:
                for kind, inner in part.items():
                    if kind in _WRITES:
                        key = inner.get("Key") or inner["Item"]
                        found[key["pk"]["S"], key["sk"]["S"]] = None
        self.tables.wire.sent.clear()
        return list(found)

    def sweep(self, job: str = "destroy", **how: Any) -> Report:
        return run(JOBS[job], self.deps, "sweep", **how)

    def opens(self, blob: str) -> str:
        """`ok`, or the name of the domain error."""
        return self.outcome("Decrypt", {"ciphertext": blob})

    def blob(self, key_id: str) -> str:
        return str(self.result("Encrypt", {"key_id": key_id, "plaintext": "aGVsbG8="})["ciphertext"])


@dataclass
class TwoRegions:
    """`first` and `second`; `on_its_way` is what has not been delivered."""

    access: SqliteStore
    clock: Clock = field(default_factory=clock_at)
    on_its_way: list[Change] = field(default_factory=list)

    def __post_init__(self) -> None:
        parent = FileParentKey(os.urandom(32))
        self.first = Region(FIRST, parent, self.clock, self.access)
        self.second = Region(SECOND, parent, self.clock, self.access, like=self.first)
        self._at = 0
        self._last: dict[tuple[str, Key], tuple[int, Any]] = {}
        self.first.root.make(self.first.store.put_root)
        self.deliver()

    @property
    def replicas(self) -> dict[str, FenceRows]:
        return {FIRST: self.first.rows, SECOND: self.second.rows}

    def note(self) -> None:
        """What the regions have written is on its way."""
        for region, other in ((self.first, SECOND), (self.second, FIRST)):
            for key in region.written():
                row = region.get(key)
                if self._last.get((region.name, key), (0, None))[1] != row:
                    self._at += 1
                    self._last[region.name, key] = self._at, row
                    self.on_its_way.append(Change(key, row, self._at, other))
            region.tables.wire.sent.clear()

    def deliver(self, which: Callable[[Change], bool] = lambda _: True) -> None:
        """Let some of it arrive, or all. What a row was in between need not be seen."""
        self.note()
        left = []
        for change in self.on_its_way:
            if not which(change):
                left.append(change)
                continue
            region = self.first if change.to == FIRST else self.second
            if self._last.get((region.name, change.key), (0, None))[0] < change.at:
                self._put(region, change)
                self._last[region.name, change.key] = change.at, change.row
        self.on_its_way = left

    @staticmethod
    def _put(region: Region, change: Change) -> None:
        client: Any = region.tables.client
        if change.row is None:
            key = {"pk": {"S": change.key[0]}, "sk": {"S": change.key[1]}}
            client.delete_item(TableName=region.tables.keys, Key=key)
        else:
            client.put_item(TableName=region.tables.keys, Item=change.row)
        region.tables.wire.sent.clear()

    def deliver_some(self, *parts: str) -> None:
        """The rows in whose keys one of `parts` stands, and none of the others."""
        self.deliver(lambda change: any(part in " ".join(change.key) for part in parts))

    def waits(self, *, late: bool = False) -> Waits:
        """While a command waits, what is on its way comes, unless it is `late`."""
        return Waits(clock=self.clock, sleep=lambda _: None if late else self.deliver(), until=4, settle=2)

    def pass_(self, seconds: int, region: Region) -> None:
        """So much time, in which the destroying sweeper of `region` runs as it should, and at the end once more."""
        watch = region.store.get_watch(DESTROY.name)
        if watch and watch.seen >= self.clock() - STEP:
            region.store.put_watch(DESTROY.name, replace(watch, seen=int(self.clock()) + seconds))
        self.clock.now += seconds
        region.sweep()
