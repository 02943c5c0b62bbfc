"""Calls that could end or roll back what the keys rest on are noticed and kept, and nothing else is."""

from __future__ import annotations

import json
from typing import Any

import pytest

from cdk.guard import CLOUDFORMATION
from kit.templates import ACCOUNT, REGION, Template

Event = dict[str, Any]
Pattern = dict[str, Any]


def matches(pattern: Pattern, event: Event) -> bool:
    """As EventBridge does: every field, any of its values; `$or`: one of several."""
    for name, wanted in pattern.items():
        if isinstance(event.get(name), list):  # of objects: one of them
            return any(matches({name: wanted}, {name: one}) for one in event[name])
        if name == "$or":
            assert len(wanted) > 1  # EventBridge refuses one alone
            if not any(matches(one, event) for one in wanted):
                return False
        elif isinstance(wanted, dict):
            if not isinstance(event.get(name), dict) or not matches(wanted, event[name]):
                return False
        elif not any(_fits(one, event.get(name)) for one in wanted):
            return False
    return True


def _fits(wanted: Any, value: Any) -> bool:
    match wanted:
        case {"prefix": str(start)}:
            return isinstance(value, str) and value.startswith(start)
        case {"anything-but": list(others)}:
            return value is not None and value not in others
        case {"exists": True}:
            return value is not None
        case dict():
            raise AssertionError(f"{wanted} is not known here")
    return bool(value == wanted)


def patterns(template: Template) -> list[Pattern]:
    return [row["EventPattern"] for row in template.properties("AWS::Events::Rule") if "EventPattern" in row]


def noticed(template: Template, service: str, name: str, /, caller: str = "192.0.2.1", **parameters: Any) -> bool:
    event = {
        "source": f"aws.{service}",
        "detail-type": "AWS API Call via CloudTrail",
        "detail": {
            "eventSource": f"{service}.amazonaws.com",
            "eventName": name,
            "sourceIPAddress": caller,
            "requestParameters": parameters,
        },
    }
    return any(matches(pattern, event) for pattern in patterns(template))


def names(template: Template) -> tuple[str, str]:
    return template.outputs["KeysTable"], template.outputs["ParentKeyArn"]


@pytest.mark.parametrize(
    "name", ["DisableKey", "ScheduleKeyDeletion", "PutKeyPolicy", "CreateGrant", "ReplicateKey", "UpdatePrimaryRegion"]
)
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


def test_copies_of_the_tables(template: Template) -> None:
    table = template.outputs["KeysTable"]
    arn = f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/{table}"
    backup = f"{arn}/backup/01"
    for name, parameters in (
        ("ExportTableToPointInTime", {"tableArn": arn}),
        ("CreateBackup", {"tableName": table}),
        ("EnableKinesisStreamingDestination", {"tableName": table}),
        ("PutResourcePolicy", {"resourceArn": arn}),
        ("DeleteBackup", {"backupArn": backup}),
        ("RestoreTableFromBackup", {"backupArn": backup, "targetTableName": "new"}),
        ("UpdateTable", {"tableName": table, "streamSpecification": {"streamEnabled": True}}),
        ("UpdateTable", {"tableName": table, "replicaUpdates": [{"create": {"regionName": "us-east-1"}}]}),
    ):
        assert noticed(template, "dynamodb", name, **parameters), name
    assert not noticed(template, "dynamodb", "UpdateTable", tableName=table, replicaUpdates=[{"delete": {}}])
    assert not noticed(template, "dynamodb", "ExportTableToPointInTime", tableArn=arn + "x")


@pytest.mark.parametrize("name", ["KeysTable", "AccessTable"])
def test_rows_that_would_expire(template: Template, name: str) -> None:
    """A time to live on any attribute of the keys table would take all keys away."""
    told = {"timeToLiveSpecification": {"enabled": True, "attributeName": "created"}}
    assert noticed(template, "dynamodb", "UpdateTimeToLive", tableName=template.outputs[name], **told)


@pytest.mark.parametrize(
    "name",
    [
        "UpdateFunctionCode20150331v2",
        "UpdateFunctionConfiguration20150331v2",
        "AddPermission20150331v2",
        "CreateFunctionUrlConfig",
    ],
)
def test_the_code_of_the_functions(template: Template, name: str) -> None:
    function = f"{template.stack}-decrypt"
    for called in (
        function,
        f"{ACCOUNT}:function:{function}",
        f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{function}",
    ):
        assert noticed(template, "lambda", name, functionName=called)
    assert not noticed(template, "lambda", name, functionName="another-decrypt")
    assert not noticed(template, "lambda", name, caller=CLOUDFORMATION, functionName=function)
    assert not noticed(template, "lambda", "Invoke", functionName=function)


