"""What only the file of one machine must do: survive, be shared, and say clearly when it cannot be used."""

from __future__ import annotations

import gc
import resource
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from threading import Barrier, Timer

import pytest

from kit.raw_rows import FIRST_LAYOUT
from kit.samples import ROW_MACS, credential, key, key_id, revised, version
from tenantkms.errors import Unavailable
from tenantkms.model.alias import Alias
from tenantkms.model.key import KeyFilter
from tenantkms.model.states import KeyState
from tenantkms.store.integrity import IntegrityFault
from tenantkms.store.port import PutAlias, PutKey, PutVersion, Write
from tenantkms.store.sqlite import SqliteStore

NOW = 1_700_000_000

COMMIT_UNTIL_KILLED = """
import sys
from pathlib import Path
from kit.samples import ROW_MACS
from kit.store_writers import whole_key
from tenantkms.store.sqlite import SqliteStore

store, number = SqliteStore(Path(sys.argv[1]), ROW_MACS), int(sys.argv[2])
while True:
    store.commit(whole_key(number))
    print(number, flush=True)
    number += 1
"""

INCREMENT = """
import sys
from pathlib import Path
from kit.samples import ROW_MACS
from kit.store_writers import increment
from tenantkms.store.sqlite import SqliteStore

store = SqliteStore(Path(sys.argv[1]), ROW_MACS)
for n in range(int(sys.argv[3])):
    increment(store, f"{sys.argv[2]} {n}")
"""


