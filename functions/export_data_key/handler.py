"""ExportDataKey: what a data key's blob holds, encrypted under the caller's RSA public key.

A data key is base64 where it is a string: one that was encrypted as a string leaves as the key that it is.
"""

from __future__ import annotations

from msgspec import field

from tenantkms.action.action import action
from tenantkms.action.call import Params, Result
from tenantkms.action.data_keys import Receiver, for_receiver
from tenantkms.action.scope import Scope
from tenantkms.model.specs import BLOBS
from tenantkms.model.states import OPEN
from tenantkms.model.version import version_id
from tenantkms.runtime.lambda_entry import entry


class ExportDataKey(Params, frozen=True, kw_only=True):
    ciphertext: bytes
    context: dict[str, str] = {}
    receiver: Receiver = field(name="wrap")


class Exported(Result, frozen=True, kw_only=True):
    key_id: str
    key_version_id: str
    exported: bytes


@action("ExportDataKey", refuses=OPEN, needs=BLOBS)
def export_data_key(params: ExportDataKey, scope: Scope) -> Exported:
    header, held = scope.open(params.ciphertext, params.context)
    return Exported(
        key_id=header.key_id,
        key_version_id=version_id(header.key_id, header.version),
        exported=for_receiver(params.receiver, held),
    )


handler = entry(export_data_key)
