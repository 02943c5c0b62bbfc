"""Keys, versions, aliases, credentials and principals, and the names that they have."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from enum import StrEnum
from functools import lru_cache
from types import MappingProxyType
from typing import Any
from uuid import UUID

from msgspec import Struct, field
from msgspec.structs import replace

from tenantkms import errors as e
from tenantkms.ciphers import AES_256_GCM, SM4_128_GCM


class KeyState(StrEnum):
    ENABLED = "Enabled"
    DISABLED = "Disabled"
    PENDING_DELETION = "PendingDeletion"
    PENDING_IMPORT = "PendingImport"
    ARCHIVED = "Archived"


class KeyUsage(StrEnum):
    ENCRYPT_DECRYPT = "ENCRYPT_DECRYPT"
    SIGN_VERIFY = "SIGN_VERIFY"
    GENERATE_VERIFY_MAC = "GENERATE_VERIFY_MAC"


class KeySpec(StrEnum):
    AES_256 = "AES_256"
    SM4 = "SM4_128"
    RSA_2048 = "RSA_2048"
    RSA_3072 = "RSA_3072"
    RSA_4096 = "RSA_4096"
    EC_P256 = "EC_P256"
    EC_P384 = "EC_P384"
    EC_P256K = "EC_P256K"
    """secp256k1"""
    HMAC_SHA_224 = "HMAC_SHA_224"
    HMAC_SHA_256 = "HMAC_SHA_256"
    HMAC_SHA_384 = "HMAC_SHA_384"
    HMAC_SHA_512 = "HMAC_SHA_512"


class Origin(StrEnum):
    KMS = "KMS"
    EXTERNAL = "EXTERNAL"


class Symmetric(Struct, frozen=True, kw_only=True):
    """A key spec whose material is random bytes: how many, and the envelope suite that it encrypts with."""

    size: int
    suite: int


SYMMETRIC: Mapping[KeySpec, Symmetric] = MappingProxyType(
    {
        KeySpec.AES_256: Symmetric(size=32, suite=AES_256_GCM),
        KeySpec.SM4: Symmetric(size=16, suite=SM4_128_GCM),
    }
)
RSA = frozenset({KeySpec.RSA_2048, KeySpec.RSA_3072, KeySpec.RSA_4096})
EC = frozenset({KeySpec.EC_P256, KeySpec.EC_P384, KeySpec.EC_P256K})
HMAC: Mapping[KeySpec, str] = MappingProxyType(
    {
        KeySpec.HMAC_SHA_224: "sha224",
        KeySpec.HMAC_SHA_256: "sha256",
        KeySpec.HMAC_SHA_384: "sha384",
        KeySpec.HMAC_SHA_512: "sha512",
    }
)
"""MAC key specs and their hash; the material is as long as the hash."""

SPEC_USAGES: Mapping[KeySpec, tuple[KeyUsage, ...]] = MappingProxyType(
    {
        **dict.fromkeys(SYMMETRIC, (KeyUsage.ENCRYPT_DECRYPT,)),
        **dict.fromkeys(RSA, (KeyUsage.ENCRYPT_DECRYPT, KeyUsage.SIGN_VERIFY)),
        **dict.fromkeys(EC, (KeyUsage.SIGN_VERIFY,)),
        **dict.fromkeys(HMAC, (KeyUsage.GENERATE_VERIFY_MAC,)),
    }
)
"""The usages that a key of a spec may have; the first is the default."""


class KeyVersion(Struct, frozen=True, kw_only=True):
    """One generation of key material, sealed by the parent key. `created` is in Unix seconds."""

    number: int
    created: int
    sealed: bytes


class Key(Struct, frozen=True, kw_only=True):
    """A customer master key (CMK): its metadata and its primary version.

    The primary version is the newest; numbers go from 1 without gaps. A key of origin EXTERNAL has one version
    whose material comes, goes and comes back; `material_expires` is when it goes, and `imported` a sealed
    digest of it, so that only the same may come back. `destroying`: the sweeper has begun, nothing stops it.

    Times are Unix seconds. `revision` counts the writes of this row: every write is conditional on the
    revision it was computed from. `token` names the write that made this revision, so that a writer whose
    answer was lost recognises its own. `aliases` are names without the `alias/` prefix; the first is the
    one that Tencent Cloud's clients know.
    """

    id: str
    spec: KeySpec
    usage: KeyUsage
    origin: Origin
    state: KeyState
    created: int
    creator: str
    description: str = ""
    aliases: tuple[str, ...] = ()
    primary: KeyVersion | None = None
    tags: dict[str, str] = field(default_factory=dict)
    policy: str = ""
    deletion_date: int = 0
    deletion_protection: bool = False
    protection_description: str = ""
    destroying: bool = False
    rotation_seconds: int = 0
    """Automatic rotation: how often; 0: off."""
    last_rotation: int = 0
    material_expires: int = 0
    imported: bytes = b""
    revision: int = 1
    token: str = ""

    @property
    def rotates_at(self) -> int:
        """When the next automatic rotation is due; 0: never, or not while it is not enabled."""
        if not self.rotation_seconds or self.state is not KeyState.ENABLED:
            return 0
        return (self.last_rotation or self.created) + self.rotation_seconds

    @property
    def destroys_at(self) -> int:
        """When material of this key is due to be destroyed: the key's, or what was imported; 0: never."""
        if self.state is KeyState.PENDING_DELETION:
            return self.deletion_date
        return self.material_expires if self.primary else 0

    @property
    def due(self) -> int:
        """When scheduled work on this key is due next; 0: never."""
        return min((at for at in (self.rotates_at, self.destroys_at) if at), default=0)


