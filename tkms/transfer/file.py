"""The file of an export: a tar as a backup's, closed as that, of rows that no parent key is needed for.

`export.json` says whose they are, `rows/<number>.jsonl` has them, a row on each line, and `counts.json` how many there
are. The rows of a key follow each other: the key with its newest version, then the older ones, the first one first.
Where a row of the store has what the parent key sealed, this has what was sealed: **key material in clear**.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Protocol

import msgspec
from msgspec import Struct

from tenantkms.crypto.streaming import Reader
from tenantkms.model.credential import Credential
from tenantkms.model.key import Key
from tenantkms.model.version import KeyVersion
from tkms.backup.contents import ABOUT as BACKUP
from tkms.backup.contents import EXPORTED, UNREADABLE, damaged, tarred, untarred
from tkms.output import Failed
from tkms.transfer.about import About
from tkms.transfer.valid import about_flaws

FORMAT = 1
AT_ONCE = 90
"""Versions of one row, and of one commit."""
_COUNTS = "counts.json"
_CHUNK = 1 << 20
"""Bytes of one file of rows, about; the last row may be beyond."""
_LARGEST = 1 << 24
_SAID = 200
"""Characters of what somebody else has written."""


class KeyRow(Struct, tag_field="row", tag="key"):
    """What is `sealed` in it is in clear, and what was `imported` the digest itself. So it is of the other rows."""

    key: Key


class VersionsRow(Struct, tag_field="row", tag="versions"):
    """Of the key before it."""

    versions: list[KeyVersion]


class CredentialRow(Struct, tag_field="row", tag="credential"):
    """`last_used` in Unix seconds; 0: never."""

    credential: Credential
    last_used: int = 0


Row = KeyRow | VersionsRow | CredentialRow


class Counts(Struct):
    """`versions` are all there are, with material and without."""

    keys: int = 0
    versions: int = 0
    aliases: int = 0
    credentials: int = 0

    def add(self, row: KeyRow | CredentialRow) -> None:
        if isinstance(row, KeyRow):
            self.keys += 1
            self.aliases += len(row.key.aliases)
            self.versions += row.key.newest.number if row.key.newest else 0
        else:
            self.credentials += 1


_encode = msgspec.json.encode
_decode_row = msgspec.json.Decoder(Row).decode


def packed(about: About, rows: Iterable[Row], counts: Counts) -> Iterator[bytes]:
    """The tar of `rows`, which are taken as it is read. `counts` is counted meanwhile."""
    return tarred(_files(about, rows, counts), about.created)


def _files(about: About, rows: Iterable[Row], counts: Counts) -> Iterator[tuple[str, io.BytesIO]]:
    yield EXPORTED, io.BytesIO(_encode(about))
    number, chunk = 1, bytearray()
    for row in rows:
        if not isinstance(row, VersionsRow):
            counts.add(row)
        chunk += _encode(row)
        chunk += b"\n"
        if len(chunk) >= _CHUNK:
            yield f"rows/{number:06}.jsonl", io.BytesIO(chunk)
            number, chunk = number + 1, bytearray()
    yield f"rows/{number:06}.jsonl", io.BytesIO(chunk)
    yield _COUNTS, io.BytesIO(_encode(counts))


class Taker(Protocol):
    """What is told of the rows of an export, in their order."""

    def key(self, key: Key) -> None: ...

    def versions(self, versions: list[KeyVersion]) -> None:
        """Some older ones of that key, behind those that were told before."""

    def end_key(self) -> None:
        """All of that key was told."""

    def credential(self, row: CredentialRow) -> None: ...


class Export:
    """An export, to be read once: `about`, and then all its rows. Raises `Failed`, also while it is read."""

    def __init__(self, source: Reader, name: str) -> None:
        self._name, self._files = name, untarred(source, name)
        self._said = Counts(keys=-1)
        first = next(self._files, None)
        if first and first.name == BACKUP:
            raise Failed(f"{name} is a backup: tkms restore.")
        if first is None or first.name != EXPORTED:
            raise Failed(f"{name} is no export.")
        with self._decoding():
            self.about = msgspec.json.decode(first.content(), type=About)
        if self.about.format > FORMAT:
            raise Failed(f"{name} was made by a newer release, {self.about.release[:_SAID]}: install that.")
        for flaw in about_flaws(self.about):
            raise damaged(name, flaw)

    @contextmanager
    def _decoding(self) -> Iterator[None]:
        try:
            yield
        except UNREADABLE as e:
            raise damaged(self._name, str(e)[:_SAID]) from None  # which quotes what it does not know

    def tell(self, taker: Taker) -> Counts:
        """Tell `taker` all rows; answers how many there are, which the file says as well."""
        counts, newest, left, within = Counts(), 0, 0, False
        for row in self._rows():
            if isinstance(row, VersionsRow):
                for version in row.versions:
                    self._must(holds=left > 0 and version.number == newest - left)
                    left -= 1
                taker.versions(row.versions)
                continue
            self._must(holds=left == 0)
            if within:
                taker.end_key()
            within = isinstance(row, KeyRow)
            counts.add(row)
            if isinstance(row, KeyRow):
                newest = row.key.newest.number if row.key.newest else 0
                left = max(0, newest - 1)
                taker.key(row.key)
            else:
                taker.credential(row)
        self._must(holds=left == 0 and counts == self._said)
        if within:
            taker.end_key()
        return counts

    def _rows(self) -> Iterator[Row]:
        for file in self._files:
            content = file.content(_LARGEST)
            with self._decoding():
                if file.name == _COUNTS:
                    self._said = msgspec.json.decode(content, type=Counts)
                else:
                    yield from map(_decode_row, content.splitlines())

    def _must(self, *, holds: bool) -> None:
        if not holds:
            raise damaged(self._name)
