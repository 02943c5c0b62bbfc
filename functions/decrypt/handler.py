"""Decrypt: the plaintext of a blob, under the key and version that its header names."""

from __future__ import annotations

from msgspec import field

from tenantkms.action.action import action
from tenantkms.action.call import Params, Result
from tenantkms.action.data_keys import Receiver, for_receiver
from tenantkms.action.scope import Scope
from tenantkms.crypto.envelope import BYTES
from tenantkms.crypto.strings import plaintext, string
from tenantkms.model.specs import BLOBS
from tenantkms.model.states import OPEN
from tenantkms.model.version import version_id
from tenantkms.runtime.lambda_entry import entry


class Decrypt(Params, frozen=True, kw_only=True):
    """`key_id`: the blob must be of this key; empty: of any.

    `as_string`: the plaintext is answered as Alibaba's API does, as the string that was encrypted, or base64 of bytes.
    `receiver`: it is for the one who has the private key, and leaves encrypted under the public one.
    """

    ciphertext: bytes
    context: dict[str, str] = {}
    key_id: str = ""
    as_string: bool = False
    receiver: Receiver | None = field(default=None, name="wrap")


class Decrypted(Result, frozen=True, kw_only=True):
    """`text`: a string was encrypted; the plaintext is its UTF-8, or the string itself if that was asked for."""

    key_id: str
    key_version_id: str
    plaintext: bytes | str
    text: bool


@action("Decrypt", refuses=OPEN, needs=BLOBS)
def decrypt(params: Decrypt, scope: Scope) -> Decrypted:
    header, held = scope.open(params.ciphertext, params.context, params.key_id)
    opened = (string if params.as_string else plaintext)(header.content, held)
    return Decrypted(
        key_id=header.key_id,
        key_version_id=version_id(header.key_id, header.version),
        plaintext=for_receiver(params.receiver, plaintext(header.content, held)) if params.receiver else opened,
        text=header.content != BYTES and not params.receiver,
    )


handler = entry(decrypt)
