"""How the file of a backup is closed: under a passphrase, to recipients of age, or not at all (docs/backup.md).

Under a passphrase: `"TKB1" || 1 || log2 of N || r || p || salt 16 || check 32`, then the stream of sealed files
(FORMAT.md) with these 56 bytes as associated data. scrypt (RFC 7914) makes 64 bytes of the passphrase: the stream's
key, and `check`, by which another passphrase is told from a damaged file, and the file is bound to one passphrase.
"""

from __future__ import annotations

import errno
import hashlib
import hmac
import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from queue import Queue
from threading import Thread
from typing import IO, Protocol, Self, TypeVar

from tenantkms.crypto.streaming import SEGMENT, Reader, open_stream, read_full, seal_stream
from tenantkms.errors import InvalidCiphertext
from tkms.backup.recipients import identities, recipients
from tkms.output import Failed, called, counted

_MAGIC = b"TKB1\x01"
_LOG_N, _R, _P = 17, 8, 1
"""128 MiB for each guess (OWASP's advice for scrypt)."""
_MOST_LOG_N, _MOST_R, _MOST_P = 19, 8, 4
"""What a file may ask for: it is not authenticated yet."""
_SALT, _CHECK, _HEAD = 16, 32, 56
_AGE = (b"age-encryption.org/v1\n", b"-----BEGIN AGE ENCRYPTED FILE-----")
_TAR = b"ustar"
_TAR_AT = 257
T = TypeVar("T")
UNDER_PASSPHRASE, OF_AGE = "under a passphrase", "to recipients of age"
"""How a file is closed, as `Secrets.closed` has it."""
_DAMAGED = "is damaged or not whole"
_AHEAD = 4
"""Pieces that are made before the first of them is read."""


class Pieces:
    """A reader of what comes in pieces, each of which is copied before the next one is asked for."""

    def __init__(self, pieces: Iterable[bytes | memoryview]) -> None:
        self._pieces = iter(pieces)
        self._rest, self._at = b"", 0

    def read(self, size: int = -1, /) -> bytes:
        while self._at == len(self._rest):
            piece = next(self._pieces, None)
            if piece is None:
                return b""
            self._rest, self._at = bytes(piece), 0
        found = self._rest[self._at : self._at + size] if size >= 0 else self._rest[self._at :]
        self._at += len(found)
        return found


class Closing(Protocol):
    """One way to close a file. `words` says which."""

    @property
    def words(self) -> str: ...

    def close(self, source: Reader, out: IO[bytes]) -> None:
        """Write the closed form of all that `source` reads. Raises `OSError`."""


class Passphrase:
    words = UNDER_PASSPHRASE

    def __init__(self, passphrase: bytes, *, log_n: int = _LOG_N) -> None:
        self._passphrase, self._log_n = passphrase, log_n
        self._begun: tuple[bytes, ThreadPoolExecutor, Future[bytes]] | None = None

    def begin(self) -> None:
        """Make the key of the next file meanwhile: that takes longer than the copy of most stores."""
        start = _MAGIC + bytes((self._log_n, _R, _P)) + os.urandom(_SALT)
        pool = ThreadPoolExecutor(1, "scrypt")
        self._begun = start, pool, pool.submit(_scrypt, self._passphrase, start)

    def close(self, source: Reader, out: IO[bytes]) -> None:
        if self._begun is None:
            self.begin()
        assert self._begun  # noqa: S101 - it was begun
        (start, pool, coming), self._begun = self._begun, None  # no two files have one key
        with pool:
            made = coming.result()
        head = start + made[_CHECK:]
        out.write(head)
        for piece in seal_stream(made[:_CHECK], head, source):
            out.write(piece)


def _scrypt(passphrase: bytes, start: bytes) -> bytes:
    """64 bytes: the key of the stream, and the check. `start` is the head as far as it goes before that."""
    log_n, r, p = start[5:8]
    return hashlib.scrypt(
        passphrase, salt=start[8 : 8 + _SALT], n=1 << log_n, r=r, p=p, maxmem=1 << (log_n + 11), dklen=2 * _CHECK
    )


class Plain:
    words = "not encrypted"

    def close(self, source: Reader, out: IO[bytes]) -> None:
        for piece in _pieces(source):
            out.write(piece)


class Age:
    """To whoever has an identity of one of the recipients: `age1..`, public keys of SSH, or files that have some.

    Raises `UsageError`.
    """

    def __init__(self, given: list[str]) -> None:
        self._recipients = recipients(given)
        self.words = f"to {counted(len(self._recipients), 'recipient')} of age"

    def close(self, source: Reader, out: IO[bytes]) -> None:
        import pyrage  # few have use for it

        with _Own(source, out) as files:
            pyrage.encrypt_io(files, files, self._recipients)


class _Writer(Protocol):
    def write(self, data: bytes, /) -> int: ...

    def flush(self) -> None: ...


