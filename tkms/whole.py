"""Files that are there whole, on the disk, or not at all."""

from __future__ import annotations

import errno
import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

WRITING = ".writing-"
"""How the name begins of a file that is not whole yet, or that a killed process left so."""
_UNFINISHED = re.compile(re.escape(WRITING) + r"[a-z0-9_]{8}")


def is_unfinished(name: str) -> bool:
    """Whether it is exactly what `writing` calls a file that is not whole: others may only begin so."""
    return _UNFINISHED.fullmatch(name) is not None


def sync_directory(path: Path) -> None:
    """What was made, renamed or removed in it stays so."""
    directory = os.open(path, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def make_directory(path: Path) -> None:
    """With those that it is in, so that all of them are there after a power cut, too."""
    missing = [directory for directory in (path, *path.parents) if not directory.is_dir()]
    for directory in reversed(missing):
        directory.mkdir(exist_ok=True)
        sync_directory(directory.parent)


@contextmanager
def writing(path: Path, *, mode: int = 0o600, replace: bool = True) -> Iterator[IO[bytes]]:
    """A file that is `path` once the block has ended, unless that raises: then there is nothing of it.

    Without `replace` what is there stays, and this raises `FileExistsError`.
    """
    if not replace:
        _must_be_free(path)
    with _begun(path) as file:
        temporary = Path(file.name)
        try:
            yield file
            os.fchmod(file.fileno(), mode)
            file.flush()
            os.fsync(file.fileno())
            if replace:
                temporary.replace(path)
            else:
                _become(temporary, path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
    sync_directory(path.parent)


def _begun(path: Path) -> IO[bytes]:
    """With mode 0600. Raises `OSError` of `path`: nobody has named the file that it is until it is whole."""
    try:
        return tempfile.NamedTemporaryFile(dir=path.parent, prefix=WRITING, delete=False)
    except FileNotFoundError:
        raise FileNotFoundError(errno.ENOENT, "the directory does not exist", str(path)) from None
    except OSError as e:
        raise OSError(e.errno, e.strerror, str(path)) from None


def _must_be_free(path: Path) -> None:
    if os.path.lexists(path):
        raise FileExistsError(errno.EEXIST, "is there already", str(path))


def _become(temporary: Path, path: Path) -> None:
    try:
        path.hardlink_to(temporary)
    except FileExistsError:
        raise FileExistsError(errno.EEXIST, "is there already", str(path)) from None
    except OSError:  # a file system without links, where two at the same time are not told apart
        _must_be_free(path)
        temporary.replace(path)
    else:
        temporary.unlink()


def write_whole(path: Path, data: bytes) -> None:
    """Write a file with mode 0600 in place of what was there. Root's is of whose that was, in a directory of theirs."""
    with writing(path) as file:
        file.write(data)
        if os.geteuid() == 0:
            with suppress(FileNotFoundError):
                _give(file.fileno(), path.lstat(), path.parent.stat())


def _give(file: int, before: os.stat_result, directory: os.stat_result) -> None:
    if before.st_uid == directory.st_uid:  # who may put a file into another's directory gets nothing by it
        os.fchown(file, before.st_uid, before.st_gid)
