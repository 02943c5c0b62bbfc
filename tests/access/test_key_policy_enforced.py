"""That a key's policy counts at every Action on it, for everybody but the operator, and that bad ones are refused."""

from __future__ import annotations

import json
from typing import Any

import pytest

from kit.action_samples import PLAINTEXT, SAMPLES, Tenant, in_state, new_key, rules
from tenantkms.access.ram import DEFAULT
from tenantkms.model.states import KeyState

ON_KEYS = [name for name, rule in rules().items() if rule.refuses is not None]
FREE = ("CreateKey", "DescribeService", "GenerateRandom", "IssueSession", "ListKeys", "ListRetirableGrants")
PARTS = {"ReEncrypt": ("Decrypt", "Encrypt"), "ExportDataKey": ("Decrypt",)}
"""Actions that work through others need the permissions of those too."""
STATES = {"CancelKeyDeletion": KeyState.PENDING_DELETION, "CancelKeyArchive": KeyState.ARCHIVED}
CALLER = {"profile": "alibaba"}


def policy(effect: str = "Allow", action: Any = "kms:*", who: str = "*") -> str:
    principal = {"RAM": [who if who == "*" else f"acs:ram::*:user/{who}"]}
    return json.dumps({"Statement": [{"Effect": effect, "Principal": principal, "Action": action}]})


@pytest.fixture(scope="module")
def tenant(tmp_path_factory: pytest.TempPathFactory) -> Tenant:
    return Tenant(tmp_path_factory.mktemp("key-policy") / "data")


def prepared(tenant: Tenant, action: str) -> tuple[str, dict[str, Any]]:
    """A key, and what `action` takes to succeed on it."""
    key = new_key(tenant, action)
    params = SAMPLES[action](tenant, key)
    if action in STATES:
        in_state(tenant, key, STATES[action])
    return key, params


def needed(action: str) -> list[str]:
    return [f"kms:{name}" for name in (action, *PARTS.get(action, ()))]


def test_re_encrypt_is_the_only_action_without_a_row_of_states() -> None:
    assert set(rules()) - set(ON_KEYS) == {*FREE, "ReEncrypt"}


@pytest.mark.parametrize("action", [*ON_KEYS, "ReEncrypt"])
def test_an_action_on_a_key_needs_its_policy_too(tenant: Tenant, action: str) -> None:
    key, params = prepared(tenant, action)
    others = {f"kms:{name}" for name in list(rules())} - set(needed(action))
    for denying in (
        policy(who="TKMS1"),
        policy("Deny"),
        *(policy(action=[*others, *set(needed(action)) - {left_out}]) for left_out in needed(action)),
    ):
        tenant.put(key, policy=denying)
        before = tenant.stored(key)
        assert tenant.outcome(action, params, **CALLER) == "AccessDenied", denying
        assert tenant.stored(key) == before
    tenant.put(key, policy=policy(action=needed(action), who="tester"))
    assert tenant.outcome(action, params, **CALLER) == "ok"


@pytest.mark.parametrize("action", [*ON_KEYS, "ReEncrypt"])
def test_the_operator_is_not_bound(tenant: Tenant, action: str) -> None:
    key, params = prepared(tenant, action)
    tenant.put(key, policy=policy("Deny"))
    assert tenant.outcome(action, params) == "ok"


@pytest.mark.parametrize("profile", ["alibaba", "tencent", "tencent-v2", "aws"])
def test_every_dialect_is_bound(tenant: Tenant, profile: str) -> None:
    key = tenant.create()
    tenant.put(key, policy=policy(action="kms:DescribeKey"))
    params = {"key_id": key, "plaintext": PLAINTEXT}
    assert tenant.outcome("Encrypt", params, profile=profile) == "AccessDenied"
    assert tenant.outcome("DescribeKey", {"key_ids": [key]}, profile=profile) == "ok"