class _Own:
    """Both files of the library, which tells errors of files as its own: the block raises the first one as it was."""

    def __init__(self, source: Reader, out: _Writer) -> None:
        self._source, self._out = source, out
        self._errors: list[BaseException] = []

    def read(self, size: int = -1, /) -> bytes:
        return self._kept(lambda: self._source.read(size))

    def write(self, data: bytes, /) -> int:
        return self._kept(lambda: self._out.write(data))

    def flush(self) -> None:
        self._kept(self._out.flush)

    def _kept(self, call: Callable[[], T]) -> T:
        try:
            return call()
        except BaseException as e:
            self._errors.append(e)
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        first, self._errors = self._errors[:1], []
        if first:
            raise first.pop()


# -- opening ----------------------------------------------------------------------------------------------


class Secrets:
    """What opens files: `passphrase` is asked when one is needed, `identity` is a file, or none.

    `closed`: by how the file is said to be closed, if somebody said so. One that is closed otherwise is another file,
    which whoever can write there may have put in its place: it is not opened.
    """

    def __init__(self, passphrase: Callable[[], bytes], identity: str = "", closed: str = "") -> None:
        self._passphrase, self._identity, self._closed = passphrase, identity, closed

    def opened(self, file: IO[bytes], name: str) -> Reader:
        """What was closed into `file`, to be read to its end, which alone says that it is whole.

        None of it is put anywhere meanwhile: it may be key material. Raises `Failed`, also while it is read.
        """
        start = file.read(_TAR_AT + len(_TAR))
        file.seek(0)
        if start.startswith(_MAGIC):
            self._must_be(UNDER_PASSPHRASE, name)
            return Pieces(self._under_passphrase(file, name))
        if start.startswith(_AGE):
            self._must_be(OF_AGE, name)
            return Pieces(self._of_age(file, name))
        if start[_TAR_AT:] == _TAR:
            self._must_be("", name)
            return file
        raise Failed(f"{name} is no backup and no export, or its beginning is damaged.")

    def _must_be(self, closed: str, name: str) -> None:
        if self._closed and closed != self._closed:
            found = f"closed {closed}" if closed else "not encrypted"
            raise Failed(f"{name} is {found}, and not {self._closed} as the command line says: is it the right file?")

    def _under_passphrase(self, file: IO[bytes], name: str) -> Iterator[memoryview]:
        head = read_full(file, _HEAD)
        log_n, r, p = head[5:8]
        if len(head) < _HEAD or not 0 < log_n <= _MOST_LOG_N or not 0 < r <= _MOST_R or not 0 < p <= _MOST_P:
            raise Failed(f"{name} {_DAMAGED}.")
        passphrase = self._passphrase()
        try:
            made = _scrypt(passphrase, head)
        except ValueError:  # numbers that do not go together
            raise Failed(f"{name} {_DAMAGED}.") from None
        if not hmac.compare_digest(made[_CHECK:], head[-_CHECK:]):
            raise Failed(f"{name} was made with another passphrase.")
        try:
            yield from open_stream(made[:_CHECK], head, file)
        except InvalidCiphertext:
            raise Failed(f"{name} {_DAMAGED}.") from None

    def _of_age(self, file: IO[bytes], name: str) -> Iterator[bytes]:
        import pyrage

        if not self._identity:
            raise Failed(f"{name} is for recipients of age: --identity FILE names the file that opens it.")
        keys = identities(Path(self._identity).read_text("utf-8"))

        def decrypt(out: _Handed) -> None:
            with _Own(file, out) as files:
                pyrage.decrypt_io(files, files, keys)

        try:
            yield from _Handed(decrypt).pieces()
        except pyrage.DecryptError:
            raise Failed(f"{called(self._identity)} does not open {name}: it is for others.") from None
        except OSError as e:
            if e.errno is not None:
                raise
            raise Failed(f"{name} {_DAMAGED}.") from None


class _Handed:
    """What `work` writes to this file, in a thread of its own and few pieces ahead, for whoever reads it."""

    def __init__(self, work: Callable[[_Handed], None]) -> None:
        self._queue: Queue[bytes | BaseException | None] = Queue(_AHEAD)
        self._left = False
        self._thread = Thread(target=self._run, args=(work,), daemon=True)

    def _run(self, work: Callable[[_Handed], None]) -> None:
        try:
            work(self)
        except BaseException as e:  # noqa: BLE001 - it is the reader's
            self._queue.put(e)
        else:
            self._queue.put(None)

    def write(self, data: bytes, /) -> int:
        if self._left:
            raise OSError(errno.EPIPE, "nobody reads it")
        self._queue.put(bytes(data))
        return len(data)

    def flush(self) -> None:
        """Nothing is kept back."""

    def pieces(self) -> Iterator[bytes]:
        """All that is written. Raises what `work` raises."""
        self._thread.start()
        piece: bytes | BaseException | None = b""
        try:
            while isinstance(piece := self._queue.get(), bytes):
                yield piece
        finally:
            self._left = True
            while isinstance(piece, bytes):
                piece = self._queue.get()
            self._thread.join()
        try:
            if piece:
                raise piece
        finally:
            del piece


def _pieces(source: Reader) -> Iterator[bytes]:
    while piece := source.read(SEGMENT):
        yield piece
