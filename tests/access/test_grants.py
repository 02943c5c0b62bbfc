"""Grants at work: whom they let do what, under which constraints, what wins over them, and that nobody gives more than
they have."""

from __future__ import annotations

import json
import re
from itertools import pairwise
from typing import Any

import pytest

from kit.action_samples import PLAINTEXT, SAMPLES, Params, Tenant, new_key, rules
from tenantkms.model.grant import MAX_GRANTS, OPERATIONS, operations_of
from tenantkms.model.specs import SPEC_USAGES, KeySpec
from tenantkms.model.states import KeyState

ME, BOSS = "TKMSgrantee", "TKMSboss"
NOTHING = '{"Statement":[]}'
ALL = '{"Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}'
SHOP = {"app": "shop"}


def policy(*rows: tuple[str, Any, Any] | tuple[str, Any, Any, Any]) -> str:
    """Of (effect, actions, resources[, condition])."""
    names = ("Effect", "Action", "Resource", "Condition")
    return json.dumps({"Statement": [dict(zip(names, row, strict=False)) for row in rows]})


def of_key(*rows: tuple[str, Any]) -> str:
    """Of (effect, actions) about everybody."""
    statements = [{"Effect": effect, "Principal": "*", "Action": action} for effect, action in rows]
    return json.dumps({"Version": "1", "Statement": statements})


@pytest.fixture(scope="module")
def tenant(tmp_path_factory: pytest.TempPathFactory) -> Tenant:
    return Tenant(tmp_path_factory.mktemp("grants") / "data")


def by(who: str, policy: str = ALL, **more: str) -> dict[str, Any]:
    return {"principal": {"id": who, "policy": policy, **more}, "profile": "alibaba"}


def grant(tenant: Tenant, key: str, *operations: str, grantee: str = ME, who: Any = None, **more: Any) -> str:
    params = {"key_id": key, "grantee": grantee, "operations": operations, **more}
    return str(tenant.result("CreateGrant", params, **(who or by(BOSS)))["grant_id"])


def try_grant(tenant: Tenant, key: str, who: Any, *operations: str, **more: Any) -> str:
    return tenant.outcome(
        "CreateGrant", {"key_id": key, "grantee": "TKMSother", "operations": operations, **more}, **who
    )


def encrypt(tenant: Tenant, key: str, who: Any = None, **context: str) -> str:
    return tenant.outcome("Encrypt", {"key_id": key, "plaintext": PLAINTEXT, "context": context}, **(who or MINE))


MINE = by(ME, NOTHING)
SAMPLE: dict[str, tuple[str, ...]] = {
    # Operation of a grant: Actions that it lets do
    "Decrypt": ("Decrypt", "AsymmetricDecrypt"),
    "Encrypt": ("Encrypt", "AsymmetricEncrypt"),
    "Sign": ("AsymmetricSign",),
    "Verify": ("AsymmetricVerify",),
    **{
        name: (name,)
        for name in (
            "GenerateDataKey GenerateDataKeyPair GenerateDataKeyPairWithoutPlaintext GenerateDataKeyWithoutPlaintext"
            " GenerateMac VerifyMac GetPublicKey DescribeKey DeriveSharedSecret"
        ).split()
    },
}


# -- what a grant allows ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("operation", "action"), [(operation, action) for operation, of in SAMPLE.items() for action in of]
)
def test_a_grant_lets_do_its_operation_and_no_other(tenant: Tenant, operation: str, action: str) -> None:
    key = new_key(tenant, action)
    params = SAMPLES[action](tenant, key)
    assert tenant.outcome(action, params, **MINE) == "AccessDenied"
    others = operations_of(tenant.stored(key).spec, tenant.stored(key).usage) - {operation}
    grant(tenant, key, *sorted(others))
    assert tenant.outcome(action, params, **MINE) == "AccessDenied"
    made = grant(tenant, key, operation)
    assert tenant.outcome(action, params, **MINE) == "ok"
    assert tenant.audit.records[-1].note == f"grant {made}"
    assert tenant.outcome(action, params, **by("TKMSother", NOTHING)) == "AccessDenied"
    assert tenant.outcome(action, {**params, "key_id": tenant.create()}, **MINE) != "ok"
    tenant.result("RevokeGrant", {"key_id": key, "grant_id": made}, **by(BOSS))
    assert tenant.outcome(action, params, **MINE) == "AccessDenied"


