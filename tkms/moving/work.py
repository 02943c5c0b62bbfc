"""Ciphertexts that a vendor opens and that are sealed here, under the same encryption context.

A plaintext is in memory between the two, and nowhere else.
"""

from __future__ import annotations

import base64
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext
from threading import Lock
from typing import Any, NamedTuple

from tenantkms.errors import KmsError
from tenantkms.runtime.assemble import SettingsError
from tkms.each import Each, Outcome, retried
from tkms.moving.vendor import Opened, Vendor
from tkms.output import NotDone
from tkms.places import Place, key_of, reason

_WORKERS = 16
"""Calls of the vendor at a time."""


class Moved(NamedTuple):
    """What Encrypt answered."""

    blob: bytes
    key_id: str


class Found(NamedTuple):
    """A ciphertext as it was kept. `write` keeps another one for it, whole or not at all."""

    sealed: bytes
    context: Mapping[str, str]
    key: str
    write: Callable[[Moved], None]


class Item(NamedTuple):
    """`load` gives None for what was moved before; it raises `NotDone` and `OSError`."""

    name: str
    load: Callable[[], Found | None]


class Report(Outcome, kw_only=True):
    """`already`: moved by a run before this one."""

    found: int = 0
    moved: int = 0
    already: int = 0


class KeyMap:
    """From a vendor's key to the one here. `otherwise`, if any, is for all that `names` does not have.

    Raises `SettingsError` for a key that is not here, and `Failed` as `key_of`.
    """

    def __init__(self, place: Place, names: Mapping[str, str], otherwise: str = "") -> None:
        self._ids: dict[str, str] = {}
        for key in {*names.values(), *filter(None, [otherwise])}:
            ref = key_of(place, key)
            try:
                described: Any = retried(lambda ref=ref: place.call("DescribeKey", {"key_ids": [ref]}))  # type: ignore[misc]
            except KmsError as e:
                raise SettingsError(f"The key {key}: {reason(e)}") from e
            self._ids[key] = described["keys"][0]["id"]
        self._new = {old: self._ids[new] for old, new in names.items()}
        self._otherwise = self._ids.get(otherwise, "")

    @property
    def ids(self) -> set[str]:
        """Of the keys here."""
        return {*self._ids.values()}

    def of(self, key: str) -> str:
        """The id of the key here. Raises `NotDone`."""
        found = self._new.get(key) or self._new.get(key.rpartition("/")[2]) or self._otherwise
        if not found:
            raise NotDone(f"is under the key {key}, for which there is none here: --key-map or --key")
        return found


class Move:
    """Of many ciphertexts. `alone`: one call of `place` at a time."""

    def __init__(
        self,
        vendor: Vendor,
        place: Place,
        keys: KeyMap,
        *,
        check: bool,
        alone: bool,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self._vendor, self._place, self._keys, self._check, self._pause = vendor, place, keys, check, pause
        self._counting = Lock()
        self._calling: AbstractContextManager[Any] = Lock() if alone else nullcontext()
        self.report = Report()

    def run(self, items: Iterable[Item], progress: Callable[[int], None] | None = None) -> Report:
        """Nothing that is foreseen is raised."""
        Each(self._one, self.report, self._counting, _WORKERS).run(items, progress)
        return self.report

    def _count(self, field: str) -> None:
        with self._counting:
            setattr(self.report, field, getattr(self.report, field) + 1)

    def _one(self, item: Item) -> None:
        found = item.load()
        if found is None:
            self._count("already")
            return
        self._count("found")
        opened = retried(lambda: self._vendor.decrypt(found.sealed, found.context, found.key), self._pause)
        key_id = self._keys.of(opened.key)
        if self._check:
            return
        found.write(retried(lambda: self._encrypt(key_id, opened, found.context), self._pause))
        self._count("moved")

    def _encrypt(self, key_id: str, opened: Opened, context: Mapping[str, str]) -> Moved:
        plain, where = opened.plaintext, {"key_id": key_id, "context": dict(context)}
        what = {"string": plain} if isinstance(plain, str) else {"plaintext": base64.b64encode(plain).decode()}
        with self._calling:
            answer = self._place.call("Encrypt", {**where, **what})
        return Moved(base64.b64decode(str(answer["ciphertext"])), str(answer["key_id"]))
