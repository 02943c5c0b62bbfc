"""`tkms open --offline`: a ciphertext blob is opened by rows and a parent key alone, wherever they lie."""

from __future__ import annotations

import argparse
import base64
import gzip
import shutil
import sys
import tempfile
import zlib
from contextlib import suppress
from functools import partial
from itertools import chain
from pathlib import Path

from msgspec import Struct

from tenantkms.crypto.context import canonical
from tenantkms.crypto.envelope import Header, derive, open_blob, parse_header
from tenantkms.crypto.streaming import SEGMENT, read_full
from tenantkms.crypto.strings import plaintext
from tenantkms.errors import InvalidCiphertext, Unavailable
from tenantkms.model.specs import SYMMETRIC
from tenantkms.model.version import version_id
from tenantkms.parent.port import ParentKey, SealBroken, key_binding
from tenantkms.parent.root import Root
from tenantkms.runtime.assemble import SettingsError
from tkms.backup.asking import opening_secrets
from tkms.backup.container import Pieces
from tkms.backup.contents import EXPORTED, PARENT, STORE, unpack
from tkms.backup.found import Found, in_export, in_store, in_table
from tkms.backup.parents import candidates
from tkms.backup.rows import file_parent
from tkms.commands import context, read_blob
from tkms.machine.site_file import read_site
from tkms.output import Failed, UsageError, decode, path_text, print_json
from tkms.transfer.file import Export

_SQLITE = b"SQLite format 3\0"
_GZIP = b"\x1f\x8b"
_TEXT = (b"{", b"\xef\xbb\xbf", b"\xff\xfe")
"""How JSON begins, where PowerShell has written it, too."""
_NAME = 100
"""Bytes that the name of a tar's file has, at its beginning."""


class _Place(Struct, frozen=True):
    """`tenant` and `parent` are empty if they are to be named. `wanted`: the parent key's fingerprint, or empty."""

    found: Found
    tenant: str = ""
    parent: bytes = b""
    wanted: str = ""


def open_offline(args: argparse.Namespace) -> int:
    """No policy is asked, and no state of a key: whoever has the parent key, or an export, has the keys."""
    pairs, blob = context(args), read_blob(args.file)
    header = parse_header(blob)
    with tempfile.TemporaryDirectory(prefix="tkms-") as folder:
        place = _place(args, Path(args.offline), Path(folder), header)
    key, version = place.found.key, place.found.version
    if key.spec not in SYMMETRIC or SYMMETRIC[key.spec].suite != header.suite:
        raise InvalidCiphertext
    material = version.sealed if place.found.clear else _unsealed(args, place)
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


def _place(args: argparse.Namespace, given: Path, folder: Path, header: Header) -> _Place:
    """Raises `Failed` and `OSError`."""
    if given.is_dir():
        given = given / STORE
    name = path_text(given)
    with given.open("rb") as source:
        start = source.read(len(_SQLITE))
        source.seek(0)
        if start == _SQLITE:
            return _beside(given, folder, header)
        if start.startswith(_GZIP) or start.lstrip().startswith(_TEXT):
            return _Place(in_table(_text(source.read(), name), name, header.key_id, header.version))
        closed = opening_secrets(args).opened(source, name)
        begun = read_full(closed, _NAME)
        tar = Pieces(chain([begun], iter(partial(closed.read, SEGMENT), b"")))
        if begun.rstrip(b"\0") == EXPORTED.encode():
            return _Place(in_export(Export(tar, name), header.key_id, header.version))
        unpacked = unpack(tar, name, folder)
    found = in_store(unpacked.store, header.key_id, header.version)
    return _Place(found, unpacked.site.tenant, unpacked.parent, unpacked.about.parent_fingerprint)


def _beside(store: Path, folder: Path, header: Header) -> _Place:
    """Of a store as it lies, with what lies beside it."""
    for end in ("", "-wal"):  # the latter has what is new, where a server runs or was killed
        beside = store.with_name(store.name + end)
        if beside.exists():
            shutil.copyfile(beside, folder / f"{STORE}{end}")
    try:
        tenant = read_site(store.parent).tenant
    except (OSError, SettingsError):
        tenant = ""
    parent = store.parent / PARENT
    found = in_store(folder / STORE, header.key_id, header.version)
    return _Place(found, tenant, parent.read_bytes() if parent.exists() else b"")


def _text(data: bytes, name: str) -> str:
    """Of a copy of a table. An export to S3 is compressed."""
    try:
        return decode(gzip.decompress(data) if data.startswith(_GZIP) else data)
    except (EOFError, gzip.BadGzipFile, zlib.error, UnicodeDecodeError):
        raise Failed(f"{name} is damaged or not whole.") from None


def _unsealed(args: argparse.Namespace, place: _Place) -> bytes:
    """The material, by the first parent key that opens it.

    Raises `Failed`, `UsageError`, and what kept one of them from being asked.
    """
    tenant, key, version = args.tenant or place.tenant, place.found.key, place.found.version
    if not tenant:
        raise UsageError(f"{args.offline} does not say whose it is: --tenant")
    found = candidates(args.parent, place.parent, args.data_dir, path_text(args.offline), place.wanted)
    binding = key_binding(tenant, key.id, version.number, key.spec)
    fault: Failed | Unavailable | None = None
    for each in found:
        try:
            for parent in _parents(place.found.root, tenant, each.spec):
                with suppress(SealBroken):
                    return parent.unseal(version.sealed, binding)
        except (Failed, Unavailable) as e:  # such as AWS KMS, where there is no network: another one may be a file
            fault = fault or e.with_traceback(None)
    try:
        raise fault or Failed(f"The parent key is another one, or the tenant is not {tenant}.")
    finally:
        del fault


def _parents(root: bytes, tenant: str, spec: bytes) -> list[ParentKey]:
    """The parent key, and the former one where a copy is from within a reseal."""
    parent = file_parent(spec)
    if root:
        with suppress(SealBroken):
            return [parent, *Root(tenant, lambda: (parent,), lambda: root, file_parent).opened().before]
    return [parent]
