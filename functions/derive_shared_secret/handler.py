"""DeriveSharedSecret: what a key of elliptic-curve Diffie-Hellman has in common with a peer's public key."""

from __future__ import annotations

from tenantkms.action.action import action
from tenantkms.action.call import Params, Result
from tenantkms.action.scope import Scope
from tenantkms.crypto.agreement import agree
from tenantkms.keys.private_keys import curve_key
from tenantkms.model.specs import AGREEMENTS, Origin
from tenantkms.model.states import OPEN
from tenantkms.model.version import version_id
from tenantkms.runtime.lambda_entry import entry


class DeriveSharedSecret(Params, frozen=True, kw_only=True):
    """`public_key`: the peer's, SubjectPublicKeyInfo in DER. An empty `key_version_id` is the primary version."""

    key_id: str
    key_version_id: str = ""
    public_key: bytes


class Derived(Result, frozen=True, kw_only=True):
    """`shared`: the x-coordinate, as long as the curve's field, to be put through a key derivation function."""

    key_id: str
    key_version_id: str
    origin: Origin
    shared: bytes


@action("DeriveSharedSecret", refuses=OPEN, needs=AGREEMENTS)
def derive_shared_secret(params: DeriveSharedSecret, scope: Scope) -> Derived:
    key = scope.use(params.key_id)
    number, private = curve_key(scope.keyring, key, params.key_version_id)
    shared = agree(private, params.public_key)
    return Derived(key_id=key.id, key_version_id=version_id(key.id, number), origin=key.origin, shared=shared)


handler = entry(derive_shared_secret)
