"""Conditions at work: in every Action that they concern, of both policies, and never escaped by who calls."""

from __future__ import annotations

import json
from typing import Any

import pytest

from kit.action_samples import PLAINTEXT, SAMPLES, Tenant, new_key
from kit.support import Kms, Signer
from tenantkms.access.conditions import WITH_CONTEXT
from tenantkms.runtime.assemble import Settings
from tkms.machine.directory import Directory

SHOP = {"StringEquals": {"kms:EncryptionContext:app": "shop"}}
NOT_SHOP = {"StringNotEquals": {"kms:EncryptionContext:app": "shop"}}
PROD = {"StringEquals": {"kms:ResourceTag/env": "prod"}}
NOT_PROD = {"StringNotEquals": {"kms:ResourceTag/env": "prod"}}
LAN = {"IpAddress": {"kms:SourceIp": "10.0.0.0/8"}}
CALLER = {"profile": "alibaba", "source_ip": "192.0.2.1"}


def row(effect: str = "Allow", action: Any = "*", condition: Any = None, resource: Any = "*") -> dict[str, Any]:
    made = {"Effect": effect, "Action": action, "Resource": resource}
    return {**made, "Condition": condition} if condition else made


def policy(*rows: dict[str, Any]) -> str:
    return json.dumps({"Statement": rows})


def of_key(*rows: dict[str, Any]) -> str:
    """The same statements about everybody, as a key's policy."""
    actions = [[a] if isinstance(a, str) else a for a in (r["Action"] for r in rows)]
    named = [["kms:" + name for name in names] for names in actions]
    return policy(*({**r, "Principal": "*", "Action": names} for r, names in zip(rows, named, strict=True)))


@pytest.fixture(scope="module")
def tenant(tmp_path_factory: pytest.TempPathFactory) -> Tenant:
    return Tenant(tmp_path_factory.mktemp("conditions") / "data")


# -- the encryption context ------------------------------------------------------------------------------


def bound(tenant: Tenant, action: str, key: str, **context: str) -> dict[str, Any]:
    """What `action` takes to succeed on `key` with the encryption context."""
    params = SAMPLES[action](tenant, key)
    if "ciphertext" in params:
        sealed = tenant.result("Encrypt", {"key_id": key, "plaintext": PLAINTEXT, "context": context})
        params["ciphertext"] = sealed["ciphertext"]
    if action == "ReEncrypt":
        return {**params, "source_context": context, "destination_context": {**context, "moved": "yes"}}
    return {**params, "context": context}


@pytest.mark.parametrize("action", sorted(WITH_CONTEXT))
@pytest.mark.parametrize("document", ["of the access key", "of the key"])
def test_the_context_decides(action: str, document: str, tenant: Tenant) -> None:
    key = new_key(tenant, action)
    for rows in ([row(condition=SHOP)], [row(), row("Deny", sorted(WITH_CONTEXT), NOT_SHOP)]):
        mine = {"policy": policy(*rows)} if document == "of the access key" else {}
        tenant.put(key, policy="" if mine else of_key(*rows))
        for context, outcome in (
            ({"app": "shop"}, "ok"),
            ({"app": "shop", "more": "x"}, "ok"),
            ({"app": "bank"}, "AccessDenied"),
            ({"App": "shop"}, "AccessDenied"),
            ({}, "AccessDenied"),
        ):
            params = bound(tenant, action, key, **context)
            assert tenant.outcome(action, params, **CALLER, **mine) == outcome, (rows, context)


def test_re_encrypt_needs_both_contexts(tenant: Tenant) -> None:
    key = tenant.create()
    mine = policy(row(condition=SHOP))
    for source, destination, outcome in (
        ("shop", "shop", "ok"),
        ("shop", "bank", "AccessDenied"),
        ("bank", "shop", "AccessDenied"),
    ):
        params = bound(tenant, "ReEncrypt", key, app=source)
        params["destination_context"] = {"app": destination, "new": "yes"}
        assert tenant.outcome("ReEncrypt", params, policy=mine, **CALLER) == outcome


def test_what_is_denied_by_its_context_is_not_opened_by_leaving_it_away(tenant: Tenant) -> None:
    """What a positive denial is about is bound to the ciphertext, so it is asked of whoever can open that."""
    key = tenant.create()
    mine = policy(row(), row("Deny", "Decrypt", SHOP))
    blob = bound(tenant, "Decrypt", key, app="shop")["ciphertext"]
    for context, outcome in (
        ({"app": "shop"}, "AccessDenied"),
        ({}, "InvalidCiphertext"),
        ({"app": "Shop"}, "InvalidCiphertext"),
    ):
        assert tenant.outcome("Decrypt", {"ciphertext": blob, "context": context}, policy=mine) == outcome


