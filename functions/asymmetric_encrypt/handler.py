"""AsymmetricEncrypt: with the public key of a version of an RSA key."""

from __future__ import annotations

from tenantkms import asymmetric
from tenantkms.action import Params, Result, Scope, action
from tenantkms.model import version_id
from tenantkms.settings import entry
from tenantkms.versions import rsa_key


class AsymmetricEncrypt(Params, frozen=True, kw_only=True):
    """An empty `key_version_id` is the primary version."""

    key_id: str
    key_version_id: str = ""
    algorithm: str
    plaintext: bytes


class Encrypted(Result, frozen=True, kw_only=True):
    key_id: str
    key_version_id: str
    ciphertext: bytes


@action("AsymmetricEncrypt")
def asymmetric_encrypt(params: AsymmetricEncrypt, scope: Scope) -> Encrypted:
    key = scope.use(params.key_id)
    number, private = rsa_key(scope.deps.keyring, key, params.key_version_id)
    ciphertext = asymmetric.encrypt(private.public_key(), params.algorithm, params.plaintext)
    return Encrypted(key_id=key.id, key_version_id=version_id(key.id, number), ciphertext=ciphertext)


handler = entry(asymmetric_encrypt)
