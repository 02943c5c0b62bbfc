"""An export beside what is where it is to go: what of it is new, what is there already, and what stands against it.

Nothing is written. A key or an access key that is there is the same if its digest is; another one of its id, and an
alias that another key has, are what an import ends with before it begins.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable
from itertools import groupby, product
from operator import attrgetter
from typing import Self

from msgspec import Struct, field
from msgspec.structs import replace

from tenantkms.access.credentials import MAX_ACTIVE
from tenantkms.action.limits import check_limits
from tenantkms.errors import LimitExceeded
from tenantkms.keys.walk import PAGE
from tenantkms.model.alias import ALIAS_PREFIX, Alias
from tenantkms.model.credential import Credential
from tenantkms.model.key import Key
from tenantkms.model.profiles import DAY
from tenantkms.model.states import KeyState
from tenantkms.model.version import KeyVersion
from tenantkms.names import NATIVE
from tenantkms.runtime.assemble import Settings
from tenantkms.store.port import KeyStore, PutKey
from tkms.transfer.about import About
from tkms.transfer.clear import Changed, Digest
from tkms.transfer.file import AT_ONCE, Counts, CredentialRow, KeyRow
from tkms.transfer.valid import credential_flaws, key_flaws, version_flaws
from tkms.transfer.work import Hands, Names

KEY, ALIAS, ACCESS_KEY, THERE = "the key", "the alias", "the access key", "there:"
"""What `Names` are of; the last one is of keys that are there."""
SHOWN = 20


class Chosen(Struct, frozen=True):
    """What of an export is meant: keys of these ids and aliases (none: all), and access keys or not.

    `keep_changed`: what is here already, with all material of the file, may have been changed since, and stays so.
    """

    names: Collection[str] = ()
    credentials: bool = True
    keep_changed: bool = False

    @classmethod
    def of(cls, names: Collection[str], *, credentials: bool = True, keep_changed: bool = False) -> Self:
        """Where keys are named there are no access keys; ids are spelled in any case."""
        spelled = (name if name.startswith(ALIAS_PREFIX) else name.lower() for name in names)
        return cls(frozenset(spelled), credentials and not names, keep_changed)

    def has(self, key: Key) -> bool:
        return not self.names or not {key.id, *named(key)}.isdisjoint(self.names)


def named(key: Key) -> list[str]:
    return [ALIAS_PREFIX + alias for alias in key.aliases]


class Findings(Struct, kw_only=True):
    """`file` counts what is meant of an export, `new` what of it is not there. `put_off` are ids of keys whose deletion
    was due, and is put off; `policies` of those whose policy names the account that they come from; `changed`, of
    access keys too, of what was changed since, and stays so. Of these, and of `problems`, some are told."""

    file: Counts = field(default_factory=Counts)
    new: Counts = field(default_factory=Counts)
    put_off: list[str] = field(default_factory=list)
    policies: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    bad: int = 0

    def problem(self, text: str) -> None:
        self.bad += 1
        _some(self.problems, text)


def _some(told: list[str], text: str) -> None:
    if len(told) < SHOWN:
        told.append(text)


def arriving(key: Key, now: int) -> Key:
    """`key` as it is to be here. Nothing that arrives is destroyed at once: that is put off by a day at least."""
    return replace(key, deletion_date=now + DAY) if overdue(key, now) else key


def overdue(key: Key, now: int) -> bool:
    return key.state is KeyState.PENDING_DELETION and key.deletion_date <= now


class Own:
    """What is here, in clear. Raises what the store and the parent key raise."""

    def __init__(self, settings: Settings) -> None:
        keyring = settings.deps.keyring
        self.store: KeyStore = keyring.store
        self.clear = Changed(settings.site.tenant, keyring.parent.unseal)

    def digest(self, key: Key, *, undated: bool = False) -> Digest:
        """Of a key as it rests here."""
        digest = Digest(self.clear.key(key), undated=undated)
        newest = key.newest.number if key.newest else 0
        for first in range(1, newest, AT_ONCE):
            for version in self.store.list_versions(key.id, first, min(first + AT_ONCE, newest) - 1):
                digest.add(self.clear.version(key, version))
        return digest

    def before(self, key: Key, number: int) -> Key:
        """A key as it rests here, without the versions that came after that one."""
        newest = key.newest
        if newest is None or newest.number <= number:
            return key
        return replace(key, primary=self.store.get_version(key.id, number), spent=None)


class _Item(Struct, frozen=True):
    key: Key
    digest: Digest


class _Here(Struct, frozen=True, kw_only=True):
    """A key as it is here: `differing` from the file's in these fields; or the aliases that others have."""

    there: bool = False
    differing: str = ""
    changed: bool = False
    taken: list[Alias] = field(default_factory=list)


