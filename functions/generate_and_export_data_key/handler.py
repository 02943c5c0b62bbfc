"""GenerateAndExportDataKey: a data key as a blob, and encrypted under the caller's RSA public key."""

from __future__ import annotations

from msgspec import field

from tenantkms.action.action import action
from tenantkms.action.call import Result
from tenantkms.action.data_keys import DataKeyParams, Receiver, for_receiver, new_data_key
from tenantkms.action.scope import Scope
from tenantkms.model.specs import BLOBS
from tenantkms.model.states import USE
from tenantkms.runtime.lambda_entry import entry


class GenerateAndExportDataKey(DataKeyParams, frozen=True, kw_only=True):
    receiver: Receiver = field(name="wrap")


class Exported(Result, frozen=True, kw_only=True):
    key_id: str
    key_version_id: str
    ciphertext: bytes
    exported: bytes


@action("GenerateAndExportDataKey", refuses=USE, needs=BLOBS)
def generate_and_export_data_key(params: GenerateAndExportDataKey, scope: Scope) -> Exported:
    key_id, version_id, plaintext, ciphertext = new_data_key(params, scope)
    return Exported(
        key_id=key_id,
        key_version_id=version_id,
        ciphertext=ciphertext,
        exported=for_receiver(params.receiver, plaintext),
    )


handler = entry(generate_and_export_data_key)
