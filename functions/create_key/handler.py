"""CreateKey: a customer master key, with its first version, and with an alias if one is given, or nothing at all."""

from __future__ import annotations

from uuid import UUID

from tenantkms.action import Params, Result, Scope, action
from tenantkms.errors import InvalidKeyUsage, InvalidParameter, UnsupportedKeySpec
from tenantkms.keystore import PutAlias, PutKey, Write
from tenantkms.model import SYMMETRIC, Alias, Key, KeySpec, KeyState, KeyUsage, Origin, check_alias
from tenantkms.settings import entry
from tenantkms.views import KeyView, view


class CreateKey(Params, frozen=True, kw_only=True):
    """`alias` is a name without the `alias/` prefix."""

    spec: KeySpec = KeySpec.AES_256
    usage: KeyUsage = KeyUsage.ENCRYPT_DECRYPT
    description: str = ""
    alias: str = ""
    tags: dict[str, str] = {}


class Created(Result, frozen=True, kw_only=True):
    key: KeyView


@action("CreateKey")
def create_key(params: CreateKey, scope: Scope) -> Created:
    scope.allow()
    if len(params.description) > scope.profile.description_limit:
        raise InvalidParameter(f"Description is longer than {scope.profile.description_limit} characters.")
    if params.spec not in SYMMETRIC:
        raise UnsupportedKeySpec
    if params.usage is not KeyUsage.ENCRYPT_DECRYPT:
        raise InvalidKeyUsage(f"A key of spec {params.spec} can only have the usage ENCRYPT_DECRYPT.")
    deps = scope.deps
    key_id = str(UUID(bytes=deps.random(16), version=4))
    material = deps.random(SYMMETRIC[params.spec].size)
    key = Key(
        id=key_id,
        spec=params.spec,
        usage=params.usage,
        origin=Origin.KMS,
        state=KeyState.ENABLED,
        created=scope.now,
        creator=scope.call.principal.id,
        description=params.description,
        aliases=(check_alias(params.alias),) if params.alias else (),
        primary=deps.keyring.seal_version(key_id, params.spec, 1, scope.now, material),
        tags=params.tags,
        token=scope.call.request_id,
    )
    writes: list[Write] = [PutKey(key)]
    if params.alias:
        writes.append(PutAlias(Alias(name=params.alias, key_id=key_id), expect=None))
    deps.keyring.commit(writes)
    scope.used.append(key_id)
    return Created(key=view(key))


handler = entry(create_key)