def test_nothing_is_encrypted_without_a_context_if_that_is_denied(tenant: Tenant) -> None:
    key = tenant.create()
    mine = policy(row(), row("Deny", "*", {"Null": {"kms:EncryptionContextKeys": "true"}}, "alias/*"))
    params = {"key_id": f"alias/{tenant.alias(key)}", "plaintext": PLAINTEXT}
    assert tenant.outcome("Encrypt", params, policy=mine) == "AccessDenied"
    assert tenant.outcome("Encrypt", {**params, "context": {"a": "b"}}, policy=mine) == "ok"


# -- where, how and when ---------------------------------------------------------------------------------

WHERE: list[tuple[list[dict[str, Any]], str, str]] = [
    ([row(condition=LAN)], "10.9.9.9", "ok"),
    ([row(condition=LAN)], "192.0.2.1", "AccessDenied"),
    ([row(condition=LAN)], "", "AccessDenied"),
    ([row(condition={"NotIpAddress": LAN["IpAddress"]})], "192.0.2.1", "ok"),
    ([row(condition={"NotIpAddress": LAN["IpAddress"]})], "", "AccessDenied"),
    ([row(), row("Deny", condition=LAN)], "192.0.2.1", "ok"),
    ([row(), row("Deny", condition=LAN)], "10.9.9.9", "AccessDenied"),
    ([row(), row("Deny", condition=LAN)], "", "AccessDenied"),
    ([row(), row("Deny", condition={"NotIpAddress": LAN["IpAddress"]})], "10.9.9.9", "ok"),
    ([row(), row("Deny", condition={"NotIpAddress": LAN["IpAddress"]})], "", "AccessDenied"),
]


@pytest.mark.parametrize(("rows", "source", "outcome"), WHERE)
def test_the_source_decides_and_one_that_is_not_known_is_refused(
    rows: list[dict[str, Any]], source: str, outcome: str, tenant: Tenant
) -> None:
    key = tenant.create()
    calls = [("Encrypt", {"key_id": key, "plaintext": PLAINTEXT}), ("ListKeys", {}), ("CreateAlias", None)]
    for action, params in calls:
        given = params if params is not None else {"key_id": key, "alias": f"a-{key}"}
        assert tenant.outcome(action, given, policy=policy(*rows), profile="tencent", source_ip=source) == outcome
    tenant.put(key, policy=of_key(*rows))
    given = {"key_id": key, "plaintext": PLAINTEXT}
    assert tenant.outcome("Encrypt", given, profile="tencent", source_ip=source) == outcome
    assert tenant.outcome("Encrypt", given) == "ok", "the operator is not bound"


@pytest.mark.parametrize(
    ("condition", "outcome"),
    [
        ({"StringEquals": {"kms:Dialect": ["tencent", "alibaba"]}}, "ok"),
        ({"StringNotEquals": {"kms:Dialect": "alibaba"}}, "AccessDenied"),
        ({"DateLessThan": {"kms:CurrentTime": "2000-01-01T00:00:00Z"}}, "AccessDenied"),
        ({"DateGreaterThan": {"kms:CurrentTime": "2000-01-01T00:00:00Z"}}, "ok"),
    ],
)
def test_the_dialect_and_the_time_decide(condition: Any, outcome: str, tenant: Tenant) -> None:
    assert tenant.outcome("ListKeys", {}, policy=policy(row(condition=condition)), **CALLER) == outcome


@pytest.fixture
def settings(tmp_path: Any) -> Settings:
    return Directory(tmp_path / "data").make()


def test_the_endpoint_tells_the_source_and_the_context(settings: Settings) -> None:
    from_here = {"IpAddress": {"kms:SourceIp": "192.0.2.0/24"}, **SHOP}
    for condition, allowed in ((from_here, True), ({**from_here, **LAN}, False)):
        text = policy(row(condition=condition))
        credential, secret = settings.access.create("app", ("alibaba", "tencent"), text, 0)
        kms = Kms(settings, Signer(credential.access_key_id, secret))
        sent = {"KeyId": "alias/default", "Plaintext": "secret"}
        answer = kms.alibaba("Encrypt", **sent, EncryptionContext='{"app":"shop"}')
        assert ("CiphertextBlob" in answer) is allowed
        assert allowed or answer["Code"] == "Forbidden.NoPermission"
        assert kms.alibaba("Encrypt", **sent)["Code"] == "Forbidden.NoPermission"
        assert kms.alibaba("Encrypt", **sent, EncryptionContext='{"app":"bank"}')["Code"] == "Forbidden.NoPermission"


# -- tags ------------------------------------------------------------------------------------------------


