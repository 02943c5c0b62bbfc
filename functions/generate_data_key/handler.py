"""GenerateDataKey: random bytes, in clear and as a ciphertext blob under a key."""

from __future__ import annotations

from msgspec import field

from tenantkms.action.action import action
from tenantkms.action.call import Result
from tenantkms.action.data_keys import DataKeyParams, Receiver, for_receiver, new_data_key
from tenantkms.action.scope import Scope
from tenantkms.model.specs import BLOBS
from tenantkms.model.states import USE
from tenantkms.runtime.lambda_entry import entry


class GenerateDataKey(DataKeyParams, frozen=True, kw_only=True):
    """`receiver`: the plaintext is for the one who has the private key, and leaves encrypted under the public one."""

    receiver: Receiver | None = field(default=None, name="wrap")


class DataKey(Result, frozen=True, kw_only=True):
    key_id: str
    key_version_id: str
    plaintext: bytes
    ciphertext: bytes


@action("GenerateDataKey", refuses=USE, needs=BLOBS)
def generate_data_key(params: GenerateDataKey, scope: Scope) -> DataKey:
    key_id, version_id, plaintext, ciphertext = new_data_key(params, scope)
    if params.receiver:
        plaintext = for_receiver(params.receiver, plaintext)
    return DataKey(key_id=key_id, key_version_id=version_id, plaintext=plaintext, ciphertext=ciphertext)


handler = entry(generate_data_key)
