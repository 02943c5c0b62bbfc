"""The two ports of storage, `KeyStore` and `AccessStore`, and the writes that they commit.

`dynamodb.py` and `sqlite.py` implement both and pass one conformance suite (`tests/store`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from msgspec import Struct

from tenantkms.model.alias import Alias
from tenantkms.model.credential import Credential
from tenantkms.model.key import Key, KeyFilter
from tenantkms.model.states import KeyState
from tenantkms.model.version import KeyVersion
from tenantkms.model.watch import Watch


class RevisionConflict(Exception):
    """A row was not as the write expected it: read again, decide again. Callers of the API never see it."""


class PutKey(Struct, frozen=True):
    """Write a key's row if its stored revision is `key.revision - 1`; revision 1 means it must not exist."""

    key: Key


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
"""Writes of one commit: what DynamoDB allows in a transaction."""


class KeyStore(Protocol):
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

    def list_due(self, before: int, *, limit: int, after: tuple[int, str] = (0, "")) -> list[Key]:
        """Keys whose `due` is not 0 and not later than `before`, in the order of (due, id), beyond `after`."""

    def count_waiting(self, state: KeyState) -> int:
        """How many keys in `state` scheduled work waits for, due or not yet. No key is read for it."""

    def get_alias(self, name: str) -> Alias | None: ...

    def commit(self, writes: Sequence[Write]) -> None: ...

    def list_keys(
        self, where: KeyFilter, *, offset: int, limit: int, descending: bool = False
    ) -> tuple[int, list[Key]]:
        """(how many match, the page), ordered by creation."""

    def list_aliases(self, *, offset: int, limit: int) -> tuple[int, list[Alias]]:
        """(how many there are, the page), ordered by name."""

    def get_root(self) -> bytes | None:
        """The tenant's root secret as the parent key sealed it."""

    def put_root(self, sealed: bytes) -> None:
        """Keep a sealed root secret, unless there is one: the first stays."""

    def get_watch(self, job: str) -> Watch | None: ...

    def put_watch(self, job: str, watch: Watch) -> None:
        """Replace what was there. Runs that meet may undo each other's: that holds destruction up, and hastens none."""


class AccessStore(Protocol):
    """Credentials and used nonces of one tenant."""

    def get_credential(self, access_key_id: str) -> Credential | None: ...

    def put_credential(self, credential: Credential, *, new: bool) -> None:
        """Create (`new`) or replace a credential; `RevisionConflict` when it does (not) exist."""

    def delete_credential(self, access_key_id: str) -> bool: ...

    def list_credentials(self) -> list[Credential]: ...

    def has_credentials(self) -> bool:
        """Whether there is any, enabled or not."""

    def use_nonce(self, nonce: bytes, *, now: int, expires: int) -> bool:
        """Remember a nonce, 16 bytes, until `expires` (Unix seconds); False if it is remembered already.

        It may be remembered for up to half an hour more. Raises `Unavailable` for what cannot be remembered.
        """
