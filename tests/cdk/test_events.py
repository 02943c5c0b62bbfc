"""What is deployed where a tenant's entry has `events`: nothing unless it is asked for, and each part as it must be."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cdk import bundles
from cdk.events import AT_ONCE, CALLS, RECEIVES, VISIBILITY
from cdk.tenants import SEALING, actions
from kit import templates
from kit.iam import flat, may, role_statements
from kit.templates import Template
from tools import init_times

INVOKE = "lambda:InvokeFunction"
SETUPS = {
    "messages": ({"EVENTS_TABLE", "TARGETS", "KEYS", "SEALED_BUCKET"}, 10),
    "objects": ({"INBOX_BUCKET", "SEALED_BUCKET", "OBJECTS_QUEUE_URL", "OBJECTS_KEY", "OBJECTS_CONTEXT"}, 1),
}
"""Source -> what its function is told besides what both are told, and messages of an invocation."""


def queues(template: Template) -> dict[str, Any]:
    """Of the events, by their places in the construct."""
    return {
        name: template.resolved(row["Properties"])
        for name, row in template.of("AWS::SQS::Queue").items()
        if name.startswith("Events")
    }


def queue(template: Template, start: str) -> str:
    (name,) = (name for name in queues(template) if name.startswith(start))
    return template.arn(name)


def bucket(template: Template, start: str) -> str:
    (name,) = (name for name in template.of("AWS::S3::Bucket") if name.startswith(f"Events{start}"))
    return template.arn(name)


def events_table(template: Template) -> str:
    (name,) = (name for name in template.of("AWS::DynamoDB::Table") if name.startswith("TablesEvents"))
    return template.arn(name)


# -- off by default --------------------------------------------------------------------------------------


def test_a_tenant_that_does_not_ask_for_it_has_nothing_of_it(template: Template) -> None:
    assert not any(name.startswith("Events") for name in template.resources)
    assert not {*SEALING.values()} & template.functions.keys()
    for kind in ("S3::Bucket", "Events::EventBus", "Lambda::EventSourceMapping"):
        assert not template.of(f"AWS::{kind}")


def test_an_action_is_the_same_with_it(example: Template, sealing: Template) -> None:
    """Neither its code nor its layer grows."""
    for folder in actions():
        (layer,), (same,) = example.functions[folder]["Layers"], sealing.functions[folder]["Layers"]
        assert layer.removeprefix(example.stack) == same.removeprefix(sealing.stack)
        assert example.functions[folder]["Code"] == sealing.functions[folder]["Code"]
        for name in ("MemorySize", "Timeout"):
            assert example.functions[folder][name] == sealing.functions[folder][name]


# -- functions -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("source", SEALING)
def test_a_function_is_told_where_everything_is_but_the_keys(sealing: Template, source: str) -> None:
    own, _ = SETUPS[source]
    function = sealing.functions[SEALING[source]]
    common = {"TENANT", "REGION", "ACCOUNT", "FUNCTION_PREFIX", "EVENT_BUS", "REJECTED_QUEUE_URL"}
    assert function["Environment"]["Variables"].keys() == common | own
    assert function["Handler"] == f"functions.{SEALING[source]}.handler.handler"
    layers = list(sealing.of("AWS::Lambda::LayerVersion"))
    assert function["Layers"] == [f"{sealing.stack}-{name}" for name in sorted(layers, key=lambda n: "Events" in n)]
    variables = function["Environment"]["Variables"]
    assert variables["EVENT_BUS"] == sealing.outputs["EventsBusName"]
    assert variables["REJECTED_QUEUE_URL"] == sealing.outputs["EventsRejectedQueueUrl"]
    if source == "messages":
        assert json.loads(variables["TARGETS"]) == templates.SEALING["events"]["messages"]["targets"]  # type: ignore[index]
        assert variables["EVENTS_TABLE"] == sealing.outputs["EventsTableName"]
    else:
        assert variables["INBOX_BUCKET"] == sealing.outputs["InboxBucketName"]
        assert variables["SEALED_BUCKET"] == sealing.outputs["SealedBucketName"]
        assert variables["OBJECTS_QUEUE_URL"] == sealing.outputs["ObjectsQueueUrl"]
        assert (variables["OBJECTS_KEY"], variables["OBJECTS_CONTEXT"]) == ("alias/inbox", '{"purpose":"uploads"}')


@pytest.mark.parametrize("source", SEALING)
def test_a_message_is_delivered_again_only_when_no_function_can_have_it(sealing: Template, source: str) -> None:
    """AWS refuses a mapping with less, and a shorter time than a cold start would deliver all twice."""
    _, batch = SETUPS[source]
    function = next(
        name
        for name, row in sealing.of("AWS::Lambda::Function").items()
        if row["Properties"]["FunctionName"].endswith(SEALING[source])
    )
    (mapping,) = (
        row
        for row in sealing.properties("AWS::Lambda::EventSourceMapping")
        if row["FunctionName"] == f"{sealing.stack}-{function}"
    )
    name = f"Events{source.capitalize()}"
    (waiting,) = (row for key, row in queues(sealing).items() if key.startswith(f"{name}Queue"))
    assert mapping["EventSourceArn"] == queue(sealing, f"{name}Queue")
    assert mapping["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    assert mapping["ScalingConfig"] == {"MaximumConcurrency": AT_ONCE[source]}
    assert mapping["BatchSize"] == batch <= 10
    assert "FilterCriteria" not in mapping, "what does not match a filter is deleted, and nobody is told"
    assert waiting["VisibilityTimeout"] == 6 * sealing.functions[SEALING[source]]["Timeout"] <= 43_200
    assert VISIBILITY == 6
    redrive = waiting["RedrivePolicy"]
    assert redrive["maxReceiveCount"] == RECEIVES == 8
    assert redrive["deadLetterTargetArn"] == queue(sealing, f"{name}DeadLetters")


def test_queues_are_encrypted_and_take_tls_only(sealing: Template) -> None:
    assert len(queues(sealing)) == 5
    denied = {
        resource
        for row in sealing.properties("AWS::SQS::QueuePolicy")
        for statement in row["PolicyDocument"]["Statement"]
        if statement["Effect"] == "Deny" and statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
        for resource in [statement["Resource"]]
    }
    for name, row in queues(sealing).items():
        assert row["SqsManagedSseEnabled"] is True
        assert sealing.arn(name) in denied
        kept = 4 if "Queue" in name.removeprefix("Events") and not name.startswith("EventsRejected") else 14
        assert row["MessageRetentionPeriod"] == kept * 86_400


def test_the_table_is_protected_as_that_of_the_keys(sealing: Template) -> None:
    tables = {name: sealing.resources[name] for name in sealing.of("AWS::DynamoDB::Table")}
    (keys,) = (row for name, row in tables.items() if name.startswith("TablesKeys"))
    (events,) = (row for name, row in tables.items() if name.startswith("TablesEvents"))
    same = ("BillingMode", "PointInTimeRecoverySpecification", "SSESpecification", "DeletionProtectionEnabled")
    for name in same:
        assert events["Properties"][name] == keys["Properties"][name]
    for name in ("DeletionPolicy", "UpdateReplacePolicy"):
        assert events[name] == keys[name] == "Retain"
    assert events["Properties"]["KeySchema"] == [{"AttributeName": "pk", "KeyType": "HASH"}]
    assert events["Properties"]["TimeToLiveSpecification"] == {"AttributeName": "expires", "Enabled": True}


# -- bus -------------------------------------------------------------------------------------------------


def test_secrets_of_the_bus_go_to_the_queue_without_their_envelope(sealing: Template) -> None:
    (bus,) = sealing.of("AWS::Events::EventBus")
    assert sealing.only("AWS::Events::EventBus")["Name"] == sealing.stack
    (rule,) = (row for row in sealing.properties("AWS::Events::Rule") if "EventBusName" in row)
    assert rule["EventBusName"] == f"{sealing.stack}-{bus}"
    assert rule["EventPattern"] == {"detail-type": ["SealSecret"]}
    (target,) = rule["Targets"]
    assert (target["Arn"], target["InputPath"]) == (queue(sealing, "EventsMessagesQueue"), "$.detail")
    assert target["DeadLetterConfig"]["Arn"] == queue(sealing, "EventsMessagesDeadLetters"), "else it would be lost"


def test_only_the_rule_and_the_bucket_may_send_from_outside_the_account_s_own_policies(sealing: Template) -> None:
    allowed = {
        (statement["Principal"]["Service"], statement["Resource"])
        for row in sealing.properties("AWS::SQS::QueuePolicy")
        for statement in row["PolicyDocument"]["Statement"]
        if statement["Effect"] == "Allow"
        and "Events" in statement["Resource"].rpartition(":")[2]
        and "Guard" not in statement["Resource"]
    }
    assert allowed == {
        ("s3.amazonaws.com", queue(sealing, "EventsObjectsQueue")),
        ("events.amazonaws.com", queue(sealing, "EventsMessagesQueue")),
        ("events.amazonaws.com", queue(sealing, "EventsMessagesDeadLetters")),
    }


# -- buckets ---------------------------------------------------------------------------------------------


def test_buckets_are_versioned_private_and_take_tls_only(sealing: Template) -> None:
    rows = sealing.of("AWS::S3::Bucket")
    assert len(rows) == 2
    for name, row in rows.items():
        found = sealing.resolved(row["Properties"])
        assert found["VersioningConfiguration"] == {"Status": "Enabled"}
        assert set(found["PublicAccessBlockConfiguration"].values()) == {True}
        assert len(found["PublicAccessBlockConfiguration"]) == 4
        (rule,) = found["LifecycleConfiguration"]["Rules"]
        assert rule["AbortIncompleteMultipartUpload"] == {"DaysAfterInitiation": 1}
        assert rule["ExpiredObjectDeleteMarker"] is True
        assert not {"ExpirationInDays", "NoncurrentVersionExpiration"} & rule.keys(), "what is not sealed yet stays"
        assert row["DeletionPolicy"] == row["UpdateReplacePolicy"] == "Retain"
        (policy,) = (p for p in sealing.properties("AWS::S3::BucketPolicy") if p["Bucket"] == f"{sealing.stack}-{name}")
        conditions = [s["Condition"] for s in policy["PolicyDocument"]["Statement"] if s["Effect"] == "Deny"]
        assert {"Bool": {"aws:SecureTransport": "false"}} in conditions


def test_the_inbox_tells_the_queue_and_may(sealing: Template) -> None:
    (inbox,) = (name for name in sealing.of("AWS::S3::Bucket") if name.startswith("EventsInbox"))
    (told,) = sealing.resolved(sealing.resources[inbox]["Properties"])["NotificationConfiguration"][
        "QueueConfigurations"
    ]
    assert told == {"Event": "s3:ObjectCreated:*", "Queue": queue(sealing, "EventsObjectsQueue")}
    (policy,) = (name for name in sealing.of("AWS::SQS::QueuePolicy") if name.startswith("EventsObjectsQueue"))
    assert policy in sealing.resources[inbox]["DependsOn"], "S3 asks whether it may send when it is told"
    (statement,) = (
        s
        for s in sealing.resolved(sealing.resources[policy]["Properties"])["PolicyDocument"]["Statement"]
        if s["Effect"] == "Allow"
    )
    assert statement["Condition"] == {
        "StringEquals": {"aws:SourceAccount": templates.ACCOUNT},
        "ArnLike": {"aws:SourceArn": f"arn:aws:s3:::{sealing.stack}-*"},
    }


def test_the_inbox_is_swept_every_hour(sealing: Template) -> None:
    arn = f"arn:aws:lambda:{templates.REGION}:{templates.ACCOUNT}:function:{sealing.stack}-seal_objects"
    (rule,) = (row for row in sealing.properties("AWS::Events::Rule") if row["Targets"][0]["Arn"] == arn)
    assert (rule["ScheduleExpression"], rule["State"]) == ("rate(1 hour)", "ENABLED")


# -- rights ----------------------------------------------------------------------------------------------


def _secret(name: str) -> str:
    return f"arn:aws:secretsmanager:{templates.REGION}:{templates.ACCOUNT}:secret:{name}"


def _here(service: str, rest: str) -> str:
    return f"arn:aws:{service}:{templates.REGION}:{templates.ACCOUNT}:{rest}"


RIGHTS = [
    ("messages", "secretsmanager:PutSecretValue", _secret("shop/github-a1b2c3"), True),
    ("messages", "secretsmanager:CreateSecret", _secret("ci/token-a1b2c3"), True),
    ("messages", "secretsmanager:PutSecretValue", _secret("ci/token/x-a1b2c3"), False),
    ("messages", "secretsmanager:PutSecretValue", _secret("bank/github-a1b2c3"), False),
    ("messages", "secretsmanager:GetSecretValue", _secret("shop/github-a1b2c3"), False),
    ("messages", "ssm:PutParameter", _here("ssm", "parameter/shop/db"), True),
    ("messages", "ssm:PutParameter", _here("ssm", "parameter/bank/db"), False),
    ("messages", "s3:PutObject", "sealed/in/a", True),
    ("messages", "s3:PutObject", "sealed/out/a", False),
    ("messages", "s3:DeleteObject", "sealed/in/a", False),
    ("messages", "dynamodb:PutItem", _here("dynamodb", "table/shop-secrets"), True),
    ("messages", "dynamodb:GetItem", _here("dynamodb", "table/other"), False),
    ("messages", "events:PutEvents", _here("events", "event-bus/shop"), True),
    ("messages", "events:PutEvents", _here("events", "event-bus/default"), False),
    ("objects", "ssm:PutParameter", _here("ssm", "parameter/shop/db"), False),
    ("objects", "dynamodb:PutItem", _here("dynamodb", "table/shop-secrets"), False),
]


@pytest.mark.parametrize(("source", "action", "resource", "allowed"), RIGHTS)
def test_a_function_delivers_to_the_targets_of_the_entry_only(
    sealing: Template, source: str, action: str, resource: str, allowed: bool
) -> None:
    if resource.startswith("sealed/"):
        resource = bucket(sealing, "Sealed") + resource.removeprefix("sealed")
    assert may(sealing, SEALING[source], action, resource) is allowed


def test_what_each_may_do_with_the_buckets(sealing: Template) -> None:
    inbox, sealed = f"{bucket(sealing, 'Inbox')}/a", f"{bucket(sealing, 'Sealed')}/a"
    allowed = {
        (action, name)
        for action in (
            "s3:GetObject",
            "s3:GetObjectVersion",
            "s3:PutObject",
            "s3:DeleteObject",
            "s3:DeleteObjectVersion",
            "s3:AbortMultipartUpload",
        )
        for name, arn in (("inbox", inbox), ("sealed", sealed))
        if may(sealing, "seal_objects", action, arn)
    }
    assert allowed == {
        ("s3:GetObjectVersion", "inbox"),
        ("s3:DeleteObjectVersion", "inbox"),
        ("s3:GetObject", "sealed"),
        ("s3:PutObject", "sealed"),
        ("s3:AbortMultipartUpload", "sealed"),
    }
    assert not any(may(sealing, "seal_messages", "s3:GetObjectVersion", arn) for arn in (inbox, sealed))


@pytest.mark.parametrize("source", SEALING)
def test_exactly_the_actions_that_are_called_may_be_invoked(sealing: Template, source: str) -> None:
    invoked = {
        folder
        for folder in sealing.functions
        if may(sealing, SEALING[source], INVOKE, _here("lambda", f"function:{sealing.stack}-{folder}"))
    }
    assert invoked == set(CALLS[source])
    assert invoked <= set(actions())


@pytest.mark.parametrize("source", SEALING)
def test_neither_keys_nor_the_parent_key_are_in_reach(sealing: Template, source: str) -> None:
    rights = list(flat(role_statements(sealing, SEALING[source])))
    assert not [action for action, _, _ in rights if action.startswith("kms:")]
    tables = {resource for action, resource, _ in rights if action.startswith("dynamodb:")}
    own = {_here("dynamodb", "table/shop-secrets"), events_table(sealing)}
    assert tables == (own if source == "messages" else set())
    for action, resource, conditions in rights:
        assert "*" not in action
        if resource == events_table(sealing):
            assert "'SEAL#*'" in conditions


def test_each_has_a_role_of_its_own(sealing: Template) -> None:
    roles = [row["Role"] for row in sealing.functions.values()]
    assert len(set(roles)) == len(roles) == len(sealing.of("AWS::IAM::Role"))
    for source in SEALING:
        assert not may(sealing, "endpoint", INVOKE, _here("lambda", f"function:{sealing.stack}-{SEALING[source]}"))


def _queue_rights(template: Template, folder: str) -> Iterator[tuple[str, str]]:
    for action, resource, _ in flat(role_statements(template, folder)):
        if action.startswith("sqs:"):
            yield action.removeprefix("sqs:"), resource


def test_what_each_may_do_with_the_queues(sealing: Template) -> None:
    taken = ("ChangeMessageVisibility", "DeleteMessage", "GetQueueAttributes", "ReceiveMessage")
    rejected = ("SendMessage", queue(sealing, "EventsRejected"))
    messages, objects = queue(sealing, "EventsMessagesQueue"), queue(sealing, "EventsObjectsQueue")
    assert set(_queue_rights(sealing, "seal_messages")) == {*((action, messages) for action in taken), rejected}
    swept = {*((action, objects) for action in (*taken, "SendMessage")), rejected}
    assert set(_queue_rights(sealing, "seal_objects")) == swept


# -- alarms, dashboard, outputs, layer -------------------------------------------------------------------


def test_what_wakes_somebody(sealing: Template, example: Template) -> None:
    def found(template: Template) -> dict[str, Any]:
        rows = template.of("AWS::CloudWatch::Alarm").items()
        return {name.removeprefix("Alarms")[:-8]: template.resolved(row["Properties"]) for name, row in rows}

    alarms = {name: row for name, row in found(sealing).items() if name not in found(example)}
    each = {
        f"Seal{source}{what}" for source in ("Messages", "Objects") for what in ("Age", "Lag", "DeadLetters", "Errors")
    }
    assert set(alarms) == each | {"Rejected", "SealObjectsLeft"}
    assert all(row["AlarmActions"] == [templates.TOPIC] for row in alarms.values())
    thresholds = {name: (row["MetricName"], row["Threshold"]) for name, row in alarms.items()}
    visible = "ApproximateNumberOfMessagesVisible"
    assert thresholds["SealMessagesAge"] == ("ApproximateAgeOfOldestMessage", 900)
    assert thresholds["SealObjectsAge"] == ("ApproximateAgeOfOldestMessage", 5400)
    assert thresholds["SealMessagesDeadLetters"] == thresholds["SealObjectsDeadLetters"] == (visible, 1)
    assert thresholds["Rejected"] == (visible, 1)
    assert thresholds["SealMessagesLag"] == (visible, 1000)
    assert thresholds["SealObjectsLeft"] == ("ObjectsLeft", 1)


def test_the_dashboard_shows_it(sealing: Template) -> None:
    titles = {
        widget["properties"]["title"]
        for widget in json.loads(_text(sealing.only("AWS::CloudWatch::Dashboard")["DashboardBody"]))["widgets"]
    }
    assert titles >= {
        "To be sealed",
        "To be sealed, age of the oldest",
        "Not sealed: rejected, dead letters, left in the inbox",
    }


def _text(body: Any) -> str:
    assert isinstance(body, str)
    return body


def test_outputs_name_what_tkms_looks_for(sealing: Template, example: Template) -> None:
    assert set(sealing.outputs) - set(example.outputs) == {
        "EventsQueueUrl",
        "EventsDeadLetterQueueUrl",
        "EventsRejectedQueueUrl",
        "EventsTableName",
        "EventsBusName",
        "ObjectsQueueUrl",
        "ObjectsDeadLetterQueueUrl",
        "InboxBucketName",
        "SealedBucketName",
    }


def test_the_layer_has_botocore_s_data_of_what_is_called_and_nothing_twice() -> None:
    layer = bundles.layer(source=bundles.EVENTS).path / "python"
    assert {path.name for path in (layer / bundles.DATA).iterdir()} == set(bundles.EVENTS.services)
    assert (layer / "aws_lambda_powertools").is_dir()
    assert not (layer / "botocore").exists()
    assert bundles.size(bundles.layer(source=bundles.EVENTS)) < 20_000_000


@pytest.mark.parametrize(("source", "given_back"), [("messages", ["m"]), ("objects", [])])
def test_a_function_starts_with_its_two_layers_and_nothing_else(
    source: str, given_back: list[str], tmp_path: Path
) -> None:
    """On AWS they are one folder. A message that is none cannot be rejected without AWS; S3's test is skipped."""
    for layer in (bundles.SHARED, bundles.EVENTS):
        shutil.copytree(bundles.layer(bundles.HERE, layer).path, tmp_path / "opt", dirs_exist_ok=True)
    folder, client = SEALING[source], init_times.runtime_client(tmp_path / "client")
    code, handler = bundles.function(folder).path, f"functions.{folder}.handler.handler"
    outcome = init_times.run(code, tmp_path / "opt", client, handler, init_times.event(folder))
    assert outcome.error is None, outcome.output
    assert [row["itemIdentifier"] for row in outcome.answer["batchItemFailures"]] == given_back
