"""Key policies: their grammar, whom and what they mean, and that deny wins; compared with a plain reading of them."""

from __future__ import annotations

import json
import re
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from kit.samples import FACTS
from kit.samples import key as sample_key
from tenantkms.access import key_policy
from tenantkms.access.conditions import NO_TAGS
from tenantkms.access.key_policy import parse
from tenantkms.access.ram import DEFAULT
from tenantkms.errors import InvalidPolicy

ME, OTHER = "TKMS00000000000000000001", "TKMS00000000000000000002"
MINE = f"acs:ram::123456789012:user/{ME}"


def allows(policy: str, who: str, action: str) -> bool:
    return key_policy.allows(policy, who, action, FACTS, NO_TAGS)


def document(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "1", "Statement": statements})


def statement(effect: str = "Allow", principal: Any = "*", action: Any = "kms:*", **more: Any) -> dict[str, Any]:
    return {"Effect": effect, "Principal": principal, "Action": action, **more}


# -- grammar -------------------------------------------------------------------------------------------

VALID: dict[str, str] = {
    "the default": DEFAULT,
    "no statement": document(),
    "no version": '{"Statement":[]}',
    "a sid": document(statement(Sid="mine")),
    "the resource as a text": document(statement(Resource="*")),
    "the resource as a list": document(statement(Resource=["*"])),
    "no resource": document(statement()),
    "one principal": document(statement(principal={"RAM": MINE})),
    "principals": document(statement(principal={"RAM": [MINE, "*", "acs:ram::*:root"]})),
    "nobody": document(statement(principal={"RAM": []})),
    "a role": document(statement(principal={"RAM": ["acs:ram::1:role/ops"]})),
    "any user": document(statement(principal={"RAM": ["acs:ram::*:user/*"]})),
    "an account": document(statement(principal={"RAM": ["acs:ram::123456789012:*"]})),
    "an action": document(statement(action="kms:Encrypt")),
    "actions": document(statement(action=["kms:Encrypt", "kms:List*", "*"])),
    "no action": document(statement(action=[])),
    "white space": f" \n{json.dumps(json.loads(DEFAULT), indent=2)}\n",
    "32768 bytes": document().ljust(32_768),
}

INVALID: dict[str, str] = {
    "nothing": "",
    "text": "allow all",
    "a list": "[]",
    "null": "null",
    "cut": DEFAULT[:-1],
    "two documents": DEFAULT * 2,
    "no statements": '{"Version":"1"}',
    "statements that are no list": json.dumps({"Statement": statement()}),
    "version 2": json.dumps({"Version": "2", "Statement": []}),
    "a version that is a number": json.dumps({"Version": 1, "Statement": []}),
    "more": json.dumps({"Statement": [], "Id": "x"}),
    "lower case": json.dumps({"statement": []}),
    "no effect": document({"Principal": "*", "Action": "kms:*"}),
    "another effect": document(statement("Permit")),
    "effect in lower case": document(statement("allow")),
    "no principal": document({"Effect": "Allow", "Action": "kms:*"}),
    "a principal as a text": document(statement(principal=MINE)),
    "a principal of another kind": document(statement(principal={"AWS": "*"})),
    "principals of two kinds": document(statement(principal={"RAM": "*", "Service": "*"})),
    "a list of principals": document(statement(principal=["*"])),
    "an access key alone": document(statement(principal={"RAM": [ME]})),
    "an ARN of AWS": document(statement(principal={"RAM": "arn:aws:iam::123456789012:root"})),
    "an account that is no number": document(statement(principal={"RAM": "acs:ram::acme:root"})),
    "a user without a name": document(statement(principal={"RAM": "acs:ram::1:user/"})),
    "a group": document(statement(principal={"RAM": "acs:ram::1:group/x"})),
    "a principal with a line feed": document(statement(principal={"RAM": f"{MINE}\n"})),
    "an empty principal": document(statement(principal={"RAM": ""})),
    "no action": document({"Effect": "Allow", "Principal": "*"}),
    "an action without its service": document(statement(action="Encrypt")),
    "an action of another service": document(statement(action="ram:*")),
    "an empty action": document(statement(action="kms:")),
    "an action that is a number": document(statement(action=[1])),
    "an action with a pattern of another kind": document(statement(action="kms:Enc?ypt")),
    "a resource": document(statement(Resource="acs:kms:*:*:key/x")),
    "two resources": document(statement(Resource=["*", "*"])),
    "no resource": document(statement(Resource=[])),
    "a condition": document(statement(Condition={"StringEquals": {"kms:tag": "x"}})),
    "who it is not": document({**statement(), "NotPrincipal": "*"}),
    "what it is not": document({**statement(), "NotAction": "kms:Decrypt"}),
    "32769 bytes": document().ljust(32_769),
    "32769 bytes of fewer characters": document(statement(Sid="é" * 16_400)),
    "a lone surrogate": document(statement(Sid="x")).replace("x", "\ud800"),
}


