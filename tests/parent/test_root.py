"""The root secret: sealed once, opened before anything is sealed, and keys that are told apart by their purpose."""

from __future__ import annotations

import hashlib
import hmac
import os

import pytest

from tenantkms.errors import Unavailable
from tenantkms.parent.file import FileParentKey
from tenantkms.parent.port import SealBroken, key_binding
from tenantkms.parent.root import AnchoredParentKey, Root

HERE = key_binding("acme", "5c438b18-05be-40ad-b6c2-3be6752cfa7e", 1, "AES_256")


class Row:
    """Where the sealed secret rests; the first stays."""

    def __init__(self) -> None:
        self.sealed: bytes | None = None
        self.reads = 0

    def read(self) -> bytes | None:
        self.reads += 1
        return self.sealed

    def write(self, sealed: bytes) -> None:
        self.sealed = self.sealed or sealed


@pytest.fixture
def row() -> Row:
    return Row()


@pytest.fixture
def parent() -> FileParentKey:
    return FileParentKey(os.urandom(32))


def test_every_process_derives_the_same_keys(row: Row, parent: FileParentKey) -> None:
    Root("acme", lambda: [parent], row.read).make(row.write)
    first, second = (Root("acme", lambda: [parent], row.read) for _ in range(2))
    assert first.key("rows") == second.key("rows")
    assert len({first.key("rows"), first.key("calls"), first.key("")}) == 3
    assert row.sealed is not None
    secret = parent.unseal(row.sealed, first.binding)
    assert first.key("rows") == hmac.digest(secret, b"tenant-kms rows\x01", hashlib.sha256().name)


def test_it_is_opened_once(row: Row, parent: FileParentKey) -> None:
    Root("acme", lambda: [parent], row.read).make(row.write)
    root, row.reads = Root("acme", lambda: [parent], row.read), 0
    for purpose in ("a", "b", "a"):
        root.key(purpose)
    assert row.reads == 1


def test_of_two_that_make_it_the_first_stays(row: Row, parent: FileParentKey) -> None:
    one, other = (Root("acme", lambda: [parent], row.read) for _ in range(2))

    def meanwhile(sealed: bytes) -> None:
        other.make(row.write)
        row.write(sealed)

    one.make(meanwhile)
    assert one.key("rows") == other.key("rows")


def test_without_it_nothing_is_derived_or_sealed(row: Row, parent: FileParentKey) -> None:
    root = Root("acme", lambda: [parent], row.read)
    with pytest.raises(Unavailable, match="not set up"):
        root.key("rows")
    with pytest.raises(Unavailable, match="not set up"):
        AnchoredParentKey(root).seal(b"secret", HERE)


def test_nothing_is_sealed_under_another_parent_key(row: Row, parent: FileParentKey) -> None:
    Root("acme", lambda: [parent], row.read).make(row.write)
    other = FileParentKey(os.urandom(32))
    swapped = Root("acme", lambda: [other], row.read)
    with pytest.raises(SealBroken):
        AnchoredParentKey(swapped).seal(b"secret", HERE)
    with pytest.raises(SealBroken):
        swapped.make(row.write)
    with pytest.raises(SealBroken):
        Root("acme2", lambda: [parent], row.read).key("rows")


def test_under_the_right_one_it_is(row: Row, parent: FileParentKey) -> None:
    root = Root("acme", lambda: [parent], row.read)
    root.make(row.write)
    anchored = AnchoredParentKey(root)
    assert anchored.unseal(anchored.seal(b"secret", HERE), HERE) == b"secret"
    assert parent.unseal(anchored.seal(b"secret", HERE), HERE) == b"secret"


def test_a_check_opens_it_anew(row: Row, parent: FileParentKey) -> None:
    root = Root("acme", lambda: [parent], row.read)
    with pytest.raises(Unavailable, match="not set up"):
        root.check()
    root.make(row.write)
    root.check()
    row.sealed = b"\x01" + os.urandom(60)
    assert root.key("rows")
    with pytest.raises(SealBroken):
        root.check()
