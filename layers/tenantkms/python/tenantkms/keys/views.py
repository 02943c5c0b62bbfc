"""What Actions show of keys and aliases: no sealed material, no storage bookkeeping."""

from __future__ import annotations

from msgspec import Struct

from tenantkms.model.grant import Grant
from tenantkms.model.key import Key
from tenantkms.model.specs import KeySpec, KeyUsage, Origin
from tenantkms.model.states import KeyState
from tenantkms.model.version import KeyVersion, version_id


class KeyView(Struct, frozen=True, kw_only=True):
    """Times in Unix seconds, 0 for never; `aliases` without the `alias/` prefix; empty version id: no material.

    `newest_version_id` stays when imported material goes.
    """

    id: str
    spec: KeySpec
    usage: KeyUsage
    origin: Origin
    state: KeyState
    created: int
    creator: str
    description: str
    aliases: tuple[str, ...]
    primary_version_id: str
    primary_created: int
    newest_version_id: str
    tags: dict[str, str]
    deletion_date: int
    deletion_protection: bool
    protection_description: str
    rotation_seconds: int
    last_rotation: int
    next_rotation: int
    material_expires: int


class AliasView(Struct, frozen=True, kw_only=True):
    name: str
    key_id: str


class VersionView(Struct, frozen=True, kw_only=True):
    """`created` in Unix seconds; `scheduled` as in `KeyVersion`."""

    key_id: str
    key_version_id: str
    created: int
    scheduled: bool | None


class GrantView(Struct, frozen=True, kw_only=True):
    """As `Grant`; `created` in Unix seconds."""

    key_id: str
    id: str
    name: str
    created: int
    issuer: str
    grantee: str
    retiring: str
    operations: tuple[str, ...]
    equals: dict[str, str]
    subset: dict[str, str]


def grant_view(key_id: str, grant: Grant) -> GrantView:
    return GrantView(
        key_id=key_id,
        id=grant.id,
        name=grant.name,
        created=grant.created,
        issuer=grant.issuer,
        grantee=grant.grantee,
        retiring=grant.retiring,
        operations=grant.operations,
        equals=grant.equals,
        subset=grant.subset,
    )


def version_view(key_id: str, version: KeyVersion) -> VersionView:
    return VersionView(
        key_id=key_id,
        key_version_id=version_id(key_id, version.number),
        created=version.created,
        scheduled=version.scheduled,
    )


def view(key: Key, now: int) -> KeyView:
    state = key.state_at(now)
    # Material that has expired or was deleted is still there for a day, and of no use to anybody.
    primary = None if key.expired(now) or state is KeyState.PENDING_IMPORT else key.primary
    return KeyView(
        id=key.id,
        spec=key.spec,
        usage=key.usage,
        origin=key.origin,
        state=state,
        created=key.created,
        creator=key.creator,
        description=key.description,
        aliases=key.aliases,
        primary_version_id=version_id(key.id, primary.number) if primary else "",
        primary_created=primary.created if primary else 0,
        newest_version_id=version_id(key.id, key.newest.number) if key.newest else "",
        tags=key.tags,
        deletion_date=key.deletion_date if state is KeyState.PENDING_DELETION else 0,
        deletion_protection=key.deletion_protection,
        protection_description=key.protection_description,
        rotation_seconds=key.rotation_seconds,
        last_rotation=key.last_rotation,
        next_rotation=key.rotates_at,
        material_expires=key.material_expires if primary else 0,
    )
