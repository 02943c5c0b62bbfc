"""A tenant's second region: the stack that is made there, and what both may do with copies of tables and parent key."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from cdk.tenants import TenantError, parse
from kit import templates
from kit.iam import flat, role_statements
from kit.templates import FOLDERS, Template
from tenantkms.names import CHANGING, folder

STANDBY: dict[str, Any] = templates.FULL["standby"]  # type: ignore[assignment]
WEST = "eu-west-1"
CHANGE = {folder(action) for action in CHANGING}
SWEEPERS = {"rotate_due_keys", "delete_due_keys"}


@pytest.fixture(scope="session")
def second(assembly: Path) -> Template:
    body = json.loads((assembly / "tkms-full-standby.template.json").read_text())
    return Template("tkms-full", body)


def test_it_is_a_stack_of_the_same_name_in_the_other_region(assembly: Path, full: Template, second: Template) -> None:
    made = json.loads((assembly / "manifest.json").read_text())["artifacts"]["tkms-full-standby"]
    assert made["environment"] == f"aws://{templates.ACCOUNT}/{WEST}"
    assert made["properties"]["stackName"] == "tkms-full"
    assert second.functions.keys() == full.functions.keys()
    names = [template.only("AWS::CloudWatch::Dashboard")["DashboardName"] for template in (full, second)]
    assert names == ["tkms-full", f"tkms-full-{WEST}"]  # dashboards are the account's


def test_it_makes_no_table_and_no_parent_key(second: Template) -> None:
    assert not second.of("AWS::DynamoDB::Table")
    assert not second.of("AWS::KMS::Key")
    replica = f"arn:aws:kms:{WEST}:{templates.ACCOUNT}:key/{STANDBY['parent_key']}"
    for name in FOLDERS:
        told = second.functions[name]["Environment"]["Variables"]
        assert (told["KEYS_TABLE"], told["ACCESS_TABLE"]) == (STANDBY["keys_table"], STANDBY["access_table"])
        assert told["PARENT_KEY_ARN"] == second.outputs["ParentKeyArn"] == replica


def test_both_know_where_keys_are_changed_first(full: Template, second: Template) -> None:
    for template, here, peer in ((full, templates.REGION, WEST), (second, WEST, templates.REGION)):
        told = template.functions["endpoint"]["Environment"]["Variables"]
        assert (told["HERE"], told["FIRST"]) == (here, templates.REGION)
        assert told["REGION"] == templates.REGION  # ARNs are in messages for ever
        assert {template.outputs[name] for name in ("Here", "Peer", "First", "Region")} == {here, peer}


def test_who_changes_keys_makes_it_depend_on_the_region(full: Template, second: Template) -> None:
    inline = {folder(action) for action in templates.FULL["inline_actions"]}
    assert not inline & CHANGE
    for template in (full, second):
        for name in FOLDERS:
            rights = {action for action, _, said in flat(role_statements(template, name)) if "REGION#" in said}
            more = {"dynamodb:ConditionCheckItem"} if name in CHANGE | SWEEPERS else set()
            assert rights == {"dynamodb:GetItem"} | more, name


def test_a_tenant_of_one_region_has_none_of_it(example: Template) -> None:
    assert "REGION#" not in json.dumps(example.body)
    assert not {"HERE", "FIRST"} & example.functions["endpoint"]["Environment"]["Variables"].keys()
    assert not {"Here", "Peer", "First"} & example.outputs.keys()


def test_its_own_domain_and_alarms(second: Template) -> None:
    (certificate,) = [
        row["CertificateArn"]
        for domain in second.properties("AWS::ApiGatewayV2::DomainName")
        for row in domain["DomainNameConfigurations"]
    ]
    assert certificate == STANDBY["certificate"]
    assert {action for alarm in second.properties("AWS::CloudWatch::Alarm") for action in alarm["AlarmActions"]} == {
        STANDBY["alarm_topic"]
    }


def _denied(template: Template, sid: str) -> set[str]:
    key = template.only("AWS::KMS::Key")
    (actions,) = [row["Action"] for row in key["KeyPolicy"]["Statement"] if row.get("Sid") == sid]
    return set(actions)


def test_a_parent_key_can_have_a_replica_unless_it_was_made_without(example: Template, sealing: Template) -> None:
    """AWS KMS does not change that later, and refuses to try. Who makes a replica says what its policy is."""
    ends = {"kms:ScheduleKeyDeletion", "kms:PutKeyPolicy"}
    assert example.only("AWS::KMS::Key")["MultiRegion"] is True
    assert _denied(example, "OnlyBreakGlass") == ends | {"kms:ReplicateKey", "kms:UpdatePrimaryRegion"}
    assert "MultiRegion" not in sealing.only("AWS::KMS::Key")
    assert _denied(sealing, "OnlyBreakGlass") == ends


GOOD = {"name": "acme", "account": templates.ACCOUNT, "region": templates.REGION}
COPIES = {"keys_table": "keys", "access_table": "access", "parent_key": STANDBY["parent_key"]}


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ({"standby": {}}, "standby: Object missing required field `region`"),
        ({"standby": {"region": "west"}}, "region is an AWS region"),
        ({"standby": {"region": templates.REGION}}, "another one than the tenant's"),
        ({"standby": {"region": WEST}, "multi_region": False}, "must be a multi-Region key"),
        ({"standby": {"region": WEST}, "parent_key_arn": templates.ADOPTED_KEY.replace("mrk-", "")}, "multi-Region"),
        ({"standby": {"region": WEST, "keys_table": "keys"}}, "go together"),
        ({"standby": {"region": WEST, **COPIES, "access_table": "keys"}}, "another table"),
        ({"standby": {"region": WEST, **COPIES, "keys_table": "k s"}}, "names of DynamoDB tables"),
        ({"standby": {"region": WEST, **COPIES, "parent_key": "1234"}}, "mrk-..."),
        ({"standby": {"region": WEST, "certificate": STANDBY["certificate"]}}, "there is none"),
        ({"standby": {"region": WEST, "alarm_topic": templates.TOPIC}}, "in the standby's region"),
        ({"standby": {"region": WEST, "truststore": "s3://bucket/key"}}, "a truststore needs a certificate"),
    ],
)
def test_what_is_wrong_is_said(entry: dict[str, Any], said: str) -> None:
    with pytest.raises(TenantError, match=r"tenants\[0\] \('acme'\): standby: ") as error:
        parse([GOOD | entry])
    assert said in str(error.value)


def test_a_stack_needs_copies_and_a_name_of_its_own() -> None:
    (tenant,) = parse([GOOD | {"standby": {"region": WEST}}])
    assert tenant.twin is None
    assert tenant.regions is not None
    adopted = {"parent_key_arn": templates.ADOPTED_KEY, "arn_account": "999999999999", "arn_region": WEST}
    (tenant,) = parse([GOOD | adopted | {"keys_table": "keys", "standby": {"region": WEST, **COPIES}}])
    assert tenant.twin is not None
    assert tenant.twin.parent_key_arn == f"arn:aws:kms:{WEST}:999999999999:key/{COPIES['parent_key']}"
    with pytest.raises(TenantError, match="standby of an earlier entry"):
        parse([GOOD | {"standby": {"region": WEST, **COPIES}}, GOOD | {"name": "acme-standby"}])
