"""CreateKey: a customer master key, with its first version, and with an alias if one is given, or nothing at all."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Annotated
from uuid import UUID

from msgspec import Meta, json

from tenantkms.access import key_policy
from tenantkms.action.action import action
from tenantkms.action.call import Params, Result
from tenantkms.action.rule import NO_KEY
from tenantkms.action.scope import Scope
from tenantkms.errors import ExternalOrigin, InvalidKeyUsage, InvalidParameter, MissingParameter, RotationUnsupported
from tenantkms.keys.rotation import DEFAULT_INTERVAL, check_interval, new_material
from tenantkms.keys.views import KeyView, view
from tenantkms.model.alias import Alias
from tenantkms.model.key import Key, check_tags
from tenantkms.model.specs import SPEC_USAGES, SYMMETRIC, KeySpec, KeyUsage, Origin
from tenantkms.model.states import KeyState
from tenantkms.runtime.lambda_entry import entry
from tenantkms.store.port import PutAlias, PutKey, Write


class CreateKey(Params, frozen=True, kw_only=True):
    """`alias` is a name without the `alias/` prefix; no `usage` is the spec's first.

    `rotate`: automatically, every `rotation_seconds` or, if that is 0, every year.
    `bypass_policy_lockout_safety_check`: `policy` may be one that the caller could not replace later.
    `client_token`: calls of one caller with the same one, and the same other parameters, make one key between them.
    """

    spec: KeySpec = KeySpec.AES_256
    usage: KeyUsage | None = None
    origin: Origin = Origin.KMS
    description: str = ""
    alias: str = ""
    tags: dict[str, str] = {}
    policy: str = ""
    bypass_policy_lockout_safety_check: bool = False
    rotate: bool = False
    rotation_seconds: int = 0
    client_token: Annotated[str, Meta(max_length=64)] = ""


class Created(Result, frozen=True, kw_only=True):
    key: KeyView


def _check(params: CreateKey, scope: Scope) -> None:
    if len(params.description) > scope.profile.description_limit:
        raise InvalidParameter(f"is longer than {scope.profile.description_limit} characters.", field="description")
    if params.usage is None and scope.profile.names_usage and params.spec not in SYMMETRIC:
        raise MissingParameter(
            "You must specify a KeyUsage value for all KMS keys except for symmetric encryption keys."
        )
    usages = [usage for usage in SPEC_USAGES[params.spec] if usage in scope.profile.usages]
    if params.usage not in (None, *usages):
        raise InvalidKeyUsage(f"A key of spec {params.spec} has the usage {' or '.join(usages)}.")
    external = params.origin is Origin.EXTERNAL
    if external and params.spec not in scope.profile.imports:
        raise InvalidParameter("Only symmetric keys can be of origin EXTERNAL.")
    if params.rotate:
        if external:
            raise ExternalOrigin
        if params.spec not in SYMMETRIC:
            raise RotationUnsupported
        check_interval(params.rotation_seconds or DEFAULT_INTERVAL, scope.profile)
    if params.policy:
        key_policy.check(params.policy, scope.profile.policy_form, scope.account)
        if not params.bypass_policy_lockout_safety_check:
            scope.check_lockout(params.policy, params.tags)


def _new_id(params: CreateKey, scope: Scope) -> str:
    """Random, or of a client token the same each time: the store holds one key of an id, whoever comes first."""
    seed = scope.random(16)
    if params.client_token:
        wish = ("CreateKey", scope.call.principal.id, scope.call.params)
        seed = hashlib.sha256(json.encode(wish, order="deterministic")).digest()[:16]
    return str(UUID(bytes=seed, version=4))


@action("CreateKey", refuses=NO_KEY, needs=NO_KEY)
def create_key(params: CreateKey, scope: Scope) -> Created:
    scope.allow()
    aliases = (scope.alias(params.alias),) if params.alias else ()
    _check(params, scope)
    key_id = _new_id(params, scope)
    primary = None
    if params.origin is Origin.KMS:
        material = new_material(params.spec, scope.random)
        primary = scope.keyring.seal_version(key_id, params.spec, 1, scope.now, material)
    key = Key(
        id=key_id,
        spec=params.spec,
        usage=params.usage or SPEC_USAGES[params.spec][0],
        origin=params.origin,
        state=KeyState.ENABLED if primary else KeyState.PENDING_IMPORT,
        created=scope.now,
        creator=scope.call.principal.id,
        description=params.description,
        aliases=aliases,
        primary=primary,
        tags=check_tags(params.tags, scope.profile),
        policy=params.policy,
        rotation_seconds=(params.rotation_seconds or DEFAULT_INTERVAL) if params.rotate else 0,
        token=scope.call.request_id,
    )
    writes: list[Write] = [PutKey(key)]
    if params.alias:
        writes.append(PutAlias(Alias(name=params.alias, key_id=key_id), expect=None))
    made: list[Key] = []

    def make(_: Sequence[Key]) -> list[Write]:
        there = scope.keyring.key(key_id, fresh=True) if params.client_token else None
        made[:] = [there or key]
        return [] if there else writes

    scope.update([], make)
    scope.used.append(key_id)
    return Created(key=view(made[0], scope.now))


handler = entry(create_key)
