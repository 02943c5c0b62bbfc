"""What is sealed in the rows of a tenant goes under the parent key that opens its root secret."""

from __future__ import annotations

import secrets
from collections.abc import Sequence

from msgspec.structs import replace

from tenantkms.errors import Unavailable
from tenantkms.model.credential import Credential
from tenantkms.model.key import Key, revised
from tenantkms.model.version import KeyVersion
from tenantkms.parent.port import IMPORT_DIGEST, Binding, ParentKey, credential_binding, key_binding
from tenantkms.parent.reseal import sealed_by
from tenantkms.parent.root import Root


class Resealer:
    """`Renewal` of a tenant's rows. `opened` counts what was found under the new parent key, or is since.

    `older`: parent keys that are in use no more, for what a process was late to write that had sealed under one.
    """

    def __init__(self, tenant: str, root: Root, older: Sequence[ParentKey] = ()) -> None:
        self._tenant, self._root, self._older = tenant, root, older
        self.opened = 0

    def key(self, key: Key) -> Key:
        primary = key.primary and self.version(key, key.primary)
        spent = key.spent and self.version(key, key.spent)
        imported = self._renewed(key.imported, Binding(IMPORT_DIGEST, self._tenant, key.id, 1, key.spec))
        if primary is key.primary and spent is key.spent and imported is key.imported:
            return key
        return revised(key, secrets.token_hex(16), primary=primary, spent=spent, imported=imported)

    def version(self, key: Key, version: KeyVersion) -> KeyVersion:
        sealed = self._renewed(version.sealed, key_binding(self._tenant, key.id, version.number, key.spec))
        return version if sealed is version.sealed else replace(version, sealed=sealed)

    def credential(self, credential: Credential) -> Credential:
        binding = credential_binding(self._tenant, credential.access_key_id)
        sealed = self._renewed(credential.sealed, binding)
        return credential if sealed is credential.sealed else replace(credential, sealed=sealed)

    def _renewed(self, sealed: bytes, binding: Binding) -> bytes:
        """`sealed` itself if the new parent key opens it. Raises `SealBroken` if no parent key does, `Unavailable`."""
        if not sealed:
            return sealed
        root = self._root.opened()
        self.opened += 1
        try:
            root.by.unseal(sealed, binding)
        except Unavailable:
            for parent in (*root.before, *self._older):
                try:
                    secret = parent.unseal(sealed, binding)
                except Unavailable:
                    continue
                return sealed_by(root.by, secret, binding)
            raise
        return sealed