def test_re_encrypt_by_grants_on_both_sides(tenant: Tenant) -> None:
    first, second = tenant.create(), tenant.create()
    params = {**SAMPLES["Decrypt"](tenant, first), "destination_key_id": second}
    source = grant(tenant, first, "ReEncryptFrom")
    grant(tenant, second, "ReEncryptFrom", "Encrypt", "Decrypt")
    assert tenant.outcome("ReEncrypt", params, **MINE) == "AccessDenied"
    there = grant(tenant, second, "ReEncryptTo")
    assert tenant.outcome("ReEncrypt", params, **MINE) == "ok"
    assert tenant.audit.records[-1].note == f"grant {source} grant {there}"
    assert tenant.outcome("Decrypt", SAMPLES["Decrypt"](tenant, first), **MINE) == "AccessDenied"


@pytest.mark.parametrize("action", [name for name, rule in rules().items() if rule.refuses is not None])
def test_what_no_grant_can_name_none_allows(tenant: Tenant, action: str) -> None:
    key = new_key(tenant, action)
    params = SAMPLES[action](tenant, key)
    state = tenant.stored(key).state
    tenant.put(key, state=KeyState.ENABLED)
    grant(tenant, key, *sorted(operations_of(tenant.stored(key).spec, tenant.stored(key).usage)))
    tenant.put(key, state=state)
    granted = {"CreateGrant", *(name for of in SAMPLE.values() for name in of)}
    assert (tenant.outcome(action, params, **MINE) == "AccessDenied") is (action not in granted)


def test_what_is_found_by_an_alias_too(tenant: Tenant) -> None:
    key = tenant.create()
    name = f"alias/{tenant.alias(key)}"
    assert encrypt(tenant, name) == "AccessDenied"
    grant(tenant, key, "Encrypt")
    assert encrypt(tenant, name) == "ok"
    assert encrypt(tenant, "alias/there-is-none") == "AccessDenied"


def test_what_the_keys_policy_does_not_allow(tenant: Tenant) -> None:
    key = tenant.create()
    tenant.put(key, policy=of_key(("Allow", "kms:DescribeKey")))
    who = by(ME, policy(("Allow", "Encrypt", "*")))
    assert encrypt(tenant, key, who) == "AccessDenied"
    tenant.put(key, policy="")
    grant(tenant, key, "Encrypt")
    tenant.put(key, policy=of_key(("Allow", "kms:DescribeKey")))
    assert encrypt(tenant, key, who) == "ok"


def test_what_policies_allow_is_noted_as_no_grants(tenant: Tenant) -> None:
    key = tenant.create()
    grant(tenant, key, "Encrypt")
    assert encrypt(tenant, key, by(ME)) == "ok"
    assert tenant.audit.records[-1].note == ""


def test_a_state_refuses_as_ever(tenant: Tenant) -> None:
    key = tenant.create()
    grant(tenant, key, "Encrypt")
    tenant.result("DisableKey", {"key_ids": [key]})
    assert encrypt(tenant, key) == "KeyDisabled"
    assert try_grant(tenant, key, by(BOSS), "Encrypt") == "KeyDisabled"


# -- what wins over it -----------------------------------------------------------------------------------

DENIED: dict[str, tuple[Any, str]] = {
    # who asks, and the key's policy
    "by the access key's policy": (by(ME, policy(("Deny", "Encrypt", "*"))), ""),
    "for this alias": (by(ME, policy(("Deny", "*", "alias/denied"))), ""),
    "by a condition": (
        by(ME, policy(("Deny", "*", "*", {"Null": {"kms:EncryptionContext:owner": "true"}}))),
        "",
    ),
    "by the key's policy": (MINE, of_key(("Allow", "kms:*"), ("Deny", "kms:Encrypt"))),
    "to a session for something else": (
        by(ME, NOTHING, session="TKMT1", session_policy=policy(("Allow", "Decrypt", "*"))),
        "",
    ),
}


