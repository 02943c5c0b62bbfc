"""`tkms open --offline`: a ciphertext blob is opened by rows and a parent key alone, wherever they lie."""

from __future__ import annotations

import argparse
import base64
import shutil
import sqlite3
import sys
import tempfile
from collections.abc import Sequence
from contextlib import closing, suppress
from pathlib import Path

import msgspec
from msgspec import Struct

from tenantkms.crypto.context import canonical
from tenantkms.crypto.envelope import derive, open_blob, parse_header
from tenantkms.crypto.strings import plaintext
from tenantkms.errors import InvalidCiphertext, Unavailable
from tenantkms.model.key import Key
from tenantkms.model.specs import SYMMETRIC
from tenantkms.model.version import KeyVersion, version_id
from tenantkms.parent.port import Binding, ParentKey, SealBroken, key_binding
from tenantkms.parent.root import Root
from tenantkms.runtime.assemble import SettingsError
from tkms.backup.asking import opening_secrets
from tkms.backup.contents import PARENT, STORE, unpack
from tkms.backup.parents import Candidate, candidates
from tkms.backup.rows import file_parent
from tkms.commands import context, read_blob
from tkms.machine.site_file import read_site
from tkms.output import Failed, UsageError, path_text, print_json

_SQLITE = b"SQLite format 3\0"


class _Place(Struct, frozen=True):
    """`store` is a copy of its own. `tenant` and `parent` are empty if they are to be named. `wanted`: the parent key's
    fingerprint, if that is known.
    """

    store: Path
    tenant: str
    parent: bytes
    wanted: str = ""


def open_offline(args: argparse.Namespace) -> int:
    """No policy is asked, and no state of a key: whoever has the parent key has the keys."""
    pairs, blob = context(args), read_blob(args.file)
    header = parse_header(blob)
    with tempfile.TemporaryDirectory(prefix="tkms-") as folder:
        place = _place(args, Path(args.offline), Path(folder))
        tenant = args.tenant or place.tenant
        if not tenant:
            raise UsageError(f"{args.offline} does not say whose it is: --tenant")
        found = candidates(args.parent, place.parent, args.data_dir, path_text(args.offline), place.wanted)
        key, version = _found(place.store, header.key_id, header.version)
        if key.spec not in SYMMETRIC or SYMMETRIC[key.spec].suite != header.suite:
            raise InvalidCiphertext
        binding = key_binding(tenant, key.id, version.number, key.spec)
        material = _material(place.store, tenant, found, version.sealed, binding)
    opened = plaintext(header.content, open_blob(derive(material), header, blob, canonical(pairs)))
    if args.json:
        print_json(
            {
                "key_id": key.id,
                "key_version_id": version_id(key.id, version.number),
                "state": key.state,
                "plaintext": base64.b64encode(opened).decode(),
            }
        )
    else:
        sys.stdout.buffer.write(opened)
        sys.stdout.buffer.flush()
    return 0


def _place(args: argparse.Namespace, given: Path, folder: Path) -> _Place:
    """Raises `Failed` and `OSError`."""
    if given.is_dir():
        given = given / STORE
    with given.open("rb") as source:
        if source.read(len(_SQLITE)) != _SQLITE:
            source.seek(0)
            name = path_text(given)
            unpacked = unpack(opening_secrets(args).opened(source, name), name, folder)
            wanted = unpacked.about.parent_fingerprint
            return _Place(unpacked.store, unpacked.site.tenant, unpacked.parent, wanted)
    for end in ("", "-wal"):  # the latter has what is new, where a server runs or was killed
        beside = given.with_name(given.name + end)
        if beside.exists():
            shutil.copyfile(beside, folder / f"{STORE}{end}")
    try:
        tenant = read_site(given.parent).tenant
    except (OSError, SettingsError):
        tenant = ""
    parent = given.parent / PARENT
    return _Place(folder / STORE, tenant, parent.read_bytes() if parent.exists() else b"")


def _parents(store: Path, tenant: str, spec: bytes) -> list[ParentKey]:
    """The parent key, and the former one where a copy is from within a reseal."""
    parent = file_parent(spec)
    with closing(sqlite3.connect(store)) as db, suppress(sqlite3.Error, SealBroken):  # there may be no root
        if row := db.execute("SELECT CAST(sealed AS BLOB) FROM root").fetchone():
            return [parent, *Root(tenant, lambda: (parent,), lambda: row[0], file_parent).opened().before]
    return [parent]


def _material(store: Path, tenant: str, found: Sequence[Candidate], sealed: bytes, binding: Binding) -> bytes:
    """By the first parent key that opens it. Raises `Failed`, and what kept one of them from being asked."""
    fault: Failed | Unavailable | None = None
    for each in found:
        try:
            for parent in _parents(store, tenant, each.spec):
                with suppress(SealBroken):
                    return parent.unseal(sealed, binding)
        except (Failed, Unavailable) as e:  # such as AWS KMS, where there is no network: another one may be a file
            fault = fault or e
    raise fault or Failed(f"The parent key is another one, or the tenant is not {tenant}.")


def _found(store: Path, key_id: str, number: int) -> tuple[Key, KeyVersion]:
    """Of any layout there ever was. Raises `Failed`."""
    try:
        with closing(sqlite3.connect(store)) as db:
            row = db.execute("SELECT doc FROM keys WHERE id = ?", (key_id,)).fetchone()
            if row is None:
                raise Failed(f"There is no key {key_id} in it.")
            key = msgspec.json.decode(row[0], type=Key)
            version = key.newest
            if version is None or version.number != number:
                select = "SELECT doc FROM versions WHERE key_id = ? AND number = ?"
                row = db.execute(select, (key_id, number)).fetchone()
                version = msgspec.json.decode(row[0], type=KeyVersion) if row else None
    except (sqlite3.Error, msgspec.DecodeError) as e:
        raise Failed(f"The rows cannot be read: {e}.") from e
    if version is None or not version.sealed:
        raise Failed(f"The key {key_id} has no material of version {number} in it.")
    return key, version