class Check:
    """Takes all rows of an export; `findings` are whole when `finish` was called."""

    def __init__(
        self,
        settings: Settings,
        about: About,
        chosen: Chosen,
        hands: Hands,
        names: Names,
        tell: Callable[[int], None] | None = None,
    ) -> None:
        self._settings, self._about, self._chosen = settings, about, chosen
        self._hands, self._names, self._tell = hands, names, tell
        self._now = int(settings.deps.clock())
        self._own = Own(settings)
        self._missing = set(chosen.names)
        self._item: _Item | None = None
        self._items = list[_Item]()
        self._new = list[Credential]()
        self._access = settings.access.store
        self.findings = Findings()

    # -- what is told --

    def key(self, key: Key) -> None:
        self._item = None
        if self._chosen.has(key):
            self._missing -= {key.id, *named(key)}
            if not self._flawed(key_flaws(key)):
                self._item = _Item(key, Digest(key, undated=overdue(key, self._now)))

    def versions(self, versions: list[KeyVersion]) -> None:
        if self._item:
            for version in versions:
                self._item.digest.add(version)
                self._flawed(version_flaws(self._item.key, version))

    def _flawed(self, flaws: Iterable[str]) -> bool:
        before = self.findings.bad
        for flaw in flaws:
            self.findings.problem(flaw)
        return self.findings.bad > before

    def end_key(self) -> None:
        if self._item:
            self._items.append(self._item)
            if len(self._items) >= PAGE:
                self._look()

    def credential(self, row: CredentialRow) -> None:
        if not self._chosen.credentials or self._flawed(credential_flaws(row.credential, row.last_used)):
            return
        theirs = row.credential
        self._names.add(ACCESS_KEY, [theirs.access_key_id])
        self.findings.file.add(row)
        here = self._access.get_credential(theirs.access_key_id)
        if here is None:
            self._new.append(theirs)
            self.findings.new.add(row)
        elif differing := _differing(own := self._own.clear.credential(here), theirs):
            self._differs("access key", theirs.access_key_id, differing, changed=own.sealed == theirs.sealed)

    def finish(self) -> Findings:
        self._look()
        for name in sorted(self._missing):
            self.findings.problem(f"it has no key {name}")
        self._check_room()
        return self.findings

    # -- what is found --

    def _look(self) -> None:
        items, self._items = self._items, []
        for item in items:
            self._names.add(KEY, [item.key.id])
            self._names.add(ALIAS, item.key.aliases)
            self.findings.file.add(KeyRow(item.key))
        for item, here in zip(items, self._hands.map(self._compared, items), strict=True):
            for alias in here.taken:
                self.findings.problem(f"{ALIAS_PREFIX}{alias.name} is of the key {alias.key_id} here")
            if here.differing:
                self._differs("key", item.key.id, here.differing, changed=here.changed)
            if here.there:
                self._names.add(THERE, [item.key.id])
            else:
                self._arrives(item.key)
        if self._tell:
            self._tell(self.findings.file.keys)

    def _differs(self, what: str, id_: str, differing: str, *, changed: bool) -> None:
        """`changed`: since it came here, since it has all that the file has of it."""
        if changed and self._chosen.keep_changed:
            _some(self.findings.changed, id_)
        else:
            may_stay = ": --keep-changed leaves it so" if changed else ""
            self.findings.problem(f"the {what} {id_} is here with other {differing}{may_stay}")

    def _compared(self, item: _Item) -> _Here:
        key, own = item.key, self._own
        here = own.store.get(key.id)
        if here is None:
            return _Here(taken=[alias for alias in map(own.store.get_alias, key.aliases) if alias])
        if own.digest(here, undated=overdue(key, self._now)).value() == item.digest.value():
            return _Here(there=True)
        differing = _differing(own.clear.key(here), key) or "material of older versions"
        as_then = own.before(here, key.newest.number if key.newest else 0)
        changed = own.digest(as_then).material() == item.digest.material()
        return _Here(there=True, differing=differing, changed=changed)

    def _arrives(self, key: Key) -> None:
        self.findings.new.add(KeyRow(key))
        if overdue(key, self._now):
            _some(self.findings.put_off, key.id)
        account = self._about.account
        if account != self._settings.site.account and account in key.policy:
            _some(self.findings.policies, key.id)
        try:
            check_limits(self._settings.deps.limits, self._own.store, NATIVE, [], [PutKey(key)])
        except LimitExceeded as e:
            self.findings.problem(f"the key {key.id}: {e}")

    def _check_room(self) -> None:
        """A name may have so many active access keys, here as there, and all of it have one policy: a session that is
        issued for a name has that of the newest.
        """
        arriving = Counter(row.name for row in self._new if row.name and row.active(self._now))
        for name, rows in groupby(sorted(self._new, key=_name), _name):
            own = [one for one in self._access.credentials_named(name) if one.active(self._now)] if name else []
            for row, one in product(rows, own):
                if row.policy != one.policy:
                    other = f"{one.access_key_id} here, with another policy: --without-credentials leaves them out"
                    self.findings.problem(f"the access key {row.access_key_id}: its name {name} is that of {other}")
            if (active := len(own) + arriving[name]) > MAX_ACTIVE:
                self.findings.problem(f"{name} would have {active} active access keys: {MAX_ACTIVE} at most")


_name = attrgetter("name")
_UNCOMPARED = ("revision", "token")
_CALLED = {"sealed": "secret", "primary": "versions or material", "imported": "material"}


def _differing(here: Key | Credential, theirs: Key | Credential) -> str:
    """The fields that differ, as a person is told of them."""
    fields = [name for name in here.__struct_fields__ if name not in _UNCOMPARED]
    differing = [_CALLED.get(name, name) for name in fields if getattr(here, name) != getattr(theirs, name)]
    return ", ".join(dict.fromkeys(differing))
