"""Encrypt: up to the profile's limit of bytes under the primary version of a key."""

from __future__ import annotations

from msgspec import UNSET, UnsetType

from tenantkms.action.action import action
from tenantkms.action.call import Params, Result
from tenantkms.action.scope import Scope
from tenantkms.crypto.envelope import BYTES, TEXT
from tenantkms.crypto.strings import held
from tenantkms.errors import InvalidParameter, MissingParameter, PlaintextTooLong
from tenantkms.model.specs import BLOBS
from tenantkms.model.states import USE
from tenantkms.model.version import version_id
from tenantkms.runtime.lambda_entry import entry


class Encrypt(Params, frozen=True, kw_only=True):
    """Of bytes, `plaintext`, or of a text, `string`, which Alibaba's Decrypt gives back unchanged: one of them.

    `text`: what an endpoint of a release before `string` says of a plaintext that is the UTF-8 of a text.
    """

    key_id: str
    plaintext: bytes | UnsetType = UNSET
    string: str | UnsetType = UNSET
    text: bool = False
    context: dict[str, str] = {}


class Encrypted(Result, frozen=True, kw_only=True):
    key_id: str
    key_version_id: str
    ciphertext: bytes


def _held(params: Encrypt) -> tuple[int, bytes]:
    """(content, what the blob will hold)."""
    if params.string is UNSET:
        if params.plaintext is UNSET:
            raise MissingParameter("is required.", field="plaintext")
        return TEXT if params.text else BYTES, params.plaintext
    if params.plaintext is not UNSET:
        raise InvalidParameter("is not given beside the plaintext.", field="string")
    return held(params.string)


@action("Encrypt", refuses=USE, needs=BLOBS)
def encrypt(params: Encrypt, scope: Scope) -> Encrypted:
    content, plaintext = _held(params)
    limit = scope.profile.plaintext_limit
    if len(plaintext) > limit:
        raise PlaintextTooLong(f"The Plaintext is longer than {limit} bytes.")
    key = scope.use(params.key_id, context=params.context)
    number, blob = scope.seal(key, plaintext, content=content, context=params.context)
    return Encrypted(key_id=key.id, key_version_id=version_id(key.id, number), ciphertext=blob)


handler = entry(encrypt)
