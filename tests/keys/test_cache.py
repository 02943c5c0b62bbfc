"""How many bytes the caches of a process may hold, whatever its callers make their documents of."""

from __future__ import annotations

import json
import random
import tracemalloc
from collections.abc import Callable, Iterator
from sys import getsizeof
from typing import Any

import msgspec
import pytest

from kit.samples import credential, key, key_id, largest_grants
from tenantkms.access import iam, key_policy, limits, policy, ram
from tenantkms.access.credentials import Access
from tenantkms.access.sessions import Sessions
from tenantkms.keys.cache import MOST_ASKED, MOST_BYTES, Cache, remembered, weight
from tenantkms.keys.keyring import Keyring
from tenantkms.model.credential import Credential, Secret, Session
from tenantkms.model.key import Key

LONGEST = 32_768
_OF_A_ROW = 2_500
"""Bytes that a row of a cache takes at most beside what callers chose the size of."""


def _text(number: int, size: int = LONGEST) -> str:
    return f"{number:08}" + "x" * (size - 8)


def _large(number: int) -> Key:
    return key(number, policy=_text(number), grants=largest_grants(number))


def _wide(number: int) -> Key:
    """One character that is beyond all others makes each of a text take four bytes."""
    return key(number, policy=_text(number, 32_000) + "\U0001f511")


def _session(number: int, wide: str = "\U0001f511") -> Session:
    return Session(
        access_key_id=f"TKMT{number:024}",
        secret=Secret(f"{number:064}"),
        token=_text(number, 3_072),
        parent="TKMS",
        expires=2_000_000_000,
        policy=_text(number, 2_044) + wide,
    )


class _Store:
    def __init__(self, make: Callable[[int], Any]) -> None:
        self.make, self.reads = make, 0

    def get(self, name: str) -> Any:
        """As a store does: made of bytes, so that nothing of it is shared with another row."""
        self.reads += 1
        made = self.make(int(name))
        if isinstance(made, Session):  # these are not in a store
            return made
        return msgspec.msgpack.decode(msgspec.msgpack.encode(made), type=type(made))

    get_credential = get


def _keys(store: _Store) -> tuple[Callable[[str], object], Cache[Any]]:
    ring = Keyring("acme", store, None, clock=lambda: 0.0)  # type: ignore[arg-type]
    return ring.key, ring._keys


def _access_keys(store: _Store) -> tuple[Callable[[str], object], Cache[Any]]:
    access = Access("acme", store, None, clock=lambda: 0.0)  # type: ignore[arg-type]
    return access.known, access._credentials


def _sessions(store: _Store) -> tuple[Callable[[str], object], Cache[Any]]:
    sessions = Sessions(None, None, bytes, clock=lambda: 0.0)  # type: ignore[arg-type]
    sessions._open = store.get  # type: ignore[method-assign]
    return lambda name: sessions.open(name, f"TKMT{name:0>24}"), sessions._opened


@pytest.fixture
def traced() -> Iterator[None]:
    tracemalloc.start()
    yield
    tracemalloc.stop()


@pytest.mark.parametrize(
    ("make", "of", "count"),
    [
        (_large, _keys, 20),
        (_wide, _keys, 150),
        (lambda number: credential(number, policy=_text(number)), _access_keys, 300),
        (_session, _sessions, 1_000),
    ],
    ids=["keys with grants", "keys of wide characters", "access keys", "sessions"],
)
@pytest.mark.usefixtures("traced")
def test_the_largest_stay_within_their_bytes(
    make: Callable[[int], Any], of: Callable[[_Store], tuple[Callable[[str], object], Cache[Any]]], count: int
) -> None:
    store = _Store(make)
    find, cache = of(store)
    before = tracemalloc.get_traced_memory()[0]
    for number in range(1, count + 1):
        find(str(number))
    held = tracemalloc.get_traced_memory()[0] - before
    assert MOST_BYTES / 2 < held < MOST_BYTES + len(cache._rows) * _OF_A_ROW
    assert 5 < len(cache._rows) < count
    for number in (1, count):  # who was driven out is read again, and is remembered again
        assert find(str(number)) == make(number)
        reads = store.reads
        assert find(str(number)) == make(number)
        assert store.reads == reads


@pytest.mark.parametrize(
    ("make", "of", "count"),
    [
        (lambda number: key(number, description="of the shop", tags={"env": "prod"}, policy="x" * 200), _keys, 10_000),
        (lambda number: credential(number, policy="x" * 4_000), _access_keys, 1_000),
        (lambda number: _session(number, "x"), _sessions, 1_000),
    ],
    ids=["keys", "access keys", "sessions"],
)
def test_of_small_ones_as_many_are_remembered_as_ever(
    make: Callable[[int], Any], of: Callable[[_Store], tuple[Callable[[str], object], Cache[Any]]], count: int
) -> None:
    store = _Store(make)
    find, cache = of(store)
    for _ in range(2):
        for number in range(1, count + 1):
            find(str(number))
    assert store.reads == len(cache._rows) == count


