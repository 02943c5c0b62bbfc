"""`tkms doctor` of a tenant with many keys and access keys: what it reads of them, and what it keeps in memory."""

from __future__ import annotations

import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from kit.backups import create
from kit.samples import credential
from kit.support import new_directory
from tenantkms.access.policy import ALLOW_ALL
from tenantkms.model.profiles import DAY
from tenantkms.names import DIALECTS
from tenantkms.parent.port import credential_binding
from tenantkms.runtime.assemble import Settings
from tenantkms.store.sqlite import SqliteStore
from tenantkms.store.sqlite_file import transaction
from tkms.backup.rows import Rows
from tkms.findings import OK, WARNING, examine_credentials, shortened
from tkms.machine import doctor
from tkms.machine.directory import Directory
from tkms.machine.doctor import Here

FEW, MANY = 2_000, 6_000
"""Access keys: more than are in memory at a time."""


@pytest.fixture
def directory(tmp_path: Path) -> Directory:
    return new_directory(tmp_path / "data")


def here(directory: Directory, tell: Callable[[int], None] | None = None) -> Here:
    return Here(directory, directory.open(), every=False, tell=tell)


def fill(settings: Settings, first: int, last: int, **changes: Any) -> None:
    """Access keys with these numbers, and with a secret that opens."""
    store = settings.access.store
    assert isinstance(store, SqliteStore)
    with transaction(store._at.db):
        for number in range(first, last):
            made = credential(number, name=f"app {number}", policy=ALLOW_ALL, **changes)
            binding = credential_binding(settings.site.tenant, made.access_key_id)
            store.put_credential(replace(made, sealed=settings.deps.keyring.parent.seal(b"x", binding)), new=True)


def peak(work: Callable[[], object]) -> int:
    work()  # what is made once
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def _look_at_credentials(found: Here) -> object:
    return [*examine_credentials(found.settings, WARNING, "")]


def _open_secrets(found: Here) -> object:
    return [*doctor._versions(found)]


@pytest.mark.parametrize("work", [_look_at_credentials, _open_secrets])
def test_its_memory_does_not_grow_with_access_keys(directory: Directory, work: Callable[[Here], object]) -> None:
    found = here(directory)
    fill(found.settings, 1, FEW)
    few = peak(lambda: work(found))
    fill(found.settings, FEW, MANY)
    assert peak(lambda: work(found)) < few + 20 * (MANY - FEW), few


def test_of_many_that_expire_some_are_shown_and_the_others_counted(directory: Directory) -> None:
    settings, now = directory.open(), int(time.time())

    def make(begins: str, name: str, **expires: int) -> None:
        for number in range(15):
            given = f"{begins}{number:02}", "secret"
            settings.access.create(f"{name} {number}", DIALECTS, ALLOW_ALL, now, given=given, **expires)

    make("A", "rotated", expires=now + DAY)
    make("B", "rotated")
    make("Z", "app", expires=now + DAY)
    first, *told = examine_credentials(settings, WARNING, "")
    assert first == (OK, "46 active", "")
    assert [status for status, _, _ in told] == [OK] * 15 + [WARNING] * 6
    assert (told[-1][1], told[-1][2][:23]) == ("and 10 more", "tkms credential rotate ")


def test_of_what_is_not_shown_the_worst_is_told() -> None:
    first, rest = [(OK, "", "")] * 20, [(OK, "", ""), (WARNING, "", "rotate"), (OK, "", "")]
    assert [*shortened(iter([*first, *rest]))][20:] == [(WARNING, "and 3 more", "rotate")]
    assert [*shortened(iter([*first, *rest[:1]]))][20:] == [(OK, "and 1 more", "")]
    assert len([*shortened(iter(first))]) == 20


def test_one_without_a_name_is_replaced_by_no_other(directory: Directory) -> None:
    settings, now = directory.open(), int(time.time())
    settings.access.create("", DIALECTS, ALLOW_ALL, now)
    settings.access.create("", DIALECTS, ALLOW_ALL, now, expires=now + DAY)
    assert [status for status, _, _ in examine_credentials(settings, WARNING, "")] == [OK, WARNING]


def test_of_many_keys_a_sample_is_read_and_opened(directory: Directory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another one each time."""
    for _ in range(8):
        create(directory)
    opened, look = list[str](), Rows.check_key
    monkeypatch.setattr(
        Rows, "check_key", lambda rows, key, *rest, **how: [opened.append(key.id), look(rows, key, *rest, **how)]
    )
    monkeypatch.setattr(Rows, "keys", lambda _: pytest.fail("all keys are read"))
    monkeypatch.setattr(doctor, "_SAMPLE", 3)
    samples = set()
    for _ in range(20):
        opened.clear()
        ((status, found, _),) = doctor._versions(here(directory))
        assert (status, found) == (OK, "3 versions of 3 keys of 9 (--all: of each) and 1 access key open")
        samples.add(frozenset(opened))
    assert {len(sample) for sample in samples} == {3}
    assert len(samples) > 1


def test_it_says_how_far_it_is(directory: Directory) -> None:
    told = list[int]()
    found = here(directory, told.append)
    fill(found.settings, 1, 4)
    for name in ("rows", "versions", "credentials"):
        told.clear()
        assert [*doctor.CHECKS[name](found)]
        assert told[-1] >= 3, name
