"""The root secret of a tenant: 32 random bytes that the parent key sealed once, and keys derived from it.

It authenticates and seals what is no key material: rows of the store, calls, session tokens, the audit log's chain.
It is also the proof that the parent key is the right one: nothing is sealed under a parent key that does not open it.

What goes under another parent key (`reseal.py`) gets another root secret too. What is sealed then has the secrets that
it takes the place of behind it, and while that is under way the former parent key as well, so that the new one alone
opens everything.
"""

from __future__ import annotations

import hashlib
import hmac
import os
from collections.abc import Callable, Sequence
from weakref import WeakMethod

import msgspec
from msgspec import Struct

from tenantkms.errors import Unavailable
from tenantkms.parent.port import Binding, ParentKey, SealBroken, root_binding

SIZE = 32
_PREFIX = b"tenant-kms "
_BOTH = b"TKRR"
"""How a root begins that is sealed under two parent keys. What one has sealed never does."""

Parents = Callable[[], Sequence[ParentKey]]
"""Those that the place is set up with, the same objects as long as nothing of that changes."""


class _Secret(Struct, frozen=True, array_like=True):
    def __repr__(self) -> str:
        return type(self).__name__


class Former(_Secret, frozen=True, array_like=True):
    """A secret from before. Sessions under it are good until `sessions`, in Unix seconds."""

    secret: bytes
    sessions: int


class Record(_Secret, frozen=True, array_like=True):
    """What is sealed of a root that took another's place: `former` secrets, the newest first.

    `parent`: the key that others may still be sealed under, 32 bytes or an ARN; empty: everything is under the new one.
    """

    secret: bytes
    former: tuple[Former, ...] = ()
    parent: bytes = b""


def encoded(record: Record) -> bytes:
    return msgspec.msgpack.encode(record) if record.former else record.secret


def _decoded(content: bytes) -> Record:
    return Record(content) if len(content) == SIZE else msgspec.msgpack.decode(content, type=Record)


def joined(old: bytes, new: bytes) -> bytes:
    """What is stored of a root that either of two parent keys opens, each one of its own."""
    return _BOTH + len(old).to_bytes(2, "big") + old + new


def parts(stored: bytes) -> tuple[bytes, ...]:
    """What one parent key has sealed each; the newest first."""
    if not stored.startswith(_BOTH):
        return (stored,)
    size, rest = int.from_bytes(stored[4:6], "big"), stored[6:]
    return rest[size:], rest[:size]


class Opened(Struct, frozen=True):
    """A root as it was opened: `by` which parent key, of those that the place was set up with then.

    `doubt`: why a newer part of it was not opened, where that may be another time.
    """

    stored: bytes
    parents: tuple[ParentKey, ...]
    by: ParentKey
    record: Record
    before: tuple[ParentKey, ...]
    """The former parent key, while things may still be sealed under it."""
    doubt: Unavailable | None = None


def _unmade(spec: bytes) -> ParentKey:
    del spec
    raise Unavailable("There is no former parent key here.")


