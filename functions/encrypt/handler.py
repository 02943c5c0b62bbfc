"""Encrypt: up to the profile's limit of bytes under the primary version of a key."""

from __future__ import annotations

from tenantkms.action.action import action
from tenantkms.action.call import Params, Result
from tenantkms.action.scope import Scope
from tenantkms.errors import PlaintextTooLong
from tenantkms.model.specs import BLOBS
from tenantkms.model.states import USE
from tenantkms.model.version import version_id
from tenantkms.runtime.lambda_entry import entry


class Encrypt(Params, frozen=True, kw_only=True):
    """`text`: the plaintext is the UTF-8 of a string that Alibaba's Decrypt gives back unchanged."""

    key_id: str
    plaintext: bytes
    text: bool = False
    context: dict[str, str] = {}


class Encrypted(Result, frozen=True, kw_only=True):
    key_id: str
    key_version_id: str
    ciphertext: bytes


@action("Encrypt", refuses=USE, needs=BLOBS)
def encrypt(params: Encrypt, scope: Scope) -> Encrypted:
    limit = scope.profile.plaintext_limit
    if len(params.plaintext) > limit:
        raise PlaintextTooLong(f"The Plaintext is longer than {limit} bytes.")
    key = scope.use(params.key_id, context=params.context)
    number, blob = scope.seal(key, params.plaintext, text=params.text, context=params.context)
    return Encrypted(key_id=key.id, key_version_id=version_id(key.id, number), ciphertext=blob)


handler = entry(encrypt)