@pytest.mark.parametrize(("who", "text"), DENIED.values(), ids=DENIED)
def test_a_denial_wins(tenant: Tenant, who: Any, text: str) -> None:
    key = tenant.create()
    tenant.put(key, aliases=("denied",))
    grant(tenant, key, "Encrypt")
    assert encrypt(tenant, key) == "ok"
    tenant.put(key, policy=text)
    assert encrypt(tenant, key, who) == "AccessDenied"


@pytest.mark.parametrize("of_the_key", [False, True])
def test_nobody_tags_a_denial_away_that_a_grant_is_under(tenant: Tenant, of_the_key: bool) -> None:
    key = tenant.create(tags={"env": "prod"})
    grant(tenant, key, "Encrypt")
    own = policy(("Allow", ["TagResources", "UntagResources"], "*"))
    if of_the_key:
        deny = {"Effect": "Deny", "Principal": "*", "Action": "kms:Encrypt", "Condition": PROD}
        allow = {"Effect": "Allow", "Principal": "*", "Action": ["kms:TagResources", "kms:UntagResources"]}
        tenant.put(key, policy=json.dumps({"Statement": [allow, deny]}))
        who = by(ME, own)
    else:
        who = by(ME, policy(("Allow", ["TagResources", "UntagResources"], "*"), ("Deny", "Encrypt", "*", PROD)))
    untag = {"key_ids": [key], "names": ["env"]}
    assert encrypt(tenant, key, who) == "AccessDenied"
    assert tenant.outcome("UntagResources", untag, **who) == "AccessDenied"
    assert tenant.outcome("TagResources", {"key_ids": [key], "tags": {"env": "test"}}, **who) == "AccessDenied"
    assert tenant.outcome("TagResources", {"key_ids": [key], "tags": {"other": "test"}}, **who) == "ok"
    assert encrypt(tenant, key, who) == "AccessDenied"


def test_a_session_within_what_it_is_for(tenant: Tenant) -> None:
    key = tenant.create()
    grant(tenant, key, "Encrypt")
    assert encrypt(tenant, key, by(ME, NOTHING, session="TKMT1", session_policy=policy(("Allow", "En*", "*")))) == "ok"
    assert encrypt(tenant, key, by(ME, NOTHING, session="TKMT1", session_policy="")) == "ok"


def test_a_grant_to_everybody_is_within_their_own_policies(tenant: Tenant) -> None:
    key = tenant.create()
    grant(tenant, key, "Encrypt", grantee="*")
    tenant.put(key, policy=of_key(("Allow", "kms:DescribeKey")))
    assert encrypt(tenant, key, MINE) == "AccessDenied"
    assert encrypt(tenant, key, by(ME, policy(("Allow", "Encrypt", "*")))) == "ok"


def test_the_operator_has_no_grants(tenant: Tenant) -> None:
    key = tenant.create()
    grant(tenant, key, "Encrypt", grantee="tester")
    assert encrypt(tenant, key, {"policy": NOTHING}) == "AccessDenied"


# -- constraints -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("constraints", "context", "allowed"),
    [
        ({"subset": SHOP}, {"app": "shop"}, True),
        ({"subset": SHOP}, {"app": "shop", "more": "a"}, True),
        ({"subset": SHOP}, {"app": "bank"}, False),
        ({"subset": SHOP}, {"App": "shop"}, False),
        ({"subset": SHOP}, {}, False),
        ({"equals": SHOP}, {"app": "shop"}, True),
        ({"equals": SHOP}, {"app": "shop", "more": "a"}, False),
        ({"equals": SHOP}, {}, False),
        ({"equals": SHOP, "subset": {"more": "a"}}, {"app": "shop"}, False),
    ],
)
def test_constraints_hold_at_use(tenant: Tenant, constraints: Params, context: dict[str, str], allowed: bool) -> None:
    key = tenant.create()
    grant(tenant, key, "Encrypt", "Decrypt", "DescribeKey", **constraints)
    assert encrypt(tenant, key, **context) == ("ok" if allowed else "AccessDenied")
    made = tenant.result("Encrypt", {"key_id": key, "plaintext": PLAINTEXT, "context": context})["ciphertext"]
    opened = tenant.outcome("Decrypt", {"ciphertext": made, "context": context}, **MINE)
    assert opened == ("ok" if allowed else "AccessDenied")
    assert tenant.outcome("DescribeKey", {"key_ids": [key]}, **MINE) == "ok", "it takes no context"


