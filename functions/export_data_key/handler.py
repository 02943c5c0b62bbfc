"""ExportDataKey: what a data key's blob holds, wrapped for the caller's RSA public key."""

from __future__ import annotations

from tenantkms.action import Params, Result, Scope, action
from tenantkms.data_key import Wrap, wrapped
from tenantkms.model import version_id
from tenantkms.settings import entry


class ExportDataKey(Params, frozen=True, kw_only=True):
    ciphertext: bytes
    context: dict[str, str] = {}
    wrap: Wrap


class Exported(Result, frozen=True, kw_only=True):
    key_id: str
    key_version_id: str
    exported: bytes


@action("ExportDataKey")
def export_data_key(params: ExportDataKey, scope: Scope) -> Exported:
    header, plaintext = scope.open(params.ciphertext, params.context)
    return Exported(
        key_id=header.key_id,
        key_version_id=version_id(header.key_id, header.version),
        exported=wrapped(params.wrap, plaintext),
    )


handler = entry(export_data_key)
