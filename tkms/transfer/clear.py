"""Keys and access keys without the parent key that they rest under, and under another one; when two are the same."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

import msgspec
from msgspec.structs import replace

from tenantkms.model.credential import Credential
from tenantkms.model.key import Key
from tenantkms.model.version import KeyVersion
from tenantkms.parent.port import IMPORT_DIGEST, Binding, credential_binding, key_binding

Change = Callable[[bytes, Binding], bytes]
"""`ParentKey.seal` or `unseal`: what is done to all that is sealed, or is to be."""


class Changed:
    """Rows of `tenant` whose sealed parts, or those that are to be, went through `change`, whose errors these raise."""

    def __init__(self, tenant: str, change: Change) -> None:
        self._tenant, self._change = tenant, change

    def key(self, key: Key) -> Key:
        imported = key.imported
        if imported:
            imported = self._change(imported, Binding(IMPORT_DIGEST, self._tenant, key.id, 1, key.spec))
        primary = key.primary and self.version(key, key.primary)
        return replace(key, primary=primary, imported=imported)

    def version(self, key: Key, version: KeyVersion) -> KeyVersion:
        if not version.sealed:
            return version
        binding = key_binding(self._tenant, key.id, version.number, key.spec)
        return replace(version, sealed=self._change(version.sealed, binding))

    def credential(self, credential: Credential) -> Credential:
        binding = credential_binding(self._tenant, credential.access_key_id)
        return replace(credential, sealed=self._change(credential.sealed, binding))


_encode = msgspec.json.Encoder(order="deterministic").encode


class Digest:
    """SHA-256 of a key in clear and, when they were added, of its older versions: of all that answers depend on.

    Not of how often its row was written, and by whom last. `undated`: nor of when it is destroyed.
    """

    def __init__(self, key: Key, *, undated: bool = False) -> None:
        plain = replace(key, revision=1, token="", deletion_date=0 if undated else key.deletion_date)
        self._digest = hashlib.sha256(_encode(plain))
        self._material = hashlib.sha256(_encode((key.id, key.spec, key.usage, key.origin)))
        self._newest = key.newest

    def add(self, version: KeyVersion) -> None:
        self._digest.update(_encode(version))
        self._material.update(_encode((version.number, version.sealed)))

    def value(self) -> bytes:
        return self._digest.digest()

    def material(self) -> bytes:
        """Of what opens ciphertexts alone."""
        digest = self._material.copy()
        if self._newest:
            digest.update(_encode((self._newest.number, self._newest.sealed)))
        return digest.digest()