@pytest.mark.parametrize("spec", [KeySpec.RSA_2048, KeySpec.HMAC_SHA_256])
def test_constraints_are_for_symmetric_keys(tenant: Tenant, spec: KeySpec) -> None:
    assert try_grant(tenant, tenant.create(spec=spec), by(BOSS), "DescribeKey", subset=SHOP) == "InvalidParameter"


@pytest.mark.parametrize("spec", sorted(set(KeySpec) - {KeySpec.RSA_3072, KeySpec.RSA_4096}))
def test_a_key_grants_what_it_can_do(tenant: Tenant, spec: KeySpec) -> None:
    for usage in SPEC_USAGES[spec]:
        key = tenant.create(spec=spec, usage=usage)
        able = {name for name in OPERATIONS if try_grant(tenant, key, by(BOSS), name) == "ok"}
        assert able == operations_of(spec, usage)


# -- who may give what -----------------------------------------------------------------------------------

LAN = {"IpAddress": {"kms:SourceIp": "10.0.0.0/8"}}
TODAY = {"DateLessThan": {"kms:CurrentTime": "2099-01-01T00:00:00Z"}}
OF_SHOP = {"StringEquals": {"kms:EncryptionContext:app": "shop"}}
ONLY = {"ForAllValues:StringEquals": {"kms:EncryptionContextKeys": ["app"]}}
PROD = {"StringEquals": {"kms:ResourceTag/env": "prod"}}
GIVE = ("Allow", "CreateGrant", "*")
GIVES: dict[str, tuple[str, Params, bool]] = {
    # the policy of who gives Decrypt, the constraints, and whether they may
    "who may decrypt": (policy(GIVE, ("Allow", "Decrypt", "*")), {}, True),
    "who may not": (policy(GIVE), {}, False),
    "who may encrypt": (policy(GIVE, ("Allow", "Encrypt", "*")), {}, False),
    "who may not give": (policy(("Allow", "Decrypt", "*")), {}, False),
    "who is denied": (policy(("Allow", "*", "*"), ("Deny", "Decrypt", "*")), {}, False),
    "who may from one network": (policy(GIVE, ("Allow", "Decrypt", "*", LAN)), {}, False),
    "who may for some time": (policy(GIVE, ("Allow", "Decrypt", "*", TODAY)), {}, False),
    "who may in one dialect": (
        policy(GIVE, ("Allow", "Decrypt", "*", {"StringEquals": {"kms:Dialect": "alibaba"}})),
        {},
        False,
    ),
    "who is denied from one network": (policy(("Allow", "*", "*"), ("Deny", "Decrypt", "*", LAN)), {}, False),
    "who may with a context": (policy(GIVE, ("Allow", "Decrypt", "*", OF_SHOP)), {}, False),
    "who may with that context": (policy(GIVE, ("Allow", "Decrypt", "*", OF_SHOP)), {"subset": SHOP}, True),
    "who may with another": (policy(GIVE, ("Allow", "Decrypt", "*", OF_SHOP)), {"subset": {"app": "bank"}}, False),
    "who may with these names alone": (policy(GIVE, ("Allow", "Decrypt", "*", ONLY)), {"subset": SHOP}, False),
    "who may with just that": (policy(GIVE, ("Allow", "Decrypt", "*", ONLY)), {"equals": SHOP}, True),
    "who is denied another context": (
        policy(("Allow", "*", "*"), ("Deny", "Decrypt", "*", {"StringEquals": {"kms:EncryptionContext:top": "a"}})),
        {"subset": SHOP},
        False,
    ),
    "who is denied what the whole context has not": (
        policy(("Allow", "*", "*"), ("Deny", "Decrypt", "*", {"StringEquals": {"kms:EncryptionContext:top": "a"}})),
        {"equals": SHOP},
        True,
    ),
    "who may by a tag that is there": (policy(GIVE, ("Allow", "Decrypt", "*", PROD)), {}, True),
}


