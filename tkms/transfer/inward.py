"""What of an export is not here yet is made here: each key in one commit, read back, and compared by its digest.

Older versions of a key that has many are written before it, where nobody sees them: with its own row, in the last
commit, it is there. Who is stopped anywhere runs it again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial

from msgspec import Struct, field, json
from msgspec.structs import replace

from tenantkms.audit.line import INTENT
from tenantkms.errors import AliasExists
from tenantkms.keys.walk import PAGE
from tenantkms.model.alias import Alias
from tenantkms.model.credential import Credential
from tenantkms.model.key import Key
from tenantkms.model.version import KeyVersion
from tenantkms.parent.port import SealBroken
from tenantkms.runtime.assemble import Settings
from tenantkms.store.port import MAX_WRITES, DeleteVersion, PutAlias, PutKey, PutVersion, RevisionConflict, Write
from tkms.each import retried
from tkms.note import Log
from tkms.output import Failed
from tkms.transfer.check import THERE, Chosen, Own, arriving
from tkms.transfer.clear import Changed, Digest
from tkms.transfer.file import AT_ONCE, Counts, CredentialRow, KeyRow
from tkms.transfer.work import Hands, Names

_MOST_BYTES = 1 << 21
"""Of the rows of one commit, about: DynamoDB allows 4 MB."""
_MEANWHILE = "Somebody else has made something of it just now: run it again."


class _Item(Struct, frozen=True):
    """A key in clear, as it is to be, and those of its older versions that are not written yet."""

    key: Key
    digest: Digest
    older: list[KeyVersion] = field(default_factory=list)

    @property
    def writes(self) -> int:
        return 1 + len(self.key.aliases) + len(self.older)

    @property
    def size(self) -> int:
        return len(json.encode(self.key)) + sum(len(version.sealed) + 200 for version in self.older)


class Arrival:
    """Takes all rows of an export that was checked; `made` counts what is here, all when `finish` was called."""

    def __init__(
        self,
        settings: Settings,
        chosen: Chosen,
        hands: Hands,
        names: Names,
        log: Log,
        made: Counts,
        tell: Callable[[int], None] | None = None,
    ) -> None:
        self._settings, self._chosen, self._hands, self._names = settings, chosen, hands, names
        self._log, self._tell = log, tell
        self._now = int(settings.deps.clock())
        self._keyring, self._access = settings.deps.keyring, settings.access.store
        self._own = Own(settings)
        self._sealed = Changed(settings.site.tenant, self._keyring.parent.seal)
        self._item: _Item | None = None
        self._items, self._rows = list[_Item](), list[CredentialRow]()
        self._writes = self._size = 0  # of the items
        self.made = made

    # -- what is told --

    def key(self, key: Key) -> None:
        self._item = None
        if self._chosen.has(key) and not self._names.has(THERE, key.id):
            arrives = arriving(key, self._now)
            self._item = _Item(arrives, Digest(arrives))

    def versions(self, versions: list[KeyVersion]) -> None:
        if item := self._item:
            for version in versions:
                item.digest.add(version)
            if item.writes + len(versions) > MAX_WRITES:
                self._put_older(item)
            item.older.extend(versions)

    def end_key(self) -> None:
        if item := self._item:
            if item.writes > MAX_WRITES:
                self._put_older(item)
            writes, size = item.writes, item.size
            if self._writes + writes > MAX_WRITES or self._size + size > _MOST_BYTES:
                self._put_keys()
            self._items.append(item)
            self._writes += writes
            self._size += size

    def credential(self, row: CredentialRow) -> None:
        if self._chosen.credentials:
            self._rows.append(row)
            if len(self._rows) >= PAGE:
                self._put_credentials()

    def finish(self) -> None:
        self._put_keys()
        self._put_credentials()

    # -- keys --

    def _put_keys(self) -> None:
        items, self._items = self._items, []
        self._writes = self._size = 0
        if not items:
            return
        ids = [item.key.id for item in items]
        writes = [write for some in self._hands.map(self._writes_of, items) for write in some]
        self._log.write(ids, INTENT)
        self._commit(ids, writes)
        if not all(self._hands.map(self._arrived, items)):
            raise Failed("What was written is not what is read: look at it with tkms doctor before you go on.")
        self._log.write(ids, "ok")
        for item in items:
            self.made.add(KeyRow(item.key))
        if self._tell:
            self._tell(self.made.keys)

    def _writes_of(self, item: _Item) -> list[Write]:
        key = replace(self._sealed.key(item.key), revision=1, token=self._log.request_id)
        older = [PutVersion(key.id, self._sealed.version(key, version)) for version in item.older]
        aliases = [PutAlias(Alias(name=name, key_id=key.id), expect=None) for name in key.aliases]
        return [*older, *aliases, PutKey(key)]

    def _commit(self, ids: Sequence[str], writes: Sequence[Write]) -> None:
        def once() -> None:
            try:
                self._keyring.commit(writes)
            except (RevisionConflict, AliasExists):
                # Or an answer was lost, and this is the second try of what was done.
                if not all((key := self._own.store.get(id_)) and key.token == self._log.request_id for id_ in ids):
                    raise Failed(_MEANWHILE) from None

        retried(once)

    def _arrived(self, item: _Item) -> bool:
        key = self._own.store.get(item.key.id)
        if key is None:
            return False
        # Whoever has changed it since, such as a rotation that was due, has found it there.
        return key.token != self._log.request_id or self._own.digest(key).value() == item.digest.value()

    def _put_older(self, item: _Item) -> None:
        """Versions of a key that is not there yet."""
        older, item.older[:] = item.older[:], []
        self._log.write([item.key.id], INTENT)
        for first in range(0, len(older), AT_ONCE):
            retried(partial(self._put_some, item.key, older[first : first + AT_ONCE]))

    def _put_some(self, key: Key, versions: list[KeyVersion]) -> None:
        """As far as a run that was stopped, or a try whose answer was lost, has not written them."""
        rows = self._own.store.list_versions(key.id, versions[0].number, versions[-1].number)
        there, closed = dict[int, KeyVersion](), list[int]()
        for row in rows:
            try:
                there[row.number] = self._own.clear.version(key, row)
            except SealBroken:  # a reseal since then has passed it over, since there is no key that it is of
                closed.append(row.number)
        if any(there.get(version.number, version) != version for version in versions):
            raise Failed(f"Versions of a key {key.id} that is not here are, and they are others: tkms doctor.")
        lacking = [version for version in versions if version.number not in there]
        sealed = self._hands.map(partial(self._sealed.version, key), lacking)
        if closed:  # by itself: DynamoDB takes nothing away and puts it in one transaction
            self._keyring.commit([DeleteVersion(key.id, number) for number in closed])
        try:
            self._keyring.commit([PutVersion(key.id, version) for version in sealed])
        except RevisionConflict:
            raise Failed(_MEANWHILE) from None

    # -- access keys --

    def _put_credentials(self) -> None:
        rows, self._rows = self._rows, []
        lacking = [row.credential for row in rows if self._access.get_credential(row.credential.access_key_id) is None]
        if lacking:
            self._log.write([], INTENT)
            self._hands.map(self._make_credential, lacking)
            self._log.write([], "ok")
            self.made.credentials += len(lacking)
        for row in rows:  # also of those that were there: a run may have been stopped between the two
            if row.last_used:
                self._access.note_use(row.credential.access_key_id, row.last_used)

    def _make_credential(self, credential: Credential) -> None:
        with suppress(RevisionConflict):  # made by a try whose answer was lost, or by somebody else
            self._access.put_credential(self._sealed.credential(credential), new=True)
        there = self._access.get_credential(credential.access_key_id)
        if there is None or self._own.clear.credential(there) != credential:
            raise Failed(f"The access key {credential.access_key_id} is not what it was to be: run it again.")
