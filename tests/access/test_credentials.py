"""Access keys: who is found, what it costs to ask, who is admitted, and nonces."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest
from msgspec.structs import replace

from kit.fakes import Clock, Counting
from kit.samples import ROW_MACS
from kit.support import Kms
from tenantkms.access.credentials import MOST_USES, Access
from tenantkms.access.policy import ALLOW_ALL
from tenantkms.errors import (
    AccessDenied,
    CredentialDisabled,
    LimitExceeded,
    NonceReused,
    Unavailable,
    UnknownAccessKey,
)
from tenantkms.model.credential import Credential
from tenantkms.names import DIALECTS
from tenantkms.parent.file import FileParentKey
from tenantkms.store.port import RevisionConflict
from tenantkms.store.sqlite import SqliteStore

NOW = 1_700_000_000


class World:
    """The access keys of a tenant as one process sees them, with its calls counted."""

    def __init__(self, path: Path, **options: Any) -> None:
        self.clock = Clock()
        self.sqlite = SqliteStore(path, ROW_MACS)
        self.store = Counting(self.sqlite)
        self.parent = Counting(FileParentKey(os.urandom(32)))
        self.access = Access("acme", self.store, self.parent, clock=self.clock, **options)  # type: ignore[arg-type]

    def make(self) -> tuple[Credential, str]:
        made = self.access.create("name", DIALECTS, ALLOW_ALL, NOW)
        self.store.calls.clear()
        self.parent.calls.clear()
        return made


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path / "kms.sqlite3")


def test_a_created_credential_is_found_with_its_secret(world: World) -> None:
    credential, secret = world.make()
    assert world.access.find(credential.access_key_id) == (credential, secret)
    assert (len(credential.access_key_id), len(secret)) == (24, 40)
    assert (credential.name, credential.dialects, credential.created) == ("name", DIALECTS, NOW)


def test_a_secret_is_stored_only_sealed(tmp_path: Path, world: World) -> None:
    _, secret = world.make()
    for file in tmp_path.iterdir():
        assert secret.encode() not in file.read_bytes()


def test_no_two_credentials_are_alike(world: World) -> None:
    made = [world.access.create("", DIALECTS, ALLOW_ALL, NOW) for _ in range(20)]
    assert len({credential.access_key_id for credential, _ in made}) == 20
    assert len({secret for _, secret in made}) == 20


def test_an_id_that_is_given_is_taken_once(world: World) -> None:
    credential, secret = world.access.create("", DIALECTS, ALLOW_ALL, NOW, given=("TKMSEXAMPLE", "secret"))
    assert (credential.access_key_id, secret) == ("TKMSEXAMPLE", "secret")
    with pytest.raises(RevisionConflict):
        world.access.create("", DIALECTS, ALLOW_ALL, NOW, given=("TKMSEXAMPLE", "another"))
    assert world.access.find("TKMSEXAMPLE") == (credential, "secret")


def test_finding_costs_one_read_and_one_unseal_in_their_times(world: World) -> None:
    credential, _ = world.make()
    for _ in range(3):
        world.access.find(credential.access_key_id)
    assert (world.store.calls, world.parent.calls) == ({"get_credential": 1}, {"unseal": 1})
    world.clock.now += 1
    world.access.find(credential.access_key_id)
    assert (world.store.calls, world.parent.calls) == ({"get_credential": 2}, {"unseal": 1})
    world.clock.now += 299
    world.access.find(credential.access_key_id)
    assert (world.store.calls, world.parent.calls) == ({"get_credential": 3}, {"unseal": 2})


def test_without_a_time_the_store_is_asked_each_time(tmp_path: Path) -> None:
    world = World(tmp_path / "kms.sqlite3", state_seconds=0)
    credential, _ = world.make()
    for _ in range(3):
        world.access.find(credential.access_key_id)
    assert (world.store.calls, world.parent.calls) == ({"get_credential": 3}, {"unseal": 1})


def test_a_credential_that_another_process_disabled_is_refused_within_the_time(world: World) -> None:
    credential, _ = world.make()
    world.access.find(credential.access_key_id)
    world.sqlite.put_credential(replace(credential, enabled=False), new=False)
    world.clock.now += 1
    found, _ = world.access.find(credential.access_key_id)
    with pytest.raises(CredentialDisabled):
        world.access.admit(found, "alibaba", NOW)
    world.sqlite.delete_credential(credential.access_key_id)
    world.clock.now += 1
    assert world.access.find(credential.access_key_id)[0] is None


def test_a_sealed_secret_moved_to_another_access_key_does_not_open(world: World) -> None:
    credential, secret = world.make()
    other, other_secret = world.make()
    assert world.access.secret(credential) == secret
    with pytest.raises(Unavailable):
        world.access.secret(replace(credential, sealed=other.sealed))
    assert world.access.secret(other) == other_secret


def test_an_unknown_access_key_gets_a_secret_to_verify_with(world: World) -> None:
    """The same kind of work as for a wrong secret: one read, one secret of the same length, no other answer."""
    _, secret = world.make()
    found, dummy = world.access.find("TKMSunknown")
    assert found is None
    assert len(dummy) == len(secret)
    assert world.access.find("TKMSother") == (None, dummy)
    assert world.store.calls == {"get_credential": 2}
    assert not world.parent.calls


def test_a_tenant_without_any_access_key_is_not_ready(world: World) -> None:
    for _ in range(2):
        with pytest.raises(Unavailable, match="no access key yet"):
            world.access.find("TKMSunknown")
    credential, secret = Access("acme", world.sqlite, world.parent, clock=world.clock).create(  # type: ignore[arg-type]
        "first", DIALECTS, ALLOW_ALL, NOW
    )
    world.store.calls.clear()
    assert world.access.find("TKMSunknown")[0] is None
    assert world.access.find("TKMSother")[0] is None
    assert world.access.find(credential.access_key_id) == (credential, secret)
    # Once there was one, it is not asked again, nor for an access key that was not there a moment ago.
    assert world.store.calls == {"get_credential": 2, "has_credentials": 1}


def test_an_unknown_access_key_is_told_as_such_whatever_it_signs_with(kms: Kms) -> None:
    kms.signer.access_key_id = "TKMSunknown"
    unknown = kms.tencent("ListKeys")["Error"]
    assert unknown["Code"] == "AuthFailure.SecretIdNotFound"
    kms.signer.secret = ""
    assert kms.tencent("ListKeys")["Error"] == unknown


def test_many_unknown_access_keys_leave_nothing_behind(tmp_path: Path) -> None:
    world = World(tmp_path / "kms.sqlite3", size=2)
    credential, _ = world.make()
    world.access.find(credential.access_key_id)
    for n in range(10):
        world.access.find(f"TKMS{n}")
    world.access.find(credential.access_key_id)
    assert world.store.calls == {"get_credential": 11}


CREDENTIAL = Credential(access_key_id="AKID", name="", sealed=b"", dialects=("alibaba",), policy=ALLOW_ALL, created=NOW)


@pytest.mark.parametrize(
    ("credential", "dialect", "error"),
    [
        (None, "alibaba", UnknownAccessKey),
        (replace(CREDENTIAL, enabled=False), "alibaba", CredentialDisabled),
        (replace(CREDENTIAL, enabled=False), "tencent", CredentialDisabled),
        (replace(CREDENTIAL, expires=NOW), "alibaba", CredentialDisabled),
        (replace(CREDENTIAL, expires=NOW), "tencent", CredentialDisabled),
        (CREDENTIAL, "tencent", AccessDenied),
        (CREDENTIAL, "tencent-v2", AccessDenied),
        (replace(CREDENTIAL, dialects=("tencent-v2",)), "tencent", AccessDenied),
        (replace(CREDENTIAL, dialects=()), "alibaba", AccessDenied),
    ],
)
def test_who_is_not_admitted(credential: Credential | None, dialect: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        Access.admit(credential, dialect, NOW)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_who_is_admitted(dialect: str) -> None:
    credential = replace(CREDENTIAL, dialects=(dialect,))
    assert Access.admit(credential, dialect, NOW) is credential
    expiring = replace(credential, expires=NOW + 1)
    assert Access.admit(expiring, dialect, NOW + 0.999) is expiring


def test_a_name_has_two_active_access_keys_at_most(world: World) -> None:
    first, _ = world.make()
    expiring, _ = world.access.create("name", DIALECTS, ALLOW_ALL, NOW, expires=NOW + 10)
    with pytest.raises(LimitExceeded) as refused:
        world.access.create("name", DIALECTS, ALLOW_ALL, NOW)
    assert first.access_key_id in refused.value.message
    assert expiring.access_key_id in refused.value.message
    assert len(world.sqlite.list_credentials()) == 2
    world.access.create("other", DIALECTS, ALLOW_ALL, NOW)

    world.access.change(first.access_key_id, NOW, enabled=False)
    second, _ = world.access.create("name", DIALECTS, ALLOW_ALL, NOW)
    with pytest.raises(LimitExceeded):
        world.access.change(first.access_key_id, NOW, enabled=True)
    world.access.change(second.access_key_id, NOW, enabled=True)  # it is already
    world.access.change(first.access_key_id, NOW + 10, enabled=True)  # one of the two has expired
    with pytest.raises(LimitExceeded):
        world.access.create("name", DIALECTS, ALLOW_ALL, NOW + 10)
    with pytest.raises(UnknownAccessKey):
        world.access.change("TKMSnobody", NOW, enabled=True)


def test_a_use_is_noted_by_the_hour(world: World) -> None:
    world.access = Access("acme", world.store, world.parent, clock=world.clock, apart=lambda work: work())  # type: ignore[arg-type]
    one, other = (world.access.create("name", DIALECTS, ALLOW_ALL, NOW)[0].access_key_id for _ in range(2))
    hour = NOW - NOW % 3600
    for now in (NOW, NOW + 0.5, hour + 3599.999):
        world.access.note_use(one, now)
    assert world.sqlite.last_uses() == {one: hour}
    world.access.note_use(other, hour + 3599)
    world.access.note_use(one, hour + 3600)
    assert world.sqlite.last_uses() == {one: hour + 3600, other: hour}


def test_a_use_that_cannot_be_noted_hinders_nothing(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    class Broken:
        def note_use(self, *_: object) -> None:
            raise Unavailable("secret text")

    access = Access("acme", Broken(), world.parent, clock=world.clock, apart=lambda work: work())  # type: ignore[arg-type]
    access.note_use("TKMSone", NOW)
    told = capsys.readouterr().err
    assert "Unavailable" in told
    assert "secret text" not in told


def test_no_request_waits_until_its_use_is_noted(world: World) -> None:
    waiting, written = Event(), Event()

    class Slow:
        def note_use(self, *_: object) -> None:
            waiting.wait(10)
            written.set()

    access = Access("acme", Slow(), world.parent, clock=world.clock)  # type: ignore[arg-type]
    access.note_use("TKMSone", NOW)
    assert not written.is_set()
    waiting.set()
    assert written.wait(10)


def test_a_use_is_written_once_an_hour(world: World) -> None:
    written: list[tuple[str, int]] = []

    class Store:
        def note_use(self, *row: Any) -> None:
            written.append(row)

    access = Access("acme", Store(), world.parent, clock=world.clock, apart=lambda work: work())  # type: ignore[arg-type]
    hour = NOW - NOW % 3600
    for now in (hour, hour + 1, hour + 3599, hour + 3600, hour + 3601):
        access.note_use("TKMSone", now)
    assert written == [("TKMSone", hour), ("TKMSone", hour + 3600)]


def test_uses_of_many_access_keys_are_written_by_one_thread_and_kept_in_bounds(world: World) -> None:
    """While the store hangs: the requests of all that come go on, and the oldest of too many are left out."""
    waiting = Event()
    written: list[str] = []
    started: list[Thread] = []

    class Slow:
        def note_use(self, access_key_id: str, _hour: int) -> None:
            assert waiting.wait(60)
            written.append(access_key_id)

    def apart(work: Callable[[], None]) -> None:
        started.append(Thread(target=work))
        started[-1].start()

    access = Access("acme", Slow(), world.parent, clock=world.clock, apart=apart)  # type: ignore[arg-type]
    access.note_use("first", NOW)
    while access._unwritten:
        time.sleep(0.001)
    for number in range(2 * MOST_USES + 10):
        access.note_use(f"TKMS{number}", NOW)
    assert len(access._noted) <= MOST_USES
    waiting.set()
    for thread in started:
        thread.join(60)
    assert len(started) == 1
    assert written == ["first", *(f"TKMS{number}" for number in range(MOST_USES + 10, 2 * MOST_USES + 10))]


def test_a_nonce_is_good_once_for_its_scheme_and_access_key(world: World) -> None:
    def use(scheme: str, access_key_id: str, nonce: str, now: int = NOW) -> None:
        world.access.use_nonce(scheme, access_key_id, nonce, now=now, window=900)

    fresh = [
        ("acs3", "A", "1"),
        ("rpc", "A", "1"),
        ("acs3", "B", "1"),
        ("acs3", "A", "2"),
        ("acs3", "A1", ""),
        ("acs3", "A", ""),
    ]
    for one in fresh:
        use(*one)
    for one in fresh:
        for now in (NOW, NOW + 900, NOW + 1800):
            with pytest.raises(NonceReused):
                use(*one, now=now)
    use(*fresh[0], now=NOW + 3601)  # a store may remember it for half an hour more


@pytest.mark.parametrize("nonce", ["", "x" * 100_000, "\x00", "ключ", "\udc80"])
def test_any_nonce_of_a_stranger_can_be_remembered(world: World, nonce: str) -> None:
    world.access.use_nonce("acs3", "A", nonce, now=NOW, window=900)
    with pytest.raises(NonceReused):
        world.access.use_nonce("acs3", "A", nonce, now=NOW, window=900)


def test_an_unknown_access_key_is_read_once_in_a_second(world: World) -> None:
    world.make()
    for _ in range(50):
        assert world.access.find("TKMSunknown")[0] is None
    assert world.store.calls == {"get_credential": 1}
    world.clock.now += 1
    world.access.find("TKMSunknown")
    assert world.store.calls == {"get_credential": 2}


@pytest.mark.parametrize("state_seconds", [0, 1, 60])
def test_a_new_access_key_is_found_within_the_time_for_a_state(state_seconds: float, tmp_path: Path) -> None:
    world = World(tmp_path / "kms.sqlite3", state_seconds=state_seconds)
    credential, _ = world.make()
    new = replace(credential, access_key_id="TKMSnew")
    assert world.access.find("TKMSnew")[0] is None
    world.sqlite.put_credential(new, new=True)
    world.clock.now += min(state_seconds, 1)
    found = world.access._read("TKMSnew")
    assert found == new


def test_strangers_drive_no_access_key_out_and_leave_little_behind(world: World) -> None:
    credential, _ = world.make()
    world.access.find(credential.access_key_id)
    for n in range(3_000):
        world.access.find(f"TKMS{n}")
    world.store.calls.clear()
    world.access.find(credential.access_key_id)
    world.access.find("x" * 129)
    assert not world.store.calls
    assert len(world.access._unknown._rows) == 1_000