@pytest.mark.parametrize(("text", "constraints", "given"), GIVES.values(), ids=GIVES)
def test_nobody_gives_more_than_they_have(tenant: Tenant, text: str, constraints: Params, given: bool) -> None:
    key = tenant.create(tags={"env": "prod"})
    before = tenant.stored(key)
    outcome = try_grant(tenant, key, by(BOSS, text), "Decrypt", **constraints)
    assert outcome == ("ok" if given else "AccessDenied")
    assert (tenant.stored(key) == before) is not given


def test_nor_what_the_keys_policy_keeps_from_them(tenant: Tenant) -> None:
    key = tenant.create()
    tenant.put(key, policy=of_key(("Allow", ["kms:CreateGrant", "kms:Encrypt"])))
    assert try_grant(tenant, key, by(BOSS), "Encrypt") == "ok"
    assert try_grant(tenant, key, by(BOSS), "Encrypt", "Decrypt") == "AccessDenied"


def test_nor_what_a_session_is_not_for(tenant: Tenant) -> None:
    who = by(BOSS, ALL, session="TKMT1", session_policy=policy(("Allow", ["CreateGrant", "Encrypt"], "*")))
    key = tenant.create()
    assert [try_grant(tenant, key, who, name) for name in ("Encrypt", "Decrypt")] == ["ok", "AccessDenied"]


def test_re_encrypt_is_given_by_who_has_both(tenant: Tenant) -> None:
    key = tenant.create()
    half = by(BOSS, policy(GIVE, ("Allow", ["ReEncrypt", "Encrypt"], "*")))
    assert [try_grant(tenant, key, half, f"ReEncrypt{way}") for way in ("From", "To")] == ["AccessDenied", "ok"]


def test_what_was_granted_is_passed_on_and_no_more(tenant: Tenant) -> None:
    key = tenant.create()
    grant(tenant, key, "CreateGrant", "Decrypt", subset=SHOP)
    grant(tenant, key, "GenerateDataKey")
    tries: list[tuple[tuple[str, ...], Params, str]] = [
        (("Decrypt",), {"subset": SHOP}, "ok"),
        (("Decrypt",), {"equals": {"app": "shop", "more": "a"}}, "ok"),
        (("GenerateDataKey",), {}, "ok"),
        (("RetireGrant",), {}, "ok"),
        (("Decrypt",), {}, "AccessDenied"),
        (("Decrypt",), {"subset": {"app": "bank"}}, "AccessDenied"),
        (("Encrypt",), {"subset": SHOP}, "AccessDenied"),
        (("Decrypt", "Encrypt"), {"subset": SHOP}, "AccessDenied"),
    ]
    for operations, constraints, outcome in tries:
        assert try_grant(tenant, key, MINE, *operations, **constraints) == outcome, (operations, constraints)
    assert try_grant(tenant, tenant.create(), MINE, "Decrypt", subset=SHOP) == "AccessDenied"


# -- making and ending -----------------------------------------------------------------------------------


def test_ids_are_hexadecimal_and_names_make_one(tenant: Tenant) -> None:
    key, other = tenant.create(), tenant.create()
    unnamed = {grant(tenant, key, "Encrypt") for _ in range(3)}
    assert len(unnamed) == 3
    assert all(re.fullmatch("[0-9a-f]{64}", made) for made in unnamed)
    one = grant(tenant, key, "Encrypt", "Decrypt", name="a")
    assert grant(tenant, key, "Decrypt", "Encrypt", name="a") == one, "the order says nothing"
    assert grant(tenant, key, "Encrypt", name="a") != one
    assert grant(tenant, other, "Encrypt", "Decrypt", name="a") != one
    assert len(tenant.stored(key).grants) == 5


def test_a_client_token_makes_one(tenant: Tenant) -> None:
    key = tenant.create()
    made = {grant(tenant, key, "Encrypt", client_token=token) for token in ("a", "a", "b")}
    assert len(made) == len(tenant.stored(key).grants) == 2


