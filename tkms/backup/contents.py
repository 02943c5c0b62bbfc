"""What a backup holds: a tar of `site.json`, `kms.sqlite3`, and what is said of them."""

from __future__ import annotations

import hashlib
import io
import tarfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO, cast

import msgspec
from msgspec import Struct

from tenantkms.crypto.streaming import SEGMENT, Reader
from tkms.machine.site_file import SiteFile
from tkms.output import Failed

ABOUT, SITE, PARENT, STORE, SUMS = "backup.json", "site.json", "parent.key", "kms.sqlite3", "SHA256SUMS"
_NEEDED = (ABOUT, SITE, STORE)
FORMAT = 1
_BLOCK = tarfile.BLOCKSIZE
_SMALL = 1 << 20
"""Bytes that any other file than the store has at most."""


class About(Struct, frozen=True, kw_only=True):
    """`created` in Unix seconds, when the store was copied. `audit_head` is the audit log's last line then, SEQ:MAC.

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


Told = Callable[[int], None]
"""Told how many bytes of the store have passed."""


def packed(small: dict[str, bytes], store: IO[bytes], created: int, tell: Told | None) -> Iterator[bytes]:
    """The tar of the files `small` and of the store, and then of their SHA-256, as `sha256sum --check` reads them."""
    sums = []
    with ThreadPoolExecutor(1) as beside:
        for name, file in [*((name, io.BytesIO(data)) for name, data in small.items()), (STORE, store)]:
            size = file.seek(0, io.SEEK_END)
            file.seek(0)
            yield _header(name, size, created)
            digest, passed = hashlib.sha256(), 0
            while piece := file.read(SEGMENT):
                hashed = beside.submit(digest.update, piece)  # while the piece is sealed and written
                passed += len(piece)
                yield piece
                hashed.result()
                if tell and file is store:
                    tell(passed)
            yield bytes(-passed % _BLOCK)
            sums.append(f"{digest.hexdigest()}  {name}\n")
    text = "".join(sums).encode()
    yield _header(SUMS, len(text), created) + text + bytes(-len(text) % _BLOCK) + bytes(2 * _BLOCK)


def _header(name: str, size: int, created: int) -> bytes:
    info = tarfile.TarInfo(name)
    info.size, info.mtime, info.mode = size, created, 0o600
    return info.tobuf(tarfile.PAX_FORMAT)


class Unpacked(Struct, frozen=True, kw_only=True):
    """`store` is a file; `parent` is empty if the backup has none."""

    about: About
    site: SiteFile
    store: Path
    parent: bytes


def unpack(source: Reader, name: str, folder: Path, tell: Told | None = None) -> Unpacked:
    """Read a backup to its end; its store is then a new file in `folder`. Raises `Failed` unless it is whole."""
    store, found, sums = folder / STORE, dict[str, bytes](), dict[str, str]()
    try:
        with tarfile.open(fileobj=cast("IO[bytes]", source), mode="r|", bufsize=SEGMENT) as tar:  # which only reads
            for member in tar:
                file = tar.extractfile(member) if member.isreg() else None
                if file is None or member.name in sums or (member.name != STORE and member.size > _SMALL):
                    raise Failed(f"{name} has what is in no backup: {member.name!r}.")
                with io.BytesIO() if member.name != STORE else store.open("xb") as out:
                    sums[member.name] = _copied(file, out, tell if member.name == STORE else None)
                    if isinstance(out, io.BytesIO):
                        found[member.name] = out.getvalue()
        while source.read(SEGMENT):  # the end of a stream is what says that it is whole
            pass
        told = "".join(f"{digest}  {each}\n" for each, digest in sums.items() if each != SUMS)
        if not {*_NEEDED, SUMS} <= sums.keys() or found[SUMS] != told.encode():
            raise Failed(f"{name} is damaged or not whole.")
        about = msgspec.json.decode(found[ABOUT], type=About)
        if about.format > FORMAT:
            raise Failed(f"{name} was made by a newer release, {about.release}: install that.")
        site = msgspec.json.decode(found[SITE], type=SiteFile)
    except (tarfile.TarError, EOFError, msgspec.DecodeError) as e:
        raise Failed(f"{name} is damaged or not whole ({e}).") from None
    return Unpacked(about=about, site=site, store=store, parent=found.get(PARENT, b""))


def _copied(source: IO[bytes], out: IO[bytes], tell: Told | None) -> str:
    """The SHA-256 of what was copied, in hex."""
    digest, passed = hashlib.sha256(), 0
    while piece := source.read(SEGMENT):
        digest.update(piece)
        out.write(piece)
        passed += len(piece)
        if tell:
            tell(passed)
    return digest.hexdigest()
