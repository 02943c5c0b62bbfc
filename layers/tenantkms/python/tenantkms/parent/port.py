"""The parent key, which seals all other keys of a tenant: the port, and what a sealed secret is bound to.

What is sealed begins with its own name (kind, tenant, key id, version, spec), compared after unsealing,
so that a sealed blob that was moved to another row does not open there, whatever the parent checks itself.
"""

from __future__ import annotations

import struct
from typing import Protocol
from uuid import UUID

from msgspec import Struct

from tenantkms.errors import Unavailable

_MAGIC = b"TKS1"
_LAYOUT = struct.Struct(">4sB16sI")
KEY_MATERIAL, CREDENTIAL, IMPORT_TOKEN, IMPORT_DIGEST, ROOT = 1, 2, 3, 4, 5
_NIL = "00000000-0000-0000-0000-000000000000"


class SealBroken(Unavailable):
    """What was sealed does not open here: it is damaged, or belongs to another row, tenant or parent key."""


class Binding(Struct, frozen=True):
    """What a sealed secret belongs to. For a credential `key_id` is nil and `spec` its access key id; for the
    root secret both are empty in that way."""

    kind: int
    tenant: str
    key_id: str
    version: int
    spec: str

    def header(self) -> bytes:
        """`"TKS1" || kind u8 || key id 16 || version u32 || u8 length, tenant || u8 length, spec`."""
        names = b"".join(bytes([len(n)]) + n for n in (self.tenant.encode(), self.spec.encode()))
        return _LAYOUT.pack(_MAGIC, self.kind, UUID(self.key_id).bytes, self.version) + names


def key_binding(tenant: str, key_id: str, version: int, spec: str) -> Binding:
    return Binding(KEY_MATERIAL, tenant, key_id, version, spec)


def credential_binding(tenant: str, access_key_id: str) -> Binding:
    return Binding(CREDENTIAL, tenant, _NIL, 1, access_key_id)


def root_binding(tenant: str) -> Binding:
    return Binding(ROOT, tenant, _NIL, 1, "")


class ParentKey(Protocol):
    """The key that seals all others of a tenant. Every fault of it is `Unavailable`, never a wrong answer."""

    def seal(self, secret: bytes, binding: Binding) -> bytes: ...

    def unseal(self, sealed: bytes, binding: Binding) -> bytes: ...


def content(plaintext: bytes, header: bytes) -> bytes:
    """What is left of an unsealed secret behind its own name. Raises `SealBroken` if that is another one."""
    if plaintext[: len(header)] != header:
        raise SealBroken("Sealed material does not belong to the row it was found in.")
    return plaintext[len(header) :]
