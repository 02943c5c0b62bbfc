"""What a server keeps of requests that it has refused: little, not for long, and nothing that is secret."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import pytest

from functions.endpoint.dispatch import InlineDispatcher
from functions.endpoint.handler import Endpoint
from kit.faulty import BODY, CONTEXT, ID, NOW, SECRET, SIGNERS, request_of, signed
from tenantkms.access.policy import ALLOW_ALL
from tenantkms.model.limits import OFF
from tenantkms.names import DIALECTS
from tenantkms.runtime.assemble import Settings
from tenantkms.wire.http import Request
from tkms.explain.received import read
from tkms.explain.refusal import FOUND, RIGHT, Refusal
from tkms.machine import refusals as module
from tkms.machine.crew import Crew
from tkms.machine.directory import Directory
from tkms.machine.refusals import MOST, SECONDS, Refusals


@dataclass
class World:
    """An endpoint whose refusals are kept, with a clock that stands until it is moved."""

    settings: Settings
    crew: Crew
    now: float = 0.0
    sent: int = 0
    refusals: Refusals = field(init=False)

    def __post_init__(self) -> None:
        self.refusals = Refusals(self.crew, self.settings.access, lambda: NOW, lambda: self.now)
        self.endpoint = Endpoint(self.settings, InlineDispatcher(self.settings.deps), None, self.refusals)

    def send(self, request: Request, address: str = "192.0.2.1", *, wait: bool = True) -> str:
        """The answer's body, once what is kept of it is there."""
        response = self.endpoint.respond(msgspec.structs.replace(request, source_ip=address))
        if wait:
            self.wait()
        return str(response.body)

    def wait(self) -> None:
        deadline = time.monotonic() + 10
        while self.refusals._asked > self.refusals._done:
            assert time.monotonic() < deadline
            time.sleep(0.002)

    def kept(self) -> list[Refusal]:
        return msgspec.msgpack.decode(self.refusals.told(), type=list[Refusal])


@pytest.fixture(autouse=True)
def _no_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_REST", 0)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    made = Directory(tmp_path / "data", OFF).make("test")
    made.access.create("app", DIALECTS, ALLOW_ALL, NOW, given=(ID, SECRET))
    deps = msgspec.structs.replace(made.deps, clock=lambda: NOW)
    return msgspec.structs.replace(made, deps=deps)


@pytest.fixture
def world(settings: Settings) -> World:
    return World(settings, Crew())


def wrong(scheme: str = "aws", secret: str = f"{SECRET} ") -> Request:
    prefix, suffix = {"aws": ("AWS4", ""), "tc3": ("TC3", ""), "rpc": ("", "&")}.get(scheme, ("", ""))
    return request_of(signed(scheme, start=f"{prefix}{secret}{suffix}"))


@pytest.mark.parametrize("scheme", SIGNERS)
def test_a_refused_request_is_kept_with_its_mistake(world: World, scheme: str) -> None:
    body = world.send(wrong(scheme))
    (kept,) = world.kept()
    assert (kept.verdict, [row.id for row in kept.mistakes]) == (FOUND, ["secret-space"])
    assert (kept.access_key_id, kept.error, kept.faults) == (ID, "SignatureMismatch", ())
    assert scheme == "aws" or kept.request_id in body


@pytest.mark.parametrize("scheme", SIGNERS)
def test_nothing_of_body_secret_or_signature_is_kept(world: World, scheme: str) -> None:
    request = wrong(scheme)
    world.send(request)
    memory = bytes(world.refusals._slots)
    assert ID.encode() in memory
    received = read(request)
    assert received
    for text in (SECRET, "aGVsbG8=", "aGVsbG8%3D", CONTEXT, "b%20c", BODY, received.signature):
        assert text.encode() not in memory


def test_headers_that_are_signed_and_not_needed_are_hidden(world: World) -> None:
    request = request_of(signed("tc3"))
    named = request.header("authorization").replace("content-type;host", "content-type;host;x-secret")
    world.send(
        msgspec.structs.replace(request, headers={**request.headers, "x-secret": "of a caller", "authorization": named})
    )
    (kept,) = world.kept()
    (line,) = [line for line in kept.lines if line.name == "x-secret"]
    assert line.text.startswith("x-secret:<11 characters, ")


