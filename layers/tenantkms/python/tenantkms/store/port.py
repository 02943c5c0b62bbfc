"""The two ports of storage, `KeyStore` and `AccessStore`, and the writes that they commit.

`dynamodb.py` and `sqlite.py` implement both and pass one conformance suite (`tests/store`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Protocol, Self

from msgspec import Struct

from tenantkms.model.alias import Alias
from tenantkms.model.credential import Credential
from tenantkms.model.key import Key, KeyFilter
from tenantkms.model.states import KeyState
from tenantkms.model.version import KeyVersion
from tenantkms.model.watch import Watch
from tenantkms.store.integrity import IntegrityFault


class RevisionConflict(Exception):
    """A row was not as the write expected it: read again, decide again. Callers of the API never see it."""


class PutKey(Struct, frozen=True):
    """Write a key's row if its stored revision is `key.revision - 1`; revision 1 means it must not exist.

    `before` is the key as it was read, where that is known.
    """

    key: Key
    before: Key | None = None

    @property
    def keeps_material(self) -> bool:
        """Whether the row that is replaced is known, and has the same sealed material: it need not be written."""
        key, before = self.key, self.before
        return (
            before is not None
            and (before.id, before.revision) == (key.id, key.revision - 1)
            and (before.primary and before.primary.sealed) == (key.primary and key.primary.sealed)
        )


class PutVersion(Struct, frozen=True):
    """Write an older version's row, which must not exist."""

    key_id: str
    version: KeyVersion


class PutAlias(Struct, frozen=True):
    """Point an alias at a key: from nowhere (`expect` None, else `AliasExists`), or from the key `expect`."""

    alias: Alias
    expect: str | None


class DeleteAlias(Struct, frozen=True):
    """Remove an alias that points at `alias.key_id`."""

    alias: Alias


class DeleteKey(Struct, frozen=True):
    """Remove a key's row, and with it its primary version, if its stored revision is `key.revision`."""

    key: Key


class DeleteVersion(Struct, frozen=True):
    """Remove an older version's row; one that is not there is no error."""

    key_id: str
    number: int


Write = PutKey | PutVersion | PutAlias | DeleteAlias | DeleteKey | DeleteVersion
MAX_WRITES = 100
"""Writes of one commit, where none deletes a key, which counts twice: what DynamoDB allows in a transaction."""


class Renewal(Protocol):
    """What a reseal makes of what is sealed in a row: the very same object, if nothing is to be done.

    Raises `SealBroken` for what opens under no parent key that is in use, and `Unavailable`.
    """

    def key(self, key: Key) -> Key:
        """It counts as a change of the key: who has read it before cannot write it back."""

    def version(self, key: Key, version: KeyVersion) -> KeyVersion: ...

    def credential(self, credential: Credential) -> Credential: ...


class Seen(Struct, frozen=True):
    """Of a row that a reseal has looked at: whether it was `renewed`, and why it is as it was else: empty, if it was
    right already."""

    renewed: bool
    trouble: str = ""


class AuthenticRows(Protocol):
    """What both ports have in common: each row has a MAC (`integrity.py`).

    Whatever reads a row raises `IntegrityFault` if it is not believed, a listing for each row that it would show.
    """

    def unauthenticated(self) -> Self:
        """The same store, to be read only, whose rows are believed as they are; not within its `snapshot`."""

    def check_rows(self) -> Iterator[IntegrityFault | None]:
        """For each row there is what is wrong with it, or None."""

    def take_over(self) -> Iterator[None]:
        """Give each row that has no MAC one, as it is: something for each. Whoever was to end it may begin it again."""

    def reseal(self, renewal: Renewal) -> Iterator[Seen]:
        """Put each row under the root secret of now, with what `renewal` makes of it: for each what was done, once it
        was. A row that another changes at the same time is left to the next run. Raises `Unavailable`.
        """