@pytest.mark.parametrize("make", [key, _large, _wide, credential, _session])
@pytest.mark.usefixtures("traced")
def test_a_weight_is_what_a_row_takes(make: Callable[[int], Key | Credential | Session]) -> None:
    store = _Store(make)
    store.get("1")
    before = tracemalloc.get_traced_memory()[0]
    rows = [store.get(str(number)) for number in range(1, 11)]
    held = tracemalloc.get_traced_memory()[0] - before
    assert 0.95 * held < sum(map(weight, rows)) < 2 * held


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tenantkms.keys.cache.MOST_BYTES", 2_000)


@pytest.mark.usefixtures("small")
def test_a_cache_knows_its_weight_whatever_becomes_of_its_values() -> None:
    now = [0.0]
    cache: Cache[str] = Cache(20, 10, lambda: now[0], sized=lambda text: text)
    chance = random.Random(1)
    for _ in range(5_000):
        name, text = chance.randrange(40), "x" * chance.randrange(400)
        match chance.randrange(5):
            case 0:
                cache.drop(name)
            case 1:
                cache.get(name)
            case _:
                cache.put(name, text)
        if chance.random() < 0.01:
            cache.clear()
        now[0] += chance.random()
        assert cache._weight == sum(weight(row[1]) for row in cache._rows.values()) <= 2_000


@pytest.mark.usefixtures("small")
def test_a_value_that_alone_weighs_too_much_is_remembered_alone() -> None:
    cache: Cache[str] = Cache(20, 10, lambda: 0.0, sized=lambda text: text)
    cache.put("small", "x")
    cache.put("large", "x" * 3_000)
    assert cache.get("small") is None
    assert cache.get("large") == "x" * 3_000
    cache.put("next", "x")
    assert list(cache._rows) == ["next"]


# -- what is remembered of texts ---------------------------------------------------------------------------


def _document(number: int, size: int, statement: dict[str, object]) -> str:
    conditions = {"StringEquals": {"kms:EncryptionContext:a": [_text(number, size)]}}
    return json.dumps({"Version": "1", "Statement": [{"Effect": "Allow", "Condition": conditions, **statement}]})


def _own(number: int, size: int) -> str:
    return _document(number, size, {"Action": "Encrypt", "Resource": "*"})


def _ram(number: int, size: int) -> str:
    return _document(number, size, {"Action": "kms:Encrypt", "Resource": "*", "Principal": {"RAM": ["*"]}})


def _iam(number: int, size: int) -> str:
    return _ram(number, size).replace('"1"', '"2012-10-17"', 1).replace('{"RAM": ["*"]}', '"*"')


_NAMES = (f"key/{key_id(1)}",)
ASKED: dict[str, tuple[Any, Callable[[int, int], tuple[object, ...]]]] = {
    "policy.parse": (policy.parse, lambda *n: (_own(*n),)),
    "policy.matching": (policy.matching, lambda *n: (_own(*n), "Encrypt", _NAMES)),
    "policy.matching, names": (policy.matching, lambda n, size: (_own(0, 8), "Encrypt", (f"alias/{_text(n, size)}",))),
    "limits._figure": (limits._figure, lambda *n: (_own(*n), "Encrypt")),
    "key_policy.form_of": (key_policy.form_of, lambda *n: (_ram(*n),)),
    "key_policy.matching": (key_policy.matching, lambda *n: (_ram(*n), "A", "Encrypt")),
    "ram.parse": (ram.parse, lambda *n: (_ram(*n),)),
    "iam.parse": (iam.parse, lambda *n: (_iam(*n),)),
}


@pytest.mark.parametrize("name", ASKED)
def test_what_is_remembered_of_long_texts_is_bounded_in_bytes(name: str) -> None:
    function, asked = ASKED[name]
    function.cache_clear()
    most = 0
    for number in range(100):
        function(*asked(number, 30_000))
        most = max(most, function.cache_info().currsize)
    assert most in (MOST_ASKED // 30_500, MOST_ASKED // 30_200)
    assert function(*asked(0, 30_000)) == function(*asked(0, 30_000))


@pytest.mark.parametrize("name", ASKED)
def test_what_is_remembered_of_short_texts_is_bounded_in_number(name: str) -> None:
    function, asked = ASKED[name]
    function.cache_clear()
    for number in range(500):
        function(*asked(number, 100))
    assert function.cache_info().currsize == 500


def test_a_text_that_was_refused_drives_nothing_out() -> None:
    @remembered(10)
    def read(text: str) -> int:
        return int(text)

    assert read("1") == 1
    for _ in range(100):
        with pytest.raises(ValueError, match="invalid literal"):
            read("x" * 100_000)
    assert read.cache_info().currsize == 1


def test_a_text_is_weighed_with_the_utf_8_that_it_keeps() -> None:
    text = "\u00e9" * 8_000
    told, bare = weight(text), getsizeof(text)
    msgspec.json.encode(text)
    assert getsizeof(text) > 2 * bare
    assert told >= getsizeof(text) - 1  # but for what ends it
