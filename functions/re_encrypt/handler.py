"""ReEncrypt: a ciphertext moves to another key, context or the newest version; its plaintext never leaves.

It needs the permission to Decrypt with the source key and to Encrypt with the destination key.
"""

from __future__ import annotations

from tenantkms.action import Params, Result, Scope, action
from tenantkms.envelope import SALT_SIZE, TEXT
from tenantkms.model import version_id
from tenantkms.settings import entry


class ReEncrypt(Params, frozen=True, kw_only=True):
    """An empty `destination_key_id` is the source key: the blob moves to its newest version."""

    ciphertext: bytes
    destination_key_id: str = ""
    source_context: dict[str, str] = {}
    destination_context: dict[str, str] = {}


class ReEncrypted(Result, frozen=True, kw_only=True):
    source_key_id: str
    key_id: str
    key_version_id: str
    ciphertext: bytes


@action("ReEncrypt")
def re_encrypt(params: ReEncrypt, scope: Scope) -> ReEncrypted:
    source, plaintext = scope.open(params.ciphertext, params.source_context)
    key = scope.use(params.destination_key_id or source.key_id, "Encrypt")
    salt = scope.deps.random(SALT_SIZE)
    number, blob = scope.deps.keyring.encrypt(
        key, plaintext, text=source.content == TEXT, context=params.destination_context, salt=salt
    )
    return ReEncrypted(
        source_key_id=source.key_id,
        key_id=key.id,
        key_version_id=version_id(key.id, number),
        ciphertext=blob,
    )


handler = entry(re_encrypt)
