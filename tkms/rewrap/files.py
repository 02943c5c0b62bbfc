"""Sealed files: their heads are written anew, and their bodies are not read by us."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path

from tenantkms.crypto.sealed import MAGIC, pack_head, read_head
from tenantkms.errors import InvalidCiphertext
from tkms.files.sealed import identity, reading
from tkms.output import NotDone, again, path_text
from tkms.rewrap.work import Found, Item, Moved
from tkms.whole import is_unfinished, writing


def items(paths: Iterable[Path], context: Mapping[str, str]) -> list[Item]:
    """Of files, and of all that are in directories. A file that is named must be a sealed one."""
    found: list[Item] = []
    for path in paths:
        if path.is_dir():
            found += _within(path, context)
        else:
            found.append(Item(path_text(path), partial(_load, path, context, named=True)))
    return found


def _within(directory: Path, context: Mapping[str, str]) -> Iterator[Item]:
    unreadable: list[OSError] = []
    for found, names, files in os.walk(directory, onerror=unreadable.append):
        names.sort()
        for path in (Path(found, name) for name in sorted(files) if not is_unfinished(name)):
            if not path.is_symlink():
                yield Item(path_text(path), partial(_load, path, context, named=False))
    for error in unreadable:
        yield Item(path_text(error.filename), partial(again, error))


def _load(path: Path, context: Mapping[str, str], *, named: bool) -> Found | None:
    if not (named or path.is_file()):
        return None
    with reading(path) as file:
        start = file.read(len(MAGIC))
        if start != MAGIC and not named:
            return None
        file.seek(0)
        before = os.fstat(file.fileno())
        return Found(read_head(file), context, partial(_write, path, before))


def _write(path: Path, before: os.stat_result, moved: Moved) -> None:
    """A copy with another head takes the file's place. Where the file system can, no byte is copied for that."""
    head = pack_head(moved.blob)
    with reading(path) as file, writing(path, mode=stat.S_IMODE(before.st_mode)) as out:
        if len(pack_head(read_head(file))) != len(head):
            raise InvalidCiphertext("The new head is not as long as the old one.")
        source, target, offset = file.fileno(), out.fileno(), 0
        while copied := os.copy_file_range(source, target, 1 << 30, offset, offset):
            offset += copied
        out.write(head)
        out.flush()
        with suppress(PermissionError):  # only root gives files to others
            os.fchown(target, before.st_uid, before.st_gid)
        os.utime(target, ns=(before.st_atime_ns, before.st_mtime_ns))
        if identity(path.lstat()) != identity(before) or offset != before.st_size:
            raise NotDone("was changed meanwhile: try again")
