"""GenerateDataKey: random bytes, in clear and as a ciphertext blob under a key."""

from __future__ import annotations

from tenantkms.action import Result, Scope, action
from tenantkms.data_key import DataKeyParams, Wrap, new_data_key, wrapped
from tenantkms.settings import entry


class GenerateDataKey(DataKeyParams, frozen=True, kw_only=True):
    """`wrap`: the plaintext is for the one who has the private key, and leaves wrapped."""

    wrap: Wrap | None = None


class DataKey(Result, frozen=True, kw_only=True):
    key_id: str
    key_version_id: str
    plaintext: bytes
    ciphertext: bytes


@action("GenerateDataKey")
def generate_data_key(params: GenerateDataKey, scope: Scope) -> DataKey:
    key_id, version_id, plaintext, ciphertext = new_data_key(params, scope)
    if params.wrap:
        plaintext = wrapped(params.wrap, plaintext)
    return DataKey(key_id=key_id, key_version_id=version_id, plaintext=plaintext, ciphertext=ciphertext)


handler = entry(generate_data_key)
