"""CreateGrant: an access key is let do some things with a key, beside what policies say."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Annotated

from msgspec import Meta, json

from tenantkms.access.grants import check_gift
from tenantkms.action.action import action
from tenantkms.action.call import Params, Result
from tenantkms.action.scope import Scope
from tenantkms.errors import InvalidParameter, LimitExceeded
from tenantkms.model.grant import MAX_GRANTS, MAX_SIZE, PRINCIPAL, Grant, operations_of
from tenantkms.model.key import Key
from tenantkms.model.specs import ANY_KEY, SYMMETRIC
from tenantkms.model.states import USE
from tenantkms.runtime.lambda_entry import entry
from tenantkms.store.port import PutKey, Write

Principal = Annotated[str, Meta(pattern=PRINCIPAL)]
Pairs = Annotated[dict[str, str], Meta(max_length=8)]


class CreateGrant(Params, frozen=True, kw_only=True):
    """As `Grant` has them. `client_token`: calls of one caller with the same one, and the same other parameters, make
    one grant between them; so do calls with the same `name`."""

    key_id: str
    grantee: Principal
    operations: Annotated[list[str], Meta(min_length=1, max_length=32)]
    retiring: Principal = ""
    equals: Pairs = {}
    subset: Pairs = {}
    name: Annotated[str, Meta(max_length=256)] = ""
    client_token: Annotated[str, Meta(max_length=64)] = ""


class Granted(Result, frozen=True, kw_only=True):
    key_id: str
    grant_id: str


def _new_id(params: CreateGrant, scope: Scope) -> str:
    seed = scope.random(32)
    if params.client_token:
        wish = ("CreateGrant", scope.call.principal.id, scope.call.params)
        seed = hashlib.sha256(json.encode(wish, order="deterministic")).digest()
    return seed.hex()


def _check(key: Key, grant: Grant) -> None:
    """Raises `InvalidParameter` for what such a key cannot do, `LimitExceeded` for what it cannot hold."""
    possible = operations_of(key.spec, key.usage)
    for operation in grant.operations:
        if operation not in possible:
            raise InvalidParameter(f"{operation} cannot be granted on a key of spec {key.spec} and usage {key.usage}.")
    if (grant.equals or grant.subset) and key.spec not in SYMMETRIC:
        raise InvalidParameter("Constraints are on the encryption context, which only symmetric keys take.")
    grants = (*key.grants, grant)
    if len(grants) > MAX_GRANTS or len(json.encode(grants)) > MAX_SIZE:
        raise LimitExceeded(f"A key has at most {MAX_GRANTS} grants, of {MAX_SIZE} bytes together: revoke some.")


@action("CreateGrant", refuses=USE, needs=ANY_KEY)
def create_grant(params: CreateGrant, scope: Scope) -> Granted:
    grant = Grant(
        id=_new_id(params, scope),
        grantee=params.grantee,
        operations=tuple(dict.fromkeys(params.operations)),
        created=scope.now,
        issuer=scope.call.principal.id,
        retiring=params.retiring,
        equals=params.equals,
        subset=params.subset,
        name=params.name,
    )
    made: list[Grant] = []

    def make(keys: Sequence[Key]) -> list[Write]:
        (key,) = keys
        there = [
            g for g in key.grants if g.id == grant.id or (g.name and (g.name, g.terms) == (grant.name, grant.terms))
        ]
        made[:] = [*there, grant]
        if there:
            return []
        _check(key, grant)
        check_gift(scope.asking, key, grant)
        return [PutKey(scope.revise(key, grants=(*key.grants, grant)))]

    (key,) = scope.update([params.key_id], make)
    return Granted(key_id=key.id, grant_id=made[0].id)


handler = entry(create_grant)
