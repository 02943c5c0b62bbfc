"""Who may not know whether there is a key or an alias of a name is not told, neither by an error nor by the reads."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from functions.endpoint.dispatch import load
from kit.action_samples import SAMPLES, Tenant, new_key, rules
from kit.fakes import Counting
from tenantkms.keys.deps import Deps
from tenantkms.keys.keyring import Keyring

MISSING = "00000000-0000-4000-8000-00000000dead"
NAMING = [
    name for name, rule in rules().items() if rule.refuses is not None and name not in ("Decrypt", "ExportDataKey")
]
"""Actions that are told a key or an alias; Decrypt and ExportDataKey are told a blob."""


def policy(*rows: tuple[str, Any, Any]) -> str:
    return json.dumps({"Statement": [{"Effect": effect, "Action": a, "Resource": r} for effect, a, r in rows]})


APP = policy(("Allow", "*", "alias/app-*"))
ALL_BUT_PROD = policy(("Allow", "*", "*"), ("Deny", "*", "alias/prod*"))


@pytest.fixture(scope="module")
def tenant(tmp_path_factory: pytest.TempPathFactory) -> Tenant:
    tenant = Tenant(tmp_path_factory.mktemp("probing") / "data")
    for alias in ("app-1", "prod"):
        tenant.result("CreateAlias", {"key_id": tenant.create(), "alias": alias})
    return tenant


def renamed(params: dict[str, Any], key: str, ref: str) -> dict[str, Any]:
    """The same parameters with another key or alias."""
    if "key_ids" in params:
        return {**params, "key_ids": [ref]}
    if "key_id" in params:
        return {**params, "key_id": ref}
    return {**params, "alias": ref.removeprefix("alias/")}


def said(tenant: Tenant, action: str, params: dict[str, Any], text: str) -> Any:
    return tenant.run(action, params, policy=text)


@pytest.mark.parametrize("action", NAMING)
def test_what_is_not_there_looks_like_what_is_not_allowed(action: str, tenant: Tenant) -> None:
    key = new_key(tenant, action)
    params = SAMPLES[action](tenant, key)
    alias = tenant.alias(key)
    pairs = [(f"alias/{alias}", "alias/none")]
    if action != "DeleteAlias":
        pairs.append((key, MISSING))
    for there, missing in pairs:
        for text in (APP, policy(("Allow", "Nothing", "*"))):
            answers = [said(tenant, action, renamed(params, key, ref), text) for ref in (there, missing)]
            assert answers[0] == answers[1], (there, missing)
            assert answers[0]["error"]["type"] == "AccessDenied"
        told = said(tenant, action, renamed(params, key, missing), policy(("Allow", "*", "*")))
        assert told["error"]["type"] == ("AliasNotFound" if missing.startswith("alias/") else "KeyNotFound")


@pytest.mark.parametrize("action", ["DescribeKey", "DisableKey", "TagResources", "ListTagResources"])
def test_in_a_list_too(action: str, tenant: Tenant) -> None:
    more = {"tags": {"a": "b"}} if action == "TagResources" else {}
    prod = tenant.result("DescribeKey", {"key_ids": ["alias/prod"]})["keys"][0]["id"]
    answers = [
        said(tenant, action, {"key_ids": ["alias/app-1", ref], **more}, APP)
        for ref in ("alias/prod", prod, "alias/none", MISSING)
    ]
    assert answers == answers[:1] * 4
    assert answers[0]["error"]["type"] == "AccessDenied"


@pytest.mark.parametrize(
    ("text", "ref", "outcome"),
    [
        (APP, "alias/app-none", "AliasNotFound"),
        (APP, "alias/prod", "AccessDenied"),
        (APP, "alias/prod-none", "AccessDenied"),
        (policy(("Allow", "*", f"key/{MISSING}")), MISSING, "KeyNotFound"),
        (policy(("Allow", "*", f"key/{MISSING}")), MISSING.upper(), "KeyNotFound"),
        (policy(("Allow", "Encrypt", f"key/{MISSING}")), MISSING, "AccessDenied"),
        (ALL_BUT_PROD, "alias/none", "AliasNotFound"),
        (ALL_BUT_PROD, "alias/prod-none", "AccessDenied"),
        (ALL_BUT_PROD, MISSING, "KeyNotFound"),
    ],
)
def test_who_may_know_is_told(text: str, ref: str, outcome: str, tenant: Tenant) -> None:
    assert tenant.outcome("DescribeKey", {"key_ids": [ref]}, policy=text) == outcome


@pytest.mark.parametrize("action", ["CreateAlias", "SetKeyAlias", "CreateKey"])
def test_that_an_alias_exists_is_told_after_permission_on_it(action: str, tenant: Tenant) -> None:
    mine = policy(("Allow", "*", ["alias/app-*"]), ("Allow", "CreateKey", ["*"]), ("Deny", "CreateKey", "alias/prod*"))
    key = {} if action == "CreateKey" else {"key_id": "alias/app-1"}
    answers = [said(tenant, action, {"alias": name, **key}, mine) for name in ("prod", "prod-none")]
    assert answers[0] == answers[1]
    assert answers[0]["error"]["type"] == "AccessDenied"


def counted(tenant: Tenant) -> tuple[Deps, Counting]:
    store = Counting(tenant.deps.keyring.store)
    keyring = Keyring("test", store, tenant.deps.keyring.parent, clock=lambda: 0.0)  # type: ignore[arg-type]
    return msgspec.structs.replace(tenant.deps, keyring=keyring), store


@pytest.mark.parametrize("action", ["DescribeKey", "DisableKey"])
def test_the_store_is_asked_the_same(action: str, tenant: Tenant) -> None:
    """Whoever else has used the key just now, so that it is in the caches, and however often it is tried."""
    prod = tenant.result("DescribeKey", {"key_ids": ["alias/prod"]})["keys"][0]["id"]
    for refs in (("alias/prod", "alias/none"), (prod, MISSING)):
        reads = []
        for ref in refs:
            deps, store = counted(tenant)
            load("DescribeKey").run(tenant.call("DescribeKey", {"key_ids": [ref]}), deps)
            for _ in range(2):
                store.calls.clear()
                load(action).run(tenant.call(action, {"key_ids": [ref]}, policy=APP), deps)
                reads.append(dict(store.calls))
        assert reads == reads[:1] * 4, refs
        assert reads[0]


def test_what_is_allowed_keeps_its_caches(tenant: Tenant) -> None:
    app = tenant.result("DescribeKey", {"key_ids": ["alias/app-1"]})["keys"][0]["id"]
    deps, store = counted(tenant)
    for ref in ("alias/app-1", app, app.upper(), "alias/app-1"):
        call = tenant.call("DescribeKey", {"key_ids": [ref]}, policy=APP)
        assert "result" in load("DescribeKey").run(call, deps)
    assert sum(store.calls.values()) == 2