def revised(key: Key, token: str, **changes: Any) -> Key:
    """The next revision of `key`, to be committed by the writer that `token` names."""
    return replace(key, revision=key.revision + 1, token=token, **changes)


class KeyFilter(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which keys a listing shows: every field that is set must match; within a field any value does."""

    states: frozenset[KeyState] | None = None
    specs: frozenset[KeySpec] | None = None
    usages: frozenset[KeyUsage] | None = None
    origins: frozenset[Origin] | None = None
    creators: frozenset[str] | None = None
    ids: frozenset[str] | None = None
    aliases: frozenset[str] | None = None
    alias_contains: str = ""
    tags: tuple[tuple[frozenset[str], frozenset[str]], ...] = ()
    """Each row asks for a tag whose key is in the first set and whose value is in the second; empty: any."""

    def matches(self, key: Key) -> bool:
        return (
            (self.states is None or key.state in self.states)
            and (self.specs is None or key.spec in self.specs)
            and (self.usages is None or key.usage in self.usages)
            and (self.origins is None or key.origin in self.origins)
            and (self.creators is None or key.creator in self.creators)
            and (self.ids is None or key.id in self.ids)
            and (self.aliases is None or not self.aliases.isdisjoint(key.aliases))
            and (not self.alias_contains or any(self.alias_contains in a for a in key.aliases))
            and all(
                any((not names or n in names) and (not values or v in values) for n, v in key.tags.items())
                for names, values in self.tags
            )
        )


class Alias(Struct, frozen=True, kw_only=True):
    name: str
    key_id: str


class Secret(str):
    """The secret of an access key, and the last signing key derived from it: one is forgotten with the other."""

    __slots__ = ("derived",)

    def __init__(self, _text: str = "") -> None:
        self.derived: tuple[object, bytes] | None = None


class Credential(Struct, frozen=True, kw_only=True):
    """An access key. `sealed` is its secret under the parent key; `policy` the text of a policy document."""

    access_key_id: str
    name: str
    sealed: bytes
    dialects: tuple[str, ...]
    policy: str
    created: int
    enabled: bool = True


class Principal(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who calls: an access key's id, or the name of a trusted caller, and the policy it acts under."""

    id: str
    policy: str


# -- names -------------------------------------------------------------------------------------------

ALIAS_PREFIX = "alias/"
MAX_ALIASES = 50
"""Aliases of one key: they stand in its row, and one transaction changes them together."""
_ALIAS = re.compile(r"[A-Za-z0-9_/-]{1,255}")
_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


def check_alias(name: str) -> str:
    """`name` (without the prefix) if any provider would allow it. Raises `InvalidAlias`."""
    if not _ALIAS.fullmatch(name):
        raise e.InvalidAlias("An alias has 1 to 255 letters, digits, '-', '_' and '/'.")
    return name


MAX_TAGS = 20
_RESERVED_TAGS = ("aliyun", "acs:")


def check_tags(tags: dict[str, str]) -> dict[str, str]:
    """`tags` of a key, if they may be. Raises `LimitExceeded` and `InvalidParameter`."""
    if len(tags) > MAX_TAGS:
        raise e.LimitExceeded(f"A key has at most {MAX_TAGS} tags.")
    for name, value in tags.items():
        if not 1 <= len(name) <= 128 or len(value) > 128 or name.startswith(_RESERVED_TAGS):
            raise e.InvalidParameter(
                "A tag's key has 1 to 128 characters and does not begin with 'aliyun' or 'acs:', its value at most 128."
            )
    return tags


@lru_cache(maxsize=4096)
def check_key_id(key_id: str) -> str:
    """`key_id` in lower case if it is a UUID. Raises `InvalidKeyId`."""
    key_id = key_id.lower()
    if not _UUID.fullmatch(key_id):
        raise e.InvalidKeyId
    return key_id


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


def version_number(key_id: str, id_: str) -> int | None:
    """The number of the version that `version_id` named, or None if it is not one of this key's ids."""
    if not _UUID.fullmatch(id_):
        return None
    number = int.from_bytes(UUID(id_).bytes[12:], "big")
    return number if number and version_id(key_id, number) == id_ else None


def resolve_version(key: Key, id_: str) -> int:
    """The number of the version that `id_` names, the primary one's for an empty id. Raises `KeyVersionNotFound`."""
    primary = key.primary.number if key.primary else 0
    number = version_number(key.id, id_) if id_ else primary
    if not number or number > primary:
        raise e.KeyVersionNotFound
    return number
