"""AsymmetricVerify: whether a signature is of a message, or of what was made of it to be signed."""

from __future__ import annotations

from tenantkms.action.action import action
from tenantkms.action.call import Params, Result
from tenantkms.action.scope import Scope
from tenantkms.crypto import asymmetric
from tenantkms.keys.private_keys import private_key
from tenantkms.model.specs import SIGNATURES
from tenantkms.model.states import OPEN
from tenantkms.model.version import version_id
from tenantkms.runtime.lambda_entry import entry


class AsymmetricVerify(Params, frozen=True, kw_only=True):
    """`raw`: `message` is the message itself; else it is its digest, or with `mu` ML-DSA's representative of it.

    An empty `key_version_id` is the primary version.
    """

    key_id: str
    key_version_id: str = ""
    algorithm: str
    message: bytes
    signature: bytes
    raw: bool = False
    mu: bool = False


class Verified(Result, frozen=True, kw_only=True):
    key_id: str
    key_version_id: str
    valid: bool


@action("AsymmetricVerify", refuses=OPEN, needs=SIGNATURES)
def asymmetric_verify(params: AsymmetricVerify, scope: Scope) -> Verified:
    key = scope.use(params.key_id)
    row = asymmetric.signing(key.spec, params.algorithm, mu=params.mu)
    digest = asymmetric.digest_of(row, params.message, raw=params.raw)
    number, private = private_key(scope.keyring, key, params.key_version_id)
    valid = asymmetric.verify(private, row, digest, params.signature)
    return Verified(key_id=key.id, key_version_id=version_id(key.id, number), valid=valid)


handler = entry(asymmetric_verify)
