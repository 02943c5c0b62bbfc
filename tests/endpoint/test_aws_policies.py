"""Key policies through the AWS dialect, and what another dialect shows of them and enforces."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from kit.action_samples import Tenant
from kit.support import Kms
from tenantkms.access import iam, ram

HELLO = base64.b64encode(b"hello").decode()


def document(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Id": "mine", "Statement": statements})


def statement(effect: str = "Allow", action: Any = "kms:*", principal: Any = "*", **more: Any) -> dict[str, Any]:
    return {"Effect": effect, "Principal": principal, "Action": action, "Resource": "*", **more}


def account(kms: Kms) -> str:
    return kms.settings.site.account


def made(kms: Kms, **params: Any) -> str:
    return str(kms.aws("CreateKey", **params)["KeyMetadata"]["KeyId"])


def mine(kms: Kms) -> dict[str, str]:
    return {"AWS": f"arn:aws:iam::{account(kms)}:user/{kms.signer.access_key_id}"}


def test_without_a_policy_awss_default_is_shown(kms: Kms) -> None:
    key = made(kms)
    answer = kms.aws("GetKeyPolicy", KeyId=key)
    assert answer["PolicyName"] == "default"
    assert answer["Policy"] == iam.default(account(kms))
    assert kms.aws("ListKeyPolicies", KeyId=key) == {"PolicyNames": ["default"], "Truncated": False}
    assert kms.aws("PutKeyPolicy", KeyId=key, Policy=answer["Policy"]) == {}


def test_a_policy_reads_back_as_it_was_put(kms: Kms) -> None:
    text = " " + document(statement(Sid="a"), statement("Deny", "kms:Decrypt", mine(kms)))
    for key in (made(kms), made(kms, Policy=text)):
        assert kms.aws("PutKeyPolicy", KeyId=key, PolicyName="default", Policy=text) == {}
        assert kms.aws("GetKeyPolicy", KeyId=key, PolicyName="default") == {"Policy": text, "PolicyName": "default"}
        blob = kms.aws("Encrypt", KeyId=key, Plaintext=HELLO)["CiphertextBlob"]
        assert kms.aws("Decrypt", CiphertextBlob=blob)["__type"] == "AccessDeniedException"


def test_it_counts_for_every_dialect(kms: Kms) -> None:
    key = made(kms)
    blob = kms.aws("Encrypt", KeyId=key, Plaintext=HELLO)["CiphertextBlob"]
    kms.aws("PutKeyPolicy", KeyId=key, Policy=document(statement(), statement("Deny", "kms:Decrypt")))
    assert kms.alibaba("Decrypt", CiphertextBlob=blob)["Code"] == "Forbidden.NoPermission"
    assert "CiphertextBlob" in kms.alibaba("Encrypt", KeyId=key, Plaintext=HELLO)
    assert "error" in json.dumps(kms.tencent("Decrypt", CiphertextBlob=blob)).lower()


def test_ram_form_is_shown_as_iam_and_the_other_way_round(kms: Kms) -> None:
    key = made(kms)
    users = ["kms:Encrypt", "kms:PutKeyPolicy"]
    kms.aws("PutKeyPolicy", KeyId=key, Policy=document(statement(action=users, principal=mine(kms)), statement()))
    shown = json.loads(kms.alibaba("GetKeyPolicy", KeyId=key)["Policy"])
    assert shown["Version"] == "1"
    assert shown["Statement"][0]["Principal"] == {"RAM": [f"acs:ram::*:user/{kms.signer.access_key_id}"]}
    assert shown["Statement"][0]["Action"] == ["kms:Encrypt", "kms:SetKeyPolicy"]
    kms.alibaba("SetKeyPolicy", KeyId=key, Policy=ram.DEFAULT)
    assert json.loads(kms.aws("GetKeyPolicy", KeyId=key)["Policy"])["Statement"][0]["Action"] == ["kms:*"]


def test_what_a_form_cannot_say_is_refused(kms: Kms) -> None:
    key = made(kms)
    kms.aws("PutKeyPolicy", KeyId=key, Policy=document(statement(), statement("Deny", "kms:ReEncryptTo")))
    assert "cannot say what it says of Encrypt" in kms.alibaba("GetKeyPolicy", KeyId=key)["Message"]
    assert kms.aws("GetKeyPolicy", KeyId=key)["PolicyName"] == "default"


def test_each_dialect_takes_its_own_form_only(kms: Kms) -> None:
    key = made(kms)
    refused = kms.aws("PutKeyPolicy", KeyId=key, Policy=ram.DEFAULT)
    assert refused["__type"] == "MalformedPolicyDocumentException"
    answer = kms.alibaba("SetKeyPolicy", KeyId=key, Policy=document(statement()))
    assert answer["Message"] == "The key policy is not valid: Invalid enum value '2012-10-17' - at `$.Version`."


BAD: dict[str, tuple[dict[str, Any], str, str]] = {
    "no JSON": ({"Policy": "allow"}, "MalformedPolicyDocumentException", "not valid"),
    "a condition": (
        {"Policy": document(statement(Condition={"StringEquals": {"kms:ViaService": "a"}}))},
        "MalformedPolicyDocumentException",
        "kms:ViaService",
    ),
    "another account": (
        {"Policy": document(statement(principal={"AWS": "111122223333"}))},
        "MalformedPolicyDocumentException",
        "Policy contains a statement with one or more invalid principals",
    ),
    "a lockout": (
        {"Policy": document(statement(action="kms:Decrypt"))},
        "MalformedPolicyDocumentException",
        "The new key policy will not allow you to update the key policy in the future.",
    ),
    "a lockout without a check": (
        {"Policy": document(statement(action="kms:Decrypt")), "BypassPolicyLockoutSafetyCheck": False},
        "MalformedPolicyDocumentException",
        "in the future",
    ),
    "too long": ({"Policy": document(statement()).ljust(32_769)}, "MalformedPolicyDocumentException", "32768 bytes"),
    "empty": ({"Policy": ""}, "ValidationException", "at 'policy' failed to satisfy constraint"),
    "no Latin": ({"Policy": document(statement(Sid="x")).replace("x", "ж")}, "ValidationException", "pattern"),
    "no text": ({"Policy": {"Version": "2012-10-17"}}, "SerializationException", "Policy"),
    "no policy": ({}, "ValidationException", "policy"),
    "another name": ({"Policy": document(statement()), "PolicyName": "mine"}, "NotFoundException", "No such policy"),
    "no boolean": (
        {"Policy": document(statement()), "BypassPolicyLockoutSafetyCheck": "true"},
        "SerializationException",
        "boolean",
    ),
}


@pytest.mark.parametrize(("params", "code", "named"), BAD.values(), ids=BAD)
def test_a_bad_policy_is_refused_and_nothing_changes(params: dict[str, Any], code: str, named: str, kms: Kms) -> None:
    key = made(kms)
    refused = kms.aws("PutKeyPolicy", KeyId=key, **params)
    assert refused["__type"] == code
    assert named in refused["message"]
    assert kms.aws("GetKeyPolicy", KeyId=key)["Policy"] == iam.default(account(kms))
    if code == "MalformedPolicyDocumentException":
        assert kms.aws("CreateKey", **params)["__type"] == code


def test_the_lockout_check_can_be_bypassed(kms: Kms) -> None:
    text = document(statement(action="kms:Decrypt"))
    for key in (made(kms), made(kms, Policy=text, BypassPolicyLockoutSafetyCheck=True)):
        if kms.aws("DescribeKey", KeyId=key).get("__type") is None:
            assert kms.aws("PutKeyPolicy", KeyId=key, Policy=text, BypassPolicyLockoutSafetyCheck=True) == {}
        assert kms.aws("GetKeyPolicy", KeyId=key)["__type"] == "AccessDeniedException"


def test_re_encrypt_needs_one_permission_on_each_side(kms: Kms) -> None:
    own = statement(principal=mine(kms), action=["kms:PutKeyPolicy", "kms:Encrypt"])
    source = made(kms, Policy=document(own, statement(action="kms:ReEncryptFrom")))
    there = made(kms, Policy=document(own, statement(action="kms:ReEncryptTo")))
    blob = kms.aws("Encrypt", KeyId=source, Plaintext=HELLO)["CiphertextBlob"]
    assert kms.aws("ReEncrypt", CiphertextBlob=blob, DestinationKeyId=there)["KeyId"].endswith(there)
    assert kms.aws("Decrypt", CiphertextBlob=blob)["__type"] == "AccessDeniedException"
    back = kms.aws("ReEncrypt", CiphertextBlob=blob, DestinationKeyId=source)
    assert back["__type"] == "AccessDeniedException"


@pytest.mark.parametrize("profile", ["native", "alibaba", "aws"])
def test_who_calls_functions_sees_the_form_of_its_profile(profile: str, tmp_path: Any) -> None:
    tenant = Tenant(tmp_path / "data")
    key = tenant.create()
    tenant.result("SetKeyPolicy", {"key_id": key, "policy": document(statement())})
    shown = json.loads(tenant.result("GetKeyPolicy", {"key_id": key}, profile=profile)["policy"])
    assert shown["Version"] == {"native": "2012-10-17", "alibaba": "1", "aws": "2012-10-17"}[profile]
