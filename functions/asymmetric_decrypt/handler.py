"""AsymmetricDecrypt: with the private key of a version of an RSA key."""

from __future__ import annotations

from tenantkms import asymmetric
from tenantkms.action import Params, Result, Scope, action
from tenantkms.model import version_id
from tenantkms.settings import entry
from tenantkms.versions import rsa_key


class AsymmetricDecrypt(Params, frozen=True, kw_only=True):
    """An empty `key_version_id` is the primary version."""

    key_id: str
    key_version_id: str = ""
    algorithm: str
    ciphertext: bytes


class Decrypted(Result, frozen=True, kw_only=True):
    key_id: str
    key_version_id: str
    plaintext: bytes


@action("AsymmetricDecrypt")
def asymmetric_decrypt(params: AsymmetricDecrypt, scope: Scope) -> Decrypted:
    key = scope.use(params.key_id)
    number, private = rsa_key(scope.deps.keyring, key, params.key_version_id)
    plaintext = asymmetric.decrypt(private, params.algorithm, params.ciphertext)
    return Decrypted(key_id=key.id, key_version_id=version_id(key.id, number), plaintext=plaintext)


handler = entry(asymmetric_decrypt)
