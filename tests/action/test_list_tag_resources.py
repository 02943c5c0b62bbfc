"""ListTagResources of all keys: each page goes on where the one before ended, and looks at so many keys at most."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from functions.list_tag_resources import handler
from kit.action_samples import Params, Tenant
from kit.samples import key, key_id
from tenantkms.store.port import DeleteKey, PutKey

Row = tuple[str, str]
TAGGED = {"env": "prod"}


@pytest.fixture
def tenant(tmp_path: Path) -> Tenant:
    return Tenant(tmp_path / "data")


def put(tenant: Tenant, tags: dict[int, dict[str, str]]) -> None:
    tenant.deps.keyring.store.commit([PutKey(key(n, tags=some)) for n, some in tags.items()])


def rows_of(page: Params) -> list[Row]:
    return [(row["key_id"], row["name"]) for row in page["rows"]]


def pages(tenant: Tenant, **params: Any) -> list[Params]:
    found = [tenant.result("ListTagResources", params)]
    while found[-1]["next"] is not None:
        found.append(tenant.result("ListTagResources", params | {"start": 0, "after": found[-1]["next"]}))
        assert len(found) < 100
    return found


def listed(tenant: Tenant, **params: Any) -> list[Row]:
    return [row for page in pages(tenant, **params) for row in rows_of(page)]


@pytest.mark.parametrize("limit", [1, 2, 3, 5, 100])
@pytest.mark.parametrize("keys", [1, 2, 3, 100])
@pytest.mark.parametrize("named", [False, True])
def test_pages_put_together_are_all_rows_once(
    tenant: Tenant, monkeypatch: pytest.MonkeyPatch, limit: int, keys: int, named: bool
) -> None:
    monkeypatch.setattr(handler, "KEYS", keys)
    tags = {n: {f"t{tag}": "" for tag in range(n % 5)} for n in range(1, 12)}
    put(tenant, tags)
    wanted = [(key_id(n), name) for n, some in tags.items() for name in sorted(some)]
    asked: Params = {"key_ids": [key_id(n) for n in reversed(tags)]} if named else {}
    found = pages(tenant, limit=limit, **asked)
    assert [row for page in found for row in rows_of(page)] == wanted
    assert all(len(page["rows"]) <= limit for page in found)
    assert all(a["next"] != b["next"] for a, b in pairwise(found))


def test_the_tags_of_a_key_stand_on_one_page_where_one_has_room_for_them(tenant: Tenant) -> None:
    put(tenant, {n: {f"t{tag}": "" for tag in range(3)} for n in range(1, 6)} | {6: {f"t{n}": "" for n in range(9)}})
    assert [len(page["rows"]) for page in pages(tenant, limit=7)] == [6, 6, 3, 7, 2]


def test_a_page_looks_at_so_many_keys_whatever_they_have(tenant: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handler, "KEYS", 3)
    put(tenant, {n: {} for n in range(1, 7)} | {7: TAGGED})  # and one that each tenant has
    store, read = tenant.deps.keyring.store, list[int]()
    before = store.keys_after

    def keys_after(after: tuple[int, str], *, limit: int) -> list[Any]:
        found = before(after, limit=limit)
        read.append(len(found))
        return found

    monkeypatch.setattr(store, "keys_after", keys_after)
    found = pages(tenant, tags=[("env", ["prod"])])
    assert [rows_of(page) for page in found] == [[], [], [(key_id(7), "env")]]
    assert read == [3, 3, 2]


@pytest.mark.parametrize("keys", [1, 2, 100])
@pytest.mark.parametrize("named", [False, True])
def test_a_number_of_a_release_before_passes_over_as_many_rows(
    tenant: Tenant, monkeypatch: pytest.MonkeyPatch, keys: int, named: bool
) -> None:
    monkeypatch.setattr(handler, "KEYS", keys)
    put(tenant, {n: {f"t{tag}": "" for tag in range(n % 4)} for n in range(1, 9)})
    asked: Params = {"key_ids": [key_id(n) for n in range(1, 9)]} if named else {}
    wanted = listed(tenant, **asked)
    for start in range(len(wanted) + 3):
        assert listed(tenant, start=start, limit=4, **asked) == wanted[start:]


def test_keys_that_change_meanwhile_neither_hide_nor_repeat_others(tenant: Tenant) -> None:
    put(tenant, dict.fromkeys(range(1, 8), TAGGED))
    first = tenant.result("ListTagResources", {"limit": 3})
    gone = key(3, tags=TAGGED)
    tenant.deps.keyring.store.commit([DeleteKey(gone), PutKey(key(1, tags={}, revision=2))])
    put(tenant, {8: TAGGED})
    rest = listed(tenant, after=first["next"], limit=3)
    assert rows_of(first) + rest == [(key_id(n), "env") for n in range(1, 9)]
