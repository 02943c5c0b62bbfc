"""A tenant on either store with a clock that tests move, and stores that fail, crash or wait when told to."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any, cast

from kit.action_samples import ListAudit, watch
from kit.fakes import Clock
from kit.moto_aws import Tables
from kit.samples import ROW_MACS
from kit.support import Kms, Signer
from tenantkms.access.credentials import Access
from tenantkms.access.limits import Limiter
from tenantkms.access.policy import ALLOW_ALL
from tenantkms.access.sessions import Sessions
from tenantkms.audit.line import Audit
from tenantkms.keys.deps import Deps
from tenantkms.keys.keyring import Keyring
from tenantkms.model.limits import OFF
from tenantkms.model.site import Site
from tenantkms.names import DIALECTS
from tenantkms.parent.file import FileParentKey
from tenantkms.parent.root import Root
from tenantkms.runtime.assemble import Settings
from tenantkms.store.dynamodb import DynamoKeyStore
from tenantkms.store.port import KeyStore
from tenantkms.store.sqlite import SqliteStore

START = 1_800_000_000
DAY = 86_400
TENANT = "test"
STORES = ("sqlite", "dynamodb")


def clock_at(now: float = START) -> Clock:
    clock = Clock()
    clock.now = now
    return clock


_bodies = count()


class Distinct(Signer):
    """No two bodies of API 3.0 are the same: TC3 takes two equal changes of one second for one that is sent again.

    What differs is white space behind the JSON.
    """

    def tencent(
        self, action: str, params: Mapping[str, Any] | None = None, *, body: bytes | None = None, **headers: str
    ) -> dict[str, Any]:
        payload = json.dumps(params or {}).encode() if body is None else body
        return super().tencent(action, body=payload + b" " * (next(_bodies) % 4_000), **headers)


@dataclass
class World:
    """What outlives a process: the stores, the parent key, one credential; and the clock of all processes.

    Credentials and nonces are always on SQLite: these tests are about keys.
    """

    keys: KeyStore
    access: SqliteStore
    clock: Clock = field(default_factory=clock_at)
    parent: FileParentKey = field(default_factory=lambda: FileParentKey(os.urandom(32)))
    audit: ListAudit = field(default_factory=ListAudit)

    def __post_init__(self) -> None:
        self.root = Root(TENANT, lambda: [self.parent], self.keys.get_root)
        self.root.make(self.keys.put_root)
        made = self.settings().access.create("first", DIALECTS, ALLOW_ALL, int(self.clock()))
        self.credential = made[0].access_key_id, made[1]

    def settings(
        self, *, wrap: Callable[[KeyStore], Any] | None = None, state_seconds: float = 1, audit: Audit | None = None
    ) -> Settings:
        """A fresh process on the same stores. `wrap` puts something between it and the key store."""
        store = cast("KeyStore", wrap(self.keys)) if wrap else self.keys
        ring = Keyring(TENANT, store, self.parent, clock=self.clock, state_seconds=state_seconds)
        access = Access(TENANT, self.access, self.parent, clock=self.clock)
        sessions = Sessions(self.access, self.root, os.urandom, clock=self.clock)
        deps = Deps(
            tenant=TENANT,
            account=Site(tenant=TENANT).account,
            keyring=ring,
            audit=audit or self.audit,
            clock=self.clock,
            random=os.urandom,
            sessions=sessions,
        )
        return Settings(
            site=Site(tenant=TENANT),
            deps=deps,
            access=access,
            root=self.root,
            limiter=Limiter(self.access, OFF),
            sessions=sessions,
        )

    def watch(self, seconds: int = DAY) -> None:
        """The scheduled work has watched the clock for so long, until now."""
        watch(self.keys, int(self.clock()), seconds)

    def process(self, **how: Any) -> Kms:
        """A fresh process that answers signed requests."""
        return Kms(self.settings(**how), Distinct(*self.credential, now=self.clock))


def make_world(store: str, path: Path) -> World:
    """A new tenant on a store of `STORES`, with files in `path`."""
    sqlite = SqliteStore(path / "kms.sqlite3", ROW_MACS)
    if store == "sqlite":
        return World(sqlite, sqlite)
    tables = Tables.fresh()
    return World(DynamoKeyStore(tables.client, tables.keys, ROW_MACS), sqlite)


class ProcessDied(BaseException):
    """The end of a process: no handler of ours sees it, as none would see a kill."""


class Dying:
    """A store whose process dies at its `at`-th call (from 1): before it, or after it with its answer lost."""

    def __init__(self, inner: object, at: int, *, after: bool) -> None:
        self._inner, self._at, self._after = inner, at, after
        self.calls = 0

    def __getattr__(self, name: str) -> Any:
        inner = getattr(self._inner, name)

        def call(*args: object, **kwargs: object) -> object:
            self.calls += 1
            if self.calls != self._at:
                return inner(*args, **kwargs)
            if self._after:
                inner(*args, **kwargs)
            raise ProcessDied(f"{name}, call {self._at}, {'after' if self._after else 'before'}")

        return call