@pytest.mark.parametrize("text", VALID.values(), ids=VALID)
def test_valid(text: str) -> None:
    parse(text)


@pytest.mark.parametrize("text", INVALID.values(), ids=INVALID)
def test_invalid(text: str) -> None:
    with pytest.raises(InvalidPolicy):
        parse(text)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        (document(statement(principal={"RAM": "bob"})), "Principal 'bob'"),
        (document(statement(action="kms:!")), "Action 'kms:!'"),
        (document(statement(Resource="x")), "Resource"),
        (document(statement("Permit")), r"\$\.Statement\[\.\.\.\]\.Effect|Effect"),
        (document(statement(Condition={})), "Condition"),
        (document().ljust(40_000), "32768 bytes"),
    ],
)
def test_what_is_wrong_is_named(text: str, named: str) -> None:
    with pytest.raises(InvalidPolicy, match=named):
        parse(text)


# -- meaning -------------------------------------------------------------------------------------------

PRINCIPALS: dict[str, tuple[Any, bool, bool]] = {
    "*": ("*", True, True),
    "* of RAM": ({"RAM": "*"}, True, True),
    "root": ({"RAM": ["acs:ram::1:root"]}, True, True),
    "account": ({"RAM": ["acs:ram::*:*"]}, True, True),
    "any user": ({"RAM": ["acs:ram::*:user/*"]}, True, True),
    "me": ({"RAM": [MINE]}, True, False),
    "me as a role": ({"RAM": [f"acs:ram::*:role/{ME}"]}, True, False),
    "me in any account": ({"RAM": f"acs:ram::*:user/{ME}"}, True, False),
    "both": ({"RAM": [MINE, f"acs:ram::*:user/{OTHER}"]}, True, True),
    "a pattern of mine": ({"RAM": "acs:ram::*:user/*1"}, True, False),
    "a pattern of all": ({"RAM": "acs:ram::*:user/TKMS*"}, True, True),
    "in lower case": ({"RAM": f"acs:ram::*:user/{ME.lower()}"}, False, False),
    "the beginning of me": ({"RAM": f"acs:ram::*:user/{ME[:-1]}"}, False, False),
    "a name with a dot": ({"RAM": f"acs:ram::*:user/{ME[:-1]}."}, False, False),
    "someone called root": ({"RAM": "acs:ram::*:user/root"}, False, False),
    "someone whose name ends in a star": ({"RAM": "acs:ram::*:user/x*"}, False, False),
    "nobody": ({"RAM": []}, False, False),
}


@pytest.mark.parametrize(("principal", "me", "other"), PRINCIPALS.values(), ids=PRINCIPALS)
def test_whom_a_principal_means(principal: Any, me: bool, other: bool) -> None:
    policy = document(statement(principal=principal))
    assert [allows(policy, who, "Encrypt") for who in (ME, OTHER)] == [me, other]


ACTIONS: dict[str, tuple[Any, set[str]]] = {
    "kms:*": ("kms:*", {"Encrypt", "Decrypt", "GenerateDataKey"}),
    "*": ("*", {"Encrypt", "Decrypt", "GenerateDataKey"}),
    "kms:Encrypt": ("kms:Encrypt", {"Encrypt"}),
    "two": (["kms:Encrypt", "kms:Decrypt"], {"Encrypt", "Decrypt"}),
    "kms:*crypt": ("kms:*crypt", {"Encrypt", "Decrypt"}),
    "kms:Gen*Key": ("kms:Gen*Key", {"GenerateDataKey"}),
    "kms:encrypt": ("kms:encrypt", set()),
    "kms:Encryp": ("kms:Encryp", set()),
    "none": ([], set()),
}


@pytest.mark.parametrize(("action", "allowed"), ACTIONS.values(), ids=ACTIONS)
def test_what_an_action_means(action: Any, allowed: set[str]) -> None:
    policy = document(statement(action=action))
    assert {name for name in ("Encrypt", "Decrypt", "GenerateDataKey") if allows(policy, ME, name)} == allowed


ALLOW_ME, DENY_ME = statement(principal={"RAM": MINE}), statement("Deny", {"RAM": MINE})
TOGETHER: dict[str, tuple[list[dict[str, Any]], bool, bool]] = {
    "nothing": ([], False, False),
    "allow": ([statement()], True, True),
    "deny": ([statement("Deny")], False, False),
    "allow, deny me": ([statement(), DENY_ME], False, True),
    "deny me, allow": ([DENY_ME, statement()], False, True),
    "allow me, deny all": ([ALLOW_ME, statement("Deny")], False, False),
    "allow me": ([ALLOW_ME], True, False),
    "deny another action": ([statement(), statement("Deny", "*", "kms:Decrypt")], True, True),
    "allow another action": ([statement(action="kms:Decrypt")], False, False),
}