class KeyStore(AuthenticRows, Protocol):
    """Keys, versions and aliases of one tenant, and its root secret.

    `commit` is all or nothing and durable when it returns. It raises `AliasExists` when a new alias is
    taken, `RevisionConflict` when anything else is not as expected, and `Unavailable` for faults of the
    store. A commit whose answer was lost is recognised by the `token` in the key rows it wrote.
    """

    def get(self, key_id: str) -> Key | None: ...

    def get_version(self, key_id: str, number: int) -> KeyVersion | None:
        """An older version. The primary one is in the key's own row and not found here."""

    def list_versions(self, key_id: str, first: int, last: int) -> list[KeyVersion]:
        """The older versions with numbers from `first` to `last`, in that order. The primary one is not among them."""

    def list_due(self, before: int, *, limit: int, after: tuple[int, str] = (0, "")) -> list[tuple[int, str]]:
        """(due, id) of keys whose `due` is not 0 and not later than `before`, in that order, beyond `after`.

        No row is read for it, so one that fails hides no other: read the key before you believe it.
        """

    def count_waiting(self, state: KeyState) -> int:
        """How many keys in `state` scheduled work waits for, due or not yet. No key is read for it."""

    def count_keys(self) -> int:
        """How many keys there are, whatever their state. It may be a minute old."""

    def count_aliases(self) -> int:
        """How many aliases there are. It may be a minute old."""

    def get_alias(self, name: str) -> Alias | None: ...

    def commit(self, writes: Sequence[Write]) -> None: ...

    def list_keys(
        self, where: KeyFilter, *, now: int, offset: int, limit: int, descending: bool = False
    ) -> tuple[int, list[Key]]:
        """(how many match at `now`, the page), ordered by creation."""

    def settle(self, now: int, more: Callable[[], bool]) -> None:
        """Bring what listings count by up to date at `now`, while `more()`; scheduled work does it."""

    def keys_after(self, after: tuple[int, str], *, limit: int) -> list[Key]:
        """At most `limit` keys, ordered by creation and then by id, beyond (created, id). No others are read."""

    def list_aliases(self, *, offset: int, limit: int) -> tuple[int, list[Alias]]:
        """(how many there are, the page), ordered by name."""

    def get_root(self) -> bytes | None:
        """The tenant's root secret as the parent key sealed it."""

    def put_root(self, sealed: bytes) -> None:
        """Keep a sealed root secret, unless there is one: the first stays."""

    def replace_root(self, before: bytes, after: bytes) -> None:
        """Raises `RevisionConflict` if there is another one than `before`, unless that is `after`."""

    def get_watch(self, job: str) -> Watch | None: ...

    def put_watch(self, job: str, watch: Watch) -> None:
        """Replace what was there. Runs that meet may undo each other's: that holds destruction up, and hastens none."""


MAX_BUCKETS = 20_000
"""Buckets of requests per second that a process remembers: access keys times what they do in a second."""


def nonce_digest(nonce: bytes) -> bytes:
    """The 16 bytes that a nonce is stored as where it has no keyed hash."""
    return hashlib.sha256(nonce).digest()[:16]


class AccessStore(AuthenticRows, Protocol):
    """Credentials, used nonces and requests per second of one tenant."""

    def get_credential(self, access_key_id: str) -> Credential | None: ...

    def put_credential(self, credential: Credential, *, new: bool) -> None:
        """Create (`new`) or replace a credential; `RevisionConflict` when it does (not) exist."""

    def delete_credential(self, access_key_id: str) -> bool: ...

    def credentials(self) -> Iterator[Credential]:
        """Each of them, in no order that says anything, with a page of them in memory at a time."""

    def list_credentials(self) -> list[Credential]:
        """All of them at once, the oldest first: for who shows them to people."""

    def credentials_named(self, name: str) -> list[Credential]:
        """Those of that name, the oldest first: no others are read."""

    def note_use(self, access_key_id: str, when: int) -> None:
        """Remember that a credential was used at `when`, in Unix seconds, unless a later use is remembered."""

    def last_uses(self) -> Mapping[str, int]:
        """From access key ids to when each was last used; one that never was is not among them, and
        some that are deleted may be."""

    def has_credentials(self) -> bool:
        """Whether there is any, enabled or not."""

    def use_nonce(self, nonce: bytes, *, now: int, expires: int, source: str | None = None, again: int = 0) -> bool:
        """Remember a nonce, any bytes, until `expires` (Unix seconds); False if it is remembered already.

        It may be remembered for up to half an hour more. With a `source`, also True if it was first used from the same
        one, with an expiry at most `again` seconds from this one. Raises `Unavailable` for what cannot be remembered.
        """

    def take(self, bucket: str, rate: int, now: float) -> bool:
        """Take one of the `rate` requests that `bucket` has for a second; False if none is left at `now` (Unix
        seconds). All processes of the tenant that serve share the bucket."""

    def give_back(self, bucket: str) -> None:
        """One that this process took a moment ago was not used."""
