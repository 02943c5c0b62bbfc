"""Key policies in IAM's form: their grammar, whom and what they mean, and their translation to RAM's form and back."""

from __future__ import annotations

import json
from contextlib import suppress
from fnmatch import fnmatchcase
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from kit.action_samples import rules
from kit.samples import FACTS
from kit.samples import key as sample_key
from tenantkms.access import iam, key_policy, ram, translation
from tenantkms.access.conditions import NO_TAGS, Facts, Tags
from tenantkms.errors import InvalidPolicy, UnsupportedAction
from tenantkms.model.specs import KeySpec
from tenantkms.names import ACTIONS, IAM, RAM

ACCOUNT = "123456789012"
ME, OTHER = "TKMS00000000000000000001", "TKMS00000000000000000002"
MINE = f"arn:aws:iam::{ACCOUNT}:user/{ME}"
ROOT = f"arn:aws:iam::{ACCOUNT}:root"


def document(*statements: dict[str, Any], **more: Any) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": statements, **more})


def statement(effect: str = "Allow", principal: Any = "*", action: Any = "kms:*", **more: Any) -> dict[str, Any]:
    return {"Effect": effect, "Principal": principal, "Action": action, "Resource": "*", **more}


def allows(text: str, who: str, asked: str, facts: Facts = FACTS, tags: Tags = NO_TAGS) -> bool:
    return key_policy.allows(text, who, asked, facts, tags)


def check(text: str) -> None:
    key_policy.check(text, IAM, ACCOUNT)


# What the console of AWS writes, with its administrators, users and grants for AWS's services.
CONSOLE = document(
    statement(principal={"AWS": ROOT}, Sid="Enable IAM User Permissions"),
    statement(
        principal={"AWS": [MINE]},
        action=(
            "kms:Create* kms:Describe* kms:Enable* kms:List* kms:Put* kms:Update* kms:Revoke* kms:Disable* kms:Get*"
            " kms:Delete* kms:TagResource kms:UntagResource kms:ScheduleKeyDeletion kms:CancelKeyDeletion"
            " kms:RotateKeyOnDemand"
        ).split(),
        Sid="Allow access for Key Administrators",
    ),
    statement(
        principal={"AWS": MINE},
        action="kms:Encrypt kms:Decrypt kms:ReEncrypt* kms:GenerateDataKey* kms:DescribeKey".split(),
        Sid="Allow use of the key",
    ),
    statement(
        principal={"AWS": MINE},
        action=["kms:CreateGrant", "kms:ListGrants", "kms:RevokeGrant"],
        Condition={"Bool": {"kms:GrantIsForAWSResource": "true"}},
        Sid="Allow attachment of persistent resources",
    ),
    Id="key-consolepolicy-3",
)

