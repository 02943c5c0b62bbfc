"""ReEncrypt: a ciphertext moves to another key, context or the newest version; its plaintext never leaves.

It needs the permission to ReEncrypt with both keys, to Decrypt with the source and to Encrypt with the destination; of
an RSA key to AsymmetricDecrypt or AsymmetricEncrypt.
"""

from __future__ import annotations

from typing import NamedTuple

from tenantkms.action.action import action
from tenantkms.action.call import Params, Result
from tenantkms.action.rule import ASYMMETRIC_DECRYPT, ASYMMETRIC_ENCRYPT, ENCRYPT, NO_KEY
from tenantkms.action.scope import Scope
from tenantkms.crypto.envelope import BYTES
from tenantkms.crypto.strings import plaintext
from tenantkms.errors import InvalidParameter, MissingParameter
from tenantkms.model.version import version_id
from tenantkms.runtime.lambda_entry import entry


class ReEncrypt(Params, frozen=True, kw_only=True):
    """`source_key_id`: the blob must be of this key; empty: of any.

    An empty `destination_key_id` is the source key: the blob moves to its newest version, or stays if it has it.
    `source_algorithm`, `destination_algorithm`: of an RSA key, which takes no context and, as the source, must be
    named; empty: the key is symmetric.
    """

    ciphertext: bytes
    source_key_id: str = ""
    destination_key_id: str = ""
    source_context: dict[str, str] = {}
    destination_context: dict[str, str] = {}
    source_algorithm: str = ""
    destination_algorithm: str = ""


class ReEncrypted(Result, frozen=True, kw_only=True):
    source_key_id: str
    source_key_version_id: str
    source_algorithm: str
    key_id: str
    key_version_id: str
    destination_algorithm: str
    ciphertext: bytes
    changed: bool


class _Opened(NamedTuple):
    key_id: str
    version: int
    content: int
    held: bytes


def _open(params: ReEncrypt, scope: Scope) -> _Opened:
    if not params.source_algorithm:
        header, held = scope.open(params.ciphertext, params.source_context, params.source_key_id)
        return _Opened(header.key_id, header.version, header.content, held)
    from tenantkms.crypto import asymmetric  # most callers never need them
    from tenantkms.keys.private_keys import rsa_key

    if not params.source_key_id:
        raise MissingParameter("is required with an RSA key.", field="source_key_id")
    if params.source_context:
        raise InvalidParameter("is not valid with an RSA key.", field="source_context")
    if params.source_algorithm in asymmetric.SILENT:  # what is damaged would be encrypted anew, as other bytes
        raise InvalidParameter("is one that does not tell of damage.", field="source_algorithm")
    key = scope.use(params.source_key_id, ASYMMETRIC_DECRYPT)
    number, private = rsa_key(scope.keyring, key, "")
    return _Opened(key.id, number, BYTES, asymmetric.decrypt(private, params.source_algorithm, params.ciphertext))


def _seal(params: ReEncrypt, scope: Scope, source: _Opened) -> tuple[str, int, bytes]:
    """(key id, version, ciphertext) of what was opened, under the destination."""
    ref = params.destination_key_id or source.key_id
    if not params.destination_algorithm:
        key = scope.use(ref, ENCRYPT, params.destination_context)
        moves = params.destination_key_id or params.source_context != params.destination_context
        if not moves and key.primary_number == source.version:
            return key.id, source.version, params.ciphertext
        return key.id, *scope.seal(key, source.held, content=source.content, context=params.destination_context)
    from tenantkms.crypto import asymmetric
    from tenantkms.keys.private_keys import rsa_key

    if params.destination_context:
        raise InvalidParameter("is not valid with an RSA key.", field="destination_context")
    key = scope.use(ref, ASYMMETRIC_ENCRYPT)
    number, private = rsa_key(scope.keyring, key, "")
    opened = plaintext(source.content, source.held)
    return key.id, number, asymmetric.encrypt(private.public_key(), params.destination_algorithm, opened)


@action("ReEncrypt", refuses=NO_KEY, needs=NO_KEY)
def re_encrypt(params: ReEncrypt, scope: Scope) -> ReEncrypted:
    source = _open(params, scope)
    key_id, number, ciphertext = _seal(params, scope, source)
    return ReEncrypted(
        source_key_id=source.key_id,
        source_key_version_id=version_id(source.key_id, source.version),
        source_algorithm=params.source_algorithm,
        key_id=key_id,
        key_version_id=version_id(key_id, number),
        destination_algorithm=params.destination_algorithm,
        ciphertext=ciphertext,
        changed=ciphertext is not params.ciphertext,
    )


handler = entry(re_encrypt)