def test_a_key_has_a_hundred_at_most(tenant: Tenant) -> None:
    key = tenant.create()
    one = tenant.stored(key)
    made = grant(tenant, key, "Encrypt", name="first")
    rows = tuple(tenant.stored(key).grants) * (MAX_GRANTS - 1)
    tenant.put(key, grants=rows)
    assert grant(tenant, key, "Encrypt", name="first") == made
    assert try_grant(tenant, key, by(BOSS), "Encrypt", name="last") == "ok"
    assert try_grant(tenant, key, by(BOSS), "Encrypt") == "LimitExceeded"
    assert len(tenant.stored(key).grants) == MAX_GRANTS
    assert one.grants == ()


def test_they_have_a_size_together(tenant: Tenant) -> None:
    key = tenant.create()
    long = {"subset": {"ж" * 100: "ж" * 250}, "name": "n" * 256}
    outcomes = [try_grant(tenant, key, by(BOSS), "Encrypt", **{**long, "name": f"{n:0256}"}) for n in range(70)]
    assert "LimitExceeded" in outcomes
    assert "ok" not in outcomes[outcomes.index("LimitExceeded") :]


RETIRES: dict[str, tuple[Any, Params, str]] = {
    "its retiring principal": (by("TKMSretiring", NOTHING), {}, "ok"),
    "its grantee, if it lets that": (MINE, {"operations": ["Encrypt", "RetireGrant"]}, "ok"),
    "its grantee, if not": (MINE, {}, "AccessDenied"),
    "who policies allow": (by("TKMSx", policy(("Allow", "RetireGrant", "*"))), {}, "ok"),
    "a stranger": (by("TKMSx", NOTHING), {}, "AccessDenied"),
    "who is denied": (by("TKMSretiring", policy(("Deny", "RetireGrant", "*"))), {}, "AccessDenied"),
}


@pytest.mark.parametrize(("who", "more", "outcome"), RETIRES.values(), ids=RETIRES)
def test_who_retires_a_grant(tenant: Tenant, who: Any, more: Params, outcome: str) -> None:
    key = tenant.create()
    params = {"key_id": key, "grantee": ME, "operations": ["Encrypt"], "retiring": "TKMSretiring", **more}
    made = tenant.result("CreateGrant", params, **by(BOSS))["grant_id"]
    others = grant(tenant, key, "DescribeKey", "RetireGrant", grantee="TKMSother")
    by_policy = outcome == "ok" and who["principal"]["id"] == "TKMSx"
    other = tenant.outcome("RetireGrant", {"key_id": key, "grant_id": others}, **who)
    assert other == ("ok" if by_policy else "AccessDenied")
    assert tenant.outcome("RetireGrant", {"key_id": key, "grant_id": made}, **who) == outcome
    left = {g.id for g in tenant.stored(key).grants}
    assert (made not in left) is (outcome == "ok")


def test_a_grant_that_is_not_there(tenant: Tenant) -> None:
    key, none = tenant.create(), {"grant_id": "0" * 64}
    for action in ("RevokeGrant", "RetireGrant"):
        assert tenant.outcome(action, {"key_id": key, **none}, **by(BOSS)) == "ResourceNotFound"
        assert tenant.outcome(action, {"key_id": key, **none}, **MINE) == "AccessDenied"


def test_a_dry_run_makes_and_ends_none(tenant: Tenant) -> None:
    key = tenant.create()
    assert try_grant(tenant, key, {**by(BOSS), "dry_run": True}, "Encrypt") == "DryRunSucceeded"
    assert tenant.stored(key).grants == ()
    made = grant(tenant, key, "Encrypt")
    end = {"key_id": key, "grant_id": made}
    assert tenant.outcome("RevokeGrant", end, **by(BOSS), dry_run=True) == "DryRunSucceeded"
    assert len(tenant.stored(key).grants) == 1


# -- listings --------------------------------------------------------------------------------------------


