"""Sessions: what a token holds, who may be issued one, and that no altered, foreign or swapped token opens."""

from __future__ import annotations

import json
import os
import string
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from kit.fakes import Clock, Counting
from kit.samples import ROW_MACS, credential
from tenantkms.access.sessions import LONGEST, MAX_POLICY, MAX_TOKEN, SHORTEST, Sessions
from tenantkms.errors import (
    CredentialDisabled,
    InvalidParameter,
    InvalidPolicy,
    InvalidSecurityToken,
    KmsError,
    MismatchedSecurityToken,
    Unavailable,
    UnknownAccessKey,
)
from tenantkms.parent.file import FileParentKey
from tenantkms.parent.root import Root
from tenantkms.store.sqlite import SqliteStore

NOW = 1_700_000_000
POLICY = '{"Statement": [{"Effect": "Allow", "Action": "Encrypt", "Resource": "alias/app-*"}]}'


def root(sealed: dict[str, bytes] | None = None, tenant: str = "acme", parent: FileParentKey | None = None) -> Root:
    """A root secret of its own, or the one that `parent` has sealed."""
    kept = {} if sealed is None else sealed
    parents = [parent or FileParentKey(os.urandom(32))]
    made = Root(tenant, lambda: parents, lambda: kept.get("root"))
    made.make(lambda blob: kept.setdefault("root", blob))
    return made


class World:
    """A tenant with the active credentials 1, 2 (both called `app`) and 3, and a disabled one, 4."""

    def __init__(self, path: Path) -> None:
        self.clock = Clock()
        self.store = SqliteStore(path / "kms.sqlite3", ROW_MACS)
        for number, name in ((1, "app"), (2, "app"), (3, "other")):
            self.store.put_credential(credential(number, name=name), new=True)
        self.store.put_credential(credential(4, name="gone", enabled=False), new=True)
        self.root = Counting(root())
        self.sessions = self.process()

    def process(self) -> Sessions:
        return Sessions(self.store, self.root, os.urandom, clock=self.clock)  # type: ignore[arg-type]


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def id_(number: int) -> str:
    return credential(number).access_key_id


def test_what_is_issued_opens_in_any_process_of_the_tenant(world: World) -> None:
    issued = world.sessions.issue("other", 3600, POLICY, NOW)
    assert (issued.parent, issued.expires) == (id_(3), NOW + 3600)
    assert issued.policy == json.dumps(json.loads(POLICY), separators=(",", ":"))
    assert issued.access_key_id.startswith("TKMT")
    for process in (world.sessions, world.process()):
        assert process.open(issued.token, issued.access_key_id) == issued


def test_a_session_is_made_of_characters_that_every_header_and_scheme_takes(world: World) -> None:
    issued = world.sessions.issue("other", 3600, POLICY, NOW)
    plain = set(string.ascii_letters + string.digits)
    assert set(issued.access_key_id) <= plain
    assert set(issued.secret) <= plain
    assert len(issued.secret) == 64
    assert set(issued.token) <= plain | set("-_")


def test_no_part_of_a_session_is_an_option_to_a_command_line(world: World) -> None:
    """As in `tccli --secretKey SECRET --token TOKEN`."""
    for _ in range(600):
        issued = world.sessions.issue("other", 3600, "", NOW)
        assert not {issued.access_key_id[0], issued.secret[0], issued.token[0]} & {"-", "@"}


def test_a_session_does_not_show_its_secret(world: World) -> None:
    issued = world.sessions.issue("other", 3600, "", NOW)
    assert issued.secret not in repr(issued)
    assert issued.token not in repr(issued)


def test_no_two_sessions_are_alike(world: World) -> None:
    made = [world.sessions.issue("other", 3600, "", NOW) for _ in range(20)]
    for kind in ("access_key_id", "secret", "token"):
        assert len({getattr(session, kind) for session in made}) == 20


def test_a_session_is_of_the_newest_active_access_key_of_a_name(world: World) -> None:
    assert world.sessions.issue("app", 3600, "", NOW).parent == id_(2)
    assert world.sessions.issue(id_(1), 3600, "", NOW).parent == id_(1)
    world.store.put_credential(credential(2, name="app", enabled=False), new=False)
    assert world.sessions.issue("app", 3600, "", NOW).parent == id_(1)


@pytest.mark.parametrize(
    ("wanted", "error"),
    [
        ("gone", CredentialDisabled),
        (id_(4), CredentialDisabled),
        ("nobody", UnknownAccessKey),
        ("", UnknownAccessKey),
    ],
)
def test_who_has_no_session(world: World, wanted: str, error: type[KmsError]) -> None:
    world.store.put_credential(credential(5, name=""), new=True)
    with pytest.raises(error):
        world.sessions.issue(wanted, 3600, "", NOW)


@pytest.mark.parametrize("seconds", [SHORTEST - 1, 0, -3600, LONGEST + 1])
def test_a_session_lasts_a_quarter_of_an_hour_to_half_a_day(world: World, seconds: int) -> None:
    with pytest.raises(InvalidParameter, match="from 900 to 43200 seconds"):
        world.sessions.issue("app", seconds, "", NOW)
    for allowed in (SHORTEST, LONGEST):
        assert world.sessions.issue("app", allowed, "", NOW).expires == NOW + allowed


def test_no_session_outlives_its_access_key(world: World) -> None:
    world.store.put_credential(credential(3, name="other", expires=NOW + 60), new=False)
    assert world.sessions.issue("other", 3600, "", NOW).expires == NOW + 60
    with pytest.raises(CredentialDisabled):
        world.sessions.issue("other", 3600, "", NOW + 60)


