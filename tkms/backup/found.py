"""One version of a key, as it is found in a store, in an export, or in a copy of the table of keys."""

from __future__ import annotations

import base64
import json
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from tenantkms.model.key import Key
from tenantkms.model.version import KeyVersion
from tenantkms.store.dynamodb_layout import (
    DOC,
    MATERIAL,
    META,
    PARTITION_KEY,
    ROOT,
    SEALED,
    SORT_KEY,
    key_of,
    key_pk,
    version_sk,
)
from tkms.output import Failed
from tkms.transfer.file import CredentialRow, Export

_decode_key = msgspec.json.Decoder(Key).decode
_decode_version = msgspec.json.Decoder(KeyVersion).decode


class Found(Struct, frozen=True, kw_only=True):
    """`root` is the tenant's sealed root secret, which names a former parent key; empty where there is none. `clear`:
    what the version has as `sealed` is the material itself.
    """

    key: Key
    version: KeyVersion
    root: bytes = b""
    clear: bool = False


def _whole(
    key_id: str, number: int, key: Key | None, version: KeyVersion | None, *, root: bytes = b"", clear: bool = False
) -> Found:
    if key is None:
        raise Failed(f"There is no key {key_id} in it.")
    if key.newest and key.newest.number == number:
        version = key.newest
    if version is None or not version.sealed:
        raise Failed(f"The key {key_id} has no material of version {number} in it.")
    return Found(key=key, version=version, root=root, clear=clear)


def in_store(store: Path, key_id: str, number: int) -> Found:
    """Of any layout there ever was. Raises `Failed`."""
    root = b""
    try:
        with closing(sqlite3.connect(store)) as db:
            row = db.execute("SELECT doc FROM keys WHERE id = ?", (key_id,)).fetchone()
            key = _decode_key(row[0]) if row else None
            select = "SELECT doc FROM versions WHERE key_id = ? AND number = ?"
            row = db.execute(select, (key_id, number)).fetchone()
            version = _decode_version(row[0]) if row else None
            with suppress(sqlite3.Error):  # there may be no root
                row = db.execute("SELECT CAST(sealed AS BLOB) FROM root").fetchone()
                root = row[0] if row else b""
    except (sqlite3.Error, msgspec.DecodeError) as e:
        raise Failed(f"The rows cannot be read: {e}.") from e
    return _whole(key_id, number, key, version, root=root)


class _Wanted:
    """Takes one version of one key out of an export."""

    def __init__(self, key_id: str, number: int) -> None:
        self._id, self._number = key_id, number
        self._within = False
        self.found: Key | None = None
        self.version: KeyVersion | None = None

    def key(self, key: Key) -> None:
        self._within = key.id == self._id
        if self._within:
            self.found = key

    def versions(self, versions: list[KeyVersion]) -> None:
        if self._within:
            self.version = next((each for each in versions if each.number == self._number), self.version)

    def end_key(self) -> None:
        self._within = False

    def credential(self, row: CredentialRow) -> None:
        """It opens no blob."""


def in_export(export: Export, key_id: str, number: int) -> Found:
    """The export is read to its end, which says that it is whole. Raises `Failed`."""
    wanted = _Wanted(key_id, number)
    export.tell(wanted)
    return _whole(key_id, number, wanted.found, wanted.version, clear=True)


def in_table(text: str, name: str, key_id: str, number: int) -> Found:
    """`text`: what `aws dynamodb scan` prints, or an export to S3 in DYNAMODB_JSON has. Raises `Failed`."""
    rows = dict[str, Any]()
    try:
        for item in _items(text):
            if item[PARTITION_KEY]["S"] in (key_pk(key_id), ROOT):
                rows[f"{item[PARTITION_KEY]['S']} {item[SORT_KEY]['S']}"] = _with_bytes(item)
        meta, older, root = (
            rows.get(f"{pk} {sk}")
            for pk, sk in ((key_pk(key_id), META), (key_pk(key_id), version_sk(number)), (ROOT, META))
        )
        key = key_of(meta) if meta else None
        version = _decode_version(older[DOC]["S"]) if older else None
        sealed_root = root[SEALED]["B"] if root else b""
    except (ValueError, KeyError, TypeError, AttributeError, msgspec.MsgspecError):
        raise Failed(f"{name} is no copy of the table of keys, or is damaged.") from None
    return _whole(key_id, number, key, version, root=sealed_root)


_SPACE = re.compile(r"\s*")


def _items(text: str) -> Iterator[dict[str, Any]]:
    """The rows of JSON documents that follow each other, each with one row or with a page of them."""
    decoder, at = json.JSONDecoder(), 0
    while (at := _SPACE.match(text, at).end()) < len(text):  # type: ignore[union-attr] # it matches everywhere
        said, at = decoder.raw_decode(text, at)
        yield from said["Items"] if "Items" in said else [said["Item"]]


def _with_bytes(item: dict[str, Any]) -> dict[str, Any]:
    """A row as the SDK reads it: JSON has bytes in base64."""
    binary = {name: {"B": base64.b64decode(item[name]["B"])} for name in (MATERIAL, SEALED) if name in item}
    return item | binary