def test_grants_are_listed_in_the_order_of_their_making(tenant: Tenant) -> None:
    key = tenant.create()
    made = [grant(tenant, key, "Encrypt", grantee=who) for who in (ME, "TKMSother", ME)]
    pages = [tenant.result("ListGrants", {"key_id": key, "offset": n, "limit": 2}) for n in (0, 2)]
    assert [row["id"] for page in pages for row in page["grants"]] == made
    assert pages[0]["total"] == 3
    found = tenant.result("ListGrants", {"key_id": key, "grantee": ME, "limit": 10})["grants"]
    assert [row["id"] for row in found] == [made[0], made[2]]
    assert [row["id"] for row in tenant.result("ListGrants", {"key_id": key, "grant_id": made[1]})["grants"]] == [
        made[1]
    ]


def test_retirable_grants_of_all_keys_in_pages(tmp_path: Any) -> None:
    tenant = Tenant(tmp_path / "data")
    keys = [tenant.create() for _ in range(5)]
    made = {
        grant(tenant, key, "Encrypt", retiring=who)
        for key in (keys[0], keys[1], keys[1], keys[4])
        for who in (ME, "TKMSother")
    }
    mine = {g.id for key in keys for g in tenant.stored(key).grants if g.retiring == ME}
    assert len(mine) == 4
    seen: list[str] = []
    after: Params = {}
    while True:
        page = tenant.result("ListRetirableGrants", {"retiring": ME, "limit": 1, **after})
        seen += [row["id"] for row in page["grants"]]
        assert len(page["grants"]) <= 1
        if page["next"] is None:
            break
        after = {"after": page["next"]}
    assert sorted(seen) == sorted(mine)
    assert len(made) == 8


def test_a_page_of_them_reads_some_keys(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    tenant = Tenant(tmp_path / "data")
    keys = sorted((tenant.stored(key).created, key) for key in (tenant.create() for _ in range(7)))
    last = grant(tenant, keys[-1][1], "Encrypt", retiring=ME)
    monkeypatch.setattr("functions.list_retirable_grants.handler.KEYS", 3)
    pages = [tenant.result("ListRetirableGrants", {"retiring": ME})]
    while pages[-1]["next"]:
        pages.append(tenant.result("ListRetirableGrants", {"retiring": ME, "after": pages[-1]["next"]}))
    assert [len(page["grants"]) for page in pages] == [0, 0, 1]
    assert pages[-1]["grants"][0]["id"] == last
    assert all(a["next"] != b["next"] for a, b in pairwise(pages))


# -- several processes -----------------------------------------------------------------------------------


def test_a_grant_does_not_outlive_its_end(tmp_path: Any) -> None:
    """Another process knows it for as long as it remembers the key, and not longer."""
    here = Tenant(tmp_path / "data")
    there = Tenant(tmp_path / "data")
    now = [0.0]
    there.deps.keyring._keys._clock = lambda: now[0]
    key = here.create()
    made = grant(here, key, "Encrypt")
    assert encrypt(there, key) == "ok"
    here.result("RevokeGrant", {"key_id": key, "grant_id": made}, **by(BOSS))
    now[0] = 1.01
    assert encrypt(there, key) == "AccessDenied"
    made = grant(here, key, "Encrypt")
    assert encrypt(there, key) == "ok", "a new one is known at once"


def test_a_grant_is_known_at_once_where_a_ciphertext_names_the_key(tmp_path: Any) -> None:
    here, there = Tenant(tmp_path / "data"), Tenant(tmp_path / "data")
    there.deps.keyring._keys._clock = lambda: 0.0
    key = here.create()
    params = SAMPLES["Decrypt"](here, key)
    assert there.outcome("Decrypt", params, **MINE) == "AccessDenied"
    grant(here, key, "Decrypt")
    assert there.outcome("Decrypt", params, **MINE) == "ok"


def test_a_grant_is_known_at_once_where_only_the_keys_policy_allowed_less(tmp_path: Any) -> None:
    here, there = Tenant(tmp_path / "data"), Tenant(tmp_path / "data")
    there.deps.keyring._keys._clock = lambda: 0.0
    key = here.create()
    boss = {"Effect": "Allow", "Principal": {"RAM": f"acs:ram::*:user/{BOSS}"}, "Action": "kms:*"}
    here.put(key, policy=json.dumps({"Statement": [boss]}))
    assert encrypt(there, key, by(ME)) == "AccessDenied"
    grant(here, key, "Encrypt")
    assert encrypt(there, key, by(ME)) == "ok"
