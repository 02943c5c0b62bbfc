"""What `KeyStore.commit` promises, of both stores: conditions, all or nothing, one winner of a race."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

from kit.samples import key, key_id, revised, version
from tenantkms.errors import AliasExists
from tenantkms.model.alias import Alias
from tenantkms.model.grant import MAX_GRANTS, Grant
from tenantkms.model.key import KeyFilter
from tenantkms.model.states import KeyState
from tenantkms.model.watch import Place, Watch
from tenantkms.store.port import (
    MAX_WRITES,
    DeleteAlias,
    DeleteKey,
    DeleteVersion,
    KeyStore,
    PutAlias,
    PutKey,
    PutVersion,
    RevisionConflict,
    Write,
)

ONE, TWO = key(1), key(2)


def alias(name: str, number: int = 1) -> Alias:
    return Alias(name=name, key_id=key_id(number))


def everything(store: KeyStore) -> object:
    """All that a user can see of the store, of the keys and versions these tests use."""
    return (
        store.list_keys(KeyFilter(), now=0, offset=0, limit=1000),
        store.list_aliases(offset=0, limit=1000),
        [(store.get(key_id(n)), [store.get_version(key_id(n), v) for v in range(1, 5)]) for n in range(1, 5)],
        [store.get_alias(name) for name in ("a", "b", "c")],
    )


def filled(store: KeyStore) -> KeyStore:
    store.commit([PutKey(ONE), PutAlias(alias("a"), expect=None), PutVersion(ONE.id, version(1))])
    store.commit([PutKey(TWO)])
    return store


def test_an_empty_store_has_nothing(store: KeyStore) -> None:
    assert store.get(key_id(1)) is None
    assert store.get_version(key_id(1), 1) is None
    assert store.get_alias("a") is None
    assert store.list_keys(KeyFilter(), now=0, offset=0, limit=10) == (0, [])
    assert store.list_aliases(offset=0, limit=10) == (0, [])


@pytest.mark.parametrize(
    "stored",
    [key(1), key(2, primary=None, tags={}, aliases=("one", "two/three")), key(3, description="", token="")],
    ids=["full", "without material", "without token"],
)
def test_a_key_comes_back_as_it_was(store: KeyStore, stored: object) -> None:
    store.commit([PutKey(stored)])  # type: ignore[arg-type]
    assert store.get(stored.id) == stored  # type: ignore[attr-defined]


def test_a_revision_replaces_the_one_before(store: KeyStore) -> None:
    filled(store)
    second = revised(ONE, "2", state=KeyState.DISABLED, primary=version(2), description="second")
    store.commit([PutKey(second), PutVersion(ONE.id, version(2))])
    assert store.get(ONE.id) == second
    assert store.get(TWO.id) == TWO
    assert store.get_version(ONE.id, 1) == version(1)
    assert store.get_version(ONE.id, 2) == version(2)
    assert store.get_version(ONE.id, 3) is None
    assert store.get_version(TWO.id, 1) is None
    assert store.list_keys(KeyFilter(), now=0, offset=0, limit=10) == (2, [second, TWO])


def test_a_change_that_keeps_the_material_is_as_any_other(store: KeyStore) -> None:
    filled(store)
    leaving = revised(ONE, "2", state=KeyState.PENDING_DELETION, deletion_date=100)
    store.commit([PutKey(leaving, ONE), PutKey(revised(TWO, "2"), TWO)])
    assert store.get(ONE.id) == leaving
    assert store.list_due(100, limit=9) == [(100, ONE.id)]
    with pytest.raises(RevisionConflict):
        store.commit([PutKey(revised(ONE, "late"), ONE)])
    back = revised(leaving, "3", state=KeyState.ENABLED, deletion_date=0)
    store.commit([PutKey(back, leaving)])
    assert store.get(ONE.id) == back
    assert store.list_due(100, limit=9) == []
    assert store.list_keys(KeyFilter(), now=0, offset=0, limit=10) == (2, [back, revised(TWO, "2")])


def test_an_alias_is_made_moved_and_deleted(store: KeyStore) -> None:
    filled(store)
    assert store.get_alias("a") == alias("a")
    store.commit([PutAlias(alias("a", 2), expect=ONE.id)])
    assert store.get_alias("a") == alias("a", 2)
    assert store.list_aliases(offset=0, limit=10) == (1, [alias("a", 2)])
    store.commit([DeleteAlias(alias("a", 2))])
    assert store.get_alias("a") is None
    assert store.list_aliases(offset=0, limit=10) == (0, [])
    store.commit([PutAlias(alias("a"), expect=None)])
    assert store.get_alias("a") == alias("a")


def test_a_key_is_deleted_with_all_that_is_its_own(store: KeyStore) -> None:
    filled(store)
    store.commit([DeleteKey(ONE), DeleteVersion(ONE.id, 1), DeleteAlias(alias("a"))])
    assert (store.get(ONE.id), store.get_version(ONE.id, 1), store.get_alias("a")) == (None, None, None)
    assert store.list_keys(KeyFilter(), now=0, offset=0, limit=10) == (1, [TWO])
    with pytest.raises(RevisionConflict):
        store.commit([DeleteKey(ONE)])
    store.commit([PutKey(ONE)])
    assert store.get(ONE.id) == ONE


def test_a_version_is_deleted_alone_and_deleting_it_again_is_no_error(store: KeyStore) -> None:
    filled(store)
    store.commit([PutVersion(ONE.id, version(2)), PutVersion(TWO.id, version(1))])
    for _ in range(2):
        store.commit([DeleteVersion(ONE.id, 1)])
    assert store.get_version(ONE.id, 1) is None
    assert store.get_version(ONE.id, 2) == version(2)
    assert store.get_version(TWO.id, 1) == version(1)


REFUSED: dict[str, tuple[Write, type[Exception]]] = {
    "a key that exists": (PutKey(key(1, token="other")), RevisionConflict),
    "a revision that was written": (PutKey(key(1, revision=1, description="x", token="t")), RevisionConflict),
    "a revision too far": (PutKey(key(1, revision=3)), RevisionConflict),
    "a revision of no key": (PutKey(key(3, revision=2)), RevisionConflict),
    "a kept material of a revision that was written": (
        PutKey(key(1, revision=3, token="t"), key(1, revision=2)),
        RevisionConflict,
    ),
    "a kept material of no key": (PutKey(key(3, revision=2), key(3)), RevisionConflict),
    "a version that exists": (PutVersion(ONE.id, version(1)), RevisionConflict),
    "an alias that exists": (PutAlias(alias("a", 2), expect=None), AliasExists),
    "an alias that exists, of the same key": (PutAlias(alias("a"), expect=None), AliasExists),
    "an alias moved from another key": (PutAlias(alias("a", 2), expect=TWO.id), RevisionConflict),
    "an alias moved from nowhere": (PutAlias(alias("b", 2), expect=ONE.id), RevisionConflict),
    "an alias deleted that is not there": (DeleteAlias(alias("b")), RevisionConflict),
    "an alias deleted from another key": (DeleteAlias(alias("a", 2)), RevisionConflict),
    "a key deleted that is not there": (DeleteKey(key(3)), RevisionConflict),
    "a key deleted at another revision": (DeleteKey(key(1, revision=2)), RevisionConflict),
}


@pytest.mark.parametrize("place", ["alone", "first", "last"])
@pytest.mark.parametrize(("write", "error"), REFUSED.values(), ids=REFUSED)
def test_one_refused_write_refuses_all(store: KeyStore, write: Write, error: type[Exception], place: str) -> None:
    filled(store)
    before = everything(store)
    good: list[Write] = [PutKey(revised(TWO, "2")), PutAlias(alias("c", 2), expect=None)]
    at = {"alone": 0, "first": 0, "last": 2}[place]
    writes = [write] if place == "alone" else [*good[:at], write, *good[at:]]
    with pytest.raises(error):
        store.commit(writes)
    assert everything(store) == before


@pytest.mark.parametrize(
    ("names", "error"),
    [
        (("a key that exists", "an alias that exists"), RevisionConflict),
        (("an alias that exists", "a key that exists"), AliasExists),
        (("an alias deleted that is not there", "an alias that exists"), RevisionConflict),
    ],
)
def test_the_first_of_several_refused_writes_names_the_error(
    store: KeyStore, names: Sequence[str], error: type[Exception]
) -> None:
    filled(store)
    with pytest.raises(error):
        store.commit([REFUSED[name][0] for name in names])


def test_as_many_keys_as_a_commit_may_write_change_together(store: KeyStore) -> None:
    keys = [key(n) for n in range(1, MAX_WRITES + 1)]
    store.commit([PutKey(k) for k in keys])
    store.commit([PutKey(revised(k, "2", state=KeyState.DISABLED)) for k in keys])
    disabled = KeyFilter(states=frozenset({KeyState.DISABLED}))
    assert store.list_keys(disabled, now=0, offset=0, limit=1)[0] == MAX_WRITES


def race(store: KeyStore, count: int, writes: Callable[[int], Sequence[Write]]) -> list[str]:
    """The names of what `count` threads got that commit at once; "ok" for a commit that succeeded."""
    start = Barrier(count)

    def run(number: int) -> str:
        start.wait()
        try:
            store.commit(writes(number))
        except (AliasExists, RevisionConflict) as e:
            return type(e).__name__
        return "ok"

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(run, range(count)))


def test_of_many_who_write_one_revision_one_wins(store: KeyStore) -> None:
    filled(store)
    outcomes = race(store, 64, lambda n: [PutKey(revised(ONE, f"racer {n}", description=str(n)))])
    assert sorted(outcomes) == sorted(["ok"] + 63 * ["RevisionConflict"])
    stored = store.get(ONE.id)
    assert stored is not None
    assert (stored.revision, stored.description) == (2, str(outcomes.index("ok")))


def test_of_many_who_make_one_alias_one_wins(store: KeyStore) -> None:
    outcomes = race(store, 64, lambda n: [PutKey(key(n)), PutAlias(alias("a", n), expect=None)])
    assert sorted(outcomes) == sorted(["ok"] + 63 * ["AliasExists"])
    winner = outcomes.index("ok")
    assert store.get_alias("a") == alias("a", winner)
    assert store.list_keys(KeyFilter(), now=0, offset=0, limit=10) == (1, [key(winner)])


def test_the_root_secret_that_came_first_stays(store: KeyStore) -> None:
    assert store.get_root() is None
    store.put_root(b"\x00first\xff")
    store.put_root(b"second")
    assert store.get_root() == b"\x00first\xff"
    assert store.list_keys(KeyFilter(), now=0, offset=0, limit=10) == (0, [])


def test_each_job_s_watch_is_what_was_written_last(store: KeyStore) -> None:
    assert store.get_watch("one") is None
    store.put_watch("one", Watch(since=1, seen=2))
    store.put_watch("two", Watch(since=3, seen=4))
    last = Watch(since=1, seen=5, place=Place(after=(6, ONE.id), ahead=(2**36, "~"), looked=7))
    store.put_watch("one", last)
    assert (store.get_watch("one"), store.get_watch("two")) == (last, Watch(since=3, seen=4))
    assert store.list_keys(KeyFilter(), now=0, offset=0, limit=10) == (0, [])


def test_a_keys_grants_are_kept_as_they_are(store: KeyStore) -> None:
    grants = tuple(
        Grant(
            id=f"{n:064x}",
            grantee="TKMSguest",
            operations=("Decrypt", "RetireGrant"),
            created=n,
            issuer="TKMSboss",
            retiring="*",
            equals={"app": "shop", "ж": ""},
            subset={"a": "b"} if n % 2 else {},
            name=f"grant/{n}",
        )
        for n in range(MAX_GRANTS)
    )
    first = key(1, grants=grants)
    store.commit([PutKey(first)])
    assert store.get(first.id) == first
    left = revised(first, "retired", grants=grants[1:])
    store.commit([PutKey(left, first)])
    assert store.get(first.id) == left
