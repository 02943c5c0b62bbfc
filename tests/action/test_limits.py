"""How many keys, aliases, versions and tags there may be, whoever is asked to make one more."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from kit.action_samples import Tenant
from tenantkms.errors import AliasExists, LimitExceeded, from_data
from tenantkms.model.limits import Limits
from tenantkms.names import ALIBABA, NATIVE, TENCENT


@pytest.fixture
def tenant(tmp_path: Path) -> Tenant:
    made = Tenant(tmp_path / "data")  # with one key and its alias
    made.deps = msgspec.structs.replace(made.deps, limits=Limits(keys=3, aliases=4, versions=3, tags=2))
    return made


def call(tenant: Tenant, action: str, params: dict[str, Any], profile: str = ALIBABA) -> Any:
    """The result. Raises the domain error."""
    answer = tenant.run(action, params, profile=profile)
    if "error" in answer:
        raise from_data(answer["error"])
    return answer["result"]


def key(tenant: Tenant, profile: str = ALIBABA, **params: Any) -> str:
    made: str = call(tenant, "CreateKey", params, profile)["key"]["id"]
    return made


@pytest.mark.parametrize("profile", [ALIBABA, TENCENT])
def test_keys(profile: str, tenant: Tenant) -> None:
    for _ in range(2):
        key(tenant, profile)
    for _ in range(2):
        with pytest.raises(LimitExceeded, match="There are at most 3 keys"):
            key(tenant, profile)
    assert key(tenant, NATIVE), "the operator's door"


def test_aliases(tenant: Tenant) -> None:
    first = key(tenant, alias="one")
    for name in ("two", "three"):
        call(tenant, "CreateAlias", {"key_id": first, "alias": name})
    full = pytest.raises(LimitExceeded, match="There are at most 4 aliases")
    with full:
        call(tenant, "CreateAlias", {"key_id": first, "alias": "four"})
    with full:
        key(tenant, alias="four")
    other = key(tenant)
    with full:
        call(tenant, "SetKeyAlias", {"key_id": other, "alias": "four"})
    call(tenant, "UpdateAlias", {"key_id": other, "alias": "two"})
    call(tenant, "SetKeyAlias", {"key_id": other, "alias": "four"})
    with pytest.raises(LimitExceeded):
        call(tenant, "CreateAlias", {"key_id": first, "alias": "five"})
    call(tenant, "DeleteAlias", {"alias": "one"})
    call(tenant, "CreateAlias", {"key_id": first, "alias": "five"})


def test_versions(tenant: Tenant) -> None:
    made = key(tenant)
    for _ in range(2):
        call(tenant, "CreateKeyVersion", {"key_id": made})
    with pytest.raises(LimitExceeded, match="There are at most 3 versions of a key"):
        call(tenant, "CreateKeyVersion", {"key_id": made})
    call(tenant, "CreateKeyVersion", {"key_id": made}, NATIVE)
    call(tenant, "UpdateKeyDescription", {"key_id": made, "description": "may still be changed"})


@pytest.mark.parametrize("profile", [ALIBABA, NATIVE])
def test_tags(profile: str, tenant: Tenant) -> None:
    made = key(tenant, profile, tags={"a": "1", "b": "2"})
    with pytest.raises(LimitExceeded, match="There are at most 2 tags of a key"):
        call(tenant, "TagResources", {"key_ids": [made], "tags": {"c": "3"}}, profile)
    call(tenant, "TagResources", {"key_ids": [made], "tags": {"a": "3"}}, profile)
    with pytest.raises(LimitExceeded):
        key(tenant, profile, tags={"a": "1", "b": "2", "c": "3"})


def test_what_was_there_before_a_limit_stays_and_changes(tenant: Tenant) -> None:
    made = key(tenant, tags={"a": "1", "b": "2"})
    key(tenant)
    tenant.deps = msgspec.structs.replace(tenant.deps, limits=Limits(keys=1, aliases=1, versions=1, tags=1))
    call(tenant, "TagResources", {"key_ids": [made], "tags": {"a": "3"}})
    call(tenant, "DisableKey", {"key_ids": [made]})


def test_without_a_limit_nothing_is_counted(tenant: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    tenant.deps = msgspec.structs.replace(tenant.deps, limits=Limits(keys=0, aliases=0, versions=0, tags=0))

    def never() -> Iterator[int]:
        raise AssertionError

    monkeypatch.setattr(tenant.deps.keyring.store, "count_keys", never)
    monkeypatch.setattr(tenant.deps.keyring.store, "count_aliases", never)
    made = key(tenant, alias="one", tags={str(n): "" for n in range(25)})
    with pytest.raises(AliasExists):
        key(tenant, alias="one")
    for _ in range(5):
        call(tenant, "CreateKeyVersion", {"key_id": made})
