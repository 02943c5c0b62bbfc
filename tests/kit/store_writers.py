"""Writers that tests run in processes of their own, and what several of them share."""

from __future__ import annotations

import os
from pathlib import Path

from kit.samples import key, key_id, revised, version
from tenantkms.model.alias import Alias
from tenantkms.store.file_lock import FileLock, at_once
from tenantkms.store.port import KeyStore, PutAlias, PutKey, PutVersion, RevisionConflict, Write
from tenantkms.store.shared import Memory, SharedBuckets


def shared_buckets(folder: Path, size: int, memory: Memory | None = None) -> SharedBuckets:
    lock = FileLock(os.open(folder / "rates.lock", os.O_RDWR | os.O_CREAT), at_once)
    return SharedBuckets(memory or Memory(), size, lock)


def whole_key(number: int) -> list[Write]:
    """A key with an older version and an alias, all of it or nothing."""
    alias = Alias(name=f"key-{number}", key_id=key_id(number))
    return [
        PutKey(key(number, aliases=(alias.name,))),
        PutVersion(alias.key_id, version(1)),
        PutAlias(alias, expect=None),
    ]


def increment(store: KeyStore, token: str) -> None:
    """Write the first key's next revision, again and again until nobody was faster."""
    while True:
        found = store.get(key_id(1))
        assert found is not None
        try:
            store.commit([PutKey(revised(found, token))])
        except RevisionConflict:
            continue
        return
