"""GetPublicKey: of a version of an asymmetric key, in DER and PEM."""

from __future__ import annotations

from tenantkms.action.action import action
from tenantkms.action.call import Params, Result
from tenantkms.action.scope import Scope
from tenantkms.crypto import asymmetric
from tenantkms.keys.private_keys import private_key
from tenantkms.model.specs import PUBLIC_KEYS, KeySpec, KeyUsage
from tenantkms.model.states import OPEN
from tenantkms.model.version import version_id
from tenantkms.runtime.lambda_entry import entry


class GetPublicKey(Params, frozen=True, kw_only=True):
    """An empty `key_version_id` is the primary version."""

    key_id: str
    key_version_id: str = ""


class Public(Result, frozen=True, kw_only=True):
    """SubjectPublicKeyInfo."""

    key_id: str
    key_version_id: str
    spec: KeySpec
    usage: KeyUsage
    der: bytes
    pem: str


@action("GetPublicKey", refuses=OPEN, needs=PUBLIC_KEYS)
def get_public_key(params: GetPublicKey, scope: Scope) -> Public:
    key = scope.use(params.key_id)
    number, private = private_key(scope.keyring, key, params.key_version_id)
    return Public(
        key_id=key.id,
        key_version_id=version_id(key.id, number),
        spec=key.spec,
        usage=key.usage,
        der=asymmetric.public_der(private),
        pem=asymmetric.public_pem(private),
    )


handler = entry(get_public_key)
