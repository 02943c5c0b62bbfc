"""Everything that is sealed goes under another parent key, while it is used.

1. A new root secret is stored beside the one that is there (`begin`). From when processes know the new parent key they
   write under both of these, and read what is under either.
2. Rows are renewed in passes, until one finds nothing more to do that began when no process knew the old ones only.
3. The former parent key and secret are forgotten (`finish`).

Whoever is ended at any place of it leaves what both parent keys open, and goes on by running it again.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Protocol

from msgspec import Struct

from tenantkms.access.sessions import LONGEST
from tenantkms.errors import KmsError
from tenantkms.keys.resealing import Resealer
from tenantkms.parent.port import ParentKey
from tenantkms.parent.reseal import begin, finish
from tenantkms.parent.root import Root
from tenantkms.runtime.assemble import Settings, SettingsError
from tkms.anchor import stores
from tkms.output import Failed

ACTION = "Reseal"
_SLACK = 600
"""Seconds in which a process may still issue sessions under the former secret."""
_SHOWN = 20


class Report(Struct, kw_only=True):
    """In the last pass `rows` were looked at, and `opened` secrets opened; `renewed` rows in all passes."""

    rows: int = 0
    opened: int = 0
    renewed: int = 0


class Target(Protocol):
    """Where it is done."""

    settings: Settings
    settle: float
    """Seconds after which no process writes, or has in memory, what is under the former parent key and secret."""

    def older(self) -> Sequence[ParentKey]:
        """Parent keys that may have sealed what was written late."""

    def named(self) -> None:
        """Make the new parent key the one that processes find; done already, it does nothing. Raises `OSError`."""

    def end(self) -> None:
        """Before the former one is forgotten. Raises `Unavailable`."""

    def note(self, outcome: str) -> None:
        """A line of the audit log, all of one with the same request id. Raises `Unavailable` and `SettingsError`."""


def start(root: Root, new: ParentKey, old: bytes, write: Callable[[bytes, bytes], None], *, end_sessions: bool) -> None:
    sessions = 0 if end_sessions else int(time.time()) + LONGEST + _SLACK
    begin(root, new, old, sessions, write)


@contextmanager
def _failure_noted(target: Target) -> Iterator[None]:
    try:
        yield
    except BaseException as e:
        with suppress(KmsError, SettingsError):  # what went wrong is told in any case
            target.note(type(e).__name__)
        raise


def carry_out(target: Target, tell: Callable[[int], None] | None) -> Report:
    """From wherever it stands to its end. Raises `Failed` for rows that cannot be put under it, `Unavailable`."""
    root = target.settings.root
    with _failure_noted(target):
        target.named()
        root.renew(strict=True)
    if not root.opened().before:  # somebody looks whether all is under it
        report = _passes(target, tell)
        if report.renewed:  # a process had been late
            target.note("ok")
        return report
    with _failure_noted(target):
        report = _passes(target, tell)
        target.end()
        finish(root, target.settings.deps.keyring.store.replace_root)
    target.note("ok")
    return report


def _passes(target: Target, tell: Callable[[int], None] | None) -> Report:
    """Until one finds nothing more to do."""
    began, renewed, passed = time.monotonic(), 0, 0
    while True:
        report = _pass(target, passed, tell)
        renewed, passed = renewed + report.renewed, passed + report.rows
        left = target.settle - (time.monotonic() - began)
        if not report.renewed and (left <= 0 or not target.settings.root.opened().before):
            break
        if not report.renewed:
            time.sleep(left)
    report.renewed = renewed
    return report


def _pass(target: Target, passed: int, tell: Callable[[int], None] | None) -> Report:
    settings, report, troubles = target.settings, Report(), list[str]()
    resealer = Resealer(settings.site.tenant, settings.root, target.older())
    for store in stores(settings):
        for seen in store.reseal(resealer):
            report.rows += 1
            report.renewed += seen.renewed
            if seen.trouble and len(troubles) <= _SHOWN:
                troubles.append(seen.trouble)
            if tell:
                tell(passed + report.rows)
    report.opened = resealer.opened
    if troubles:
        more = ", and more" if troubles[_SHOWN:] else ""
        raise Failed(
            "Everything else is under the new parent key, and both are still needed, since what follows opens under"
            f' neither: {"; ".join(troubles[:_SHOWN])}{more}. tkms doctor and docs/operations.md, "Rows that are not'
            ' believed", say how to repair that; then run it again.'
        )
    return report