VALID: dict[str, str] = {
    "the default": iam.default(ACCOUNT),
    "the console's": CONSOLE,
    "the older version": json.dumps({"Version": "2008-10-17", "Statement": [statement()]}),
    "one statement that is no list": json.dumps({"Version": "2012-10-17", "Statement": statement()}),
    "an account's number": document(statement(principal={"AWS": ACCOUNT})),
    "everybody": document(statement(principal={"AWS": "*"})),
    "upper and lower case": document(statement(action=["KMS:decrypt", "kms:DESCRIBEKEY"])),
    "a question mark": document(statement(action="kms:?ncrypt")),
    "what AWS has and this has not": document(statement(action=["kms:ReplicateKey", "kms:Decrypt"])),
    "what another permission answers": document(statement(action=["kms:GetKeyRotationStatus", "kms:DescribeKey"])),
    "an Action of this project": document(statement(action="kms:ArchiveKey")),
    "an address": document(statement(Condition={"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}})),
    "a date": document(statement(Condition={"DateLessThan": {"aws:CurrentTime": "2030-01-01T00:00:00Z"}})),
    "a tag": document(statement(Condition={"StringEquals": {"aws:ResourceTag/env": "prod"}})),
    "a truth that is no text": document(statement(Condition={"Bool": {"kms:GrantIsForAWSResource": True}})),
    "32768 bytes": document(statement()).ljust(32_768),
}
INVALID: dict[str, tuple[str, str]] = {
    # a document, and what its refusal names
    "no JSON": ("allow all", "not valid"),
    "no version": (json.dumps({"Statement": [statement()]}), "Version"),
    "another version": (json.dumps({"Version": "2020-01-01", "Statement": [statement()]}), "2020-01-01"),
    "RAM's form": (ram.DEFAULT, "'1'"),
    "no statement": (document(), "no statement"),
    "a member more": (document(statement(), Ids="x"), "Ids"),
    "who it is not": (document({**statement(), "NotPrincipal": "*"}), "NotPrincipal"),
    "what it is not": (document({**statement(), "NotAction": "kms:Decrypt"}), "NotAction"),
    "where it is not": (document({**statement(), "NotResource": "*"}), "NotResource"),
    "no principal": (document({"Effect": "Allow", "Action": "kms:*", "Resource": "*"}), "Principal"),
    "a service": (document(statement(principal={"Service": "logs.amazonaws.com"})), "Service"),
    "a principal of RAM": (document(statement(principal={"RAM": "*"})), "RAM"),
    "another account": (document(statement(principal={"AWS": "arn:aws:iam::999999999999:root"})), "invalid principals"),
    "another account's number": (document(statement(principal={"AWS": "999999999999"})), "invalid principals"),
    "a role": (document(statement(principal={"AWS": f"arn:aws:iam::{ACCOUNT}:role/x"})), "invalid principals"),
    "an access key alone": (document(statement(principal={"AWS": ME})), "invalid principals"),
    "some users": (document(statement(principal={"AWS": f"arn:aws:iam::{ACCOUNT}:user/*"})), "invalid principals"),
    "another partition": (document(statement(principal={"AWS": f"arn:aws-cn:iam::{ACCOUNT}:root"})), "principals"),
    "nobody": (document(statement(principal={"AWS": []})), "Principal is empty"),
    "nothing": (document(statement(action=[])), "Action is empty"),
    "an action of another service": (document(statement(action="s3:GetObject")), "s3:GetObject"),
    "an action without its service": (document(statement(action="Decrypt")), "'Decrypt'"),
    "an action that there is none of": (document(statement(action="kms:Decript")), "did you mean kms:Decrypt"),
    "a denial of nothing": (document(statement("Deny", action="kms:GetKeyRotationStatus")), "deny kms:DescribeKey"),
    "a resource": (document({**statement(), "Resource": "arn:aws:kms:eu-west-1:123456789012:key/x"}), "Resource"),
    "a condition of AWS's": (document(statement(Condition={"StringEquals": {"kms:ViaService": "s3"}})), "ViaService"),
    "an operator of AWS's": (document(statement(Condition={"ArnLike": {"aws:SourceIp": "x"}})), "ArnLike"),
    "an empty condition": (document(statement(Condition={})), "empty"),
    "an empty operator": (document(statement(Condition={"Bool": {}})), "empty"),
    "one thing under two names": (
        document(statement(Condition={"IpAddress": {"aws:SourceIp": "10.0.0.0/8", "kms:SourceIp": "10.0.0.0/8"}})),
        "twice",
    ),
    "what takes no context": (
        document(statement(action="kms:DescribeKey", Condition={"StringEquals": {"kms:EncryptionContext:a": "b"}})),
        "takes no encryption context",
    ),
    "a truth that is none": (document(statement(Condition={"Bool": {"kms:GrantIsForAWSResource": "yes"}})), "yes"),
    "too long": (document(statement()).ljust(32_769), "32768 bytes"),
    "twice in one place": (document(statement()).replace('"Id"', "").replace("{", '{"Id":"a","Id":"b",', 1), "twice"),
}


@pytest.mark.parametrize("text", VALID.values(), ids=VALID)
def test_valid(text: str) -> None:
    check(text)
    assert key_policy.form_of(text) == IAM


@pytest.mark.parametrize(("text", "named"), INVALID.values(), ids=INVALID)
def test_invalid(text: str, named: str) -> None:
    with pytest.raises(InvalidPolicy, match=named):
        check(text)


@settings(deadline=None)
@given(st.text(max_size=60) | st.builds(json.dumps, st.dictionaries(st.text(), st.text())))
def test_no_text_is_more_than_invalid(text: str) -> None:
    with suppress(InvalidPolicy):
        check(text)


# -- meaning -------------------------------------------------------------------------------------------

PRINCIPALS: dict[str, tuple[Any, bool, bool]] = {
    "*": ("*", True, True),
    "* of AWS": ({"AWS": "*"}, True, True),
    "root": ({"AWS": ROOT}, True, True),
    "account": ({"AWS": [ACCOUNT]}, True, True),
    "me": ({"AWS": MINE}, True, False),
    "both": ({"AWS": [MINE, MINE[:-1] + "2"]}, True, True),
    "in lower case": ({"AWS": MINE.replace("TKMS", "tkms")}, False, False),
}


@pytest.mark.parametrize(("principal", "me", "other"), PRINCIPALS.values(), ids=PRINCIPALS)
def test_whom_a_principal_means(principal: Any, me: bool, other: bool) -> None:
    text = document(statement(principal=principal))
    assert [allows(text, who, "Encrypt") for who in (ME, OTHER)] == [me, other]


MEANS: dict[str, tuple[Any, str]] = {
    # Actions of a document, and what they are about
    "Decrypt": ("kms:Decrypt", "Decrypt AsymmetricDecrypt"),
    "Encrypt": ("kms:Encrypt", "Encrypt AsymmetricEncrypt"),
    "Sign": (["kms:Sign", "kms:Verify"], "AsymmetricSign AsymmetricVerify"),
    "a policy": ("kms:PutKeyPolicy", "SetKeyPolicy"),
    "tags": (["kms:TagResource", "kms:UntagResource"], "TagResources UntagResources"),
    "half of what rotation needs": ("kms:EnableKeyRotation", ""),
    "rotation": (["kms:EnableKeyRotation", "kms:DisableKeyRotation"], "UpdateRotationPolicy"),
    "on demand": ("kms:RotateKeyOnDemand", "CreateKeyVersion"),
    "a half": ("kms:ArchiveKey", ""),
    "a name that is ours": (["kms:ArchiveKey", "kms:DisableKey"], "ArchiveKey DisableKey"),
    "our name of what AWS calls otherwise": ("kms:De?ryp*", "Decrypt AsymmetricDecrypt"),
    "to re-encrypt from": ("kms:ReEncryptFrom", ""),
    "to re-encrypt": ("kms:ReEncrypt*", "ReEncrypt"),
}


@pytest.mark.parametrize(("action", "about"), MEANS.values(), ids=MEANS)
def test_what_an_action_means(action: Any, about: str) -> None:
    text = document(statement(action=action))
    assert {name for name in ACTIONS if allows(text, ME, name)} == set(about.split())


@given(st.text("abcdeknprty*?", min_size=1, max_size=8))
def test_a_pattern_is_about_what_it_fits(glob: str) -> None:
    fits = [name for name in iam._KNOWN if fnmatchcase(name.lower(), glob)]
    assert iam.named(f"kms:{glob}") == sorted(fits)


@pytest.mark.parametrize("pattern", ["kms:*n*c*", "kms:?ncrypt", "kms:*?*?*?*"])
def test_patterns_cost_what_reading_them_does(pattern: str) -> None:
    check(document(statement(action=[pattern] * 10)))
    with pytest.raises(InvalidPolicy, match="too much work"):
        check(document(statement(action=[pattern] * 45)))
    check(document(statement(action=["kms:Encrypt", "kms:De*"] * 490)))


def test_half_of_what_is_needed_may_be_denied() -> None:
    text = document(statement(), statement("Deny", action="kms:DisableKeyRotation"))
    assert {name for name in ACTIONS if not allows(text, ME, name)} == {"UpdateRotationPolicy"}


def test_each_side_of_re_encrypt_has_its_own_permission() -> None:
    source, destination = "Decrypt ReEncrypt", "Encrypt ReEncrypt"
    text = document(statement(action="kms:ReEncryptFrom"))
    assert allows(text, ME, source)
    assert not any(allows(text, ME, name) for name in (destination, "Decrypt", "Encrypt"))
    text = document(statement(), statement("Deny", action="kms:Decrypt"))
    assert allows(text, ME, source), "as at AWS"
    assert not allows(text, ME, "Decrypt ExportDataKey")


def test_every_action_has_a_permission_of_its_own_or_of_awss() -> None:
    assert all(iam.permissions(name) for name in rules())
    assert not set(iam._PERMISSIONS) - set(rules())


@pytest.mark.parametrize(("truth", "allowed"), [("true", False), ("false", True), (True, False), (["true"], False)])
def test_no_grant_is_for_a_service_of_aws(truth: Any, allowed: bool) -> None:
    text = document(statement(Condition={"Bool": {"kms:GrantIsForAWSResource": truth}}))
    assert allows(text, ME, "Encrypt") is allowed


def test_it_is_asked_of_grants_alone() -> None:
    """At AWS it is not there in other calls, so that neither value of it holds."""
    condition = {"Bool": {"kms:GrantIsForAWSResource": "false"}}
    grants = ["kms:CreateGrant", "kms:ListGrants", "kms:RevokeGrant"]
    check(document(statement(), statement("Deny", action=grants, Condition=condition)))
    check(document(statement(Condition={"Bool": {"kms:GrantIsForAWSResource": "true"}})))
    for action in ("*", "kms:*", "kms:*Grant", "kms:Encrypt", [*grants, "kms:Decrypt"]):
        with pytest.raises(InvalidPolicy, match="is asked of kms:CreateGrant"):
            check(document(statement(action=action, Condition=condition)))


def test_conditions_have_awss_names_too() -> None:
    text = document(
        statement(
            Condition={
                "IpAddress": {"aws:SourceIp": "10.0.0.0/8"},
                "DateLessThan": {"aws:CurrentTime": "2030-01-01T00:00:00Z"},
                "StringEquals": {"aws:ResourceTag/env": "prod", "kms:EncryptionContext:app": "shop"},
            }
        )
    )
    fits = replace(FACTS, source_ip="10.1.2.3", context={"app": "shop"})
    assert allows(text, ME, "Encrypt", fits, {"env": "prod"})
    for facts, tags in (
        (replace(fits, source_ip="192.0.2.1"), {"env": "prod"}),
        (replace(fits, now=2**40), {"env": "prod"}),
        (fits, {"env": "test"}),
        (replace(fits, context={}), {"env": "prod"}),
    ):
        assert not allows(text, ME, "Encrypt", facts, tags)


def test_a_tag_gains_in_this_form_too() -> None:
    text = document(statement(action="kms:Sign", Condition={"StringEquals": {"aws:ResourceTag/env": "prod"}}))
    old, new = (sample_key(1, policy=text, tags=tags) for tags in ({}, {"env": "prod"}))
    assert key_policy.gains(ME, old, new)
    assert not key_policy.gains(ME, new, old)


# -- in the other form ---------------------------------------------------------------------------------

ASKED = (*ACTIONS, *translation._AT_ONCE)
CALLS: tuple[tuple[Facts, Tags], ...] = (
    (FACTS, {}),
    (replace(FACTS, source_ip="10.0.0.1", context={"app": "shop"}), {"env": "prod"}),
    (Facts("aws", "", 2**33, {"app": "bank"}), None),
)
_conditions = st.sampled_from(
    [
        {"StringEquals": {"kms:EncryptionContext:app": ["shop"]}},
        {"NotIpAddress": {"kms:SourceIp": "10.0.0.0/8"}, "StringLike": {"kms:ResourceTag/env": "p*"}},
        {"DateGreaterThan": {"kms:CurrentTime": "2030-01-01T00:00:00Z"}},
    ]
)
_more = st.just({}) | st.builds(lambda c: {"Condition": c}, _conditions) | st.just({"Sid": "a"})
_effects = st.sampled_from(["Allow", "Allow", "Deny"])


def _some(names: list[str]) -> st.SearchStrategy[list[str]]:
    return st.lists(st.sampled_from(names), min_size=1, max_size=12)


_IN_RAM = st.lists(
    st.builds(
        lambda effect, who, action, more: {"Effect": effect, "Principal": who, "Action": action, **more},
        _effects,
        st.sampled_from(["*", {"RAM": ["acs:ram::*:root"]}, {"RAM": f"acs:ram::1:user/{ME}"}, {"RAM": "acs:ram::1:*"}]),
        _some(["kms:*", "kms:*crypt", "kms:Gen*", *(f"kms:{name}" for name in ACTIONS)]),
        _more,
    ),
    min_size=1,
    max_size=4,
).map(lambda rows: json.dumps({"Version": "1", "Statement": rows}))
_IN_IAM = st.lists(
    st.builds(
        statement,
        _effects,
        st.sampled_from(["*", {"AWS": ROOT}, {"AWS": MINE}, {"AWS": [ACCOUNT]}]),
        _some(["kms:*", "kms:ReEncrypt*", "kms:Generate*", *(f"kms:{name}" for name in iam._KNOWN)]),
    ).flatmap(lambda row: _more.map(lambda more: {**row, **more})),
    min_size=1,
    max_size=4,
).map(lambda rows: document(*rows))


def _same(text: str, form: str, spec: KeySpec) -> None:
    """That a document says in `form` what it says, if it can be shown so."""
    try:
        other = translation.shown(text, form, ACCOUNT, spec)
    except UnsupportedAction:
        return
    assert key_policy.form_of(other) == form
    for asked in translation._asked(spec):
        for who in (ME, OTHER):
            for facts, tags in CALLS:
                before, after = (key_policy.decide(one, who, asked, facts, tags) for one in (text, other))
                assert (before > 0, before < 0) == (after > 0, after < 0), (asked, other)


@settings(deadline=None, max_examples=150)
@given(text=_IN_RAM, spec=st.sampled_from([KeySpec.AES_256, KeySpec.RSA_2048]))
def test_what_ram_says_iam_says_the_same(text: str, spec: KeySpec) -> None:
    _same(text, IAM, spec)


@settings(deadline=None, max_examples=150)
@given(text=_IN_IAM, spec=st.sampled_from([KeySpec.AES_256, KeySpec.EC_P256, KeySpec.RSA_2048]))
def test_what_iam_says_ram_says_the_same(text: str, spec: KeySpec) -> None:
    _same(text, RAM, spec)


USERS = ["kms:Encrypt", "kms:Decrypt", "kms:GenerateDataKey", "kms:DescribeKey"]


def of_ram(action: Any, who: str = "*") -> str:
    principal = {"RAM": f"acs:ram::1:user/{who}"}
    return json.dumps({"Statement": [{"Effect": "Allow", "Principal": principal, "Action": action}]})


@pytest.mark.parametrize(
    ("text", "form", "expected"),
    [
        (ram.DEFAULT, IAM, [{"Effect": "Allow", "Principal": {"AWS": ["*"]}, "Action": ["kms:*"], "Resource": "*"}]),
        (
            of_ram(USERS, ME),
            IAM,
            [{"Effect": "Allow", "Principal": {"AWS": [MINE]}, "Action": sorted(USERS), "Resource": "*"}],
        ),
        (
            document(statement(principal={"AWS": MINE}, action=USERS, Sid="users")),
            RAM,
            [
                {
                    "Sid": "users",
                    "Effect": "Allow",
                    "Principal": {"RAM": [f"acs:ram::*:user/{ME}"]},
                    "Action": sorted(USERS),
                    "Resource": ["*"],
                }
            ],
        ),
    ],
)
def test_common_documents_are_shown_in_the_other_form(text: str, form: str, expected: list[dict[str, Any]]) -> None:
    assert json.loads(translation.shown(text, form, ACCOUNT, KeySpec.AES_256))["Statement"] == expected


def test_the_consoles_policy_is_shown_in_rams_form() -> None:
    made = translation.shown(CONSOLE, RAM, ACCOUNT, KeySpec.AES_256)
    assert len(json.loads(made)["Statement"]) == 3, "what is for AWS's services is about no call here"


@pytest.mark.parametrize(
    ("text", "form", "named"),
    [
        (document(statement(action="kms:ReEncryptFrom")), RAM, "says of Decrypt"),
        (document(statement(), statement("Deny", action="kms:Decrypt")), RAM, "Decrypt and ReEncrypt"),
        # Only a grant allows Decrypt, and only one for ReEncryptFrom is denied.
        (document(statement("Deny", action="kms:ReEncryptFrom")), RAM, "says of Decrypt"),
        (of_ram("*", "TK*"), IAM, "TK"),
        (of_ram("kms:ArchiveKey"), IAM, "DisableKey"),
    ],
)
def test_what_cannot_be_said_is_named(text: str, form: str, named: str) -> None:
    with pytest.raises(UnsupportedAction, match=named):
        translation.shown(text, form, ACCOUNT, KeySpec.AES_256)
