"""What a restore undoes: the rows of a backup beside those that are there now."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, TypeVar

import msgspec
from msgspec import Struct

from tenantkms.store.sqlite_file import lenient
from tkms.output import time_text


class Difference(Struct, frozen=True):
    """One row. `what` is the sort of it, `name` the row, and `text` what becomes of it."""

    what: str
    name: str
    text: str


class _Version(Struct):
    number: int


class _Key(Struct):
    state: str
    revision: int
    aliases: tuple[str, ...] = ()
    primary: _Version | None = None
    spent: _Version | None = None
    deletion_date: int = 0

    @property
    def newest(self) -> int:
        version = self.primary or self.spent
        return version.number if version else 0


class _Credential(Struct):
    enabled: bool = True
    policy: str = ""
    expires: int = 0


GONE, BACK, ROTATED, DELETION, STATE, CHANGED = "gone", "back", "rotated", "deletion", "state", "changed"
WORDS = {
    GONE: "made since, and gone then; what was encrypted with such a key stays closed",
    BACK: "destroyed or deleted since, and would be back",
    ROTATED: "rotated since: the newest versions are gone, and what was encrypted with these stays closed",
    DELETION: "whose deletion was cancelled since, and is scheduled again then",
    STATE: "in another state since, and in the old one again then",
    CHANGED: "changed otherwise since (policy, tags, aliases, dates), and as before then",
}
"""Sorts of differences -> what is said of them, the worst first."""

T = TypeVar("T", _Key, _Credential, dict[str, Any])
_PENDING = "PendingDeletion"


def existing(path: Path) -> sqlite3.Connection:
    """The store `path`, which is not made. Raises `sqlite3.Error`."""
    return sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", uri=True, timeout=1)


def differences(now: Path, then: Path) -> Iterator[Difference]:
    """What becomes another one when the store `then` takes the place of `now`. Raises `sqlite3.Error`."""
    with closing(existing(now)) as db:
        db.text_factory = lenient
        db.execute("ATTACH ? AS other", (str(then),))
        keys, credentials = msgspec.json.Decoder(_Key), msgspec.json.Decoder(_Credential)
        for name, here, there in _unequal(db, "keys", "id", "doc"):
            if _resealed(here, there):
                continue
            yield _key(name, _read(keys, here), _read(keys, there), here, there)
        for name, here, there in _unequal(db, "aliases", "name", "key_id"):
            yield _row("alias", name, here, there, f"means {here} now, and {there} then")
        for name, here, there in _unequal(db, "credentials", "access_key_id", "doc"):
            if _resealed(here, there):
                continue
            yield _credential(name, _read(credentials, here), _read(credentials, there), here, there)


_SEALED = {"sealed", "imported", "revision", "token"}
"""What `tkms reseal` makes another one."""


def _resealed(here: object, there: object) -> bool:
    """Whether two documents differ in nothing else: what opens is the same."""
    both = [_read(msgspec.json.Decoder(dict[str, Any]), doc) for doc in (here, there)]
    first, second = (_without_sealed(doc) if doc else None for doc in both)
    return first is not None and first == second


def _without_sealed(doc: dict[str, Any]) -> dict[str, Any]:
    versions = {name: _without_sealed(doc[name]) for name in ("primary", "spent") if doc.get(name)}
    return {name: value for name, value in doc.items() if name not in _SEALED} | versions


def _unequal(db: sqlite3.Connection, table: str, name: str, column: str) -> Iterator[tuple[str, object, object]]:
    """Rows that are in one only, or in both with another `column`: what each has there, or None."""
    both = (
        f"(SELECT {name} FROM main.{table} UNION SELECT {name} FROM other.{table}) AS c"
        f" LEFT JOIN main.{table} AS a ON a.{name} = c.{name} LEFT JOIN other.{table} AS b ON b.{name} = c.{name}"
    )
    select = f"SELECT c.{name}, a.{column}, b.{column} FROM {both}"
    yield from db.execute(f"{select} WHERE a.{column} IS NOT b.{column} ORDER BY 1")


def _read(decoder: msgspec.json.Decoder[T], doc: object) -> T | None:
    """None for what is not there, and for what nobody can read."""
    try:
        return decoder.decode(doc) if isinstance(doc, bytes | str) else None
    except (msgspec.DecodeError, UnicodeError):
        return None


def _row(kind: str, name: str, here: object, there: object, text: str) -> Difference:
    sort = GONE if there is None else BACK if here is None else CHANGED
    return Difference(sort, f"{kind} {name}".strip(), text if sort == CHANGED else "")


def _key(name: str, here: _Key | None, there: _Key | None, here_doc: object, there_doc: object) -> Difference:
    aliases = (there or here or _Key("", 0)).aliases
    called = f"key {name}" + (f" (alias/{aliases[0]})" if aliases else "")
    if here is None or there is None:
        return _row("", called, here_doc, there_doc, "cannot be read now, or then")
    if there.state == _PENDING and here.state != _PENDING:
        return Difference(DELETION, called, f"is destroyed from {time_text(there.deletion_date)} on")
    if here.newest > there.newest:
        return Difference(ROTATED, called, f"version {here.newest} now, {there.newest} then")
    if here.state != there.state:
        return Difference(STATE, called, f"{here.state} now, {there.state} then")
    return Difference(CHANGED, called, f"revision {here.revision} now, {there.revision} then")


def _credential(
    name: str, here: _Credential | None, there: _Credential | None, here_doc: object, there_doc: object
) -> Difference:
    if here and there and here.enabled != there.enabled:
        words = {True: "enabled", False: "disabled"}
        return Difference(STATE, f"access key {name}", f"{words[here.enabled]} now, {words[there.enabled]} then")
    return _row("access key", name, here_doc, there_doc, "")
