"""`AccessStore` of both stores: credentials, and nonces that are used once."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest
from msgspec.structs import replace

from kit.samples import credential
from tenantkms.model.credential import by_age
from tenantkms.store import sqlite
from tenantkms.store.port import AccessStore, RevisionConflict
from tenantkms.store.sqlite import SqliteStore

NOW = 1_700_000_000
WINDOW = 1800


def nonce(text: object) -> bytes:
    return hashlib.sha256(str(text).encode()).digest()[:16]


def test_a_credential_comes_back_as_it_was(access: AccessStore) -> None:
    access.put_credential(credential(1), new=True)
    access.put_credential(credential(2, enabled=False, dialects=(), sealed=b""), new=True)
    assert access.get_credential(credential(1).access_key_id) == credential(1)
    assert access.get_credential(credential(2).access_key_id) == credential(2, enabled=False, dialects=(), sealed=b"")
    assert access.get_credential("TKMS") is None


def test_whether_there_is_any(access: AccessStore) -> None:
    assert not access.has_credentials()
    for number in (1, 2):
        access.put_credential(credential(number, enabled=False), new=True)
        assert access.has_credentials()
    for number in (1, 2):
        assert access.has_credentials()
        access.delete_credential(credential(number).access_key_id)
    assert not access.has_credentials()


def test_a_new_credential_does_not_replace_one(access: AccessStore) -> None:
    access.put_credential(credential(1), new=True)
    for again in (credential(1), credential(1, name="other")):
        with pytest.raises(RevisionConflict):
            access.put_credential(again, new=True)
    assert access.list_credentials() == [credential(1)]


def test_a_changed_credential_replaces_one_that_is_there(access: AccessStore) -> None:
    with pytest.raises(RevisionConflict):
        access.put_credential(credential(1), new=False)
    assert access.list_credentials() == []
    access.put_credential(credential(1), new=True)
    changed = replace(credential(1), enabled=False, policy="other")
    for _ in range(2):
        access.put_credential(changed, new=False)
    assert access.get_credential(changed.access_key_id) == changed
    assert access.list_credentials() == [changed]


def test_a_deleted_credential_is_gone(access: AccessStore) -> None:
    access.put_credential(credential(1), new=True)
    assert access.delete_credential(credential(1).access_key_id) is True
    assert access.delete_credential(credential(1).access_key_id) is False
    assert access.get_credential(credential(1).access_key_id) is None
    assert access.list_credentials() == []


def test_a_credential_expires_when_it_says(access: AccessStore) -> None:
    access.put_credential(credential(1, expires=NOW), new=True)
    found = access.get_credential(credential(1).access_key_id)
    assert found is not None
    assert found.expires == NOW
    assert [found.active(now) for now in (NOW - 1, NOW - 0.001, NOW, NOW + 1)] == [True, True, False, False]


def test_the_last_use_of_a_credential_is_remembered(access: AccessStore) -> None:
    one, other = (credential(n).access_key_id for n in (1, 2))
    for n in (1, 2, 3):
        access.put_credential(credential(n), new=True)
    assert access.last_uses() == {}
    access.note_use(one, NOW)
    access.note_use(other, NOW + 3600)
    assert access.last_uses() == {one: NOW, other: NOW + 3600}
    for late in (NOW + 7200, NOW, NOW + 3600):  # what is told late does not put it back
        access.note_use(one, late)
    assert access.last_uses() == {one: NOW + 7200, other: NOW + 3600}
    assert access.get_credential(one) == credential(1)


def test_a_use_says_nothing_else_of_a_credential_and_goes_with_it(access: AccessStore) -> None:
    """It is told by whoever serves requests, while an operator changes the credential."""
    id_ = credential(1).access_key_id
    access.put_credential(credential(1), new=True)
    access.note_use(id_, NOW)
    changed = credential(1, enabled=False, policy="other")
    access.put_credential(changed, new=False)
    assert access.last_uses() == {id_: NOW}
    access.note_use(id_, NOW + 3600)
    assert access.get_credential(id_) == changed
    assert access.delete_credential(id_)
    access.put_credential(credential(1), new=True)
    assert access.last_uses() == {}


def test_credentials_stand_in_the_order_of_their_creation(access: AccessStore) -> None:
    made = [credential(n, created=c) for n, c in ((1, 10_000), (2, 9_999), (3, 10_000), (4, 0))]
    for one in made:
        access.put_credential(one, new=True)
    assert access.list_credentials() == [made[3], made[1], made[0], made[2]]


@pytest.fixture
def small_pages(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Pages of two. How many rows each had that was read."""
    found = list[int]()
    tables = request.getfixturevalue("tables")
    tables.client.meta.events.register(
        "provide-client-params.dynamodb.Query", lambda params, **_: {**params, "Limit": 2}
    )
    tables.client.meta.events.register("after-call.dynamodb.Query", lambda parsed, **_: found.append(parsed["Count"]))
    select = sqlite._NEXT_CREDENTIALS.replace(f"LIMIT {sqlite._BATCH}", "LIMIT 2")
    monkeypatch.setattr(sqlite, "_NEXT_CREDENTIALS", select)
    rows = SqliteStore._rows

    def counted(*args: Any) -> Iterator[Any]:
        found.append(0)
        for row in rows(*args):
            found[-1] += 1
            yield row

    monkeypatch.setattr(SqliteStore, "_rows", counted)
    return found


