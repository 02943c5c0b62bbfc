"""Sessions of the console: they end by themselves, by signing out and with their access key, in all processes."""

from __future__ import annotations

import os
from contextlib import nullcontext
from pathlib import Path

import pytest

from tenantkms.store.file_lock import FileLock, at_once
from tenantkms.store.shared import Memory
from tkms.console.sessions import IDLE_SECONDS, LONGEST_SECONDS, MOST, MOST_EACH, Sessions


class Clock:
    now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def sessions(clock: Clock) -> Sessions:
    return Sessions(Memory(), nullcontext(), clock)


def test_a_token_is_of_its_caller_until_it_signs_out(sessions: Sessions) -> None:
    one, two = sessions.begin("TKMSone"), sessions.begin("TKMStwo")
    assert (sessions.caller(one), sessions.caller(two), sessions.caller("another")) == ("TKMSone", "TKMStwo", "")
    sessions.end(one)
    assert (sessions.caller(one), sessions.caller(two)) == ("", "TKMStwo")
    sessions.end(one)
    assert sessions.caller(two) == "TKMStwo"


def test_who_rests_too_long_signs_in_again(sessions: Sessions, clock: Clock) -> None:
    token = sessions.begin("TKMSone")
    for _ in range(3):
        clock.now += IDLE_SECONDS - 1
        assert sessions.caller(token) == "TKMSone"
    clock.now += IDLE_SECONDS
    assert sessions.caller(token) == ""


def test_none_lasts_longer_than_a_working_day(sessions: Sessions, clock: Clock) -> None:
    token = sessions.begin("TKMSone")
    for used in range(0, LONGEST_SECONDS, IDLE_SECONDS - 1):
        clock.now = 1_000 + used
        assert sessions.caller(token) == "TKMSone"
    clock.now = 1_000 + LONGEST_SECONDS
    assert sessions.caller(token) == ""


def test_an_access_key_that_is_no_more_has_none(sessions: Sessions) -> None:
    gone, stays = [sessions.begin("TKMSgone") for _ in range(2)], sessions.begin("TKMSstays")
    sessions.end_all("TKMSgone")
    assert [sessions.caller(token) for token in (*gone, stays)] == ["", "", "TKMSstays"]


def test_nobody_signs_others_out_by_signing_in_again_and_again(sessions: Sessions, clock: Clock) -> None:
    other = sessions.begin("TKMSother")
    mine = []
    for _ in range(MOST + 1):
        clock.now += 1
        mine.append(sessions.begin("TKMSmine"))
    assert sessions.caller(other) == "TKMSother"
    good = [token for token in mine if sessions.caller(token)]
    assert good == mine[-MOST_EACH:], "the ones that were used last"


def test_the_longest_ids_fit(sessions: Sessions) -> None:
    tokens = [sessions.begin(f"{number:0128}") for number in range(MOST + 5)]
    assert sum(bool(sessions.caller(token)) for token in tokens) == MOST


def test_processes_share_them_and_memory_has_no_token(tmp_path: Path) -> None:
    memory = Memory()
    start = memory._used
    told, answer = os.pipe()

    def joined() -> Sessions:
        memory._used = start  # as each process asks for it after the fork
        return Sessions(memory, FileLock(os.open(tmp_path / "lock", os.O_RDWR | os.O_CREAT, 0o600), at_once))

    ours = joined()
    token = ours.begin("TKMSone")
    child = os.fork()
    if not child:
        theirs = joined()
        os.write(answer, theirs.caller(token).encode())
        theirs.end(token)
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    assert os.read(told, 64) == b"TKMSone"
    assert ours.caller(token) == ""
    assert token.encode() not in bytes(memory._bytes)
    for end in (told, answer):
        os.close(end)


def test_what_a_process_left_half_written_is_nothing(clock: Clock) -> None:
    memory = Memory()
    start = memory._used
    sessions = Sessions(memory, nullcontext(), clock)
    token = sessions.begin("TKMSone")
    memory._bytes[start : start + 8] = bytes(8)
    assert sessions.caller(token) == ""
    assert sessions.caller(sessions.begin("TKMSone")) == "TKMSone"