def test_tags_of_the_key_decide(tenant: Tenant) -> None:
    keys = {env: tenant.create(tags={"env": env} if env else {}) for env in ("prod", "dev", "")}
    for rows, allowed in (
        ([row(condition=PROD)], {"prod"}),
        ([row(), row("Deny", condition=PROD)], {"dev", ""}),
        ([row(condition=NOT_PROD)], {"dev", ""}),
        ([row(), row("Deny", condition=NOT_PROD)], {"prod"}),
        ([row(), row("Deny", condition={"Null": {"kms:ResourceTag/env": "true"}})], {"prod", "dev"}),
    ):
        for env, key in keys.items():
            given = {"key_ids": [key]}
            wanted = "ok" if env in allowed else "AccessDenied"
            assert tenant.outcome("DescribeKey", given, policy=policy(*rows), **CALLER) == wanted
            tenant.put(key, policy=of_key(*rows))
            assert tenant.outcome("DescribeKey", given, **CALLER) == wanted
            tenant.put(key, policy="")


TAGGING: dict[str, tuple[list[dict[str, Any]], str, dict[str, Any], str]] = {
    # the rows; the Action and what it takes on a key that has the tag env=prod; what it gets
    "a tag that allows": ([row(action="*Tag*"), row(condition=PROD)], "TagResources", {"tags": {"env": "dev"}}, "ok"),
    "one that would allow": (
        [row(action="*Tag*"), row(condition={"StringEquals": {"kms:ResourceTag/team": "me"}})],
        "TagResources",
        {"tags": {"team": "me"}},
        "AccessDenied",
    ),
    "one that denies": ([row(), row("Deny", "Decrypt", PROD)], "TagResources", {"tags": {"env": "x"}}, "AccessDenied"),
    "one that denies goes": ([row(), row("Deny", "Decrypt", PROD)], "UntagResources", {"all": True}, "AccessDenied"),
    "one that has nothing to do with it": (
        [row(), row("Deny", "Decrypt", PROD)],
        "TagResources",
        {"tags": {"a": "b"}},
        "ok",
    ),
    "one that must not be there": (
        [row(action="*Tag*"), row(condition={"Null": {"kms:ResourceTag/env": "true"}})],
        "UntagResources",
        {"names": ["env"]},
        "AccessDenied",
    ),
    "one that would allow with a context": (
        [row(action="*Tag*"), row(condition={**SHOP, "StringLike": {"kms:ResourceTag/team": "m*"}})],
        "TagResources",
        {"tags": {"team": "me"}},
        "AccessDenied",
    ),
    "what is allowed anyway": (
        [row(), row(condition={"StringEquals": {"kms:ResourceTag/team": "me"}})],
        "TagResources",
        {"tags": {"team": "me"}},
        "ok",
    ),
}


@pytest.mark.parametrize(("rows", "action", "params", "outcome"), TAGGING.values(), ids=TAGGING)
def test_nobody_tags_a_key_to_be_allowed_more(
    rows: list[dict[str, Any]], action: str, params: dict[str, Any], outcome: str, tenant: Tenant
) -> None:
    for by_key in (False, True):
        key = tenant.create(tags={"env": "prod"})
        tenant.put(key, policy=of_key(*rows) if by_key else "")
        mine = {} if by_key else {"policy": policy(*rows)}
        given = {"key_ids": [key], **params}
        for dry_run, wanted in ((True, "DryRunSucceeded" if outcome == "ok" else outcome), (False, outcome)):
            assert tenant.outcome(action, given, dry_run=dry_run, **CALLER, **mine) == wanted
        changed = tenant.stored(key).tags != {"env": "prod"}
        assert changed is (outcome == "ok")
        tenant.put(key, tags={"env": "prod"})
        assert tenant.outcome(action, given) == "ok", "the operator may"


def test_an_alias_under_a_condition_on_tags(tenant: Tenant) -> None:
    """It has none itself; its keys are asked for theirs."""
    mine = policy(row(), row("Deny", condition=PROD))
    for tags, outcome in (({"env": "prod"}, "AccessDenied"), ({}, "ok")):
        given = {"key_id": tenant.create(tags=tags), "alias": f"a-{len(tags)}"}
        assert tenant.outcome("CreateAlias", given, policy=mine) == outcome
    bare = tenant.create()
    context_too = [row(action="CreateAlias"), row(condition=SHOP, resource="alias/app-*")]
    assert (
        tenant.outcome("CreateAlias", {"key_id": bare, "alias": "app-c"}, policy=policy(*context_too)) == "AccessDenied"
    )


