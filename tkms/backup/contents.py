"""What a backup holds: a tar of `site.json`, `kms.sqlite3`, and what is said of them."""

from __future__ import annotations

import hashlib
import io
import tarfile
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO, cast

import msgspec
from msgspec import Struct

from tenantkms.crypto.streaming import SEGMENT, Reader
from tkms.backup.valid import backup_flaws
from tkms.machine.site_file import SiteFile
from tkms.output import Failed

ABOUT, SITE, PARENT, STORE, SUMS = "backup.json", "site.json", "parent.key", "kms.sqlite3", "SHA256SUMS"
EXPORTED = "export.json"
"""What an export begins with (`tkms.transfer.file`)."""
FORMAT = 1
_BLOCK = tarfile.BLOCKSIZE
_SMALL = 1 << 20
"""Bytes that any other file than the store has at most."""
_MOST_SUMS = 1 << 26
UNREADABLE = (msgspec.DecodeError, RecursionError)
"""What the library raises of JSON that is none, or has more brackets in each other than anybody writes."""
_BROKEN = (tarfile.TarError, EOFError, ValueError)
"""What the library raises of a tar that is none: the last one of numbers and names in it."""


class About(Struct, frozen=True, kw_only=True):
    """`created` in Unix seconds, when the store was copied. `audit_head` is the audit log's last line then, SEQ:MAC.

    `parent_fingerprint` says which parent key opens it (`tkms.machine.parents`); empty in those of earlier releases.
    Of each key one version more than `older_versions` has is there, if it has material.
    """

    format: int
    release: str
    created: int
    keys: int
    older_versions: int
    aliases: int
    credentials: int
    parent_key: bool
    audit_head: str = ""
    parent_fingerprint: str = ""


Told = Callable[[int], None]
"""Told how many bytes of the store have passed."""


def packed(small: dict[str, bytes], store: IO[bytes], created: int, tell: Told | None) -> Iterator[bytes]:
    """The tar of a backup: the files `small`, and the store."""
    small_files = ((name, io.BytesIO(data)) for name, data in small.items())
    return tarred([*small_files, (STORE, store)], created, tell)


def tarred(files: Iterable[tuple[str, IO[bytes]]], created: int, tell: Told | None = None) -> Iterator[bytes]:
    """The tar of `files`, each asked for when the ones before it are through, and then of their SHA-256, as
    `sha256sum --check` reads them."""
    sums = []
    with ThreadPoolExecutor(1) as beside:
        for name, file in files:
            size = file.seek(0, io.SEEK_END)
            file.seek(0)
            yield _header(name, size, created)
            digest, passed = hashlib.sha256(), 0
            while piece := file.read(SEGMENT):
                hashed = beside.submit(digest.update, piece)  # while the piece is sealed and written
                passed += len(piece)
                yield piece
                hashed.result()
                if tell:
                    tell(passed)
            yield bytes(-passed % _BLOCK)
            sums.append(f"{digest.hexdigest()}  {name}\n")
    text = "".join(sums).encode()
    yield _header(SUMS, len(text), created) + text + bytes(-len(text) % _BLOCK) + bytes(2 * _BLOCK)


def _header(name: str, size: int, created: int) -> bytes:
    info = tarfile.TarInfo(name)
    info.size, info.mtime, info.mode = size, created, 0o600
    return info.tobuf(tarfile.PAX_FORMAT)


class Packed:
    """A file in such a tar. What is read of it may take effect once `untarred` has ended."""

    def __init__(self, name: str, file: IO[bytes], size: int, whole: str) -> None:
        self.name, self._file, self._size, self._whole = name, file, size, whole
        self.digest = hashlib.sha256()

    def read(self, size: int, /) -> bytes:
        """Raises `Failed`."""
        try:
            piece = self._file.read(size)
        except _BROKEN as e:
            raise damaged(self._whole, e) from None
        self.digest.update(piece)
        return piece

    def content(self, most: int = _SMALL) -> bytes:
        """All of it, `most` bytes. Raises `Failed`."""
        if self._size > most:
            raise Failed(f"{self._whole} has what is in no backup and no export: {self.name!r}.")
        return self.read(self._size)


def damaged(name: str, why: object = "") -> Failed:
    return Failed(f"{name} is damaged or not whole{f' ({why})' if why else ''}.")


def untarred(source: Reader, name: str) -> Iterator[Packed]:
    """The files of what `tarred` made, each to be read to its end before the next one is asked for.

    That there is no other one says that all were whole. Raises `Failed`.
    """
    sums, told = dict[str, str](), b""
    try:
        with tarfile.open(fileobj=cast("IO[bytes]", source), mode="r|", bufsize=SEGMENT) as tar:  # which only reads
            for member in tar:
                # One with holes says how large it is to be, whatever there is of it: it would fill the disk.
                file = tar.extractfile(member) if member.type == tarfile.REGTYPE and not member.issparse() else None
                if file is None or member.name in sums:
                    raise Failed(f"{name} has what is in no backup and no export: {member.name!r}.")
                found = Packed(member.name, file, member.size, name)
                if member.name == SUMS:
                    told = found.content(_MOST_SUMS)
                else:
                    yield found
                sums[member.name] = found.digest.hexdigest()
    except _BROKEN as e:
        raise damaged(name, e) from None
    while source.read(SEGMENT):  # the end of a stream is what says that it is whole
        pass
    if SUMS not in sums or told != "".join(
        f"{digest}  {each}\n" for each, digest in sums.items() if each != SUMS
    ).encode("utf-8", "surrogateescape"):
        raise damaged(name)


class Unpacked(Struct, frozen=True, kw_only=True):
    """`store` is a file; `parent` is empty if the backup has none."""

    about: About
    site: SiteFile
    store: Path
    parent: bytes


def unpack(source: Reader, name: str, folder: Path, tell: Told | None = None) -> Unpacked:
    """Read a backup to its end; its store is then a new file in `folder`. Raises `Failed` unless it is whole."""
    store, found = folder / STORE, dict[str, bytes]()
    for file in untarred(source, name):
        if file.name == EXPORTED:
            raise Failed(f"{name} is an export: tkms import.")
        if file.name == STORE:
            with store.open("xb") as out:
                _copy(file, out, tell)
        else:
            found[file.name] = file.content()
    if not {ABOUT, SITE} <= found.keys() or not store.exists():
        raise damaged(name)
    try:
        about = msgspec.json.decode(found[ABOUT], type=About)
        if about.format > FORMAT:
            raise Failed(f"{name} was made by a newer release, {about.release}: install that.")
        site = msgspec.json.decode(found[SITE], type=SiteFile)
    except UNREADABLE as e:
        raise damaged(name, e) from None
    for flaw in backup_flaws(about, site):
        raise damaged(name, flaw)
    return Unpacked(about=about, site=site, store=store, parent=found.get(PARENT, b""))


def _copy(source: Packed, out: IO[bytes], tell: Told | None) -> None:
    passed = 0
    while piece := source.read(SEGMENT):
        out.write(piece)
        passed += len(piece)
        if tell:
            tell(passed)