def test_a_right_signature_of_another_hour_is_told_as_right(world: World) -> None:
    deps = msgspec.structs.replace(world.settings.deps, clock=lambda: NOW + 8 * 3600)
    world.endpoint._clock = deps.clock
    world.refusals._wall = deps.clock
    world.send(request_of(signed("tc3")))
    (kept,) = world.kept()
    assert (kept.verdict, kept.error, [row.id for row in kept.faults]) == (RIGHT, "RequestExpired", ["clock-zone"])


def test_what_is_served_is_not_kept(world: World) -> None:
    for scheme in SIGNERS:
        world.send(request_of(signed(scheme)))
    assert world.kept() == []


def test_an_access_key_that_there_is_not_is_not_kept(world: World) -> None:
    world.settings.access.store.delete_credential(ID)
    for scheme in SIGNERS:
        world.send(wrong(scheme))
        world.send(msgspec.structs.replace(request_of(signed(scheme)), headers={"authorization": "TC3-HMAC-SHA256 x"}))
    assert world.kept() == []


def test_a_session_is_explained_with_its_own_secret(world: World) -> None:
    session = world.settings.sessions.issue("app", 3600, "", NOW)
    text = signed("tc3", start=f"TC3{session.secret}\n").replace(ID, session.access_key_id)
    request = request_of(text)
    world.send(msgspec.structs.replace(request, headers={**request.headers, "x-tc-token": session.token}))
    (kept,) = world.kept()
    assert (kept.access_key_id, [row.id for row in kept.mistakes]) == (session.access_key_id, ["secret-space"])
    assert session.token.encode() not in bytes(world.refusals._slots)


# -- bounds --


def test_one_goes_after_ten_minutes_and_nothing_is_left_of_it(world: World) -> None:
    world.send(wrong())
    world.now += SECONDS - 1
    world.refusals.expire()
    assert len(world.kept()) == 1
    world.now += 1
    assert world.kept() == []
    world.refusals.expire()
    assert not any(bytes(world.refusals._slots))


def test_the_newest_are_kept(world: World) -> None:
    bodies = []
    for _ in range(MOST + 5):
        world.now += 1
        bodies.append(world.send(wrong("tc3")))
    kept = [refusal.request_id for refusal in world.kept()]
    assert len(kept) == MOST
    assert all(any(id_ in body for body in bodies[5:]) for id_ in kept)


def test_who_sends_many_drives_nobody_else_out(world: World) -> None:
    world.send(wrong("tc3"), "198.51.100.7")
    for _ in range(2 * MOST):
        world.now += 1
        world.send(wrong("tc3"))
    assert [refusal.source_ip for refusal in world.kept()].count("198.51.100.7") == 1


def test_few_of_many_are_looked_at(world: World) -> None:
    for _ in range(50):
        world.send(wrong("tc3"))
    assert len(world.kept()) == module._OF_ADDRESS
    for number in range(50):
        world.send(wrong("tc3"), f"198.51.100.{number}")
    assert len(world.kept()) == module._PER_SECOND
    world.send(msgspec.structs.replace(wrong("aws"), query="a=b"), "203.0.113.9")  # what is of another kind has its own
    assert len(world.kept()) == module._PER_SECOND + 1


