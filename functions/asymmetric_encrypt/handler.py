"""AsymmetricEncrypt: with the public key of a version of an RSA key."""

from __future__ import annotations

from tenantkms.action.action import action
from tenantkms.action.call import Params, Result
from tenantkms.action.scope import Scope
from tenantkms.crypto import asymmetric
from tenantkms.keys.private_keys import rsa_key
from tenantkms.model.specs import RSA_BLOBS
from tenantkms.model.states import USE
from tenantkms.model.version import version_id
from tenantkms.runtime.lambda_entry import entry


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


@action("AsymmetricEncrypt", refuses=USE, needs=RSA_BLOBS)
def asymmetric_encrypt(params: AsymmetricEncrypt, scope: Scope) -> Encrypted:
    key = scope.use(params.key_id)
    number, private = rsa_key(scope.keyring, key, params.key_version_id)
    ciphertext = asymmetric.encrypt(private.public_key(), params.algorithm, params.plaintext)
    return Encrypted(key_id=key.id, key_version_id=version_id(key.id, number), ciphertext=ciphertext)


handler = entry(asymmetric_encrypt)