class Root:
    """Opened once in a process, when it is first needed, and again when it is another one.

    `read` answers the sealed secret, or None if the tenant has none yet; `make` a parent key of what `Record.parent`
    says.
    """

    def __init__(
        self,
        tenant: str,
        parents: Parents,
        read: Callable[[], bytes | None],
        make: Callable[[bytes], ParentKey] = _unmade,
    ) -> None:
        self.binding = root_binding(tenant)
        self._parents = parents
        self._read = read
        self._make = make
        self._open: Opened | None = None
        self._keys: dict[str, bytes] = {}
        self._told: list[WeakMethod[Callable[[], None]]] = []

    # -- keys --

    def key(self, purpose: str) -> bytes:
        """The key, 32 bytes, for `purpose`: HKDF-Expand (RFC 5869) of the secret with one block.

        Raises `Unavailable` if the tenant has no root secret, and `SealBroken` if the parent key does not open it.
        """
        keys = self._keys  # of what is open now, or was a moment ago
        key = keys.get(purpose)
        if key is None:
            key = keys[purpose] = _derived(self.opened().record.secret, purpose)
        return key

    def newest(self, purpose: str) -> bytes:
        """`key` of the secret as it is now."""
        self.renew()
        return self.key(purpose)

    def valid(self, purpose: str, anew: bool = False) -> tuple[bytes, ...]:
        """What rows and calls may be under: the key, and while a change is under way the one from before.

        `anew`: as it is now, whatever is kept.
        """
        if anew:
            self.renew()
        opened = self.opened()
        before = opened.record.former[:1] if opened.before else ()
        return self.key(purpose), *(_derived(each.secret, purpose) for each in before)

    def all(self, purpose: str) -> tuple[bytes, ...]:
        """The key, and all from before, the newest first."""
        former = self.opened().record.former
        return self.key(purpose), *(_derived(each.secret, purpose) for each in former)

    def for_sessions(self, purpose: str) -> tuple[tuple[bytes, int], ...]:
        """(key, until when a session of it is good), those from before only."""
        return tuple((_derived(each.secret, purpose), each.sessions) for each in self.opened().record.former)

    # -- what is open --

    def opened(self) -> Opened:
        return self._open or self._take(self._unseal(self._read()))

    def _take(self, opened: Opened) -> Opened:
        self._open = opened
        self._keys = {}
        for told in self._told:
            if tell := told():
                tell()
        return opened

    def when_changed(self, tell: Callable[[], None]) -> None:
        """Call the method `tell` whenever what is open here has become another one, as long as there is its object.

        That has the root most often: if it were kept here, neither would go before somebody looks for garbage.
        """
        self._told.append(WeakMethod(tell))

    def _unseal(self, stored: bytes | None) -> Opened:
        parents = tuple(self._parents())
        if stored is None:
            raise Unavailable("The tenant is not set up: it has no root secret.")
        fault: Unavailable | None = None
        for part in parts(stored):
            doubt = None if isinstance(fault, SealBroken) else fault
            for parent in parents:
                try:
                    record = _decoded(parent.unseal(part, self.binding))
                except Unavailable as e:  # of a parent key that this process may not use, another one may open it
                    if fault is None or isinstance(fault, SealBroken):
                        fault = e.with_traceback(None)
                else:
                    before = (self._make(record.parent),) if record.parent else ()
                    return Opened(stored, parents, parent, record, before, doubt)
        try:
            raise fault or Unavailable("There is no parent key.")
        finally:
            del fault, doubt  # they have this frame: if it had them, all would stay until somebody looks for garbage

    def renew(self, *, strict: bool = False) -> bool:
        """Open it anew if it is not what was opened; whether it was not.

        What cannot be opened now is as it was, unless `strict`: then it raises as `key` does. So does a newer part of
        it then, that no parent key answered for: who goes on with the older one works beside all others.
        """
        known = self._open
        if known is None:
            return False
        try:
            stored = self._read()
            same = stored == known.stored and tuple(self._parents()) == known.parents
            if same and known.doubt is None:
                return False
            opened = self._unseal(stored)
            if strict and opened.doubt:
                raise opened.doubt
            if same and opened.doubt:
                return False
            self._take(opened)
        except Unavailable:
            if strict:
                raise
            return False
        return True

    def check(self) -> None:
        """Open it anew, whatever is kept. Raises `Unavailable` if there is none or the parent key does not open it."""
        self._unseal(self._read())

    def exists(self) -> bool:
        return self._read() is not None

    def make(self, write: Callable[[bytes], None]) -> None:
        """Seal a new root secret and hand it to `write`, unless there is one: `write` keeps the first of several.

        Raises `SealBroken` if there is one that the parent key does not open.
        """
        if not self.exists():
            write(self._parents()[0].seal(os.urandom(SIZE), self.binding))
        self.opened()

    # -- what is sealed beside it --

    def seal(self, secret: bytes, binding: Binding) -> bytes:
        """By the parent key that opens the root, as it is now. Raises `Unavailable`."""
        self.opened()
        self.renew(strict=True)
        return self.opened().by.seal(secret, binding)

    def unseal(self, sealed: bytes, binding: Binding) -> bytes:
        """By any parent key that is in use here. Raises `Unavailable`."""
        fault: Unavailable = SealBroken("Sealed material does not open under this parent key.")
        for anew in (False, True):
            if anew and not self.renew():
                break
            for parent in self._readers():
                try:
                    return parent.unseal(sealed, binding)
                except Unavailable as e:  # by which one it was sealed is not known
                    if not isinstance(e, SealBroken):
                        fault = e.with_traceback(None)
        try:
            raise fault
        finally:
            del fault

    def _readers(self) -> Sequence[ParentKey]:
        opened = self._open
        if opened is None:
            if (stored := self._read()) is None:
                return self._parents()
            opened = self._take(self._unseal(stored))
        return opened.by, *opened.before


def _derived(secret: bytes, purpose: str) -> bytes:
    return hmac.digest(secret, _PREFIX + purpose.encode() + b"\x01", hashlib.sha256().name)


class AnchoredParentKey:
    """`ParentKey` that seals only what the tenant's own parent key can open again: it opens the root secret first.

    Sealed under a parent key that was put in its place, keys would be lost when the right one returns.
    """

    def __init__(self, root: Root) -> None:
        self.seal, self.unseal = root.seal, root.unseal
