"""A file becomes a sealed one, and a sealed one a file again (FORMAT.md). Nothing is ever seen half written."""

from __future__ import annotations

import base64
import errno
import fcntl
import os
import signal
import stat
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, NamedTuple

from tenantkms.crypto.context import canonical
from tenantkms.crypto.sealed import pack_head, read_head
from tenantkms.crypto.streaming import Reader, open_stream, read_full, seal_stream, sealed_size
from tenantkms.errors import KmsError
from tkms.output import NotDone, path_text
from tkms.places import Place
from tkms.whole import writing

SUFFIX = ".tkms"
_LONGEST_HEAD = len(pack_head(b"")) + 0xFFFF
ASIDE = ".tkms-sealed-"
"""How the name begins of a source that is about to be removed, or that a killed process left so."""


class Identity(NamedTuple):
    """What tells whether a file is still the one that was read."""

    device: int
    inode: int
    size: int
    modified: int


def identity(found: os.stat_result) -> Identity:
    return Identity(found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns)


class Made(NamedTuple):
    """What a file was sealed with."""

    key_id: str
    key_version_id: str


@contextmanager
def reading(path: Path) -> Iterator[IO[bytes]]:
    """A regular file, not what a link leads to. Raises `NotDone` for others and `OSError`."""
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        file = open(path, "rb", buffering=0, opener=lambda name, _: os.open(name, flags))  # noqa: SIM115
    except OSError as e:
        if e.errno == errno.ELOOP:
            raise NotDone("is a link: name the file itself") from None
        raise
    with file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise NotDone("is not a regular file")
        yield file


class _Told:
    """A reader that tells how many bytes were read."""

    def __init__(self, source: Reader, tell: Callable[[int], None] | None) -> None:
        self._source, self._tell = source, tell
        self.size = 0

    def read(self, size: int, /) -> bytes:
        found = self._source.read(size)
        self.size += len(found)
        if self._tell:
            self._tell(self.size)
        return found


def seal(
    place: Place,
    source: Path,
    target: Path,
    key: str,
    context: Mapping[str, str],
    tell: Callable[[int], None] | None = None,
) -> Made:
    """Seal `source` under a new data key of `key`. Raises `NotDone` if it changes meanwhile, `FileExistsError` and
    other `OSError`s, and what GenerateDataKey does."""
    with reading(source) as file:
        found = os.fstat(file.fileno())
        before = identity(found)
        made = place.call("GenerateDataKey", {"key_id": key, "key_spec": "AES_256", "context": dict(context)})
        data_key, blob = (base64.b64decode(str(made[name])) for name in ("plaintext", "ciphertext"))
        told = _Told(file, tell)
        with writing(target, mode=stat.S_IMODE(found.st_mode), replace=False) as out:
            out.write(pack_head(blob))
            for piece in seal_stream(data_key, canonical(context), told):
                out.write(piece)
            if identity(os.fstat(file.fileno())) != before or told.size != before.size:
                raise NotDone("is being written")
    return Made(str(made["key_id"]), str(made["key_version_id"]))


def _opened(place: Place, file: Reader, context: Mapping[str, str]) -> Iterator[memoryview]:
    found = place.call("Decrypt", {"ciphertext": base64.b64encode(read_head(file)).decode(), "context": dict(context)})
    return open_stream(base64.b64decode(str(found["plaintext"])), canonical(context), file)


def unseal(
    place: Place,
    source: Path,
    target: Path,
    context: Mapping[str, str],
    tell: Callable[[int], None] | None = None,
) -> int:
    """Write what `source` holds to `target`, for its owner alone, and answer its bytes.

    Raises `InvalidCiphertext`, what Decrypt does, and as `seal`.
    """
    size = 0
    with reading(source) as file, writing(target, replace=False) as out:
        for piece in _opened(place, _Told(file, tell), context):
            size += out.write(piece)
    return size


def holds(place: Place, target: Path, source: Path, context: Mapping[str, str]) -> bool:
    """Whether `target` is there and opens, from the disk and with what the KMS says, to what `source` says now."""
    if target.is_symlink() or not target.is_file():
        return False
    with reading(target) as sealed, reading(source) as file:
        size = os.fstat(file.fileno()).st_size
        if not 0 <= os.fstat(sealed.fileno()).st_size - sealed_size(size) <= _LONGEST_HEAD:
            return False
        os.posix_fadvise(sealed.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        try:
            same = all(read_full(file, len(piece)) == piece for piece in _opened(place, sealed, context))
        except KmsError as e:
            if e.retryable:
                raise
            return False
        return same and not file.read(1)


def check_closed(path: Path) -> None:
    """Raises `NotDone` if some program has the file open to write. Not every file system can say."""
    with reading(path) as file:
        try:
            fcntl.fcntl(file, fcntl.F_SETSIG, signal.SIGURG)  # of a lease that is broken; nobody minds this one
            fcntl.fcntl(file, fcntl.F_SETLEASE, fcntl.F_RDLCK)
        except OSError as e:
            if e.errno == errno.EAGAIN:
                raise NotDone("is left: a program has it open to write") from None
            return
        with suppress(OSError):
            fcntl.fcntl(file, fcntl.F_SETLEASE, fcntl.F_UNLCK)


def own_name(source: Path) -> str:
    """Its name before somebody meant to remove it."""
    return source.name.removeprefix(ASIDE)


@contextmanager
def _opened_directory(path: Path) -> Iterator[int]:
    directory = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield directory
    finally:
        os.close(directory)


def remove_sealed(place: Place, source: Path, target: Path, context: Mapping[str, str], before: Identity) -> None:
    """Remove `source`, which was read as `before` says, once `target` was read back and holds it.

    It is renamed first, so that nothing that comes under its name meanwhile is removed; and in its directory as that is
    opened here, since who may write there may put a link in its place. Raises `NotDone` and leaves it, under one name
    or the other, if anything is not as it should be.
    """
    aside = source.with_name(ASIDE + own_name(source))
    if aside != source and os.path.lexists(aside):
        raise NotDone(f"is left: {path_text(aside)} is to be removed before it")
    check_closed(source)
    if not holds(place, target, source, context):
        raise NotDone(f"is left: {path_text(target)} does not open to it")
    with _opened_directory(source.parent) as directory:
        if identity(os.lstat(source.name, dir_fd=directory)) != before:
            raise NotDone("is left: it was changed meanwhile")
        os.rename(source.name, aside.name, src_dir_fd=directory, dst_dir_fd=directory)
        check_closed(aside)
        if identity(os.lstat(aside.name, dir_fd=directory)) != before:
            raise NotDone(f"is left as {path_text(aside)}: it was changed meanwhile")
        os.unlink(aside.name, dir_fd=directory)
        os.fsync(directory)
