"""A tenant's entry that is not valid stops the synthesis, with its name and what is wrong."""

from __future__ import annotations

from typing import Any

import pytest

from cdk.tenants import Tenant, TenantError, parse
from kit import templates

GOOD = {"name": "acme", "account": "123456789012", "region": "eu-central-1"}
CERTIFICATE = "arn:aws:acm:eu-central-1:123456789012:certificate/6f1e2d3c-1111-4222-8333-444455556666"
MOVED = {
    "keys_table": "restored",
    "parent_key_arn": "arn:aws:kms:eu-central-1:999999999999:key/6f1e2d3c-1111-4222-8333-444455556666",
}
DOMAIN = {"domain": "kms.example.com", "certificate": CERTIFICATE}


def _target(kind: str, name: str) -> dict[str, Any]:
    return {"events": {"messages": {"targets": [{"type": kind, "name": name}]}}}


def _inside(**changes: Any) -> dict[str, Any]:
    return {"private": {**templates.INSIDE["private"], **changes}}  # type: ignore[dict-item]


def test_the_example_and_what_these_tests_use_are_valid() -> None:
    assert [tenant.name for tenant in parse([dict(entry) for entry in templates.VARIANTS])] == [
        "acme",
        "full",
        "play",
        "moved",
        "sealing",
        "inside",
    ]


def test_only_keys_that_were_made_elsewhere_ask_whose_arns_they_had() -> None:
    own = MOVED["parent_key_arn"].replace("999999999999", GOOD["account"])
    for changes in (
        {"keys_table": "restored"},
        {"parent_key_arn": MOVED["parent_key_arn"]},
        {**MOVED, "parent_key_arn": own},
    ):
        (tenant,) = parse([{**GOOD, **changes}])
        assert tenant.identity == {"REGION": "eu-central-1", "ACCOUNT": "123456789012"}
    (tenant,) = parse([{**GOOD, **MOVED, "arn_account": "999999999999", "arn_region": "eu-west-1"}])
    assert tenant.identity == {"REGION": "eu-west-1", "ACCOUNT": "999999999999"}


def test_an_entry_needs_three_fields_only() -> None:
    assert parse([GOOD]) == [Tenant(name="acme", account="123456789012", region="eu-central-1")]


