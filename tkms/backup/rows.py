"""The rows of a backup, with the parent key that they are for: whether they are whole, and what they open to."""

from __future__ import annotations

import secrets
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from msgspec import Struct, field

from tenantkms.crypto import asymmetric
from tenantkms.errors import KmsError, Unavailable
from tenantkms.keys.walk import PAGE
from tenantkms.model.key import Key
from tenantkms.model.specs import SIZES, KeySpec
from tenantkms.model.version import KeyVersion
from tenantkms.parent.file import parent_of
from tenantkms.parent.port import ParentKey, SealBroken, credential_binding, key_binding
from tenantkms.parent.root import AnchoredParentKey, Root
from tenantkms.runtime.assemble import aws_parent, row_macs
from tenantkms.store.integrity import UNCHECKED
from tenantkms.store.port import KeyStore
from tenantkms.store.sqlite import SqliteStore
from tkms.output import Failed, Tell, seen

_SAMPLE = 3
"""Versions of a key that are opened: the first, the newest, and one between them by chance."""
_SHOWN = 20


class Report(Struct, kw_only=True):
    """What was found. `opened` of `versions` were opened; `problems` are sentences, as many as are told of."""

    rows: int = 0
    keys: int = 0
    versions: int = 0
    opened: int = 0
    without_material: int = 0
    aliases: int = 0
    credentials: int = 0
    problems: list[str] = field(default_factory=list)
    bad: int = 0

    def problem(self, text: str) -> None:
        self.bad += 1
        if self.bad <= _SHOWN:
            self.problems.append(text)


def material_fits(spec: KeySpec, material: bytes) -> bool:
    """Whether it is material of a key of that spec. Raises `ValueError` for what is no private key at all."""
    if spec in SIZES:
        return len(material) == SIZES[spec]
    try:
        return asymmetric.spec_of(asymmetric.load(material)) == spec
    except (TypeError, UnsupportedAlgorithm):  # under a password; of no kind that there is here
        return False


def check_file(path: Path, *, thorough: bool = False) -> list[str]:
    """What SQLite finds wrong with its own file; `thorough`: and whether its indexes fit. Raises `sqlite3.Error`."""
    check = "integrity_check" if thorough else "quick_check"
    try:
        with closing(sqlite3.connect(path)) as db:
            found = [str(row[0]) for row in db.execute(f"PRAGMA {check}({_SHOWN})")]
    except sqlite3.DatabaseError as e:
        if e.sqlite_errorcode != sqlite3.SQLITE_CORRUPT:
            raise
        found = [str(e)]
    return foreign(path) if found == ["ok"] else found


def foreign(path: Path) -> list[str]:
    """What acts by itself in a store, or stands for rows, and is not this release's. It has no MAC: a trigger could
    bring back what is disabled later. Raises `sqlite3.Error`.
    """
    with tempfile.TemporaryDirectory(prefix="tkms-") as folder:
        SqliteStore(Path(folder) / "own", UNCHECKED)
        own = _acting(Path(folder) / "own")
    return [f"its {what} {name!r} is none that a release makes" for what, name, _ in sorted(_acting(path) - own)]


def _acting(path: Path) -> set[tuple[str, str, str]]:
    """(sort, name, SQL)."""
    with closing(sqlite3.connect(path)) as db:
        return {*db.execute("SELECT type, name, sql FROM sqlite_master WHERE type IN ('trigger', 'view')")}


def file_parent(spec: bytes) -> ParentKey:
    """What a parent key's file says. Raises `Failed` for what is none."""
    try:
        return parent_of(spec, aws_parent)
    except Unavailable as e:
        raise Failed(str(e)) from None


def root_of(tenant: str, parent: bytes, store: KeyStore) -> Root:
    """Of a copy of a store, while a reseal was under way too: then the new parent key opens all of it."""
    parents = (file_parent(parent),)
    return Root(tenant, lambda: parents, store.get_root, file_parent)


class Rows:
    """The file `store`, which is brought to the layout of this release, of `tenant`.

    Raises `Failed` where it is no store, or the parent key not the one that it was sealed with, and `Unavailable`.
    """

    def __init__(self, store: Path, tenant: str, parent: bytes, name: str) -> None:
        self._path, self._tenant = store, tenant
        self.store = SqliteStore(store, UNCHECKED)
        root = root_of(tenant, parent, self.store)
        self._parent = AnchoredParentKey(root)
        try:
            self._macs = row_macs(root)
            self._macs.make(())
        except SealBroken:
            raise Failed(f"The parent key is not the one that {name} was sealed with.") from None
        self._checked = SqliteStore(store, self._macs)

    def check(self, *, every: bool, tell: Tell | None = None) -> Report:
        """Look at all rows, and open of each key a sample of its versions, or `every` one."""
        report = Report(aliases=self.store.count_aliases())
        for trouble in check_file(self._path):
            report.problem(trouble)
        for fault in self._checked.check_rows():
            report.rows += 1
            if fault:
                report.problem(fault.details)
        for key in seen(self.keys(), tell):
            report.keys += 1
            self.check_key(key, report, every=every)
        self.check_credentials(report)
        return report

    def check_credentials(self, report: Report, tell: Tell | None = None) -> None:
        """Open the secret of every access key."""
        for credential in seen(self.store.credentials(), tell):
            report.credentials += 1
            try:
                self._parent.unseal(credential.sealed, credential_binding(self._tenant, credential.access_key_id))
            except KmsError as e:
                report.problem(f"access key {credential.access_key_id}: {e}")

    def keys(self) -> Iterator[Key]:
        after = (0, "")
        while page := self.store.keys_after(after, limit=PAGE):
            yield from page
            after = (page[-1].created, page[-1].id)

    def check_key(self, key: Key, report: Report, *, every: bool) -> None:
        """Open a sample of its versions, or `every` one."""
        newest = key.newest.number if key.newest else 0
        report.versions += newest
        chosen = range(1, newest + 1) if every or newest <= _SAMPLE else (1, 2 + secrets.randbelow(newest - 2), newest)
        for number in chosen:
            version = key.newest if number == newest else self.store.get_version(key.id, number)
            if version is None:
                report.problem(f"key {key.id}: version {number} is missing")
            elif not version.sealed:
                report.without_material += 1
            else:
                self._check_version(key, version, report)

    def _check_version(self, key: Key, version: KeyVersion, report: Report) -> None:
        try:
            material = self._parent.unseal(version.sealed, key_binding(self._tenant, key.id, version.number, key.spec))
            fits = material_fits(key.spec, material)
        except (KmsError, ValueError) as e:
            report.problem(f"key {key.id}, version {version.number}: {e}")
            return
        report.opened += 1
        if not fits:
            report.problem(f"key {key.id}, version {version.number}: its material is none of {key.spec}")


def past_their_date(store: KeyStore, now: int) -> list[str]:
    """Ids of the keys that scheduled work is to destroy, or whose material, in watched time: their date is over."""
    after, found = (0, ""), list[str]()
    while page := store.list_due(now, limit=PAGE, after=after):
        after = page[-1]
        keys = filter(None, (store.get(key_id) for _, key_id in page))
        found += [key.id for key in keys if 0 < key.destroys_at <= now]
    return found