@pytest.mark.parametrize("rows", [[row(condition=PROD)], [row(), row("Deny", condition=NOT_PROD)]])
def test_what_is_not_there_has_no_tags_to_tell_it_by(rows: list[dict[str, Any]], tenant: Tenant) -> None:
    mine = policy(*rows)
    other, prod = tenant.create(), tenant.create(tags={"env": "prod"})
    missing = "00000000-0000-4000-8000-00000000dead"
    answers = [tenant.run("DescribeKey", {"key_ids": [ref]}, policy=mine) for ref in (other, missing, "alias/none")]
    assert answers == answers[:1] * 3
    assert answers[0]["error"]["type"] == "AccessDenied"
    assert tenant.outcome("DescribeKey", {"key_ids": [prod]}, policy=mine) == "ok"


# -- nobody is locked out --------------------------------------------------------------------------------

ME = {"RAM": "acs:ram::*:user/tester"}
SOMEBODY = {"RAM": "acs:ram::*:user/other"}


def key_policy(*rows: tuple[str, Any, str, Any]) -> str:
    given = [{"Effect": e, "Principal": p, "Action": a, **({"Condition": c} if c else {})} for e, p, a, c in rows]
    return json.dumps({"Statement": given})


def until(date: str) -> dict[str, Any]:
    return {"DateLessThan": {"kms:CurrentTime": date}}


LOCKED: dict[str, tuple[str, bool]] = {
    "all": (key_policy(("Allow", "*", "kms:*", None)), False),
    "me": (key_policy(("Allow", ME, "kms:SetKeyPolicy", None)), False),
    "somebody else": (key_policy(("Allow", SOMEBODY, "kms:*", None)), True),
    "all but that": (key_policy(("Allow", "*", "kms:Encrypt", None)), True),
    "denied to me": (key_policy(("Allow", "*", "kms:*", None), ("Deny", ME, "kms:Set*", None)), True),
    "denied to another": (key_policy(("Allow", "*", "kms:*", None), ("Deny", SOMEBODY, "*", None)), False),
    "from here": (key_policy(("Allow", "*", "*", {"IpAddress": {"kms:SourceIp": "192.0.2.0/24"}})), False),
    "from elsewhere": (key_policy(("Allow", "*", "*", LAN)), True),
    "until a date": (key_policy(("Allow", "*", "*", until("2999-01-01T00:00:00Z"))), True),
    "from a date on": (
        key_policy(("Allow", "*", "*", {"DateGreaterThan": {"kms:CurrentTime": "2999-01-01T00:00:00Z"}})),
        True,
    ),
    "denied until a date that is past": (
        key_policy(("Allow", "*", "*", None), ("Deny", "*", "*", until("2000-01-01T00:00:00Z"))),
        False,
    ),
    "by the tag that it has": (key_policy(("Allow", "*", "*", PROD)), False),
    "by a tag that it lacks": (key_policy(("Allow", "*", "*", NOT_PROD)), True),
}


@pytest.mark.parametrize(("text", "locked"), LOCKED.values(), ids=LOCKED)
def test_a_policy_that_its_setter_could_not_replace_is_refused(text: str, locked: bool, tenant: Tenant) -> None:
    key = tenant.create(tags={"env": "prod"})
    calls = [
        ("SetKeyPolicy", {"key_id": key, "policy": text}),
        ("CreateKey", {"policy": text, "tags": {"env": "prod"}}),
    ]
    for action, params in calls:
        count = tenant.result("ListKeys", {})["total"]
        assert tenant.outcome(action, params, **CALLER) == ("InvalidPolicy" if locked else "ok")
        if locked:
            assert not tenant.stored(key).policy
            assert tenant.result("ListKeys", {})["total"] == count
            bypass = {**params, "bypass_policy_lockout_safety_check": True}
            assert tenant.outcome(action, bypass, **CALLER) == "ok"
            assert tenant.outcome(action, params) == "ok", "the operator is not bound by what it sets"
        tenant.put(key, policy="")


def test_the_vendor_s_code_says_so_and_the_operator_s_door_opens_it(settings: Settings) -> None:
    credential, secret = settings.access.create("app", ("alibaba",), policy(row()), 0)
    kms = Kms(settings, Signer(credential.access_key_id, secret))
    key = kms.alibaba("CreateKey")["KeyMetadata"]["KeyId"]
    locking = key_policy(("Allow", SOMEBODY, "kms:*", None))
    for answer in (kms.alibaba("SetKeyPolicy", KeyId=key, Policy=locking), kms.alibaba("CreateKey", Policy=locking)):
        assert answer["Code"] == "InvalidParameter"
        assert "will not allow you to update the key policy in the future" in answer["Message"]
    assert kms.alibaba("DescribeKey", KeyId=key)["KeyMetadata"]["KeyState"] == "Enabled"
