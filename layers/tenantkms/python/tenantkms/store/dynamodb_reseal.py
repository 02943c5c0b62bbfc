"""What a reseal makes of the rows of the DynamoDB tables."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from tenantkms.model.credential import Credential
from tenantkms.model.key import Key
from tenantkms.model.version import KeyVersion
from tenantkms.parent.port import SealBroken
from tenantkms.store.dynamodb_layout import (
    DOC,
    MAC,
    META,
    PARTITION_KEY,
    SORT_KEY,
    Row,
    alias_pk,
    credential_pk,
    encode,
    key_of,
    key_pk,
    renewed,
    row_name,
    typed,
    with_key,
    with_mac,
)
from tenantkms.store.dynamodb_names import order_of
from tenantkms.store.integrity import IntegrityFault, RowMac
from tenantkms.store.port import Renewal

_decode_version = msgspec.json.Decoder(KeyVersion).decode
_decode_credential = msgspec.json.Decoder(Credential).decode


class Resealing:
    """`read` answers the key of that id, of a row that is believed."""

    def __init__(self, macs: RowMac, read: Callable[[str], Key | None], renewal: Renewal) -> None:
        self._macs, self._read, self._renewal = macs, read, renewal

    def renewed(self, row: Row) -> Row:
        """A row that is believed as it is to be, with its MAC. Raises `SealBroken`, and `Unavailable`."""
        rest = {name: value for name, value in row.items() if name != MAC}
        return with_mac(self._macs, self._part(rest))

    def _part(self, row: Row) -> Row:
        pk = row[PARTITION_KEY]["S"]
        if pk.startswith(credential_pk("")):
            credential = _decode_credential(row[DOC]["S"])
            new_credential = self._renewal.credential(credential)
            row = {**row, **typed(order=order_of(credential))}
            return row if new_credential is credential else {**row, **typed(doc=encode(new_credential))}
        if pk.startswith(alias_pk("")):
            return row
        if row[SORT_KEY]["S"] == META:
            row = renewed(row)
            key = key_of(row)
            new_key = self._renewal.key(key)
            return row if new_key is key else with_key(row, new_key)
        owner = self._read(pk.removeprefix(key_pk("")))
        if owner is None:  # it was destroyed, and this is what a process that ended has left of it
            return row
        version = _decode_version(row[DOC]["S"])
        new_version = self._renewal.version(owner, version)
        return row if new_version is version else {**row, **typed(doc=encode(new_version))}


def trouble(row: Row, fault: IntegrityFault | SealBroken) -> str:
    return fault.details if isinstance(fault, IntegrityFault) else f"{row_name(row)}: {fault}"