def process(program: str, *args: object) -> subprocess.Popen[str]:
    """A Python process that finds what this one finds."""
    program = f"import sys; sys.path[:] = {sys.path!r}\n{program}"
    return subprocess.Popen(
        [sys.executable, "-c", program, *map(str, args)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def test_what_was_written_is_there_when_the_file_is_opened_again(tmp_path: Path) -> None:
    path = tmp_path / "kms.sqlite3"
    writes: list[Write] = [PutKey(key(1)), PutVersion(key_id(1), version(1))]
    SqliteStore(path, ROW_MACS).commit([*writes, PutAlias(Alias(name="a", key_id=key_id(1)), expect=None)])
    SqliteStore(path, ROW_MACS).commit([PutKey(revised(key(1), "2", state=KeyState.DISABLED))])
    SqliteStore(path, ROW_MACS).put_credential(credential(1), new=True)
    again = SqliteStore(path, ROW_MACS)
    assert again.get(key_id(1)) == revised(key(1), "2", state=KeyState.DISABLED)
    assert again.get_version(key_id(1), 1) == version(1)
    assert again.get_alias("a") == Alias(name="a", key_id=key_id(1))
    assert again.get_credential(credential(1).access_key_id) == credential(1)


def test_another_process_and_another_thread_see_a_commit_at_once(tmp_path: Path) -> None:
    path = tmp_path / "kms.sqlite3"
    store = SqliteStore(path, ROW_MACS)
    store.commit([PutKey(key(1))])
    with ThreadPoolExecutor(1) as other:
        assert other.submit(store.get, key_id(1)).result() == key(1)
        with process(INCREMENT, path, "other", 1) as writer:
            assert writer.wait(30) == 0, writer.stderr and writer.stderr.read()
        for found in (store.get(key_id(1)), other.submit(store.get, key_id(1)).result()):
            assert found is not None
            assert (found.revision, found.token) == (2, "other 0")


def test_no_increment_of_several_processes_is_lost(tmp_path: Path) -> None:
    path = tmp_path / "kms.sqlite3"
    store = SqliteStore(path, ROW_MACS)
    store.commit([PutKey(key(1))])
    writers = [process(INCREMENT, path, name, 25) for name in range(4)]
    for writer in writers:
        _, errors = writer.communicate(timeout=60)
        assert writer.returncode == 0, errors
    found = store.get(key_id(1))
    assert found is not None
    assert found.revision == 101


def test_a_take_over_looks_at_no_row_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many there are: twice the rows are twice the work, in steps of SQLite's own machine."""
    monkeypatch.setattr("tenantkms.store.sqlite._BATCH", 10)
    steps = []
    for count in (200, 400):
        store = SqliteStore(tmp_path / f"{count}.sqlite3", ROW_MACS)
        store.commit([PutVersion(key_id(number), version(n)) for number in range(count // 4) for n in range(1, 5)])
        db, done = store._at.db, [0]
        db.execute("UPDATE versions SET mac = NULL")

        def step(done: list[int] = done) -> int:
            done[0] += 1
            return 0

        db.set_progress_handler(step, 100)
        assert len(list(store.take_over())) == count
        steps.append(done[0])
        assert all(fault is None for fault in store.check_rows())
    assert steps[1] < 2.2 * steps[0]


def test_a_file_of_the_first_layout_is_brought_up_to_date(tmp_path: Path) -> None:
    path = tmp_path / "kms.sqlite3"
    before = SqliteStore(path, ROW_MACS)
    before.commit([PutKey(key(1))])
    before.put_credential(credential(1), new=True)
    with closing(sqlite3.connect(path)) as db:
        db.executescript(FIRST_LAYOUT)
    store = SqliteStore(path, ROW_MACS)
    assert store.get_root() is None
    store.put_root(b"sealed")
    with pytest.raises(IntegrityFault):
        store.get(key_id(1))
    assert len(list(store.take_over())) == 2
    assert store.get(key_id(1)) == key(1)
    assert store.list_credentials() == [credential(1)]
    assert store.last_uses() == {}
    assert store.get_watch("job") is None
    assert store.list_keys(KeyFilter(), now=0, offset=0, limit=10) == (1, [key(1)])
    assert SqliteStore(path, ROW_MACS).get_root() == b"sealed"


def test_many_who_open_a_new_file_at_once_all_can(tmp_path: Path) -> None:
    for attempt in range(10):
        start = Barrier(16)

        def opened(number: int, path: Path = tmp_path / f"{attempt}.sqlite3", start: Barrier = start) -> None:
            start.wait()
            SqliteStore(path, ROW_MACS).commit([PutKey(key(number))])

        with ThreadPoolExecutor(16) as pool:
            list(pool.map(opened, range(16)))
        store = SqliteStore(tmp_path / f"{attempt}.sqlite3", ROW_MACS)
        assert store.list_keys(KeyFilter(), now=0, offset=0, limit=1)[0] == 16


def test_opening_a_new_file_waits_for_another_who_begins_to_write_it(tmp_path: Path) -> None:
    """The change to WAL fails at once where anything else would wait."""
    path = tmp_path / "kms.sqlite3"
    writer = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    writer.execute("BEGIN IMMEDIATE")
    release = Timer(0.2, writer.execute, ["ROLLBACK"])
    release.start()
    SqliteStore(path, ROW_MACS).commit([PutKey(key(1))])
    release.join()
    writer.close()


def test_a_killed_process_leaves_every_acknowledged_key_and_only_whole_ones(tmp_path: Path) -> None:
    path = tmp_path / "kms.sqlite3"
    SqliteStore(path, ROW_MACS)
    acknowledged: list[int] = []
    for attempt in range(4):
        with process(COMMIT_UNTIL_KILLED, path, 1000 * attempt) as writer:
            assert writer.stdout is not None
            acknowledged.append(int(writer.stdout.readline()))
            time.sleep(0.02 + 0.013 * attempt)
            writer.kill()
            acknowledged += [int(line) for line in writer.stdout if line.endswith("\n")]
        store = SqliteStore(path, ROW_MACS)
        total, keys = store.list_keys(KeyFilter(), now=0, offset=0, limit=100_000)
        assert {key_id(n) for n in acknowledged} <= {k.id for k in keys}
        assert store.list_aliases(offset=0, limit=1)[0] == total
        for found in keys:
            assert store.get_version(found.id, 1) == version(1)
            assert store.get_alias(found.aliases[0]) == Alias(name=found.aliases[0], key_id=found.id)
    assert len(acknowledged) > 4
    with sqlite3.connect(path) as db:
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    db.close()


def test_a_file_of_a_newer_release_is_refused_and_not_touched(tmp_path: Path) -> None:
    path = tmp_path / "kms.sqlite3"
    SqliteStore(path, ROW_MACS).commit([PutKey(key(1))])
    db = sqlite3.connect(path, isolation_level=None)
    db.execute("PRAGMA user_version=1000")
    with pytest.raises(Unavailable, match="newer release"):
        SqliteStore(path, ROW_MACS)
    assert db.execute("SELECT count(*) FROM keys").fetchone() == (1,)
    db.close()


@pytest.mark.parametrize("damage", ["directory", "text", "no parent"])
def test_a_file_that_is_no_store_is_unavailable_at_once(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "kms.sqlite3"
    if damage == "directory":
        path.mkdir()
    elif damage == "text":
        path.write_bytes(b"not a database, and longer than the header of one\n" * 100)
    else:
        path = tmp_path / "missing" / "kms.sqlite3"
    begun = time.monotonic()
    with pytest.raises(Unavailable, match=r"kms\.sqlite3 cannot be opened"):
        SqliteStore(path, ROW_MACS)
    assert time.monotonic() - begun < 2


def test_a_file_damaged_while_it_is_used_is_unavailable(tmp_path: Path) -> None:
    path = tmp_path / "kms.sqlite3"
    store = SqliteStore(path, ROW_MACS)
    db = sqlite3.connect(path, isolation_level=None)
    for table in ("keys", "versions", "aliases", "credentials"):
        db.execute(f"DROP TABLE {table}")
    db.close()
    calls = (
        lambda: store.get(key_id(1)),
        lambda: store.get_version(key_id(1), 1),
        lambda: store.list_versions(key_id(1), 1, 2),
        lambda: store.list_due(NOW, limit=1),
        lambda: store.count_waiting(KeyState.PENDING_DELETION),
        lambda: store.keys_after((0, ""), limit=1),
        lambda: store.get_alias("a"),
        lambda: store.commit([PutKey(key(1))]),
        lambda: store.list_keys(KeyFilter(), now=0, offset=0, limit=1),
        lambda: store.list_aliases(offset=0, limit=1),
        lambda: store.get_credential("a"),
        lambda: store.put_credential(credential(1), new=True),
        lambda: store.delete_credential("a"),
        store.list_credentials,
        lambda: store.credentials_named("a"),
        lambda: store.note_use("a", 1),
        store.last_uses,
        store.has_credentials,
    )
    for call in calls:
        with pytest.raises(Unavailable):
            call()


@contextmanager
def full_disk(path: Path) -> Iterator[None]:
    """No file can grow past the size that `path` has: the write-ahead log's next frame does not fit."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size + 100, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_full_disk_refuses_the_write_and_harms_nothing(tmp_path: Path) -> None:
    path = tmp_path / "kms.sqlite3"
    store = SqliteStore(path, ROW_MACS)
    store.commit([PutKey(key(1))])
    with full_disk(tmp_path / "kms.sqlite3-wal"):
        for _ in range(2):
            with pytest.raises(Unavailable):
                store.commit([PutKey(key(2)), PutAlias(Alias(name="a", key_id=key_id(2)), expect=None)])
        assert store.get(key_id(1)) == key(1)
    assert store.get_alias("a") is None
    store.commit([PutKey(key(2)), PutAlias(Alias(name="a", key_id=key_id(2)), expect=None)])
    assert SqliteStore(path, ROW_MACS).list_keys(KeyFilter(), now=0, offset=0, limit=10) == (2, [key(1), key(2)])


def test_garbage_that_has_a_store_is_closed_without_a_warning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Python 3.13 warns of a connection that nobody has closed, and any of what is garbage may be looked at first."""
    told: list[object] = []
    monkeypatch.setattr("sys.unraisablehook", told.append)
    for _ in range(10):
        circle: list[object] = [SqliteStore(tmp_path / "kms.sqlite3", ROW_MACS)]
        circle.append(circle)
        del circle
    gc.collect()
    links = [*Path("/proc/self/fd").iterdir()]
    still = [link for link in links if link.exists() and link.readlink().is_relative_to(tmp_path)]
    assert (told, still) == ([], [])
