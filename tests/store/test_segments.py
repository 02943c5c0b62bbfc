"""Pages by position, on one machine: the file keeps how many rows each segment of a listing has."""

from __future__ import annotations

import random
import sqlite3
import tracemalloc
from contextlib import closing
from pathlib import Path

import pytest

from kit.raw_rows import FIRST_LAYOUT
from kit.samples import ROW_MACS, key
from tenantkms.model.alias import Alias
from tenantkms.model.key import Key, KeyFilter
from tenantkms.model.specs import KeySpec, KeyUsage, Origin
from tenantkms.model.states import KeyState
from tenantkms.store.port import DeleteAlias, DeleteKey, PutAlias, PutKey, RevisionConflict
from tenantkms.store.segments import ascending, place_of
from tenantkms.store.sqlite import SqliteStore

MANY = 9_000
"""More rows than two segments may have."""


@pytest.mark.parametrize("counts", [[], [0], [3], [3, 0, 2], [0, 0, 1], [1, 1, 1]])
def test_a_position_is_in_one_segment(counts: list[int]) -> None:
    rows = [(segment, row) for segment, count in enumerate(counts) for row in range(count)]
    for position, place in enumerate(rows):
        assert place_of(counts, position) == place
    assert place_of(counts, len(rows)) == (len(counts), 0)


@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("total", [0, 1, 7])
def test_a_page_is_the_same_rows_from_either_end(total: int, descending: bool) -> None:
    rows = list(range(total))
    shown = rows[::-1] if descending else rows
    for offset in range(total + 2):
        for limit in (1, 3, 10):
            first, size = ascending(total, offset, limit, descending=descending)
            assert rows[first : first + size] == sorted(shown[offset : offset + limit])


def segments(store: SqliteStore, table: str) -> list[tuple[int, str, int]]:
    select = "SELECT created, name, rows FROM segments WHERE listing = ? ORDER BY created, name"
    return store._at.db.execute(select, (table,)).fetchall()


def counted(store: SqliteStore, table: str, created: str, name: str) -> list[int]:
    """How many rows there really are from where each segment begins to where the next one does."""
    starts = [(first, text) for first, text, _ in segments(store, table)]
    select = f"SELECT count(*) FROM {table} WHERE ({created}, {name}) >= (?, ?) AND ({created}, {name}) < (?, ?)"
    ends = [*starts[1:], (2**63 - 1, "")]
    return [store._at.db.execute(select, (*a, *b)).fetchone()[0] for a, b in zip(starts, ends, strict=True)]


def indexes(store: SqliteStore) -> set[str]:
    select = "SELECT name FROM sqlite_schema WHERE type = 'index' AND tbl_name = 'keys' AND sql IS NOT NULL"
    return {name for (name,) in store._at.db.execute(select)}