@pytest.mark.parametrize("name", ["UpdateStack", "CreateChangeSet", "DeleteStack"])
def test_a_deployment_is_noticed_itself(template: Template, name: str) -> None:
    """What CloudFormation does for it then is not: one event for each deployment."""
    arn = f"arn:aws:cloudformation:{REGION}:{ACCOUNT}:stack/{template.stack}/6f1e2d3c"
    assert noticed(template, "cloudformation", name, stackName=template.stack)
    assert noticed(template, "cloudformation", name, stackName=arn)
    assert not noticed(template, "cloudformation", name, stackName=template.stack + "-2")


@pytest.mark.parametrize(
    "name", ["PutRolePolicy", "AttachRolePolicy", "UpdateAssumeRolePolicy", "DetachRolePolicy", "DeleteRolePolicy"]
)
def test_the_roles(template: Template, name: str) -> None:
    role = f"{template.stack}-FunctionsDecryptRole0A1B-2C3D"
    assert noticed(template, "iam", name, roleName=role)
    assert not noticed(template, "iam", name, roleName="admin")
    assert not noticed(template, "iam", name, caller=CLOUDFORMATION, roleName=role)
    assert noticed(template, "iam", "CreateRole", roleName="mine", path=f"/{template.stack}/")
    assert not noticed(template, "iam", "CreateRole", roleName="mine", path="/")


@pytest.mark.parametrize(
    "name", ["DeleteLogGroup", "DeleteLogStream", "PutRetentionPolicy", "CreateExportTask", "PutSubscriptionFilter"]
)
def test_the_logs(template: Template, name: str) -> None:
    group = template.functions["decrypt"]["LoggingConfig"]["LogGroup"]
    assert noticed(template, "logs", name, logGroupName=group)
    assert not noticed(template, "logs", name, logGroupName="another")
    assert not noticed(template, "logs", name, caller=CLOUDFORMATION, logGroupName=group)


@pytest.mark.parametrize(
    ("name", "field"), [("DisableRule", "name"), ("DeleteRule", "name"), ("RemoveTargets", "rule")]
)
def test_the_guard_itself(template: Template, name: str, field: str) -> None:
    assert noticed(template, "events", name, **{field: f"{template.stack}-GuardCode0A1B-2C3D"})
    assert not noticed(template, "events", name, **{field: "another"})


def test_no_pattern_is_longer_than_eventbridge_takes(template: Template) -> None:
    assert max(len(json.dumps(pattern)) for pattern in patterns(template)) < 2048


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


def test_where_secrets_wait_to_be_sealed(sealing: Template, example: Template) -> None:
    """An archive or a second rule would keep or hand on what comes by the bus; so would a bucket's replica."""
    outputs, bus = sealing.outputs, f"arn:aws:events:{REGION}:{ACCOUNT}:event-bus/{sealing.stack}"
    (made,) = sealing.of("AWS::Events::EventBus")
    for name, parameters in (
        ("PutRule", {"name": "mine", "eventBusName": outputs["EventsBusName"]}),
        ("PutTargets", {"rule": "mine", "eventBusName": sealing.arn(made)}),
        ("PutPermission", {"eventBusName": outputs["EventsBusName"]}),
    ):
        assert noticed(sealing, "events", name, **parameters), name
        assert not noticed(sealing, "events", name, caller=CLOUDFORMATION, **parameters)
        assert not noticed(sealing, "events", name, **{**parameters, "eventBusName": "default"})
        assert not noticed(example, "events", name, **parameters)
    assert noticed(sealing, "events", "CreateArchive", eventSourceArn=sealing.arn(made), archiveName="a")
    assert noticed(sealing, "events", "CreateArchive", caller=CLOUDFORMATION, eventSourceArn=sealing.arn(made))
    assert not noticed(sealing, "events", "CreateArchive", eventSourceArn=bus.replace(sealing.stack, "default"))
    for output in ("InboxBucketName", "SealedBucketName"):
        for name in ("PutBucketPolicy", "PutBucketReplication", "PutBucketNotification", "PutBucketVersioning"):
            assert noticed(sealing, "s3", name, bucketName=outputs[output]), name
            assert not noticed(sealing, "s3", name, bucketName="another")
    for output in ("EventsQueueUrl", "EventsDeadLetterQueueUrl", "ObjectsQueueUrl", "ObjectsDeadLetterQueueUrl"):
        for name in ("SetQueueAttributes", "AddPermission"):
            assert noticed(sealing, "sqs", name, queueUrl=outputs[output]), name
    (dead,) = (name for name in sealing.of("AWS::SQS::Queue") if name.startswith("EventsMessagesDeadLetters"))
    assert noticed(sealing, "sqs", "StartMessageMoveTask", sourceArn=sealing.arn(dead))
    assert noticed(sealing, "dynamodb", "DeleteTable", tableName=outputs["EventsTableName"])
    assert max(len(json.dumps(pattern)) for pattern in patterns(sealing)) < 2048
