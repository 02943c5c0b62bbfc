"""GenerateAndExportDataKey: a data key as a blob, and wrapped for the caller's RSA public key."""

from __future__ import annotations

from tenantkms.action import Result, Scope, action
from tenantkms.data_key import DataKeyParams, Wrap, new_data_key, wrapped
from tenantkms.settings import entry


class GenerateAndExportDataKey(DataKeyParams, frozen=True, kw_only=True):
    wrap: Wrap


class Exported(Result, frozen=True, kw_only=True):
    key_id: str
    key_version_id: str
    ciphertext: bytes
    exported: bytes


@action("GenerateAndExportDataKey")
def generate_and_export_data_key(params: GenerateAndExportDataKey, scope: Scope) -> Exported:
    key_id, version_id, plaintext, ciphertext = new_data_key(params, scope)
    return Exported(
        key_id=key_id,
        key_version_id=version_id,
        ciphertext=ciphertext,
        exported=wrapped(params.wrap, plaintext),
    )


handler = entry(generate_and_export_data_key)
