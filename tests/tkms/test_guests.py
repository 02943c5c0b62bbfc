"""Who is let in where there is no room for all, who makes room, and whose turn it is."""

from __future__ import annotations

import asyncio
import resource
import time
from collections.abc import Iterator

import pytest

from tenantkms.runtime.assemble import SettingsError
from tkms.machine import guests as rules
from tkms.machine.guests import Guests, connections_by_files, network


class _Guest:
    def __init__(self, address: str = "192.0.2.1") -> None:
        self.address, self.known, self.held = address, False, 0
        self.left = self.turns = 0

    def leave(self) -> None:
        self.left += 1

    def take_turn(self, end: float) -> None:
        self.turns += 1


def _admitted(guests: Guests, count: int, address: str = "192.0.2.1") -> list[_Guest]:
    made = [_Guest(address) for _ in range(count)]
    assert all(map(guests.admit, made))
    return made


def test_when_full_the_oldest_stranger_goes_and_nobody_who_is_known() -> None:
    guests = Guests(3)
    known, first, second = _admitted(guests, 3)
    guests.recognise(known)
    new = _Guest()
    assert guests.admit(new)
    assert [each.left for each in (known, first, second, new)] == [0, 1, 0, 0]
    for each in (second, new):
        guests.recognise(each)
    assert not guests.admit(_Guest())
    assert list(guests.all) == [known, second, new]


def test_an_address_has_its_share_and_makes_room_for_itself_alone() -> None:
    guests = Guests(100, per_address=2)
    (other,) = _admitted(guests, 1, "198.51.100.1")
    first, second = _admitted(guests, 2)
    third = _Guest()
    assert guests.admit(third)
    assert [each.left for each in (other, first, second, third)] == [0, 1, 0, 0]
    guests.recognise(second)
    guests.recognise(third)
    assert not guests.admit(_Guest())
    assert guests.admit(_Guest("198.51.100.1"))
    guests.remove(second)
    guests.remove(second)  # it may be told twice
    assert guests.admit(_Guest())


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
        ("2001:db8:1:2::1", "2001:db8:1:2::"),
        ("fe80::1%eth0", "fe80::"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("", ""),
    ],
)
def test_what_counts_as_one_address(host: str, address: str) -> None:
    assert network(host) == address


def test_of_too_much_that_arrives_the_largest_goes_strangers_first() -> None:
    guests = Guests(100, arriving=100)
    small, large, known = _admitted(guests, 3)
    guests.recognise(known)
    for guest, size in ((small, 10), (large, 30), (known, 55)):
        guests.hold(guest, size)
    assert not any(each.left for each in (small, large, known))
    guests.hold(small, 20)
    assert [each.left for each in (small, large, known)] == [0, 1, 0]
    guests.hold(known, 75)
    guests.hold(small, 0)
    assert (small.left, known.left) == (0, 0)
    guests.hold(known, 101)
    assert (small.left, known.left) == (0, 1)
    guests.hold(small, 100)
    assert small.left == 0  # who left holds nothing any more


async def _turns(count: int, each: float = 0.0) -> list[int]:
    """How many had their turn after each step of the loop, of `count` who take `each` seconds."""
    guests = Guests()

    class Slow(_Guest):
        def take_turn(self, end: float) -> None:
            super().take_turn(end)
            time.sleep(each)

    queued = [Slow() for _ in range(count)]
    for guest in queued:
        guests.queue(guest)
    seen = []
    while not seen or seen[-1] < count:
        await asyncio.sleep(0)
        seen.append(sum(guest.turns for guest in queued))
    return seen


def test_turns_take_no_longer_than_a_moment_of_each_step_of_the_loop() -> None:
    assert asyncio.run(_turns(5))[-1] == 5
    assert asyncio.run(_turns(4, 1.1 * rules.TURNS_SECONDS))[-4:] == [1, 2, 3, 4]


def test_a_turn_is_shorter_where_more_wait_for_theirs() -> None:
    async def lengths() -> list[int]:
        guests, found = Guests(), []
        for _ in range(20):
            found.append(guests.turn)
            guests.queue(_Guest())
        return found

    found = asyncio.run(lengths())
    assert found[0] == 16
    assert found == sorted(found, reverse=True)
    assert found[-1] == 1


@pytest.fixture
def limits(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """[soft, hard] limit of open files as the process seems to have them."""
    has = [1024, 4096]
    monkeypatch.setattr(resource, "getrlimit", lambda _what: tuple(has))
    monkeypatch.setattr(resource, "setrlimit", lambda _what, new: has.__setitem__(slice(None), new))
    return has


NO_LIMIT = resource.RLIM_INFINITY


@pytest.mark.parametrize(
    ("before", "soft", "room"),
    [
        ([1024, 4096], 1128, 1000),
        ([256, 512], 512, 384),
        ([20_000, 20_000], 20_000, 1000),
        ([256, NO_LIMIT], 1128, 1000),
        ([NO_LIMIT, NO_LIMIT], NO_LIMIT, 1000),
    ],
)
def test_the_limit_of_open_files_is_raised_and_kept_to(
    limits: list[int], before: list[int], soft: int, room: int
) -> None:
    limits[:] = before
    assert connections_by_files() == room
    assert limits == [soft, before[1]]


def test_without_files_for_connections_there_is_no_start(limits: list[int]) -> None:
    limits[:] = [100, 140]
    with pytest.raises(SettingsError, match="At most 140 files may be open"):
        connections_by_files()
