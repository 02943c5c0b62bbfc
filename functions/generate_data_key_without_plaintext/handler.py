"""GenerateDataKeyWithoutPlaintext: a data key that only a later Decrypt shows."""

from __future__ import annotations

from tenantkms.action.action import action
from tenantkms.action.call import Result
from tenantkms.action.data_keys import DataKeyParams, new_data_key
from tenantkms.action.scope import Scope
from tenantkms.model.specs import BLOBS
from tenantkms.model.states import USE
from tenantkms.runtime.lambda_entry import entry


class SealedDataKey(Result, frozen=True, kw_only=True):
    key_id: str
    key_version_id: str
    ciphertext: bytes


@action("GenerateDataKeyWithoutPlaintext", refuses=USE, needs=BLOBS)
def generate_data_key_without_plaintext(params: DataKeyParams, scope: Scope) -> SealedDataKey:
    key_id, version_id, _, ciphertext = new_data_key(params, scope)
    return SealedDataKey(key_id=key_id, key_version_id=version_id, ciphertext=ciphertext)


handler = entry(generate_data_key_without_plaintext)
