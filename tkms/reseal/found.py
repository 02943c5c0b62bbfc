"""What `tkms doctor` finds of the parent key: whether one from before is still needed."""

from __future__ import annotations

from pathlib import Path

from tenantkms.keys.resealing import Resealer
from tenantkms.model.credential import Credential
from tenantkms.model.key import Key
from tenantkms.model.version import KeyVersion
from tenantkms.runtime.assemble import Settings
from tkms.anchor import stores
from tkms.findings import OK, PROBLEM, Found, either
from tkms.machine.parents import others
from tkms.output import counted
from tkms.reseal.machine import under_way

PARENT = "parent key"
_STANDS = "a reseal has not come to its end: both parent keys are needed"
_GOES_ON = "a reseal is under way: until its end both parent keys are needed"
_GONE = "It can go. Backups from before it was replaced open with it alone: as long as one is kept, keep it apart."


class _Looking:
    """`Renewal` that renews nothing: it raises `SealBroken` for what the parent key does not open."""

    def __init__(self, resealer: Resealer) -> None:
        self._resealer = resealer

    def key(self, key: Key) -> Key:
        self._resealer.key(key)
        return key

    def version(self, key: Key, version: KeyVersion) -> KeyVersion:
        self._resealer.version(key, version)
        return version

    def credential(self, credential: Credential) -> Credential:
        self._resealer.credential(credential)
        return credential


def examine_machine(data_dir: Path, settings: Settings) -> Found:
    """Nothing where there never was another one."""
    if settings.root.exists() and settings.root.opened().before:
        yield either(under_way(data_dir), _GOES_ON, PROBLEM, _STANDS, "tkms reseal")
    elif former := others(data_dir):
        yield from _opened(settings, [f"{file.name} opens nothing of what rests here" for file in former], _GONE)


def examine_stack(settings: Settings, now: str, other: str) -> Found:
    """`now` is the parent key that the stack has, `other` the one that its functions may use besides, if any."""
    if not other or not settings.root.exists():
        return
    settings.root.opened()
    settings.root.renew(strict=True)
    opened = settings.root.opened()
    current = (now, other)[opened.parents.index(opened.by)]
    if opened.before:
        yield PROBLEM, _STANDS, "tkms reseal --stack ..., unless one runs somewhere."
        return
    former = other if current == now else now
    entry = "take other_parent_key_arn" if current == now else f"write {current} as parent_key_arn and take the other"
    advice = f"In the tenant's entry {entry} out of it, and deploy. Then it can go, once no backup from before is kept."
    yield from _opened(settings, [f"{former} opens nothing of what rests here"], advice)


def _opened(settings: Settings, said: list[str], advice: str) -> Found:
    """Whether all is under the parent key: everything is opened with it."""
    resealer = Resealer(settings.site.tenant, settings.root)
    troubles = [seen.trouble for store in stores(settings) for seen in store.reseal(_Looking(resealer)) if seen.trouble]
    if troubles:
        advice = "Keep all parent keys, and run tkms reseal: a process may have been late."
        yield PROBLEM, f"the parent key does not open {counted(len(troubles), 'row')}: {troubles[0]}", advice
        return
    for text in said:
        yield OK, f"{text}: {counted(resealer.opened, 'secret opens', 'secrets open')} without it", advice
