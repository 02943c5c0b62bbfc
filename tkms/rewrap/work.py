"""Wrapped keys and ciphertexts, wherever they lie, moved to the newest version of their key or to another key.

What was moved says so itself, so whoever is stopped begins again and goes on where it was.
"""

from __future__ import annotations

import base64
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from threading import Lock
from typing import Any, NamedTuple

from msgspec import Struct, field

from tenantkms.crypto.envelope import parse_header
from tenantkms.errors import KmsError
from tenantkms.model.version import version_id, version_number
from tkms.each import Each, Outcome, retried
from tkms.places import Place


class At(NamedTuple):
    """A version of a key."""

    key_id: str
    version: int

    @property
    def id(self) -> str:
        return version_id(self.key_id, self.version)


class Moved(NamedTuple):
    """What ReEncrypt answered."""

    blob: bytes
    key_id: str
    key_version_id: str


class Found(NamedTuple):
    """A blob, with the context that it opens under. `write` puts another one in its place, and nothing else.

    It raises `NotDone` if somebody else has changed what is there.
    """

    blob: bytes
    context: Mapping[str, str]
    write: Callable[[Moved], None]


class Item(NamedTuple):
    """What may hold a blob. `load` gives None if it does not; it raises as `Found.write`, and domain errors."""

    name: str
    load: Callable[[], Found | None]


class Count(Struct, frozen=True, kw_only=True):
    """How much lies under a version of a key."""

    key_id: str
    version: int
    key_version_id: str
    count: int
    current: bool


class Report(Outcome, kw_only=True):
    """`old`: how much lies under another version than it should; `others`: what holds nothing sealed."""

    found: int = 0
    old: int = 0
    rewrapped: int = 0
    others: int = 0
    by: list[Count] = field(default_factory=list)


class Rewrap:
    """Of many items, to the newest version of `to`, or of the key that each is under."""

    def __init__(
        self, place: Place, to: str, *, dry_run: bool, workers: int = 1, pause: Callable[[float], None] = time.sleep
    ) -> None:
        self._place, self._wanted, self._dry_run, self._pause = place, to, dry_run, pause
        self._newest: dict[str, At | None] = {}
        """Of each key; None: nobody knows it."""
        self._workers, self._counting, self._asking = workers, Lock(), Lock()
        self._to = self._newest_of(to) if to else None
        self._under: Counter[At] = Counter()
        self.report = Report()

    def run(self, items: Iterable[Item], progress: Callable[[int], None] | None = None) -> Report:
        """Nothing that is foreseen is raised: the report says what was done, and why it stopped."""
        Each(self._one, self.report, self._counting, self._workers).run(items, progress)
        for at, count in sorted(self._under.items()):
            current = at == (self._to or self._newest.get(at.key_id))
            if count:
                self.report.by.append(
                    Count(key_id=at.key_id, version=at.version, key_version_id=at.id, count=count, current=current)
                )
            self.report.old += 0 if current else count
        return self.report

    def _one(self, item: Item) -> None:
        found = item.load()
        if found is None:
            with self._counting:
                self.report.others += 1
            return
        header = parse_header(found.blob)
        at = At(header.key_id, header.version)
        with self._counting:
            self.report.found += 1
            self._under[at] += 1
        if at == (self._to or self._newest_of(at.key_id)) or self._dry_run:
            return
        moved = self._re_encrypt(found)
        found.write(moved)
        with self._counting:
            self._under[at] -= 1
            self._under[_at(moved.key_id, moved.key_version_id)] += 1
            self.report.rewrapped += 1

    def _newest_of(self, key: str) -> At | None:
        """Asked once for each key, so also the first call of all is made alone: a place makes its clients with it."""
        with self._asking:
            if key not in self._newest:
                try:
                    described: Any = self._call("DescribeKey", {"key_ids": [key]})
                except KmsError as e:
                    if e.retryable or key == self._wanted:
                        raise
                    self._newest[key] = None
                else:
                    known = described["keys"][0]
                    self._newest[key] = _at(known["id"], known["primary_version_id"])
            return self._newest[key]

    def _re_encrypt(self, found: Found) -> Moved:
        context = dict(found.context)
        answer = self._call(
            "ReEncrypt",
            {
                "ciphertext": base64.b64encode(found.blob).decode(),
                "destination_key_id": self._to.key_id if self._to else "",
                "source_context": context,
                "destination_context": context,  # it is empty unless it is given, and then nothing opens any more
            },
        )
        blob = base64.b64decode(str(answer["ciphertext"]))
        return Moved(blob, str(answer["key_id"]), str(answer["key_version_id"]))

    def _call(self, action: str, params: dict[str, object]) -> dict[str, object]:
        return retried(lambda: self._place.call(action, params), self._pause)


def _at(key_id: str, id_: str) -> At:
    """Of the public id of a version; 0 is none, where imported material is awaited."""
    return At(key_id, version_number(key_id, id_) or 0)
