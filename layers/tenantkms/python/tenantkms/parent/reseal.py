"""A root secret takes the place of another one, under another parent key.

In between everything that is sealed goes under the new parent key, row by row, and the root is stored sealed under both
of them: by the former one alone as it was, for who knows only that, and by the new one with all that opens the rest.
"""

from __future__ import annotations

import os
from collections.abc import Callable

from msgspec.structs import replace

from tenantkms.errors import Unavailable
from tenantkms.parent.port import Binding, ParentKey
from tenantkms.parent.root import SIZE, Former, Record, Root, encoded, joined, parts

MOST = 64
"""Secrets from before that are kept: AWS KMS seals 4,096 bytes. The audit log's lines under older ones stay, unread."""

Write = Callable[[bytes, bytes], None]
"""`KeyStore.replace_root`."""


def sealed_by(parent: ParentKey, secret: bytes, binding: Binding) -> bytes:
    """Sealed, and opened again before anybody relies on it. Raises `Unavailable`."""
    sealed = parent.seal(secret, binding)
    if parent.unseal(sealed, binding) != secret:
        raise Unavailable("The new parent key does not open what it has sealed.")
    return sealed


def begin(root: Root, new: ParentKey, old: bytes, sessions: int, write: Write) -> None:
    """Store a new root secret beside the one that is open, which `old` opens (`Record.parent`).

    A new one that was stored before, and that no process can have opened, is forgotten. Sessions under the secret of
    now are good until `sessions` (Unix seconds). Raises `Unavailable`, and `RevisionConflict` for another who does so.
    """
    opened = root.opened()
    former = (Former(opened.record.secret, sessions), *opened.record.former)
    sealed = sealed_by(new, encoded(Record(os.urandom(SIZE), former[:MOST], old)), root.binding)
    write(opened.stored, joined(parts(opened.stored)[-1], sealed))


def finish(root: Root, write: Write) -> None:
    """Nothing is under the former parent key and secret any more. Raises as `begin`."""
    opened = root.opened()
    write(opened.stored, sealed_by(opened.by, encoded(replace(opened.record, parent=b"")), root.binding))
    root.renew(strict=True)
