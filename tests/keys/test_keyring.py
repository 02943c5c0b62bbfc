"""The keyring's caches: as short as they are said to be, bounded, and never ahead of this process's own writes."""

from __future__ import annotations

import os
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from kit.fakes import Clock, Counting
from kit.samples import ROW_MACS, key, key_id, revised, version
from tenantkms.crypto.envelope import BYTES, SALT_SIZE, parse_header
from tenantkms.errors import InvalidCiphertext, Unavailable
from tenantkms.keys.cache import Cache
from tenantkms.keys.keyring import Keyring
from tenantkms.model.alias import Alias
from tenantkms.model.key import Key
from tenantkms.model.states import KeyState
from tenantkms.parent.file import FileParentKey
from tenantkms.parent.port import Binding, key_binding
from tenantkms.store.port import DeleteAlias, PutAlias, PutKey, PutVersion, RevisionConflict
from tenantkms.store.shared import Memory, SharedChanges
from tenantkms.store.sqlite import SqliteStore

TENANT = "acme"


class World:
    """Two processes on one store under one parent key: `ring`, with its calls counted, and `other`."""

    def __init__(self, path: Path, **options: Any) -> None:
        self.clock = Clock()
        self.store = Counting(SqliteStore(path, ROW_MACS))
        self.parent = Counting(FileParentKey(os.urandom(32)))
        self.ring = Keyring(TENANT, self.store, self.parent, clock=self.clock, **options)  # type: ignore[arg-type]
        self.other = Keyring(TENANT, SqliteStore(path, ROW_MACS), self.parent, clock=self.clock, state_seconds=0)  # type: ignore[arg-type]

    def make(self, number: int = 1) -> Key:
        primary = self.other.seal_version(key_id(number), "AES_256", 1, 0, os.urandom(32))
        made = key(number, primary=primary, aliases=(f"a{number}",))
        self.other.commit([PutKey(made), PutAlias(Alias(name=f"a{number}", key_id=made.id), expect=None)])
        self.store.calls.clear()
        self.parent.calls.clear()
        return made

    def encrypt(self, key: Key, plaintext: bytes = b"plaintext") -> bytes:
        return self.ring.encrypt(key, plaintext, content=BYTES, context={}, salt=os.urandom(SALT_SIZE))[1]

    def decrypt(self, key: Key | None, blob: bytes) -> bytes:
        return self.ring.decrypt(key, parse_header(blob), blob, {})


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path / "kms.sqlite3")


@pytest.mark.parametrize(("state_seconds", "reads"), [(0, 5), (1, 1), (60, 1)])
def test_state_is_read_once_in_its_time_and_each_time_without_one(
    tmp_path: Path, state_seconds: float, reads: int
) -> None:
    world = World(tmp_path / "kms.sqlite3", state_seconds=state_seconds)
    made = world.make()
    for _ in range(5):
        assert world.ring.key(made.id) == made
        assert world.ring.alias("a1") == Alias(name="a1", key_id=made.id)
    assert world.store.calls == {"get": reads, "get_alias": reads}


def test_a_change_by_another_process_is_seen_when_the_time_is_over(world: World) -> None:
    made = world.make()
    assert world.ring.key(made.id) == made
    disabled = revised(made, "other", state=KeyState.DISABLED)
    world.other.commit([PutKey(disabled), DeleteAlias(Alias(name="a1", key_id=made.id))])
    world.clock.now += 0.99
    assert world.ring.key(made.id) == made
    world.clock.now += 0.01
    assert world.ring.key(made.id) == disabled


def test_a_change_by_a_process_that_shares_changes_is_seen_at_once(tmp_path: Path) -> None:
    changes = SharedChanges(Memory())
    world = World(tmp_path / "kms.sqlite3", changes=changes, state_seconds=60)
    world.other.changes = changes
    made = world.make()
    for token, enabled in (("one", KeyState.DISABLED), ("two", KeyState.ENABLED), ("three", KeyState.DISABLED)):
        before = world.ring.key(made.id)
        assert before
        world.other.commit([PutKey(revised(before, token, state=enabled))])
        after = world.ring.key(made.id)
        assert after
        assert after.state is enabled
    assert world.store.calls["get"] == 4


