"""Decrypt: the plaintext of a blob, under the key and version that its header names."""

from __future__ import annotations

from tenantkms.action import Params, Result, Scope, action
from tenantkms.data_key import Wrap, wrapped
from tenantkms.envelope import TEXT
from tenantkms.model import version_id
from tenantkms.settings import entry


class Decrypt(Params, frozen=True, kw_only=True):
    """`wrap`: the plaintext is for the one who has the private key, and leaves wrapped."""

    ciphertext: bytes
    context: dict[str, str] = {}
    wrap: Wrap | None = None


class Decrypted(Result, frozen=True, kw_only=True):
    """`text`: the plaintext is the UTF-8 of a string, see Encrypt."""

    key_id: str
    key_version_id: str
    plaintext: bytes
    text: bool


@action("Decrypt")
def decrypt(params: Decrypt, scope: Scope) -> Decrypted:
    header, plaintext = scope.open(params.ciphertext, params.context)
    return Decrypted(
        key_id=header.key_id,
        key_version_id=version_id(header.key_id, header.version),
        plaintext=wrapped(params.wrap, plaintext) if params.wrap else plaintext,
        text=header.content == TEXT and not params.wrap,
    )


handler = entry(decrypt)