@pytest.mark.parametrize(("statements", "me", "other"), TOGETHER.values(), ids=TOGETHER)
def test_deny_wins_and_silence_denies(statements: list[dict[str, Any]], me: bool, other: bool) -> None:
    policy = document(*statements)
    assert [allows(policy, who, "Encrypt") for who in (ME, OTHER)] == [me, other]


@pytest.mark.parametrize("policy", ["", DEFAULT], ids=["none", "the default"])
def test_without_a_policy_everybody_may(policy: str) -> None:
    assert allows(policy, ME, "Encrypt")


TAGGED = {"StringEquals": {"kms:ResourceTag/env": "prod"}}
LOCKOUT: dict[str, tuple[list[dict[str, Any]], bool]] = {
    # the statements, and whether who sets them could set others, now and ever
    "all": ([statement()], True),
    "nobody": ([], False),
    "somebody else": ([statement(principal={"RAM": f"acs:ram::*:user/{OTHER}"})], False),
    "another action": ([statement(action="kms:Encrypt")], False),
    "that action alone": ([statement(action="kms:SetKeyPolicy")], True),
    "a denial": ([statement(), statement("Deny", action="kms:SetKeyPolicy")], False),
    "until a day": ([statement(Condition={"DateLessThan": {"kms:CurrentTime": "2099-01-01T00:00:00Z"}})], False),
    "from a day": ([statement(Condition={"DateGreaterThan": {"kms:CurrentTime": "2099-01-01T00:00:00Z"}})], False),
    "as the key is tagged": ([statement(Condition=TAGGED)], True),
    "as it is not tagged": ([statement(Condition={"StringNotEquals": TAGGED["StringEquals"]})], False),
}


@pytest.mark.parametrize(("statements", "possible"), LOCKOUT.values(), ids=LOCKOUT)
def test_who_sets_a_policy_can_set_another(statements: list[dict[str, Any]], possible: bool) -> None:
    now = replace(FACTS, now=1_800_000_000)
    if possible:
        key_policy.check_lockout(document(*statements), ME, now, {"env": "prod"})
    else:
        with pytest.raises(InvalidPolicy, match="in the future"):
            key_policy.check_lockout(document(*statements), ME, now, {"env": "prod"})


@pytest.mark.parametrize(("principal", "gained"), [(MINE, True), (f"acs:ram::*:user/{OTHER}", False)])
def test_a_tag_gains_for_those_whom_its_statement_means(principal: str, gained: bool) -> None:
    policy = document(statement(principal={"RAM": principal}, action="kms:Encrypt", Condition=TAGGED))
    old, new = (sample_key(1, policy=policy, tags=tags) for tags in ({}, {"env": "prod"}))
    assert key_policy.gains(ME, old, new) is gained
    assert not key_policy.gains(ME, new, old)
    assert not key_policy.gains(ME, sample_key(1), sample_key(1, tags={"env": "prod"}))


# -- a plain reading -----------------------------------------------------------------------------------

_names = st.sampled_from(["A", "AB", "B", "BA", "*"])
_who = st.sampled_from(["*", "acs:ram::*:root", "acs:ram::1:*"]) | st.builds("acs:ram::*:user/{}".format, _names)
_principals = st.just("*") | st.builds(lambda ram: {"RAM": ram}, _who | st.lists(_who, max_size=3))
_action = st.sampled_from(["*", "kms:*", "kms:Encrypt", "kms:Decrypt", "kms:*crypt", "kms:De*"])
_statements = st.builds(
    statement, st.sampled_from(["Allow", "Deny"]), _principals, _action | st.lists(_action, max_size=3)
)


def _glob(pattern: str, text: str) -> bool:
    return re.fullmatch(".*".join(re.escape(part) for part in pattern.split("*")), text) is not None


def _listed(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else list(value)


def _means(name: str, who: str) -> bool:
    kind, _, rest = name.rpartition(":")[2].partition("/")
    return kind in ("*", "root") or (kind == "user" and _glob(rest, who))


def _plain(statements: list[dict[str, Any]], who: str, action: str) -> bool:
    effects = set()
    for row in statements:
        principal = row["Principal"]
        names = [principal] if principal == "*" else _listed(principal["RAM"])
        if any(_means(name, who) for name in names) and any(
            _glob(pattern, f"kms:{action}") for pattern in _listed(row["Action"])
        ):
            effects.add(row["Effect"])
    return effects == {"Allow"}


@settings(deadline=None)
@given(
    statements=st.lists(_statements, max_size=4),
    who=st.sampled_from(["A", "AB", "B", "ABA"]),
    action=st.sampled_from(["Encrypt", "Decrypt", "DescribeKey"]),
)
def test_it_agrees_with_a_plain_reading(statements: list[dict[str, Any]], who: str, action: str) -> None:
    assert allows(document(*statements), who, action) is _plain(statements, who, action)


@settings(deadline=None)
@given(st.text(max_size=60) | st.builds(json.dumps, st.dictionaries(st.text(), st.text())))
def test_no_text_is_more_than_invalid(text: str) -> None:
    with suppress(InvalidPolicy):
        parse(text)