def test_few_wait_to_be_looked_at(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_REST", 20)
    for number in range(50):
        world.now += 1
        world.send(wrong("tc3"), f"198.51.100.{number}", wait=False)
    assert world.refusals._asked <= module._WAITING + 2
    world.wait()


def test_a_long_request_takes_one_slot(world: World) -> None:
    more = {f"Name{number}": "x" * 60 for number in range(400)}
    world.send(request_of(signed("rpc", more=more, start="wrong&")))
    (kept,) = world.kept()
    assert 0 < len(kept.text) < 128
    assert len(msgspec.msgpack.encode(kept)) <= module._SLOT


def test_a_costly_request_does_not_take_long(world: World) -> None:
    """Many parameters make many mistakes that it may have."""
    more = {f"Name{number}": "~ é" * 20 for number in range(480)}
    request = request_of(signed("rpc", more=more, start="wrong&"))
    world.refusals._pairs_after = float("inf")
    world.send(request)  # what is loaded once
    began = time.monotonic()
    world.now += 1
    world.send(request)
    assert time.monotonic() - began < 1


def test_workers_see_what_each_other_has_refused_and_overwrite_nothing(settings: Settings) -> None:
    crew = Crew(2)
    worlds = []
    before = crew.memory._used
    for number in range(2):
        crew.memory._used = before  # as after a fork
        crew.number = number
        worlds.append(World(settings, crew))
    for one in worlds:
        one.send(wrong("tc3"))
    assert len(worlds[0].kept()) == len(worlds[1].kept()) == 2
    crew.memory._used, crew.number = before, 1
    World(settings, crew)  # takes the place of one that has ended
    assert len(worlds[0].kept()) == 1


def test_a_fault_of_it_is_logged_and_nobodys(
    world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(*_: Any) -> str:
        raise ValueError(SECRET)

    monkeypatch.setattr(world.refusals, "_secret", broken)
    assert "SignatureFailure" in world.send(wrong("tc3"))
    told = capsys.readouterr().err
    assert "ValueError" in told
    assert SECRET not in told


def test_two_mistakes_at_once_are_looked_for_seldom(world: World) -> None:
    both = request_of(signed("aws", headers_wrong={"host": "localhost"}, start=f"AWS4{SECRET}\n"))
    send: Callable[[], str] = partial(world.send, both)
    send()
    (kept,) = world.kept()
    assert [row.id for row in kept.mistakes] == ["host-local", "secret-space"]
    world.now += 1
    send()
    assert [refusal.verdict for refusal in world.kept()] == ["found", "unknown"]
    world.now += module._PAIRS_SECONDS
    send()
    assert [refusal.verdict for refusal in world.kept()] == ["found", "unknown", "found"]


# -- what strangers make up ------------------------------------------------------------------------------


@pytest.mark.parametrize("host", ["a" * 16_000 + "_", "a" * 16_000, "1:" * 8_000, "kms_of_us:8480", "[" * 16_000])
def test_a_host_of_any_form_is_read_at_once_and_hides_nothing_less(world: World, host: str) -> None:
    request = request_of(signed("v1", start="wrong"))
    began = time.monotonic()
    world.send(msgspec.structs.replace(request, headers={**request.headers, "host": host}))
    assert time.monotonic() - began < 2
    (kept,) = world.kept()
    assert [line.part for line in kept.text[:3]] == ["method", "host", "path"]
    assert kept.text[1].text[:200] == host[:200]
    assert b"aGVsbG8" not in bytes(world.refusals._slots)


def test_many_parameters_are_looked_through_once(world: World) -> None:
    query = "&".join([f"SecretId={ID}", *(f"p{n:x}" for n in range(10_000))])
    began = time.monotonic()
    world.send(Request(method="GET", path="/v2/index.php", query=query, headers={"host": "a"}, body=b""))
    assert time.monotonic() - began < 2
    assert len(world.kept()) == 1


@pytest.mark.parametrize("body", ['{"Plaintext":"aGVsbG8="}', "@hidden hello=", "aGVsbG8 hello"])
def test_a_body_that_was_sent_as_a_form_is_hidden(world: World, body: str) -> None:
    """As `curl -d` does unless it is told otherwise."""
    query = f"Action=Encrypt&AccessKeyId={ID}&Signature=x&SignatureNonce=1&Timestamp=2027-01-15T08:00:00Z"
    headers = {"host": "a", "content-type": "application/x-www-form-urlencoded"}
    for twice in ("", f"&{body}"):
        world.send(
            Request(method="POST", path="/", query=query, headers=headers, body=f"{body}{twice}".encode()), "192.0.2.9"
        )
    memory = bytes(world.refusals._slots)
    assert ID.encode() in memory
    assert not [word for word in (b"aGVsbG8", b"hello") if word in memory]


def test_a_body_in_the_place_of_its_hash_is_hidden(world: World) -> None:
    request = request_of(signed("aws", start="wrong"))
    world.send(msgspec.structs.replace(request, headers={**request.headers, "x-amz-content-sha256": "{'hello': 1}"}))
    (kept,) = world.kept()
    assert "body-hash-differs" in [row.id for row in kept.faults]
    assert b"hello" not in bytes(world.refusals._slots)
