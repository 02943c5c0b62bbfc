"""Customer master keys (CMKs): their metadata, the filter of a listing, and what their names and tags may be."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any

from msgspec import Struct, field
from msgspec.structs import replace

from tenantkms import errors as e
from tenantkms.model.grant import Grant
from tenantkms.model.profiles import Profile
from tenantkms.model.specs import KeySpec, KeyUsage, Origin
from tenantkms.model.states import KeyState
from tenantkms.model.version import UUID_FORM, KeyVersion, version_number


class Key(Struct, frozen=True, kw_only=True):
    """A customer master key (CMK): its metadata and its primary version.

    The primary version is the newest; numbers go from 1 without gaps. A key of origin EXTERNAL has one version
    whose material comes, goes and comes back; `material_expires` is when it goes, `imported` a sealed digest of
    it, so that only the same may come back, and `spent` that version while it is gone. Only material that was not
    `proven` may be followed by other, as the next version. `destroying`: the sweeper has begun, nothing stops it.

    `state` is as it was last set: what the key is now, `state_at` says.

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
    spent: KeyVersion | None = None
    grants: tuple[Grant, ...] = ()
    """In the order in which they were made."""
    revision: int = 1
    token: str = ""

    @property
    def primary_number(self) -> int:
        """The number of the primary version; 0: there is no material."""
        return self.primary.number if self.primary else 0

    @property
    def newest(self) -> KeyVersion | None:
        """The newest version, with its material or without; None: there never was one."""
        if self.primary or self.spent or not self.imported:
            return self.primary or self.spent
        return KeyVersion(number=1, created=self.created, sealed=b"")  # written before there was `spent`

    def expired(self, now: int) -> bool:
        """Whether its imported material is of no more use, be it still there or not."""
        return 0 < self.material_expires <= now

    def state_at(self, now: int) -> KeyState:
        """What everybody sees: material that has expired is gone from its second on, whenever the sweeper comes."""
        if self.expired(now) and self.state is not KeyState.PENDING_DELETION:
            return KeyState.PENDING_IMPORT
        return self.state

    @property
    def rotates_at(self) -> int:
        """When the next automatic rotation is due; 0: never, or not while it is not enabled."""
        if not self.rotation_seconds or self.state is not KeyState.ENABLED:
            return 0
        return (self.last_rotation or self.created) + self.rotation_seconds

    @property
    def destroys_at(self) -> int:
        """When material of this key is of no more use: the key's, or what was imported; 0: never.

        It is destroyed a day later, in watched time.
        """
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

    def matches(self, key: Key, now: int) -> bool:
        return (
            (self.states is None or key.state_at(now) in self.states)
            and (self.specs is None or key.spec in self.specs)
            and (self.usages is None or key.usage in self.usages)
            and (self.origins is None or key.origin in self.origins)
            and (self.creators is None or key.creator in self.creators)
            and (self.ids is None or key.id in self.ids)
            and (self.aliases is None or not self.aliases.isdisjoint(key.aliases))
            and (not self.alias_contains or any(self.alias_contains in a for a in key.aliases))
            and tagged(key.tags, self.tags)
        )


def tagged(tags: Mapping[str, str], wanted: Iterable[tuple[frozenset[str], frozenset[str]]]) -> bool:
    """Whether `tags` have what `KeyFilter.tags` asks for."""
    return all(
        any((not names or n in names) and (not values or v in values) for n, v in tags.items())
        for names, values in wanted
    )


def check_tags(tags: dict[str, str], profile: Profile) -> dict[str, str]:
    """`tags` that a caller gives to a key, if they may be. Raises `InvalidParameter`."""
    reserved, longest = profile.reserved_tags, profile.tag_value_limit
    for name, value in tags.items():
        if not 1 <= len(name) <= 128 or len(value) > longest or name.startswith(reserved):
            raise e.InvalidParameter(
                "A tag's key has 1 to 128 characters and does not begin with "
                f"{' or '.join(map(repr, reserved))}, its value at most {longest}."
            )
    return tags


@lru_cache(maxsize=4096)
def check_key_id(key_id: str) -> str:
    """`key_id` in lower case if it is a UUID. Raises `InvalidKeyId`."""
    key_id = key_id.lower()
    if not UUID_FORM.fullmatch(key_id):
        raise e.InvalidKeyId
    return key_id


def resolve_version(key: Key, id_: str) -> int:
    """The number of the version that `id_` names, the primary one's for an empty id. Raises `KeyVersionNotFound`."""
    number = version_number(key.id, id_) if id_ else key.primary_number
    if not number or key.newest is None or number > key.newest.number:
        raise e.KeyVersionNotFound
    return number


def distinct(keys: Iterable[Key]) -> list[Key]:
    """The keys, each once, in the order in which they first come: callers may name one by several names."""
    return list({key.id: key for key in keys}.values())
