"""Exports that tests make of one tenant and take into another one."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from kit.campaign.world import World, make_world
from tenantkms.audit.line import Audit
from tenantkms.runtime.assemble import Settings
from tkms.note import Log
from tkms.transfer.check import Check, Chosen, Findings
from tkms.transfer.file import Counts, Export, packed
from tkms.transfer.inward import Arrival
from tkms.transfer.outward import Source, about
from tkms.transfer.work import EXPORT, IMPORT, Hands, distinct_names

ALL = Chosen()
REQUEST = "a" * 32


def _log(settings: Settings, action: str, audit: Audit | None = None) -> Log:
    return Log(settings.site.tenant, (audit or settings.deps.audit).write, action, REQUEST)


def exported(settings: Settings, *keys: str) -> tuple[bytes, Counts]:
    """The file, not closed."""
    counts, one = Counts(), Hands(1)
    with distinct_names("it") as names:
        source = Source(settings, one, _log(settings, EXPORT), names)
        with source.of_one_moment():
            rows = source.keys(source.find(keys) if keys else None, None)
            pieces = list(packed(about(settings, whole=not keys), _all(source, rows, whole=not keys), counts))
    return b"".join(pieces), counts


def _all(source: Source, rows: Iterator[Any], *, whole: bool) -> Iterator[Any]:
    yield from rows
    if whole:
        yield from source.credentials()


def looked_at(settings: Settings, data: bytes, chosen: Chosen = ALL) -> Findings:
    with distinct_names("it") as names:
        return _checked(settings, data, chosen, names)


def _checked(settings: Settings, data: bytes, chosen: Chosen, names: Any) -> Findings:
    export = Export(io.BytesIO(data), "it")
    check = Check(settings, export.about, chosen, Hands(1), names)
    export.tell(check)
    return check.finish()


def imported(settings: Settings, data: bytes, chosen: Chosen = ALL, at_a_time: int = 1) -> tuple[Findings, Counts]:
    with distinct_names("it") as names, Hands(at_a_time) as hands:
        found = _checked(settings, data, chosen, names)
        assert not found.problems
        made = Counts()
        arrival = Arrival(settings, chosen, hands, names, _log(settings, IMPORT), made)
        Export(io.BytesIO(data), "it").tell(arrival)
        arrival.finish()
    assert made == found.new
    return found, made


def empty_world(store: str, path: Path, like: World) -> World:
    """A tenant without keys and access keys, under a parent key of its own, at the time of another one."""
    path.mkdir()
    made = make_world(store, path)
    made.clock, made.audit = like.clock, like.audit
    made.access.delete_credential(made.credential[0])
    made.credential = like.credential
    return made