def test_the_access_keys_own_policy_counts_as_well(tenant: Tenant) -> None:
    key = tenant.create(policy=policy())
    nothing = json.dumps({"Statement": []})
    assert tenant.outcome("Encrypt", {"key_id": key, "plaintext": PLAINTEXT}, policy=nothing) == "AccessDenied"


def test_each_caller_by_its_own_id(tenant: Tenant) -> None:
    key = tenant.create()
    tenant.put(key, policy=policy(action="kms:Encrypt", who="one"))
    principals = [{"id": name, "policy": '{"Statement":[{"Effect":"Allow","Action":"*"}]}'} for name in ("one", "two")]
    params = {"key_id": key, "plaintext": PLAINTEXT}
    outcomes = [tenant.outcome("Encrypt", params, principal=who, **CALLER) for who in principals]
    assert outcomes == ["ok", "AccessDenied"]


@pytest.mark.parametrize(
    ("source", "destination", "outcome"),
    [
        ("Decrypt", "Encrypt", "ok"),
        ("Encrypt", "Encrypt", "AccessDenied"),
        ("Decrypt", "Decrypt", "AccessDenied"),
    ],
)
def test_re_encrypt_asks_both_keys(tenant: Tenant, source: str, destination: str, outcome: str) -> None:
    first, second = tenant.create(), tenant.create()
    params = {**SAMPLES["Decrypt"](tenant, first), "destination_key_id": second}
    tenant.put(first, policy=policy(action=["kms:ReEncrypt", f"kms:{source}"]))
    tenant.put(second, policy=policy(action=["kms:ReEncrypt", f"kms:{destination}"]))
    assert tenant.outcome("ReEncrypt", params, **CALLER) == outcome


def test_an_alias_moves_only_if_both_keys_agree(tenant: Tenant) -> None:
    first, second = tenant.create(), tenant.create()
    params = {"alias": tenant.alias(first), "key_id": second}
    for key in (first, second):
        tenant.put(key, policy=policy("Deny", "kms:UpdateAlias"))
        assert tenant.outcome("UpdateAlias", params, **CALLER) == "AccessDenied"
        tenant.put(key, policy="")
    assert tenant.outcome("UpdateAlias", params, **CALLER) == "ok"


# -- setting one ---------------------------------------------------------------------------------------

BAD = {
    "nothing": "",
    "text": "allow all",
    "an action": policy(action="Encrypt"),
    "a principal": policy().replace("*", "bob", 1),
    "a condition": '{"Statement":[{"Effect":"Allow","Principal":"*","Action":"kms:*","Condition":{}}]}',
    "too long": policy().ljust(32_769),
}


@pytest.mark.parametrize("text", BAD.values(), ids=BAD)
def test_a_bad_policy_is_refused_and_the_one_that_was_stays(tenant: Tenant, text: str) -> None:
    key = tenant.create(policy=policy(action="kms:Decrypt"))
    before = tenant.stored(key)
    assert tenant.outcome("SetKeyPolicy", {"key_id": key, "policy": text}) == "InvalidPolicy"
    assert tenant.stored(key) == before


@pytest.mark.parametrize(
    "text", [text for text in BAD.values() if text], ids=[name for name, text in BAD.items() if text]
)
def test_a_key_is_not_created_with_a_bad_policy(tenant: Tenant, text: str) -> None:
    count = tenant.result("ListKeys", {})["total"]
    assert tenant.outcome("CreateKey", {"policy": text}) == "InvalidPolicy"
    assert tenant.result("ListKeys", {})["total"] == count


def test_a_policy_reads_back_as_it_was_set(tenant: Tenant) -> None:
    key = tenant.create()
    assert tenant.result("GetKeyPolicy", {"key_id": key})["policy"] == DEFAULT
    text = " " + policy(action="kms:GetKeyPolicy")
    tenant.result("SetKeyPolicy", {"key_id": key, "policy": text})
    assert tenant.result("GetKeyPolicy", {"key_id": key}) == {"key_id": key, "policy": text}
    assert tenant.outcome("SetKeyPolicy", {"key_id": key, "policy": DEFAULT}, **CALLER) == "AccessDenied"
