"""The rows of an export, as they are read from a place."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from itertools import islice

from tenantkms import __version__
from tenantkms.errors import KeyNotFound
from tenantkms.keys.walk import PAGE
from tenantkms.model.alias import ALIAS_PREFIX
from tenantkms.model.key import Key
from tenantkms.runtime.assemble import Settings
from tenantkms.store.sqlite import SqliteStore
from tkms.each import retried
from tkms.note import Log
from tkms.output import Failed
from tkms.transfer.about import About
from tkms.transfer.clear import Changed
from tkms.transfer.file import AT_ONCE, FORMAT, CredentialRow, KeyRow, Row, VersionsRow
from tkms.transfer.work import Hands, Names


def about(settings: Settings, *, whole: bool) -> About:
    site = settings.site
    return About(
        format=FORMAT,
        release=__version__,
        created=int(time.time()),
        tenant=site.tenant,
        region=site.region,
        account=site.account,
        whole=whole,
    )


class Source:
    """What a place has. `passed_over` are ids of keys that are being destroyed: nothing stops that, and some of their
    versions are gone."""

    def __init__(self, settings: Settings, hands: Hands, log: Log, names: Names) -> None:
        self._settings, self._hands, self._log, self._names = settings, hands, log, names
        self._store = settings.deps.keyring.store
        self._clear = Changed(settings.site.tenant, settings.deps.keyring.parent.unseal)
        self.passed_over = list[str]()

    def of_one_moment(self) -> AbstractContextManager[None]:
        """While it lasts, others may change what they want, where the store can do that. On AWS it cannot."""
        return self._store.snapshot() if isinstance(self._store, SqliteStore) else nullcontext()

    def find(self, wanted: Sequence[str]) -> list[str]:
        """Ids of the keys of these ids and aliases (`alias/NAME`), each once. Raises `Failed`."""
        found = []
        for name in wanted:
            alias = self._store.get_alias(name.removeprefix(ALIAS_PREFIX)) if name.startswith(ALIAS_PREFIX) else None
            key = self._store.get(alias.key_id if alias else name.lower())
            if key is None:
                raise Failed(f"There is no key {name}: name it by its id, alias/NAME or ARN (tkms key list).")
            found.append(key.id)
        return list(dict.fromkeys(found))

    def keys(self, ids: Sequence[str] | None, tell: Callable[[int], None] | None) -> Iterator[Row]:
        """Of these keys, or of all there are."""
        passed = 0
        for page in self._pages() if ids is None else self._some(ids):
            self.passed_over += [key.id for key in page if key.destroying]
            keys = [key for key in page if not key.destroying]
            if keys:
                self._log.write([key.id for key in keys], "ok")
            for key in self._hands.map(self._clear.key, keys):
                self._names.add("the key", [key.id])
                self._names.add("the alias", key.aliases)
                yield KeyRow(key)
                yield from self._older(key)
            passed += len(page)
            if tell:
                tell(passed)

    def _pages(self) -> Iterator[list[Key]]:
        after = (0, "")
        while page := retried(partial(self._store.keys_after, after, limit=PAGE)):
            yield page
            after = (page[-1].created, page[-1].id)

    def _some(self, ids: Sequence[str]) -> Iterator[list[Key]]:
        for id_ in ids:
            key = self._store.get(id_)
            if key is None:
                raise KeyNotFound(key=id_)
            yield [key]

    def _older(self, key: Key) -> Iterator[Row]:
        newest = key.newest.number if key.newest else 0
        for first in range(1, newest, AT_ONCE):
            last = min(first + AT_ONCE, newest) - 1
            found = retried(partial(self._store.list_versions, key.id, first, last))
            if len(found) != last - first + 1:
                raise Failed(f"Versions of the key {key.id} are missing: if it was destroyed just now, export again.")
            yield VersionsRow(self._hands.map(partial(self._clear.version, key), found))

    def credentials(self) -> Iterator[Row]:
        uses = self._settings.access.store.last_uses()
        if self._settings.access.store.has_credentials():
            self._log.write([], "ok")
        rest = self._settings.access.store.credentials()
        while page := list(islice(rest, PAGE)):
            for one in self._hands.map(self._clear.credential, page):
                yield CredentialRow(one, uses.get(one.access_key_id, 0))
