"""A process's view of the keys: the store and the parent key behind short, bounded caches.

Key state is remembered for `state_seconds`, so a key that another process disabled stops working here within
that time; unsealed material for `material_seconds`. Writes through this object are seen at once.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Generic, TypeVar

from tenantkms import envelope
from tenantkms.context import canonical
from tenantkms.errors import InvalidCiphertext, Unavailable
from tenantkms.keystore import DeleteAlias, KeyStore, PutAlias, PutKey, Write
from tenantkms.model import SYMMETRIC, Alias, Key, KeyVersion
from tenantkms.sealing import ParentKey, key_binding

V = TypeVar("V")
_NO_PRK = os.urandom(64)


class Cache(Generic[V]):
    """Values for `seconds`, at most `size` of them; the oldest goes first. `repr` shows no value."""

    def __init__(self, size: int, seconds: float, clock: Callable[[], float]) -> None:
        self._size, self._seconds, self._clock = size, seconds, clock
        self._rows: dict[object, tuple[float, V]] = {}

    def get(self, name: object) -> V | None:
        row = self._rows.get(name)
        if row is None or row[0] <= self._clock():
            return None
        return row[1]

    def put(self, name: object, value: V) -> None:
        if self._seconds <= 0:
            return
        rows = self._rows
        rows.pop(name, None)
        while len(rows) >= self._size:
            try:
                del rows[next(iter(rows))]
            except (KeyError, StopIteration, RuntimeError):  # another thread took it first
                break
        rows[name] = (self._clock() + self._seconds, value)

    def drop(self, name: object) -> None:
        self._rows.pop(name, None)


class Keyring:
    """`clock` is monotonic and counts seconds."""

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
    ) -> None:
        self.store = store
        self._tenant = tenant
        self._parent = parent
        self._keys: Cache[Key] = Cache(size, state_seconds, clock)
        self._aliases: Cache[Alias] = Cache(size, state_seconds, clock)
        self._prks: Cache[bytes] = Cache(size, material_seconds, clock)

    def key(self, key_id: str, *, fresh: bool = False) -> Key | None:
        """`fresh` reads the store, as every change of a key must."""
        key = None if fresh else self._keys.get(key_id)
        if key is None and (key := self.store.get(key_id)):
            self._keys.put(key_id, key)
        return key

    def alias(self, name: str, *, fresh: bool = False) -> Alias | None:
        alias = None if fresh else self._aliases.get(name)
        if alias is None and (alias := self.store.get_alias(name)):
            self._aliases.put(name, alias)
        return alias

    def commit(self, writes: Sequence[Write]) -> None:
        """`KeyStore.commit`, after which no cache of this process holds what it changed."""
        try:
            self.store.commit(writes)
        finally:
            for write in writes:
                if isinstance(write, PutKey):
                    self._keys.drop(write.key.id)
                elif isinstance(write, PutAlias | DeleteAlias):
                    self._aliases.drop(write.alias.name)

    def seal_version(self, key_id: str, spec: str, number: int, created: int, material: bytes) -> KeyVersion:
        """A version of key `key_id` whose material is sealed for exactly that place."""
        sealed = self._parent.seal(material, key_binding(self._tenant, key_id, number, spec))
        return KeyVersion(number=number, created=created, sealed=sealed)

    def material(self, key: Key, version: KeyVersion) -> bytes:
        """The unsealed material. For the one who derives or loads a key from it; never kept."""
        return self._parent.unseal(version.sealed, key_binding(self._tenant, key.id, version.number, key.spec))

    def version(self, key: Key, number: int) -> KeyVersion | None:
        if key.primary and key.primary.number == number:
            return key.primary
        return self.store.get_version(key.id, number)

    def encrypt(
        self, key: Key, plaintext: bytes, *, text: bool, context: Mapping[str, str], salt: bytes
    ) -> tuple[int, bytes]:
        """(number of the primary version, ciphertext blob made under it)."""
        number = key.primary.number if key.primary else 0
        prk = self._prk(key, number)
        if prk is None:
            raise Unavailable("The key has no material.")
        return number, envelope.seal_blob(
            prk,
            suite=SYMMETRIC[key.spec].suite,
            content=envelope.TEXT if text else envelope.BYTES,
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
            prk = self._prk(key, header.version)
        plaintext = envelope.open_blob(prk or _NO_PRK, header, blob, canonical(context))
        if prk is None:
            raise InvalidCiphertext
        return plaintext

    def _prk(self, key: Key, number: int) -> bytes | None:
        """The PRK (FORMAT.md section 1) of a version, or None if there is no such version."""
        name = (key.id, number)
        prk = self._prks.get(name)
        if prk is None:
            version = self.version(key, number)
            if version is None:
                return None
            prk = envelope.derive(self.material(key, version))
            self._prks.put(name, prk)
        return prk
