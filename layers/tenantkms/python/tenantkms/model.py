"""Keys, versions, states and principals; what each state refuses; what providers decide differently."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from enum import StrEnum
from functools import lru_cache
from types import MappingProxyType
from uuid import UUID

from msgspec import Struct, field

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


class KeyVersion(Struct, frozen=True, kw_only=True):
    """One generation of key material, sealed by the parent key. `created` is in Unix seconds."""

    number: int
    created: int
    sealed: bytes


class Key(Struct, frozen=True, kw_only=True):
    """A customer master key (CMK): its metadata and its primary version.

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
    revision: int = 1
    token: str = ""


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


# -- what each state refuses -------------------------------------------------------------------------

Refusals = Mapping[KeyState, type[e.KmsError]]

_ANY: Refusals = MappingProxyType({})
_USE: Refusals = MappingProxyType(
    {
        KeyState.DISABLED: e.KeyDisabled,
        KeyState.PENDING_DELETION: e.KeyPendingDeletion,
        KeyState.PENDING_IMPORT: e.KeyPendingImport,
        KeyState.ARCHIVED: e.KeyArchived,
    }
)
_OPEN: Refusals = MappingProxyType({s: err for s, err in _USE.items() if s is not KeyState.ARCHIVED})
_SWITCH: Refusals = MappingProxyType(
    {
        KeyState.PENDING_DELETION: e.StateConflict,
        KeyState.PENDING_IMPORT: e.StateConflict,
        KeyState.ARCHIVED: e.StateConflict,
    }
)
_NOT_LEAVING: Refusals = MappingProxyType({KeyState.PENDING_DELETION: e.KeyPendingDeletion})

REFUSALS: Mapping[str, Refusals] = MappingProxyType(
    {
        "Encrypt": _USE,
        "Decrypt": _OPEN,
        "GenerateDataKey": _USE,
        "GenerateDataKeyWithoutPlaintext": _USE,
        "DescribeKey": _ANY,
        "EnableKey": _SWITCH,
        "DisableKey": _SWITCH,
        "UpdateKeyDescription": _NOT_LEAVING,
        "CreateAlias": MappingProxyType({KeyState.PENDING_DELETION: e.StateConflict}),
        "UpdateAlias": _NOT_LEAVING,
        "SetKeyAlias": _NOT_LEAVING,
        "DeleteAlias": _ANY,
        "ListAliases": _ANY,
    }
)
"""Action -> state -> the error it is refused with. An Action that uses a key and has no row here cannot run."""

USAGES: Mapping[str, KeyUsage] = MappingProxyType(
    {
        "Encrypt": KeyUsage.ENCRYPT_DECRYPT,
        "Decrypt": KeyUsage.ENCRYPT_DECRYPT,
        "GenerateDataKey": KeyUsage.ENCRYPT_DECRYPT,
        "GenerateDataKeyWithoutPlaintext": KeyUsage.ENCRYPT_DECRYPT,
    }
)
"""The key usage that an Action needs; Actions that stand not here work on any."""


# -- what providers decide differently ---------------------------------------------------------------


class Profile(Struct, frozen=True, kw_only=True):
    """The limits and defaults of one provider's API. Sizes in bytes; `context_limit` in characters of its JSON."""

    plaintext_limit: int
    context_limit: int
    description_limit: int
    data_key_default: int | None
    """Bytes of a data key when neither size nor spec is given; None: one of them is required."""


PROFILES: Mapping[str, Profile] = MappingProxyType(
    {
        "alibaba": Profile(plaintext_limit=6144, context_limit=8192, description_limit=8192, data_key_default=32),
        "tencent": Profile(plaintext_limit=4096, context_limit=1024, description_limit=1024, data_key_default=None),
        "tencent-v2": Profile(plaintext_limit=4096, context_limit=1024, description_limit=1024, data_key_default=None),
        "native": Profile(plaintext_limit=6144, context_limit=8192, description_limit=8192, data_key_default=32),
    }
)
"""By dialect; `native` is the `tkms` command and event sources."""
