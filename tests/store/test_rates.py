"""Requests per second, of both stores: as many as the rate says, and not one more."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from kit.moto_aws import Tables
from kit.samples import ROW_MACS
from kit.store_writers import shared_buckets
from tenantkms.store.buckets import AnyBuckets, Buckets
from tenantkms.store.dynamodb import DynamoAccessStore
from tenantkms.store.leases import Leases
from tenantkms.store.port import AccessStore
from tenantkms.store.shared import Memory

NOW = 1_700_000_000.0


def taken(access: AccessStore, bucket: str, rate: int, now: float, tries: int) -> int:
    return sum(access.take(bucket, rate, now) for _ in range(tries))


@pytest.mark.parametrize("rate", [1, 3, 10, 300, 1000])
def test_a_second_has_as_many_as_the_rate_says(rate: int, access: AccessStore) -> None:
    assert taken(access, "a", rate, NOW, rate + 50) == rate
    assert taken(access, "a", rate, NOW + 1, rate + 50) == rate


def test_buckets_are_apart(access: AccessStore) -> None:
    assert taken(access, "a", 5, NOW, 6) == 5
    assert taken(access, "b", 5, NOW, 6) == 5


def test_spread_over_the_seconds_all_pass(access: AccessStore) -> None:
    assert all(access.take("a", 20, NOW + step / 20) for step in range(100))


def test_what_was_not_used_can_be_taken_again(access: AccessStore) -> None:
    assert taken(access, "a", 4, NOW, 4) == 4
    access.give_back("a")
    assert taken(access, "a", 4, NOW, 4) == 1
    access.give_back("nobody's")


def test_a_clock_that_is_put_back_stops_nothing_for_long(access: AccessStore) -> None:
    assert taken(access, "a", 5, NOW, 10) == 5
    assert taken(access, "a", 5, NOW - 3600, 10) == 5
    assert taken(access, "a", 5, NOW - 3599, 10) == 5


def test_a_request_that_waited_takes_only_what_is_left(access: AccessStore) -> None:
    """Its time is older than that of one which was counted before it."""
    assert taken(access, "a", 5, NOW + 0.6, 10) == 5
    assert taken(access, "a", 5, NOW + 0.599, 10) == 0
    assert taken(access, "a", 5, NOW + 0.1, 10) == 0


def test_of_many_at_once_as_many_as_the_rate_says(access: AccessStore) -> None:
    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(lambda _: access.take("a", 25, NOW), range(64))) == 25


# -- in one process ------------------------------------------------------------------------------------


@pytest.fixture(params=["one process", "several"])
def buckets(request: pytest.FixtureRequest, tmp_path: Path) -> AnyBuckets:
    return Buckets(10) if request.param == "one process" else shared_buckets(tmp_path, 10)


@pytest.mark.parametrize("rate", [1, 7, 300, 33_333])
def test_a_bucket_fills_as_exactly_as_its_rate(rate: int, buckets: AnyBuckets) -> None:
    assert sum(buckets.take("a", rate, 0) for _ in range(rate + 9)) == rate
    assert buckets.is_empty("a", rate, 0)
    # In a minute of a try each half interval it gives what the rate says, and the one of the beginning.
    passed = sum(buckets.take("a", rate, 0.5 * n / rate) for n in range(1, 2 * rate * 3 + 1))
    assert passed in (3 * rate - 1, 3 * rate)


def test_a_bucket_that_is_empty_is_so_for_a_request_that_waited(buckets: AnyBuckets) -> None:
    assert [buckets.take("a", 2, NOW) for _ in range(3)] == [True, True, False]
    assert buckets.is_empty("a", 2, NOW - 0.001)
    assert not buckets.is_empty("a", 2, NOW - 3600)


def test_looking_takes_nothing(buckets: AnyBuckets) -> None:
    assert not buckets
    assert not buckets.is_empty("a", 1, NOW)
    assert buckets.take("a", 1, NOW)
    assert buckets
    assert buckets.is_empty("a", 1, NOW)
    assert not buckets.is_empty("a", 1, NOW + 1)
    assert not buckets.is_empty("a", 1, NOW - 60)


def test_the_newest_buckets_are_kept() -> None:
    buckets = Buckets(3)
    for name in "abcbbd":
        buckets.take(name, 10, NOW)
    assert len(buckets) == 3
    assert taken_of(buckets, "b") == 7
    assert taken_of(buckets, "a") == 10


def test_of_those_that_meet_the_one_that_is_full_first_makes_room(tmp_path: Path) -> None:
    buckets = shared_buckets(tmp_path, 8)
    for name in range(8):
        assert taken_of(buckets, str(name), NOW + name / 100) == 10
    now = NOW + 0.08
    assert taken_of(buckets, "another", now) == 10
    assert [taken_of(buckets, str(name), now) for name in range(1, 8)] == [0] * 7
    assert taken_of(buckets, "0", now) == 10


def taken_of(buckets: AnyBuckets, name: str, now: float = NOW) -> int:
    return sum(buckets.take(name, 10, now) for _ in range(20))


# -- in many processes ---------------------------------------------------------------------------------


def test_processes_of_one_machine_take_exactly_the_rate(tmp_path: Path) -> None:
    memory = Memory()
    told, tell = os.pipe()
    for _ in range(4):
        if os.fork() == 0:
            try:
                buckets = shared_buckets(tmp_path, 100, memory)
                taken = sum(buckets.take(name, 333, NOW) for _ in range(200) for name in ("a", "b"))
                os.write(tell, taken.to_bytes(4, "big"))
            finally:
                os._exit(0)
    children = [os.wait()[1] for _ in range(4)]
    answers = os.read(told, 16)
    os.close(told)
    os.close(tell)
    assert children == [0] * 4
    assert sum(int.from_bytes(answers[at : at + 4]) for at in range(0, 16, 4)) == 2 * 333


def test_all_processes_together_never_exceed_the_rate(tables: Tables) -> None:
    stores = [DynamoAccessStore(tables.client, tables.access, ROW_MACS) for _ in range(7)]
    for second in range(4):
        now = NOW + second
        assert sum(stores[n % 7].take("a", 50, now) for n in range(200)) <= 50


def test_under_an_even_load_every_request_of_the_rate_passes_after_a_moment(tables: Tables) -> None:
    stores = [DynamoAccessStore(tables.client, tables.access, ROW_MACS) for _ in range(5)]
    for second in range(4):
        passed = sum(stores[n % 5].take("a", 50, NOW + second) for n in range(50))
    assert passed == 50


def test_the_store_is_asked_once_a_second() -> None:
    asked: list[tuple[int, int]] = []

    def lease(_bucket: str, second: int, wanted: int, rate: int) -> int:
        asked.append((second, wanted))
        return min(wanted, rate)

    leases = Leases(lease, 10)
    for second in range(3):
        for _ in range(32):
            assert leases.take("a", 100, NOW + second)
    first, second, third = ([n for at, n in asked if at == NOW + s] for s in range(3))
    assert first == [1, 1, 2, 4, 8, 16]
    assert (second, third) == ([32], [32])


def test_a_spent_second_is_not_asked_for_again() -> None:
    asked: list[int] = []

    def lease(_bucket: str, _second: int, wanted: int, _rate: int) -> int:
        asked.append(wanted)
        return 0

    leases = Leases(lease, 10)
    assert not any(leases.take("a", 1, NOW) for _ in range(20))
    assert asked == [1]


def test_shares_are_bounded() -> None:
    leases = Leases(lambda _bucket, _second, wanted, _rate: wanted, 4)
    assert all(leases.take(str(n), 1, NOW) for n in range(100))
    assert len(leases._shares) == 4