def test_a_value_is_not_kept_that_was_read_before_another_process_changed_it(world: World) -> None:
    changes = SharedChanges(Memory())
    cache: Cache[str] = Cache(10, 60, world.clock, changes.stamp)

    def read(_: str) -> str:
        changes.made()
        return "old"

    assert cache.fetch("a", read) == "old"
    assert cache.get("a") is None
    assert cache.fetch("a", lambda _: "new") == "new"
    assert cache.get("a") == "new"


def test_a_change_of_an_alias_by_another_process_is_seen_when_the_time_is_over(world: World) -> None:
    made = world.make()
    assert world.ring.alias("a1") is not None
    world.other.commit([DeleteAlias(Alias(name="a1", key_id=made.id))])
    world.clock.now += 1
    assert world.ring.alias("a1") is None


def test_a_fresh_read_goes_to_the_store_and_is_remembered(world: World) -> None:
    made = world.make()
    world.ring.key(made.id)
    disabled = revised(made, "other", state=KeyState.DISABLED)
    world.other.commit([PutKey(disabled)])
    assert world.ring.key(made.id, fresh=True) == disabled
    assert world.ring.key(made.id) == disabled
    world.ring.alias("a1")
    world.ring.alias("a1", fresh=True)
    assert world.store.calls == {"get": 2, "get_alias": 2}


def test_own_writes_are_seen_at_once(world: World) -> None:
    made = world.make()
    world.ring.key(made.id)
    world.ring.alias("a1")
    disabled = revised(made, "own", state=KeyState.DISABLED)
    world.ring.commit([PutKey(disabled), DeleteAlias(Alias(name="a1", key_id=made.id))])
    assert world.ring.key(made.id) == disabled
    assert world.ring.alias("a1") is None
    world.ring.commit([PutAlias(Alias(name="a1", key_id=key_id(2)), expect=None)])
    assert world.ring.alias("a1") == Alias(name="a1", key_id=key_id(2))


def test_a_refused_write_makes_the_process_read_again(world: World) -> None:
    """Whoever lost a race, or an answer, must not decide again from what it remembers."""
    made = world.make()
    world.ring.key(made.id)
    newer = revised(made, "other")
    world.other.commit([PutKey(newer)])
    with pytest.raises(RevisionConflict):
        world.ring.commit([PutKey(revised(made, "own"))])
    assert world.ring.key(made.id) == newer


def test_what_is_not_there_is_not_remembered(world: World) -> None:
    assert world.ring.key(key_id(1)) is None
    assert world.ring.alias("a1") is None
    made = world.make()
    assert world.ring.key(made.id) == made
    assert world.ring.alias("a1") is not None


def test_material_is_unsealed_once_in_its_time(world: World) -> None:
    made = world.make()
    blobs = [world.encrypt(made) for _ in range(3)]
    assert [world.decrypt(made, blob) for blob in blobs] == [b"plaintext"] * 3
    assert world.parent.calls == {"unseal": 1}
    world.clock.now += 300
    world.encrypt(made)
    assert world.parent.calls == {"unseal": 2}


def test_without_a_time_material_is_unsealed_for_each_call(tmp_path: Path) -> None:
    world = World(tmp_path / "kms.sqlite3", material_seconds=0)
    made = world.make()
    blob = world.encrypt(made)
    assert world.decrypt(made, blob) == b"plaintext"
    assert world.parent.calls == {"unseal": 2}


def test_an_older_version_opens_what_it_made(world: World) -> None:
    made = world.make()
    blob = world.encrypt(made)
    assert made.primary is not None
    second = world.other.seal_version(made.id, "AES_256", 2, 0, os.urandom(32))
    rotated = revised(made, "2", primary=second)
    world.other.commit([PutKey(rotated), PutVersion(made.id, made.primary)])
    assert world.decrypt(rotated, blob) == b"plaintext"
    assert parse_header(world.encrypt(rotated)).version == 2
    world.clock.now += 300
    assert world.decrypt(rotated, blob) == b"plaintext"


def test_a_key_without_material_is_unavailable(world: World) -> None:
    with pytest.raises(Unavailable):
        world.encrypt(key(1, primary=None))


def test_a_parent_key_that_fails_is_unavailable_and_nothing_is_remembered(world: World) -> None:
    made = world.make()
    blob = world.encrypt(made)
    elsewhere = version(1)
    for call in (world.encrypt, lambda key: world.decrypt(key, blob)):
        world.clock.now += 300
        with pytest.raises(Unavailable):
            call(key(1, primary=elsewhere))
        assert world.decrypt(made, blob) == b"plaintext"


