"""Versions of a key, and the public ids that they have."""

from __future__ import annotations

import hashlib
import re
from functools import lru_cache
from uuid import UUID

from msgspec import Struct

UUID_FORM = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


class KeyVersion(Struct, frozen=True, kw_only=True):
    """One generation of key material, sealed by the parent key. `created` is in Unix seconds.

    Nothing is `sealed` where imported material is gone and another has taken its place. `proven`: it was imported in a
    wrapping that would have told of damage, so it is what its owner sent. `scheduled`: automatic rotation made it, or
    somebody by hand; None: neither, or from before this was kept.
    """

    number: int
    created: int
    sealed: bytes
    proven: bool = False
    scheduled: bool | None = None


@lru_cache(maxsize=4096)
def version_id(key_id: str, number: int) -> str:
    """The public id of a key version, a UUID (version 8, RFC 9562) whose last 32 bits are the number.

    It is computed, not stored, so that no look-up is needed in either direction.
    """
    digest = hashlib.sha256(b"tenantkms/version" + UUID(key_id).bytes + number.to_bytes(4, "big")).digest()
    raw = bytearray(digest[:12] + number.to_bytes(4, "big"))
    raw[6] = 0x80 | raw[6] & 0x0F
    raw[8] = 0x80 | raw[8] & 0x3F
    return str(UUID(bytes=bytes(raw)))


def material_id(version_id_: str) -> str:
    """The public id of a version's material: 64 hex digits, as AWS KMS has them."""
    return hashlib.sha256(b"tenantkms/material" + UUID(version_id_).bytes).hexdigest()


def version_number(key_id: str, id_: str) -> int | None:
    """The number of the version that `version_id` named, or None if it is not one of this key's ids."""
    if not UUID_FORM.fullmatch(id_):
        return None
    number = int.from_bytes(UUID(id_).bytes[12:], "big")
    return number if number and version_id(key_id, number) == id_ else None
