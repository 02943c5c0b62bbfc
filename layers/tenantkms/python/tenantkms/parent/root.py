"""The root secret of a tenant: 32 random bytes that the parent key sealed once, and keys derived from it.

It authenticates and seals what is no key material: rows of the store, calls, session tokens, the audit log's chain.
It is also the proof that the parent key is the right one: nothing is sealed under a parent key that does not open it.
"""

from __future__ import annotations

import hashlib
import hmac
import os
from collections.abc import Callable

from tenantkms.errors import Unavailable
from tenantkms.parent.port import Binding, ParentKey, root_binding

_SIZE = 32
_PREFIX = b"tenant-kms "


class Root:
    """Opened once in a process, when it is first needed, and kept as long as the process runs.

    `read` answers the sealed secret, or None if the tenant has none yet.
    """

    def __init__(self, tenant: str, parent: ParentKey, read: Callable[[], bytes | None]) -> None:
        self._binding = root_binding(tenant)
        self._parent = parent
        self._read = read
        self._secret: bytes | None = None
        self._keys: dict[str, bytes] = {}

    def key(self, purpose: str) -> bytes:
        """The key, 32 bytes, for `purpose`: HKDF-Expand (RFC 5869) of the secret with one block.

        Raises `Unavailable` if the tenant has no root secret, and `SealBroken` if the parent key does not open it.
        """
        key = self._keys.get(purpose)
        if key is None:
            info = _PREFIX + purpose.encode() + b"\x01"
            key = self._keys[purpose] = hmac.digest(self._open(), info, hashlib.sha256().name)
        return key

    def _open(self) -> bytes:
        if self._secret is None:
            self._secret = self._unseal()
        return self._secret

    def _unseal(self) -> bytes:
        sealed = self._read()
        if sealed is None:
            raise Unavailable("The tenant is not set up: it has no root secret.")
        return self._parent.unseal(sealed, self._binding)

    def check(self) -> None:
        """Open it anew, whatever is kept. Raises `Unavailable` if there is none or the parent key does not open it."""
        self._unseal()

    def exists(self) -> bool:
        return self._read() is not None

    def make(self, write: Callable[[bytes], None]) -> None:
        """Seal a new root secret and hand it to `write`, unless there is one: `write` keeps the first of several.

        Raises `SealBroken` if there is one that the parent key does not open.
        """
        if not self.exists():
            write(self._parent.seal(os.urandom(_SIZE), self._binding))
        self._open()


class AnchoredParentKey:
    """`ParentKey` that seals only what the tenant's own parent key can open again: it opens the root secret first.

    Sealed under a parent key that was put in its place, keys would be lost when the right one returns.
    """

    def __init__(self, parent: ParentKey, root: Root) -> None:
        self._parent, self._root = parent, root

    def seal(self, secret: bytes, binding: Binding) -> bytes:
        self._root.key("")
        return self._parent.seal(secret, binding)

    def unseal(self, sealed: bytes, binding: Binding) -> bytes:
        return self._parent.unseal(sealed, binding)
