"""ReEncrypt: a ciphertext moves to another key, context or the newest version; its plaintext never leaves.

It needs the permission to ReEncrypt with both keys, to Decrypt with the source and to Encrypt with the destination.
"""

from __future__ import annotations

from tenantkms.action.action import action
from tenantkms.action.call import Params, Result
from tenantkms.action.rule import ENCRYPT, NO_KEY
from tenantkms.action.scope import Scope
from tenantkms.crypto.envelope import TEXT
from tenantkms.model.version import version_id
from tenantkms.runtime.lambda_entry import entry


class ReEncrypt(Params, frozen=True, kw_only=True):
    """`source_key_id`: the blob must be of this key; empty: of any.

    An empty `destination_key_id` is the source key: the blob moves to its newest version, or stays if it has it.
    """

    ciphertext: bytes
    source_key_id: str = ""
    destination_key_id: str = ""
    source_context: dict[str, str] = {}
    destination_context: dict[str, str] = {}


class ReEncrypted(Result, frozen=True, kw_only=True):
    source_key_id: str
    source_key_version_id: str
    key_id: str
    key_version_id: str
    ciphertext: bytes
    changed: bool


@action("ReEncrypt", refuses=NO_KEY, needs=NO_KEY)
def re_encrypt(params: ReEncrypt, scope: Scope) -> ReEncrypted:
    source, plaintext = scope.open(params.ciphertext, params.source_context, params.source_key_id)
    key = scope.use(params.destination_key_id or source.key_id, ENCRYPT, params.destination_context)
    stays = not params.destination_key_id and params.source_context == params.destination_context
    if stays and key.primary_number == source.version:
        number, blob, changed = source.version, params.ciphertext, False
    else:
        text, changed = source.content == TEXT, True
        number, blob = scope.seal(key, plaintext, text=text, context=params.destination_context)
    return ReEncrypted(
        source_key_id=source.key_id,
        source_key_version_id=version_id(source.key_id, source.version),
        key_id=key.id,
        key_version_id=version_id(key.id, number),
        ciphertext=blob,
        changed=changed,
    )


handler = entry(re_encrypt)
