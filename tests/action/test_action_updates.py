"""Changes of keys: all or nothing, of one or of many, and tried again when somebody else was faster."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

from functions.endpoint.dispatch import load
from kit.action_samples import ListAudit, Params, Tenant
from tenantkms.access.policy import ALLOW_ALL
from tenantkms.keys.deps import Deps
from tenantkms.keys.keyring import Keyring
from tenantkms.model.states import KeyState
from tenantkms.store.port import KeyStore, PutKey, RevisionConflict, Write


@pytest.fixture
def tenant(tmp_path: Path) -> Tenant:
    return Tenant(tmp_path / "data")


# -- conflicts -------------------------------------------------------------------------------------------


class Contended:
    """A store in which somebody else is faster `times` times: `meddle` is what they do before our commit."""

    def __init__(self, store: KeyStore, times: int, meddle: Callable[[], None]) -> None:
        self._store, self._meddle = store, meddle
        self.left, self.commits = times, 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def commit(self, writes: Sequence[Write]) -> None:
        self.commits += 1
        if self.left:
            self.left -= 1
            self._meddle()
            raise RevisionConflict
        self._store.commit(writes)


def contended(tenant: Tenant, times: int, meddle: Callable[[], None] = lambda: None) -> tuple[Deps, Contended]:
    store = Contended(tenant.deps.keyring.store, times, meddle)
    keyring = Keyring("test", store, tenant.deps.keyring.parent, clock=lambda: 0.0)
    return msgspec.structs.replace(tenant.deps, keyring=keyring, audit=ListAudit()), store


@pytest.mark.parametrize(("times", "outcome"), [(0, None), (1, None), (7, None), (8, "Conflict"), (99, "Conflict")])
def test_a_change_is_tried_again_when_somebody_else_was_faster(times: int, outcome: str | None, tenant: Tenant) -> None:
    deps, store = contended(tenant, times)
    key = tenant.create()
    call = tenant.call("DisableKey", {"key_ids": [key]})
    said = load("DisableKey").run(call, deps)
    assert said.get("error", {}).get("type") == outcome
    assert store.commits == min(times + 1, 8)
    assert tenant.stored(key).state is (KeyState.ENABLED if outcome else KeyState.DISABLED)


def test_each_try_decides_on_what_is_stored_then(tenant: Tenant) -> None:
    key = tenant.create()
    deps, _ = contended(tenant, 1, lambda: tenant.put(key, description="theirs", state=KeyState.DISABLED))
    said = load("CreateAlias").run(tenant.call("CreateAlias", {"key_id": key, "alias": "ours"}), deps)
    assert said == {"result": {}}
    stored = tenant.stored(key)
    assert (stored.description, stored.state, stored.aliases) == ("theirs", KeyState.DISABLED, ("ours",))


def test_each_try_asks_again_whether_the_state_allows_it(tenant: Tenant) -> None:
    key = tenant.create()
    tenant.put(key, state=KeyState.DISABLED)
    deps, _ = contended(tenant, 1, lambda: tenant.put(key, state=KeyState.PENDING_DELETION))
    said = load("EnableKey").run(tenant.call("EnableKey", {"key_ids": [key]}), deps)
    assert said["error"]["type"] == "StateConflict"
    assert tenant.stored(key).state is KeyState.PENDING_DELETION


def test_a_change_is_decided_on_the_store_and_not_on_a_cache(tenant: Tenant) -> None:
    key = tenant.create()
    deps, _ = contended(tenant, 0)
    load("DescribeKey").run(tenant.call("DescribeKey", {"key_ids": [key]}), deps)
    tenant.put(key, state=KeyState.PENDING_DELETION)
    said = load("EnableKey").run(tenant.call("EnableKey", {"key_ids": [key]}), deps)
    assert said["error"]["type"] == "StateConflict"


# -- several keys ----------------------------------------------------------------------------------------


def _states(tenant: Tenant, keys: Sequence[str]) -> list[str]:
    return [str(tenant.stored(key).state) for key in keys]


def test_several_keys_change_together(tenant: Tenant) -> None:
    keys = [tenant.create() for _ in range(3)]
    assert tenant.outcome("DisableKey", {"key_ids": keys}) == "ok"
    assert _states(tenant, keys) == ["Disabled"] * 3
    assert tenant.audit.records[-1].keys == tuple(keys)


@pytest.mark.parametrize("bad", ["PendingDeletion", "missing", "denied", "alias/none"])
def test_or_none_does(bad: str, tenant: Tenant) -> None:
    keys = [tenant.create() for _ in range(3)]
    refs, policy = list(keys), ALLOW_ALL
    if bad == "PendingDeletion":
        tenant.put(keys[1], state=KeyState.PENDING_DELETION)
    elif bad == "denied":
        deny = {"Effect": "Deny", "Action": "*", "Resource": f"key/{keys[1]}"}
        policy = json.dumps({"Statement": [{"Effect": "Allow", "Action": "*"}, deny]})
    else:
        refs[1] = bad if bad.startswith("alias/") else "00000000-0000-4000-8000-000000000000"
    before = [tenant.stored(key) for key in keys]
    assert tenant.outcome("DisableKey", {"key_ids": refs}, policy=policy) != "ok"
    assert [tenant.stored(key) for key in keys] == before


@pytest.mark.parametrize(
    ("name", "more"),
    [
        ("DisableKey", {}),
        ("EnableKey", {}),
        ("ArchiveKey", {}),
        ("TagResources", {"tags": {"a": "b"}}),
        ("UntagResources", {"all": True}),
    ],
)
def test_a_key_that_is_named_twice_is_changed_once(name: str, more: Params, tenant: Tenant) -> None:
    key = tenant.create(tags={"x": "y"})
    if name == "EnableKey":
        tenant.put(key, state=KeyState.DISABLED)
    revision = tenant.stored(key).revision
    alias = f"alias/{tenant.alias(key)}"
    assert tenant.outcome(name, {"key_ids": [key, alias, key], **more}) == "ok"
    assert tenant.stored(key).revision == revision + 2


def test_what_is_so_already_is_not_written(tenant: Tenant) -> None:
    key = tenant.create()
    before = tenant.stored(key)
    assert tenant.outcome("EnableKey", {"key_ids": [key]}) == "ok"
    assert tenant.stored(key) == before


@pytest.mark.parametrize(
    ("count", "outcome"), [(0, "InvalidParameter"), (1, "ok"), (100, "ok"), (101, "InvalidParameter")]
)
def test_one_to_a_hundred_keys(count: int, outcome: str, tenant: Tenant) -> None:
    assert tenant.outcome("DescribeKey", {"key_ids": ["alias/default"] * count}) == outcome


def test_a_hundred_keys_change_in_one_commit(tenant: Tenant) -> None:
    first = tenant.stored(tenant.create())
    keys = [msgspec.structs.replace(first, id=f"{number:08x}{first.id[8:]}") for number in range(100)]
    tenant.deps.keyring.commit([PutKey(key) for key in keys])
    deps, store = contended(tenant, 0)
    said = load("DisableKey").run(tenant.call("DisableKey", {"key_ids": [key.id for key in keys]}), deps)
    assert said == {"result": {}}
    assert store.commits == 1
    assert set(_states(tenant, [key.id for key in keys])) == {"Disabled"}
