"""MACs of rows: who can write to the store and has not the parent key makes no row that is believed.

A MAC is over the whole row as it rests, also its place and what stands beside the document for queries, so that a row
that was moved fails as one that was changed does. It says nothing of rows that are not there, and an older state of a
row is as authentic as the newest.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Sequence

from msgspec import msgpack

from tenantkms.crypto.hmacs import Hmac
from tenantkms.errors import Unavailable

PURPOSE = "rows"
"""Of the key, as the root secret's keys are told apart."""
_SIZE = 32
"""Hex digits: HMAC-SHA-256-128 (RFC 4868)."""
_LONGEST_NAME = 300

_encode = msgpack.Encoder(order="sorted").encode


class IntegrityFault(Unavailable):
    """A row is not as this service wrote it. `row` names it as the store does, `missing` says that it has no MAC.

    That is for the operator: callers are told no more than of a store that does not answer.
    """

    def __init__(self, row: str, *, missing: bool) -> None:
        super().__init__()
        # Whoever wrote the row may have chosen its name, and operators read it on a terminal.
        self.row = (row if row.isprintable() else ascii(row))[:_LONGEST_NAME]
        self.missing = missing

    @property
    def details(self) -> str:
        return f"{self.row} {'has no MAC' if self.missing else 'is not what its MAC says'}"


class RowMac:
    """Makes and checks the MACs of a tenant's rows.

    `key` gives 32 bytes and is asked when it is first needed: a process starts while the parent key cannot be reached.
    `alarm` is told of each row that fails. `valid` gives all keys that a row may be under at this time; True: whatever
    was known of them before.
    """

    def __init__(
        self,
        key: Callable[[], bytes],
        alarm: Callable[[], None] = lambda: None,
        valid: Callable[[bool], Sequence[bytes]] = lambda _anew: (),
    ) -> None:
        self._key, self._alarm, self._valid = key, alarm, valid
        self._keyed: Hmac | None = None

    def forget(self) -> None:
        """The key is another one."""
        self._keyed = None

    def renew(self) -> None:
        """What is made from here on is under the key as it is now."""
        self._valid(True)

    def make(self, row: object) -> str:
        """The MAC of a row: everything that is stored of it but the MAC itself. Raises `Unavailable` without a key."""
        keyed = self._keyed
        if keyed is None:
            keyed = self._keyed = Hmac(self._key())
        return keyed(_encode(row)).hex()[:_SIZE]

    def fits(self, row: object, mac: object) -> bool:
        """Whether the row was found with the MAC that it must have. Raises `Unavailable` without a key."""
        return self.is_newest(row, mac) or self._fits_another(row, mac)

    def is_newest(self, row: object, mac: object) -> bool:
        """Whether it is the MAC that `make` makes."""
        right = self.make(row)
        return isinstance(mac, str) and mac.isascii() and hmac.compare_digest(mac, right)

    def _fits_another(self, row: object, mac: object) -> bool:
        if not (isinstance(mac, str) and mac.isascii()):
            return False
        encoded = _encode(row)
        return any(
            hmac.compare_digest(mac, Hmac(key)(encoded).hex()[:_SIZE])
            for anew in (False, True)
            for key in self._valid(anew)
        )

    def fault(self, row: object, mac: object, *name: object) -> IntegrityFault | None:
        """What is wrong with a row that `name` names and that was found with `mac`. Raises `Unavailable`."""
        return None if self.fits(row, mac) else _fault(mac, name)

    def check(self, row: object, mac: object, *name: object) -> None:
        """Raises `IntegrityFault` for a row that is not believed."""
        if self.fits(row, mac):  # as `fault`: a page has a hundred rows
            return
        self._alarm()
        raise _fault(mac, name)


def _fault(mac: object, name: Sequence[object]) -> IntegrityFault:
    """Of a row that does not fit."""
    return IntegrityFault(" ".join(map(str, name)), missing=mac is None)


class _Unchecked(RowMac):
    def fits(self, row: object, mac: object) -> bool:
        del row, mac
        return True


def _no_key() -> bytes:
    raise Unavailable("Rows that are not authenticated are only read.")


UNCHECKED: RowMac = _Unchecked(_no_key)
"""Believes every row and makes none: for looking at what is there before it has MACs."""