def test_each_credential_is_gone_through_once_with_a_page_in_memory(
    access: AccessStore, small_pages: list[int]
) -> None:
    made = [credential(n, name=f"name {n % 3}", created=10 - n) for n in range(1, 8)]
    assert [*access.credentials()] == []
    for one in made:
        access.put_credential(one, new=True)
    small_pages.clear()
    found = access.credentials()
    first = next(found)
    assert small_pages == [2]
    assert sorted([first, *found], key=by_age) == made[::-1] == access.list_credentials()
    assert max(small_pages) == 2


def test_who_goes_through_credentials_may_change_and_delete_them(access: AccessStore, small_pages: list[int]) -> None:
    """No lock is held from one to the next, and none is passed over for it."""
    for n in range(1, 8):
        access.put_credential(credential(n), new=True)
    for one in access.credentials():
        access.put_credential(replace(one, enabled=False), new=False)
    assert [one.enabled for one in access.credentials()] == [False] * 7
    for one in access.credentials():
        access.delete_credential(one.access_key_id)
    assert (small_pages != [], [*access.credentials()]) == (True, [])


@pytest.mark.parametrize("stranger", ["", " ", "x" * 100_000, "é" * 1024, "\x00", "NONCE#00", "TKMS'; --", "*", "%"])
def test_no_access_key_that_a_stranger_sends_is_more_than_unknown(access: AccessStore, stranger: str) -> None:
    access.put_credential(credential(1), new=True)
    access.use_nonce(nonce(0), now=NOW, expires=NOW + WINDOW)
    assert access.get_credential(stranger) is None
    assert access.list_credentials() == [credential(1)]


def test_a_nonce_is_good_once_until_it_expires(access: AccessStore) -> None:
    assert access.use_nonce(nonce("one"), now=NOW, expires=NOW + WINDOW)
    for later in (NOW, NOW + 1, NOW + WINDOW):
        assert not access.use_nonce(nonce("one"), now=later, expires=later + WINDOW)
    assert access.use_nonce(nonce("other"), now=NOW, expires=NOW + WINDOW)
    after = NOW + WINDOW + 1801  # half an hour more is allowed
    assert access.use_nonce(nonce("one"), now=after, expires=after + WINDOW)
    assert not access.use_nonce(nonce("one"), now=after + 1, expires=after + WINDOW)


def test_a_nonce_is_remembered_at_any_minute_of_the_hour(access: AccessStore) -> None:
    for start in range(NOW, NOW + 3600, 599):
        assert access.use_nonce(nonce(start), now=start, expires=start + WINDOW)
        for later in range(start, start + WINDOW + 1, 600):
            assert not access.use_nonce(nonce(start), now=later, expires=later + WINDOW)


def test_a_nonce_is_remembered_when_the_clock_is_put_back(access: AccessStore) -> None:
    for n, start in enumerate(range(NOW + 7200, NOW, -599)):
        assert access.use_nonce(nonce(n), now=start, expires=start + WINDOW)
        assert not access.use_nonce(nonce(n), now=start - 900, expires=start - 900 + WINDOW)


def test_windows_of_different_lengths_share_the_store(access: AccessStore) -> None:
    for window in (600, 1800):
        for n in range(4):
            now = NOW + 600 * n
            assert access.use_nonce(nonce((window, n)), now=now, expires=now + window)
            assert not access.use_nonce(nonce((window, n)), now=now + window, expires=now + 2 * window)


def test_a_nonce_is_good_again_for_a_moment_for_whom_it_was_first_used_by(access: AccessStore) -> None:
    def use(now: int, source: str | None, name: str = "one") -> bool:
        return access.use_nonce(nonce(name), now=now, expires=now + WINDOW, source=source, again=5)

    assert [use(NOW + after, "192.0.2.1") for after in (0, 0, 5, 6, 4, -6, -5)] == [True] * 3 + [False, True] * 2
    assert [use(NOW, source) for source in ("192.0.2.2", "", None, "192.0.2.1")] == [False] * 3 + [True]
    assert use(NOW, None, "two")
    assert [use(NOW, source, "two") for source in ("192.0.2.1", "", None)] == [False] * 3
    assert not use(NOW + WINDOW, "192.0.2.1")


def test_a_moment_may_lie_across_any_second(access: AccessStore) -> None:
    for n, start in enumerate(range(NOW // 1800 * 1800 + 1790, NOW // 1800 * 1800 + 1810)):
        for after, good in ((0, True), (5, True), (6, False), (-5, True), (-6, False)):
            now = start + after
            used = access.use_nonce(nonce(n), now=now, expires=now + 600, source="::1", again=5)
            assert used is good, (start, after)


def test_a_remembered_nonce_survives_hundreds_of_others(access: AccessStore) -> None:
    assert access.use_nonce(nonce("first"), now=NOW, expires=NOW + WINDOW)
    for n in range(300):
        assert access.use_nonce(nonce(n), now=NOW + n, expires=NOW + n + WINDOW)
    assert not access.use_nonce(nonce("first"), now=NOW + 300, expires=NOW + WINDOW)


def test_of_many_who_use_one_nonce_one_wins(access: AccessStore) -> None:
    start = Barrier(32)

    def use(_: int) -> bool:
        start.wait()
        return access.use_nonce(nonce("one"), now=NOW, expires=NOW + WINDOW)

    with ThreadPoolExecutor(32) as pool:
        assert sorted(pool.map(use, range(32))) == [False] * 31 + [True]