@pytest.mark.parametrize("missing", ["key", "version"])
def test_what_does_not_exist_answers_as_what_does_not_open(world: World, missing: str) -> None:
    made = world.make()
    blob = bytearray(world.encrypt(made))
    if missing == "version":
        blob[23] = 9
    with pytest.raises(InvalidCiphertext) as raised:
        world.decrypt(None if missing == "key" else made, bytes(blob))
    assert raised.value.message == InvalidCiphertext.text


def test_sealed_material_is_bound_to_its_tenant_key_version_and_spec(world: World) -> None:
    sealed = world.ring.seal_version(key_id(1), "AES_256", 3, 0, b"material").sealed
    right = key_binding(TENANT, key_id(1), 3, "AES_256")
    assert world.parent.unseal(sealed, right) == b"material"
    wrong: list[Binding] = [
        key_binding("other", key_id(1), 3, "AES_256"),
        key_binding(TENANT, key_id(2), 3, "AES_256"),
        key_binding(TENANT, key_id(1), 4, "AES_256"),
        key_binding(TENANT, key_id(1), 3, "SM4_128"),
    ]
    for binding in wrong:
        with pytest.raises(Unavailable):
            world.parent.unseal(sealed, binding)


# -- the cache itself --------------------------------------------------------------------------------


def test_a_cache_is_bounded_and_forgets_the_oldest_first() -> None:
    cache: Cache[int] = Cache(3, 10, Clock())
    for n in range(5):
        cache.put(n, n)
    assert [cache.get(n) for n in range(5)] == [None, None, 2, 3, 4]
    cache.put(2, 20)
    cache.put(5, 5)
    assert [cache.get(n) for n in range(6)] == [None, None, 20, None, 4, 5]
    assert len(cache._rows) == 3


def test_a_cache_forgets_what_expired_and_does_not_only_hide_it() -> None:
    clock = Clock()
    cache: Cache[str] = Cache(100, 10, clock)
    cache.put("read again", "secret")
    cache.put("never read again", "secret")
    clock.now += 9.5
    cache.put("young", "secret")
    clock.now += 0.5
    assert cache.get("read again") is None
    assert list(cache._rows) == ["never read again", "young"]
    cache.put("new", "secret")
    assert list(cache._rows) == ["young", "new"]


def test_a_cache_without_a_time_keeps_nothing() -> None:
    cache: Cache[str] = Cache(3, 0, Clock())
    cache.put("name", "secret")
    assert not cache._rows


def test_a_cache_drops_and_shows_no_value() -> None:
    cache: Cache[str] = Cache(3, 10, Clock())
    cache.put("name", "the secret")
    assert "the secret" not in repr(cache)
    cache.drop("name")
    cache.drop("name")
    assert cache.get("name") is None


def test_a_cache_does_not_keep_what_was_dropped_while_it_was_read() -> None:
    """As when one thread reads a key while another commits a change of it."""
    cache: Cache[str] = Cache(3, 10, Clock())

    def read(_: str) -> str:
        cache.drop("key")
        return "before the change"

    assert cache.fetch("key", read) == "before the change"
    assert cache.get("key") is None
    assert cache.fetch("key", lambda _: "after it") == "after it"
    assert cache.get("key") == "after it"


def test_what_one_thread_changed_no_other_sees_as_it_was(world: World) -> None:
    """Each revision is told to the readers once it is committed: none of them may then see an earlier one."""
    made = world.make()
    committed = [made.revision]
    wrong: list[tuple[int, int]] = []
    ended = threading.Event()

    def look() -> None:
        while not ended.is_set():
            least = committed[0]
            seen = world.ring.key(made.id)
            if seen is None or seen.revision < least:
                wrong.append((0 if seen is None else seen.revision, least))

    readers = [threading.Thread(target=look) for _ in range(3)]
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        for reader in readers:
            reader.start()
        for number in range(200):
            made = revised(made, str(number), description=str(number))
            world.ring.commit([PutKey(made)])
            committed[0] = made.revision
    finally:
        ended.set()
        sys.setswitchinterval(before)
        for reader in readers:
            reader.join(timeout=20)
    assert wrong == []