def filled(path: Path, order: str) -> tuple[SqliteStore, list[Key]]:
    """A store in which keys came in that order, and each with an alias."""
    numbers = list(range(1, MANY + 1))
    if order == "mixed":
        random.Random(7).shuffle(numbers)
    elif order == "last first":
        numbers.reverse()
    keys = [key(n, created=1_700_000_000 + n // 5, aliases=(f"a{n * 7919 % MANY:05}",)) for n in numbers]
    store = SqliteStore(path, ROW_MACS)
    for start in range(0, MANY, 1000):
        batch = keys[start : start + 1000]
        aliases = [PutAlias(Alias(name=k.aliases[0], key_id=k.id), expect=None) for k in batch]
        store.commit([*(PutKey(k) for k in batch), *aliases])
    return store, sorted(keys, key=lambda k: (k.created, k.id))


def check(store: SqliteStore, keys: list[Key]) -> None:
    names = sorted(name for k in keys for name in k.aliases)
    assert (store.count_keys(), store.count_aliases()) == (len(keys), len(names))
    for table, columns in (("keys", ("created", "id")), ("aliases", ("0", "name"))):
        assert [rows for *_, rows in segments(store, table)] == counted(store, table, *columns)
    for offset in (0, 1, len(keys) // 2, len(keys) - 30, len(keys) - 1, len(keys), 10**7):
        page = keys[offset : offset + 50]
        assert store.list_keys(KeyFilter(), now=0, offset=offset, limit=50) == (len(keys), page)
        found = store.list_keys(KeyFilter(), now=0, offset=offset, limit=50, descending=True)
        assert found == (len(keys), keys[::-1][offset : offset + 50])
        total, aliases = store.list_aliases(offset=offset, limit=50)
        assert (total, [a.name for a in aliases]) == (len(names), names[offset : offset + 50])


@pytest.mark.parametrize("order", ["in turn", "last first", "mixed"])
def test_in_whatever_order_rows_come_and_go_each_position_is_found(tmp_path: Path, order: str) -> None:
    store, keys = filled(tmp_path / "kms.sqlite3", order)
    assert all(rows < 4_000 for table in ("keys", "aliases") for *_, rows in segments(store, table))
    assert all(len(segments(store, table)) >= 3 for table in ("keys", "aliases"))
    check(store, keys)
    gone = keys[1_000:5_000]
    for start in range(0, len(gone), 500):
        batch = gone[start : start + 500]
        aliases = [DeleteAlias(Alias(name=k.aliases[0], key_id=k.id)) for k in batch]
        store.commit([*(DeleteKey(k) for k in batch), *aliases])
    left = keys[:1_000] + keys[5_000:]
    check(store, left)
    store.commit([*(DeleteKey(k) for k in left), *(DeleteAlias(Alias(name=k.aliases[0], key_id=k.id)) for k in left)])
    check(store, [])
    store.commit([PutKey(keys[0])])
    assert store.list_keys(KeyFilter(), now=0, offset=0, limit=9) == (1, keys[:1])


def test_a_commit_that_fails_counts_nothing(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "kms.sqlite3", ROW_MACS)
    store.commit([PutKey(key(1))])
    with pytest.raises(RevisionConflict):
        store.commit([PutKey(key(2)), PutKey(key(1))])
    assert store.count_keys() == 1
    assert store.list_keys(KeyFilter(), now=0, offset=0, limit=9) == (1, [key(1)])


def test_rows_of_a_file_from_before_are_counted_when_it_is_opened(tmp_path: Path) -> None:
    path = tmp_path / "kms.sqlite3"
    store, keys = filled(path, "mixed")
    with closing(sqlite3.connect(path)) as db:
        db.executescript(FIRST_LAYOUT)
        db.executescript("DROP INDEX keys_by_facts; CREATE INDEX keys_by_age ON keys (created, id)")
    store = SqliteStore(path, ROW_MACS)
    assert indexes(store) == {"keys_by_facts", "keys_due"}
    assert [rows for *_, rows in segments(store, "keys")] == [2_000] * 4 + [1_000]
    list(store.take_over())
    check(store, keys)


def test_a_page_looks_at_no_rows_before_its_segment(tmp_path: Path) -> None:
    """However far it is: in steps of SQLite's own machine."""
    store, _ = filled(tmp_path / "kms.sqlite3", "in turn")
    steps = [0]

    def step() -> int:
        steps[0] += 1
        return 0

    store._at.db.set_progress_handler(step, 100)
    taken = []
    for segment in range(3):
        steps[0] = 0
        store.list_keys(KeyFilter(), now=0, offset=segment * 2_000 + 1_900, limit=10)
        taken.append(steps[0])
    assert max(taken) < 1.2 * min(taken)


# -- filters ---------------------------------------------------------------------------------------------


def plan_of(store: SqliteStore, where: KeyFilter, offset: int) -> list[str]:
    """How SQLite looks keys up and passes over them for a page of ten, as it says it itself."""
    db, asked = store._at.db, list[str]()
    db.set_trace_callback(asked.append)
    store.list_keys(where, now=0, offset=offset, limit=10)
    db.set_trace_callback(None)
    steps = [row[-1] for said in asked if said.startswith("SELECT") for row in db.execute(f"EXPLAIN QUERY PLAN {said}")]
    return [step for step in steps if " keys " in f"{step} "]


FACTS = {
    "state": KeyFilter(states=frozenset({KeyState.DISABLED})),
    "spec": KeyFilter(specs=frozenset({KeySpec.SM4})),
    "usage": KeyFilter(usages=frozenset({KeyUsage.SIGN_VERIFY})),
    "origin": KeyFilter(origins=frozenset({Origin.EXTERNAL})),
    "creator": KeyFilter(creators=frozenset({"nobody"})),
    "part of an alias": KeyFilter(alias_contains="a1"),
}


@pytest.mark.parametrize("where", FACTS.values(), ids=FACTS)
def test_a_filter_reads_no_rows_but_those_that_it_shows(tmp_path: Path, where: KeyFilter) -> None:
    """Keys are counted, and those before the page passed over, in the index."""
    plan = plan_of(SqliteStore(tmp_path / "kms.sqlite3", ROW_MACS), where, 50)
    scans = [step for step in plan if step.startswith("SCAN")]
    assert all(step == "SCAN keys USING COVERING INDEX keys_by_facts" for step in scans)
    assert {step for step in plan if step not in scans} <= {
        "SEARCH keys USING PRIMARY KEY (id=?)",
        "SEARCH keys USING COVERING INDEX keys_by_facts (id=?)",
    }
    assert plan


def test_keys_of_an_alias_are_read_by_its_name(tmp_path: Path) -> None:
    plan = plan_of(SqliteStore(tmp_path / "kms.sqlite3", ROW_MACS), KeyFilter(aliases=frozenset({"a"})), 0)
    assert set(plan) == {"SEARCH keys USING PRIMARY KEY (id=?)"}


def test_a_filter_of_tags_keeps_no_keys_but_those_of_its_page(tmp_path: Path) -> None:
    """However many match: the rest of their documents is not even decoded."""
    store = SqliteStore(tmp_path / "kms.sqlite3", ROW_MACS)
    store.commit([PutKey(key(n)) for n in range(1, 3_001)])
    where = KeyFilter(tags=((frozenset({"env"}), frozenset()),))
    tracemalloc.start()
    total, page = store.list_keys(where, now=0, offset=0, limit=10)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (total, page) == (3_000, [key(n) for n in range(1, 11)])
    assert most < 300_000
