"""Calls that could end or roll back what the keys rest on are noticed and kept, and nothing else is."""

from __future__ import annotations

from typing import Any

import pytest

from kit.templates import Template

Event = dict[str, Any]
Pattern = dict[str, Any]


def matches(pattern: Pattern, event: Event) -> bool:
    """As EventBridge does: every field, any of its values; `$or`: one of several."""
    for name, wanted in pattern.items():
        if name == "$or":
            assert len(wanted) > 1  # EventBridge refuses one alone
            if not any(matches(one, event) for one in wanted):
                return False
        elif isinstance(wanted, dict):
            if not isinstance(event.get(name), dict) or not matches(wanted, event[name]):
                return False
        elif event.get(name) not in wanted:
            return False
    return True


def patterns(template: Template) -> list[Pattern]:
    return [row["EventPattern"] for row in template.properties("AWS::Events::Rule") if "EventPattern" in row]


def noticed(template: Template, service: str, name: str, **parameters: Any) -> bool:
    event = {
        "source": f"aws.{service}",
        "detail-type": "AWS API Call via CloudTrail",
        "detail": {"eventSource": f"{service}.amazonaws.com", "eventName": name, "requestParameters": parameters},
    }
    return any(matches(pattern, event) for pattern in patterns(template))


def names(template: Template) -> tuple[str, str]:
    return template.outputs["KeysTable"], template.outputs["ParentKeyArn"]


@pytest.mark.parametrize("name", ["DisableKey", "ScheduleKeyDeletion", "PutKeyPolicy", "CreateGrant"])
def test_the_parent_key(template: Template, name: str) -> None:
    _, arn = names(template)
    assert noticed(template, "kms", name, keyId=arn)
    assert noticed(template, "kms", name, keyId=template.resolved({"Ref": next(iter(template.of("AWS::KMS::Key")))}))
    assert not noticed(template, "kms", name, keyId=arn + "x")
    assert not noticed(template, "kms", "Decrypt", keyId=arn)


def test_the_tables(template: Template) -> None:
    table, _ = names(template)
    assert noticed(template, "dynamodb", "DeleteTable", tableName=table)
    assert noticed(template, "dynamodb", "UpdateContinuousBackups", tableName=template.outputs["AccessTable"])
    assert noticed(template, "dynamodb", "RestoreTableToPointInTime", sourceTableName=table, targetTableName="new")
    assert noticed(template, "dynamodb", "UpdateTable", tableName=table, deletionProtectionEnabled=False)
    assert not noticed(template, "dynamodb", "UpdateTable", tableName=table, deletionProtectionEnabled=True)
    assert not noticed(template, "dynamodb", "UpdateTable", tableName=table, billingMode="PROVISIONED")
    assert not noticed(template, "dynamodb", "DeleteTable", tableName="another")


def test_what_is_adopted_is_watched_too(adopted: Template) -> None:
    assert noticed(adopted, "kms", "DisableKey", keyId=adopted.outputs["ParentKeyArn"])
    assert noticed(adopted, "dynamodb", "DeleteTable", tableName="moved-keys-restored")


def test_events_are_kept_where_only_the_rules_put_them(template: Template) -> None:
    rules = [row for row in template.properties("AWS::Events::Rule") if "EventPattern" in row]
    (queue,) = {target["Arn"] for rule in rules for target in rule["Targets"]}
    assert all(rule["State"] == "ENABLED" for rule in rules)
    (policy,) = [
        row["PolicyDocument"]["Statement"]
        for row in template.properties("AWS::SQS::QueuePolicy")
        if any(statement["Effect"] == "Allow" for statement in row["PolicyDocument"]["Statement"])
        and row["PolicyDocument"]["Statement"][0]["Resource"] == queue
    ]
    allowed = [statement for statement in policy if statement["Effect"] == "Allow"]
    assert {statement["Principal"]["Service"] for statement in allowed} == {"events.amazonaws.com"}
    assert all(statement["Condition"]["ArnEquals"]["aws:SourceArn"] for statement in allowed)
