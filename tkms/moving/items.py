"""Where ciphertexts are kept: files, and lines of JSON. What was moved is one of its own, so it is known."""

from __future__ import annotations

import base64
import fcntl
import os
import stat
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from threading import Lock
from typing import IO, Any

import msgspec
from msgspec import Struct

from tenantkms.crypto.envelope import parse_header
from tenantkms.crypto.strings import decode_base64
from tenantkms.errors import InvalidCiphertext
from tkms.files.sealed import reading
from tkms.moving.work import Found, Item, Moved
from tkms.output import Failed, NotDone, UsageError, again, counted, path_text
from tkms.whole import is_unfinished, make_directory, writing

_LARGEST = 65_536
"""Bytes of a file: no API takes a longer ciphertext."""


# -- files -----------------------------------------------------------------------------------------------


def of_files(paths: Iterable[Path], to: Path, context: Mapping[str, str], ours: Collection[str]) -> list[Item]:
    """Each file, and all in directories, into `to` under the same names. `ours`: ids of keys that they end under."""
    found = []
    for path in paths:
        if not path.is_dir():
            found.append(_item(path, to / path.name, context, ours))
            continue
        if path.resolve() == to.resolve() or path.resolve() in to.resolve().parents:
            raise UsageError(f"--to {to} is in {path}: name another directory")
        for directory, names, files in os.walk(path, onerror=again):
            names.sort()
            sources = (Path(directory, name) for name in sorted(files) if not is_unfinished(name))
            found += [_item(source, to / source.relative_to(path), context, ours) for source in sources]
    every = dict(found)
    if len(every) < len(found):
        raise UsageError(f"two of the files would be one in {to}: name them apart")
    return [*every.values()]


def _item(source: Path, target: Path, context: Mapping[str, str], ours: Collection[str]) -> tuple[Path, Item]:
    return target, Item(path_text(source), partial(_load, source, target, context, ours))


def _load(source: Path, target: Path, context: Mapping[str, str], ours: Collection[str]) -> Found | None:
    with reading(source) as file:
        status = os.fstat(file.fileno())
        if not 0 < status.st_size <= _LARGEST:
            raise NotDone(f"has {counted(status.st_size, 'byte')}: it is no ciphertext of the API's")
        sealed = file.read(_LARGEST)
    if os.path.lexists(target):
        if _is_ours(target, ours) and target.lstat().st_mtime_ns >= status.st_mtime_ns:
            return None
        raise NotDone(f"{path_text(target)} is there, and not what this became: remove one of the two")
    return Found(sealed, context, "", partial(_write, target, sealed, stat.S_IMODE(status.st_mode)))


def _is_ours(target: Path, ours: Collection[str]) -> bool:
    with reading(target) as file:
        kept = file.read(_LARGEST)
    try:
        return parse_header(_base64(kept) or kept).key_id in ours
    except InvalidCiphertext:
        return False


def _base64(kept: bytes) -> bytes | None:
    try:
        return decode_base64(kept.decode("ascii").strip())
    except UnicodeDecodeError:
        return None


def _write(target: Path, sealed: bytes, mode: int, moved: Moved) -> None:
    """Text where it was text, with the white space that it had at its end."""
    blob = moved.blob
    if sealed.isascii() and sealed.decode().strip().isprintable():
        blob = base64.b64encode(blob) + sealed[len(sealed.rstrip()) :]
    make_directory(target.parent)
    with writing(target, mode=mode, replace=False) as file:
        file.write(blob)


# -- lines -----------------------------------------------------------------------------------------------


class _Line(Struct, frozen=True):
    """What is looked for in a line; all else in it stays as it is. `key`: there, of which the ciphertext must be."""

    id: str
    ciphertext: str
    context: dict[str, str] = {}
    key: str = ""


class _Id(Struct, frozen=True):
    id: str


_decode = msgspec.json.Decoder(_Line).decode
_id = msgspec.json.Decoder(_Id).decode


class Lines:
    """A file, or standard output, that gets a whole line for each that was moved. `done`: the ids of those in it."""

    def __init__(self, out: IO[bytes], done: Collection[str] = ()) -> None:
        self._out, self._writing = out, Lock()
        self._done, self._seen = frozenset(done), set[str]()

    def items(self, lines: Iterable[bytes]) -> Iterator[Item]:
        for number, line in enumerate(lines, 1):
            if line.strip():
                yield Item(f"line {number}", partial(self._load, line))

    def _load(self, line: bytes) -> Found | None:
        try:
            read = _decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError) as e:
            raise NotDone(f'is not {{"id": .., "ciphertext": .., "context": {{..}}, "key": ..}}: {e}') from None
        with self._writing:
            if read.id in self._seen:
                raise NotDone(f"has the id {read.id!r} of another line")
            self._seen.add(read.id)
        if read.id in self._done:
            return None
        return Found(read.ciphertext.encode(), read.context, read.key, partial(self._write, line))

    def _write(self, line: bytes, moved: Moved) -> None:
        fields: dict[str, Any] = msgspec.json.decode(line)
        new = {"ciphertext": base64.b64encode(moved.blob).decode(), "key": moved.key_id}
        with self._writing:
            self._out.write(msgspec.json.encode(fields | new) + b"\n")
            self._out.flush()


@contextmanager
def appended(path: Path) -> Iterator[Lines]:
    """What was written before stays, but a line that was cut off. Raises `Failed` if another process is at it."""
    number = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    with os.fdopen(number, "r+b") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Failed(f"another tkms import-from writes to {path}") from None
        done, end = [], 0
        for line in file:
            if not line.endswith(b"\n"):
                break
            try:
                done.append(_id(line).id)
            except (msgspec.DecodeError, UnicodeDecodeError):
                raise Failed(f"{path} holds what tkms import-from has not written: name another file") from None
            end += len(line)
        file.seek(end)
        file.truncate()
        yield Lines(file, done)
        os.fsync(file.fileno())
