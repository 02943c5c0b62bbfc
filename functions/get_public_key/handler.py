"""GetPublicKey: of a version of an asymmetric key, in DER and PEM."""

from __future__ import annotations

from tenantkms import asymmetric
from tenantkms.action import Params, Result, Scope, action
from tenantkms.model import version_id
from tenantkms.settings import entry
from tenantkms.versions import private_key


class GetPublicKey(Params, frozen=True, kw_only=True):
    """An empty `key_version_id` is the primary version."""

    key_id: str
    key_version_id: str = ""


class Public(Result, frozen=True, kw_only=True):
    """SubjectPublicKeyInfo."""

    key_id: str
    key_version_id: str
    der: bytes
    pem: str


@action("GetPublicKey")
def get_public_key(params: GetPublicKey, scope: Scope) -> Public:
    key = scope.use(params.key_id)
    number, private = private_key(scope.deps.keyring, key, params.key_version_id)
    return Public(
        key_id=key.id,
        key_version_id=version_id(key.id, number),
        der=asymmetric.public_der(private),
        pem=asymmetric.public_pem(private),
    )


handler = entry(get_public_key)
