"""A tenant of one machine that is as full as is asked: rows that its server believes and material that it opens.

They are written below the API, by the store's own statements, thousands in a transaction that waits for no disk.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Iterable, Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import TypeVar
from uuid import UUID

from msgspec import Struct
from msgspec.structs import replace

from tenantkms.access.policy import ALLOW_ALL
from tenantkms.keys.keyring import Keyring
from tenantkms.model.credential import Credential
from tenantkms.model.key import Key
from tenantkms.model.limits import OFF
from tenantkms.model.profiles import DAY
from tenantkms.model.specs import KeySpec, KeyUsage, Origin
from tenantkms.model.states import KeyState
from tenantkms.names import DIALECTS
from tenantkms.parent.file import FileParentKey
from tenantkms.parent.port import credential_binding
from tenantkms.store.integrity import PURPOSE, RowMac
from tenantkms.store.port import PutKey, PutVersion, Write
from tenantkms.store.sqlite_file import Connections, transaction
from tenantkms.store.sqlite_layout import COMMITS, CREDENTIALS, credential_row
from tkms.machine.directory import Directory
from tkms.output import Bar, clear

T = TypeVar("T")
_BATCH = 20_000
_CACHE_MB = 2_000
_YEAR = 365 * DAY


class Load(Struct, frozen=True, kw_only=True):
    """How many keys there are, how many of them have `versions`, and how many credentials; the last `due` keys are to
    be rotated now, and as many before them destroyed. All others rotate once a year, within the next one.
    """

    keys: int = 1_000_000
    versioned: int = 1_000
    versions: int = 500
    credentials: int = 100_000
    due: int = 20_000


def key_id(number: int) -> str:
    return str(UUID(bytes=hashlib.sha256(b"key %d" % number).digest()[:16], version=4))


def credential(number: int) -> tuple[str, str]:
    """Its access key id and its secret."""
    digest = hashlib.sha256(b"credential %d" % number).hexdigest()
    return f"TKMS{digest[:20]}", digest[24:]


def fill(data_dir: Path, load: Load) -> None:
    """Make the directory, with a tenant that has all that."""
    settings = Directory(data_dir, OFF).make("bench")
    macs = RowMac(partial(settings.root.key, PURPOSE))
    with closing(Connections(data_dir / "kms.sqlite3").open()) as db:  # which has gigabytes of the file in memory
        for pragma in ("synchronous=OFF", f"cache_size=-{_CACHE_MB * 1024}", "wal_autocheckpoint=100000"):
            db.execute(f"PRAGMA {pragma}")
        total = load.keys + load.versioned * (load.versions - 1)
        bar, count = Bar("keys and versions", total), 0
        for writes in _batches(_writes(settings.deps.keyring, load)):
            with transaction(db):
                for write in writes:
                    COMMITS[type(write)](db, macs, write)
            count += len(writes)
            bar(count)
        bar, count = Bar("credentials", load.credentials), 0
        parent = FileParentKey.load(data_dir / "parent.key")
        for rows in _batches(_credentials(parent, load.credentials)):
            with transaction(db):
                db.executemany(CREDENTIALS.insert, (CREDENTIALS.with_mac(macs, credential_row(row)) for row in rows))
            count += len(rows)
            bar(count)
        clear()
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _batches(items: Iterable[T]) -> Iterator[list[T]]:
    batch: list[T] = []
    for item in items:
        batch.append(item)
        if len(batch) == _BATCH:
            yield batch
            batch = []
    yield batch


def _writes(keyring: Keyring, load: Load) -> Iterator[Write]:
    now = int(time.time())
    for number in range(load.keys):
        id_ = key_id(number)
        newest = load.versions if number < load.versioned else 1
        for older in range(1, newest):
            version = keyring.seal_version(id_, KeySpec.AES_256, older, now - _YEAR, os.urandom(32))
            yield PutVersion(id_, version)
        key = Key(
            id=id_,
            spec=KeySpec.AES_256,
            usage=KeyUsage.ENCRYPT_DECRYPT,
            origin=Origin.KMS,
            state=KeyState.ENABLED,
            created=now - _YEAR + number % DAY,
            creator="bench",
            primary=keyring.seal_version(id_, KeySpec.AES_256, newest, now, os.urandom(32)),
            rotation_seconds=_YEAR,
            last_rotation=now - number % (360 * DAY),
        )
        left = load.keys - number
        if left <= load.due:
            key = replace(key, last_rotation=now - _YEAR - 2 * DAY - left)
        elif left <= 2 * load.due:
            key = replace(key, state=KeyState.PENDING_DELETION, deletion_date=now - DAY)
        yield PutKey(key)


def _credentials(parent: FileParentKey, count: int) -> Iterator[Credential]:
    now = int(time.time())
    for number in range(count):
        id_, secret = credential(number)
        yield Credential(
            access_key_id=id_,
            name=f"bench-{number}",
            sealed=parent.seal(secret.encode(), credential_binding("bench", id_)),
            dialects=DIALECTS,
            policy=ALLOW_ALL,
            created=now,
        )