def sized(size: int) -> str:
    """A policy of that many bytes."""
    names: list[str] = []
    text = json.dumps({"Statement": [{"Effect": "Allow", "Action": "*", "Resource": names}]}, separators=(",", ":"))
    while len(text) < size:
        names.append("alias/" + "a" * min(200, max(1, size - len(text) - 9)))
        text = json.dumps({"Statement": [{"Effect": "Allow", "Action": "*", "Resource": names}]}, separators=(",", ":"))
    assert len(text) == size
    return text


def test_the_longest_policy_makes_a_token_that_fits_a_header(world: World) -> None:
    issued = world.sessions.issue("other", 3600, sized(MAX_POLICY), NOW)
    assert len(issued.token) <= MAX_TOKEN
    assert world.process().open(issued.token, issued.access_key_id) == issued
    with pytest.raises(InvalidPolicy, match="longer than 2048 bytes"):
        world.sessions.issue("other", 3600, sized(MAX_POLICY + 1), NOW)


@pytest.mark.parametrize("policy", ["{", "{}", '{"Statement":[]}', POLICY.replace("Encrypt", "SignByAsymmetricKey")])
def test_a_policy_that_could_not_be_a_credential_s_is_refused(world: World, policy: str) -> None:
    with pytest.raises(InvalidPolicy):
        world.sessions.issue("other", 3600, policy, NOW)


def test_limits_that_would_limit_nothing_are_refused(world: World) -> None:
    policy = POLICY.removesuffix("}") + ',"Limits":{"Encrypt":1}}'
    with pytest.raises(InvalidPolicy, match="no Limits"):
        world.sessions.issue("other", 3600, policy, NOW)


def test_every_altered_character_is_noticed(world: World) -> None:
    issued = world.sessions.issue("other", 3600, POLICY, NOW)
    fresh = world.process()
    for at, was in enumerate(issued.token):
        for other in ("A", "B", "-", "=", " ", "é", ""):
            if other != was:
                with pytest.raises(InvalidSecurityToken):
                    fresh.open(issued.token[:at] + other + issued.token[at + 1 :], issued.access_key_id)


@given(st.one_of(st.text(max_size=100), st.binary(max_size=100).map(lambda raw: "AQ" + raw.hex())))
@settings(deadline=None, max_examples=300)
def test_what_a_stranger_makes_up_is_no_token(token: str) -> None:
    sessions = Sessions(None, root(), os.urandom, clock=Clock())  # type: ignore[arg-type]
    with pytest.raises(InvalidSecurityToken):
        sessions.open(token, "TKMT")


def test_a_long_token_is_not_even_looked_at(world: World) -> None:
    with pytest.raises(InvalidSecurityToken):
        world.sessions.open("A" * (MAX_TOKEN + 1), "TKMT")
    assert not world.root.calls


def test_the_same_bytes_written_in_another_way_are_no_token(world: World) -> None:
    """Of the last character's bits some are not used: one token has one text."""
    issued = next(
        made for made in (world.sessions.issue(f"{id_(3)}", 3600 + n, "", NOW) for n in range(3)) if len(made.token) % 4
    )
    alphabet = string.ascii_uppercase + string.ascii_lowercase + string.digits + "-_"
    other = alphabet[alphabet.index(issued.token[-1]) ^ 1]
    for text in (issued.token[:-1] + other, issued.token + "=", issued.token + "\n", issued.token.replace("-", "+")):
        if text != issued.token:
            with pytest.raises(InvalidSecurityToken):
                world.process().open(text, issued.access_key_id)


def test_a_token_is_of_one_access_key_id(world: World) -> None:
    one, other = (world.sessions.issue("other", 3600, "", NOW) for _ in range(2))
    for wrong in (other.access_key_id, one.parent, ""):
        for process in (world.sessions, world.process()):
            with pytest.raises(MismatchedSecurityToken):
                process.open(one.token, wrong)


def test_a_token_of_another_tenant_or_root_secret_does_not_open(world: World) -> None:
    issued = world.sessions.issue("other", 3600, "", NOW)
    stranger = Sessions(world.store, root(), os.urandom, clock=world.clock)
    with pytest.raises(InvalidSecurityToken):
        stranger.open(issued.token, issued.access_key_id)


def test_opening_is_remembered_for_a_while_and_only_what_opened(world: World) -> None:
    issued = world.sessions.issue("other", 3600, "", NOW)
    process = world.process()
    process.open(issued.token, issued.access_key_id)
    asked = world.root.calls.copy()
    assert process.open(issued.token, issued.access_key_id) is process.open(issued.token, issued.access_key_id)
    assert world.root.calls == asked
    for n in range(5):
        with pytest.raises(InvalidSecurityToken):
            process.open(f"AQ{n}", "TKMT")
    assert len(process._opened._rows) == 1
    world.clock.now += 300
    process.open(issued.token, issued.access_key_id)
    assert world.root.calls != asked


def test_without_the_root_secret_the_fault_is_retryable(world: World) -> None:
    broken = Root("acme", lambda: [FileParentKey(os.urandom(32))], lambda: None)
    sessions = Sessions(world.store, broken, os.urandom, clock=world.clock)
    with pytest.raises(Unavailable):
        sessions.issue("other", 3600, "", NOW)
    issued = world.sessions.issue("other", 3600, "", NOW)
    with pytest.raises(Unavailable):
        sessions.open(issued.token, issued.access_key_id)


def test_an_expired_credential_is_not_active() -> None:
    assert not replace(credential(1), expires=NOW).active(NOW)
