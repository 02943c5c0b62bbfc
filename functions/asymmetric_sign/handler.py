"""AsymmetricSign: a digest, or a message whose digest is taken here."""

from __future__ import annotations

from tenantkms import asymmetric
from tenantkms.action import Params, Result, Scope, action
from tenantkms.model import version_id
from tenantkms.settings import entry
from tenantkms.versions import private_key


class AsymmetricSign(Params, frozen=True, kw_only=True):
    """`raw`: `message` is to be hashed; else it is the digest. An empty `key_version_id` is the primary version."""

    key_id: str
    key_version_id: str = ""
    algorithm: str
    message: bytes
    raw: bool = False


class Signed(Result, frozen=True, kw_only=True):
    """ECDSA signatures are DER."""

    key_id: str
    key_version_id: str
    signature: bytes


@action("AsymmetricSign")
def asymmetric_sign(params: AsymmetricSign, scope: Scope) -> Signed:
    key = scope.use(params.key_id)
    row = asymmetric.signing(key.spec, params.algorithm)
    digest = asymmetric.digest_of(row, params.message, raw=params.raw)
    number, private = private_key(scope.deps.keyring, key, params.key_version_id)
    signature = asymmetric.sign(private, row, digest)
    return Signed(key_id=key.id, key_version_id=version_id(key.id, number), signature=signature)


handler = entry(asymmetric_sign)
