"""A process's view of the keys: the store and the parent key behind short, bounded caches.

Key state is remembered for `state_seconds`, so a key that another process disabled stops working here within
that time; unsealed material for `material_seconds`. Writes through this object are seen at once.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from tenantkms.crypto import envelope
from tenantkms.crypto.context import canonical
from tenantkms.errors import InvalidCiphertext, Unavailable
from tenantkms.keys.cache import Cache
from tenantkms.model.alias import Alias
from tenantkms.model.key import Key
from tenantkms.model.specs import SYMMETRIC
from tenantkms.model.states import KeyState
from tenantkms.model.version import KeyVersion
from tenantkms.parent.port import ParentKey, key_binding
from tenantkms.store.changes import Changes
from tenantkms.store.fence import OPEN, Fence
from tenantkms.store.port import DeleteAlias, DeleteKey, KeyStore, PutAlias, PutKey, Write

V = TypeVar("V")
_NO_PRK = envelope.derive(os.urandom(32))


def _sized(key: Key) -> object:
    return key.policy, key.grants, key.tags, key.aliases, key.description, key.protection_description


class Keyring:
    """`clock` is monotonic and counts seconds. `changes`: those that share them hear of each at once."""

    def __init__(
        self,
        tenant: str,
        store: KeyStore,
        parent: ParentKey,
        *,
        clock: Callable[[], float],
        state_seconds: float = 1,
        material_seconds: float = 300,
        size: int = 10_000,
        changes: Changes | None = None,
        fence: Fence = OPEN,
    ) -> None:
        self.changes = changes or Changes()
        self._fence = fence
        self.store = store
        self.tenant = tenant
        self.parent = parent
        self._keys: Cache[Key] = Cache(size, state_seconds, clock, self.changes.stamp, sized=_sized)
        self._aliases: Cache[Alias] = Cache(size, state_seconds, clock, self.changes.stamp)
        self._loaded: Cache[Any] = Cache(size, material_seconds, clock)

    def key(self, key_id: str, *, fresh: bool = False) -> Key | None:
        """`fresh` reads the store, as every change of a key must."""
        return self._keys.fetch(key_id, self.store.get, fresh=fresh)

    def alias(self, name: str, *, fresh: bool = False) -> Alias | None:
        return self._aliases.fetch(name, self.store.get_alias, fresh=fresh)

    def count_waiting(self, state: KeyState) -> int:
        return self.store.count_waiting(state)

    def settle(self, now: int, more: Callable[[], bool]) -> None:
        """As the store's: what listings count by is brought up to date while `more` says so."""
        self.store.settle(now, more)

    def remembered(self, name: str, *, alias: bool) -> Key | None:
        """The key that has that id or alias, as far as the caches know; no store is asked."""
        if alias:
            found = self._aliases.get(name)
            return self._keys.get(found.key_id) if found else None
        return self._keys.get(name)

    def commit(self, writes: Sequence[Write]) -> None:
        """`KeyStore.commit`, after which no cache of this process holds what it changed."""
        try:
            self.store.commit(writes)
        finally:
            self.changes.made()
            for write in writes:
                if isinstance(write, PutKey | DeleteKey):
                    self._keys.drop(write.key.id)
                elif isinstance(write, PutAlias | DeleteAlias):
                    self._aliases.drop(write.alias.name)

    def seal_version(self, key_id: str, spec: str, number: int, created: int, material: bytes) -> KeyVersion:
        """A version of key `key_id` whose material is sealed for exactly that place."""
        sealed = self.parent.seal(material, key_binding(self.tenant, key_id, number, spec))
        return KeyVersion(number=number, created=created, sealed=sealed)

    def version(self, key: Key, number: int) -> KeyVersion | None:
        if key.primary and key.primary.number == number:
            return key.primary
        return self.store.get_version(key.id, number)

    def encrypt(
        self, key: Key, plaintext: bytes, *, content: int, context: Mapping[str, str], salt: bytes
    ) -> tuple[int, bytes]:
        """(number of the primary version, ciphertext blob made under it)."""
        number = key.primary_number
        return number, envelope.seal_blob(
            self.primary(key, envelope.derive),
            suite=SYMMETRIC[key.spec].suite,
            content=content,
            key_id=key.id,
            version=number,
            salt=salt,
            plaintext=plaintext,
            context=canonical(context),
        )

    def decrypt(self, key: Key | None, header: envelope.Header, blob: bytes, context: Mapping[str, str]) -> bytes:
        """The plaintext of a blob whose header names `key`; None if no such key exists.

        Raises `InvalidCiphertext` for every reason, with the same work for a key or version that is not there.
        """
        prk = None
        if key is not None and key.spec in SYMMETRIC and SYMMETRIC[key.spec].suite == header.suite:
            prk = self.loaded(key, header.version, envelope.derive)
        if prk is None and self._fence.behind():
            raise Unavailable("What this was encrypted with is not here, and may be on its way.")
        plaintext = envelope.open_blob(prk or _NO_PRK, header, blob, canonical(context))
        if prk is None:
            raise InvalidCiphertext
        return plaintext

    def primary(self, key: Key, load: Callable[[bytes], V]) -> V:
        """`loaded` of the primary version. Raises `Unavailable` if the key has no material."""
        value = self.loaded(key, key.primary_number, load)
        if value is None:
            raise Unavailable("The key has no material.")
        return value

    def loaded(self, key: Key, number: int, load: Callable[[bytes], V]) -> V | None:
        """What `load` makes of a version's material, kept as long as material is; None if there is no such version.

        A key spec has one way to be loaded.
        """
        name = (key.id, number)
        value: V | None = self._loaded.get(name)
        if value is None:
            version = self.version(key, number)
            if version is None and 0 < number < key.primary_number and self._fence.replicated:
                raise Unavailable("An older version of the key is not here, and may be on its way.")
            if version is None or not version.sealed:
                return None
            binding = key_binding(self.tenant, key.id, number, key.spec)
            value = load(self.parent.unseal(version.sealed, binding))
            self._loaded.put(name, value)
        return value