@pytest.mark.parametrize(
    ("changes", "serves"),
    [
        ({}, False),
        ({"sandbox": True}, True),
        ({"explorer": True}, True),
        ({"explorer": False, "sandbox": True}, False),
    ],
)
def test_a_sandbox_has_the_explorer_unless_it_is_told(changes: dict[str, bool], serves: bool) -> None:
    (tenant,) = parse([{**GOOD, **changes}])
    assert tenant.explores is serves


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"explorer": "on"}, "explorer: Expected `bool"),
        (_inside(only="yes"), "private.only: Expected `bool`"),
        (_inside(zone="z"), "private: Object contains unknown field `zone`"),
        ({**_inside(), **DOMAIN}, "private: "),
        (_inside(domain="Kms"), "private.domain: a host name"),
        (_inside(certificate=CERTIFICATE.replace("central", "west")), "private.certificate: the ARN"),
        (_inside(vpc="vpc-"), "private.vpc: the id"),
        (_inside(subnets=["subnet-01234567"]), "private.subnets: ids of two"),
        (_inside(subnets=["subnet-01234567"] * 2), "private.subnets: ids of two"),
        (_inside(clients=[]), "private.clients: networks"),
        (_inside(clients=["10.0.0.0/16", "0.0.0.0/0"]), "private.clients: networks"),
        (_inside(clients=["10.0.0.1/16"]), "private.clients: networks"),
        (_inside(clients=["sg-everybody"]), "private.clients: networks"),
        ({"name": "Acme"}, "name: 'Acme' is not valid: 1 to 22 lower-case letters"),
        ({"name": "a" * 23}, "name: "),
        ({"name": "acme-"}, "name: "),
        ({"name": "1st"}, "name: "),
        ({"name": "acme\n"}, "name: "),
        ({"name": 7}, "name: Expected `str`, got `int`"),
        ({"account": 123456789012}, "account: Expected `str`, got `int`"),
        ({"account": "1234"}, "account: '1234' is not valid: the 12 digits"),
        ({"arn_account": "1234"}, "arn_account: '1234' is not valid: 12 digits"),
        ({"arn_region": "Frankfurt"}, "arn_region: 'Frankfurt' is not valid: up to 32 lower-case letters"),
        ({**MOVED, "arn_region": "eu-central-1"}, "arn_account: '' is not valid: name the one that stood in the ARNs"),
        ({**MOVED, "arn_account": "123456789012"}, "arn_region: '' is not valid: name the one that"),
        ({"other_arns": ["eu-west-1"]}, "other_arns: ('eu-west-1',) is not valid: <region>:<account> as they stand in"),
        ({"other_arns": ["arn:aws:kms:eu-west-1:111122223333"]}, "other_arns: "),
        ({"other_arns": ["eu-west-1:*"]}, "other_arns: "),
        ({"other_arns": ["eu-west-1:1\n"]}, "other_arns: "),
        ({"other_arns": ["eu-west-1:1", "eu-west-1:1"]}, "each once"),
        ({"other_arns": ["eu-central-1:123456789012"]}, "without what stands in the tenant's own ARNs"),
        ({"other_arns": "eu-west-1:1"}, "other_arns: Expected `array`, got `str`"),
        ({"region": "Frankfurt"}, "region: 'Frankfurt' is not valid: an AWS region"),
        ({"rate": 0}, "rate: 0 is not valid: requests per second, 1 to 10000"),
        ({"rate": "many"}, "rate: Expected `int`, got `str`"),
        ({"burst": 5001}, "burst: 5001"),
        (
            {"limits": {"SignByAsymmetricKey": 1}},
            "limits: {'SignByAsymmetricKey': 1} is not valid: figures, 0 for none",
        ),
        ({"limits": {"Encrypt": -1}}, "limits: "),
        ({"limits": {"Encrypt": "300"}}, "limits[...]: Expected `int`, got `str`"),
        ({"domain": "kms.example.com"}, "certificate: '' is not valid: domain and certificate go together"),
        ({"certificate": CERTIFICATE}, "certificate: "),
        ({**DOMAIN, "domain": "https://kms.example.com"}, "domain: "),
        ({**DOMAIN, "certificate": CERTIFICATE.replace("central", "west")}, "in the tenant's account and region"),
        ({**DOMAIN, "certificate": CERTIFICATE.replace("1234", "4321", 1)}, "in the tenant's account and region"),
        (
            {"truststore": "s3://bucket/ca.pem"},
            "truststore: 's3://bucket/ca.pem' is not valid: mutual TLS needs a domain",
        ),
        ({**DOMAIN, "truststore": "https://bucket/ca.pem"}, "s3://bucket/key"),
        (
            {"inline_actions": ["encrypt"]},
            "inline_actions: ('encrypt',) is not valid: names of Actions such as Encrypt",
        ),
        ({"inline_actions": ["Encrypt", "Encrypt"]}, "each Action once"),
        ({"inline_actions": "Encrypt"}, "inline_actions: Expected `array`, got `str`"),
        (
            {"without_nonce": ["Decrypt"]},
            "without_nonce: ('Decrypt',) is not valid: of AsymmetricEncrypt, AsymmetricVerify, Encrypt, VerifyMac",
        ),
        ({"without_nonce": ["Encrypt", "CreateKey"]}, "tells something to who sends it again"),
        ({"snapstart": ["Encrypt"]}, "snapstart: ('Encrypt',) is not valid: names of folders"),
        (
            {"snapstart": ["encrypt", "asymmetric_sign"]},
            "are the same in all copies of a snapshot: asymmetric_decrypt,",
        ),
        ({"snapstart": ["create_alias"]}, "it changes something"),
        ({"snapstart": ["rotate_due_keys"]}, "nobody waits for its start"),
        ({"snapstart": ["endpoint"], "inline_actions": ["Encrypt", "CreateKey"]}, "runs inside it (inline_actions)"),
        ({"memory": {"Encrypt": 512}}, "memory: {'Encrypt': 512} is not valid: names of folders"),
        ({"memory": {"encrypt": 255}}, "256 to 10240 MB for each function"),
        ({"memory": {"endpoint": 10_241}}, "256 to 10240 MB"),
        ({"platform_lines": "no"}, "platform_lines: Expected `bool`, got `str`"),
        ({"state_cache_seconds": 61}, "state_cache_seconds: 61"),
        ({"state_cache_seconds": -1}, "state_cache_seconds: -1"),
        ({"log_retention_days": 31}, "log_retention_days: 31 is not valid: one of 1, 3, 5"),
        ({"alarm_topic": "pager"}, "alarm_topic: 'pager' is not valid: the ARN of an SNS topic"),
        ({"alarm_topic": "arn:aws:sns:us-east-1:123456789012:pager"}, "alarm_topic: "),
        ({"break_glass_role": ""}, "break_glass_role: "),
        ({"break_glass_role": "arn:aws:iam::123456789012:role/a b"}, "break_glass_role: "),
        ({"operator_roles": ["*"]}, "operator_roles: ('*',) is not valid: names of IAM roles"),
        ({"operator_roles": ["a*b"]}, "operator_roles: "),
        ({"operator_roles": ["arn:aws:iam::123456789012:role/a"]}, "operator_roles: "),
        ({"operator_roles": "admin"}, "operator_roles: Expected `array`, got `str`"),
        ({"keys_table": "arn:aws:dynamodb:eu-central-1:123456789012:table/a"}, "keys_table: "),
        ({"access_table": "a"}, "access_table: 'a' is not valid: the name of a DynamoDB table"),
        ({"keys_table": "one", "access_table": "one"}, "access_table: 'one' is not valid: another table"),
        (
            {"other_parent_key_arn": "alias/parent"},
            "other_parent_key_arn: 'alias/parent' is not valid: the ARN of another",
        ),
        (
            {"parent_key_arn": MOVED["parent_key_arn"], "other_parent_key_arn": MOVED["parent_key_arn"]},
            "other_parent_key_arn: ",
        ),
        ({"parent_key_arn": "alias/parent"}, "parent_key_arn: 'alias/parent' is not valid: the ARN of an AWS KMS key"),
        ({"parent_key_arn": "arn:aws:kms:us-east-1:123456789012:key/a"}, "in the tenant's region"),
        ({"parent_key_arn": "arn:aws:kms:eu-central-1:123456789012:alias/a"}, "parent_key_arn: "),
        (
            {"reserved_concurrency": {"Encrypt": 1}},
            "reserved_concurrency: {'Encrypt': 1} is not valid: names of folders",
        ),
        ({"reserved_concurrency": {"encrypt": 0}}, "1 to 1000 for each function"),
        ({"events": {}}, "messages, objects or both"),
        ({"events": {"mesages": {}}}, "events: Object contains unknown field `mesages`"),
        ({"events": {"messages": {}}}, "events.messages: Object missing required field `targets`"),
        ({"events": {"messages": {"targets": []}}}, "messages need one target at least"),
        (_target("sqs", "shop"), "events.messages.targets[0].type: Invalid enum value 'sqs'"),
        (_target("dynamodb", "shop*"), "targets are named as AWS names them"),
        (_target("s3", "in/*/x"), "targets are named"),
        (_target("secretsmanager", "shop/*/x"), "a `*` may be the end"),
        (_target("dynamodb", "tkms-acme-TablesKeys"), "no target is of the tenant's stack"),
        (
            {"events": {"messages": {"targets": [{"type": "ssm", "name": "a"}], "keys": ["mine"]}}},
            "keys are *, key/<id> or alias/<name>",
        ),
        ({**_target("dynamodb", "restored"), "keys_table": "restored"}, "no target is of the tenant's stack"),
        ({"events": {"objects": {"key": ""}}}, "the key of objects is an id, or alias/<name>"),
        ({"events": {"objects": {"key": "alias/a", "context": {"a": 1}}}}, "events.objects.context[...]: Expected"),
        ({"events": {"objects": {"key": "alias/a", "context": {"key": "mine"}}}}, "none of the names bucket, key and"),
        ({"events": {"objects": {"key": "alias/a", "context": {"a": "b" * 100}}}}, "100 characters at most"),
        ({"sandbox": "yes"}, "sandbox: Expected `bool`, got `str`"),
        ({"tags": {"team": 1}}, "Expected `str`, got `int`"),
        ({"regoin": "eu-central-1"}, "Object contains unknown field `regoin`"),
    ],
)
def test_what_is_wrong_is_said_with_the_entry_s_name(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(TenantError) as caught:
        parse([{**GOOD, "name": "other"}, {**GOOD, **changes}])
    (line,) = str(caught.value).splitlines()
    name = changes.get("name", "acme")
    assert line.startswith(f"tenants[1] ({name!r}): ")
    assert said in line


@pytest.mark.parametrize("missing", GOOD)
def test_a_missing_field_is_named(missing: str) -> None:
    with pytest.raises(TenantError, match=f"missing required field `{missing}`"):
        parse([{field: value for field, value in GOOD.items() if field != missing}])


@pytest.mark.parametrize("entries", [None, [], {}, "acme"])
def test_a_context_without_tenants_is_refused(entries: object) -> None:
    with pytest.raises(TenantError, match="there is no list of tenants"):
        parse(entries)


@pytest.mark.parametrize("entry", [None, "acme", 7, []])
def test_an_entry_that_is_no_object_is_refused(entry: object) -> None:
    with pytest.raises(TenantError, match=r"tenants\[0\] \(no name\): Expected `object`"):
        parse([entry])


def test_one_name_is_one_tenant() -> None:
    with pytest.raises(TenantError, match=r"tenants\[1\] \('acme'\): name: 'acme' stands in an earlier entry too"):
        parse([GOOD, {**GOOD, "region": "us-east-1"}])


def test_every_problem_is_told_at_once() -> None:
    with pytest.raises(TenantError) as caught:
        parse([{**GOOD, "rate": 0, "burst": 0}, {**GOOD, "name": "b", "region": 1}])
    assert len(str(caught.value).splitlines()) == 3
