"""What Actions show of keys and aliases: no sealed material, no storage bookkeeping."""

from __future__ import annotations

from msgspec import Struct

from tenantkms.model import Key, KeySpec, KeyState, KeyUsage, Origin, version_id


class KeyView(Struct, frozen=True, kw_only=True):
    """Times in Unix seconds; `aliases` without the `alias/` prefix."""

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
    tags: dict[str, str]


class AliasView(Struct, frozen=True, kw_only=True):
    name: str
    key_id: str


def view(key: Key) -> KeyView:
    return KeyView(
        id=key.id,
        spec=key.spec,
        usage=key.usage,
        origin=key.origin,
        state=key.state,
        created=key.created,
        creator=key.creator,
        description=key.description,
        aliases=key.aliases,
        primary_version_id=version_id(key.id, key.primary.number) if key.primary else "",
        tags=key.tags,
    )
