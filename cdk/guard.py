"""Notices who touches what the tenant's keys rest on: parent key, tables, code and roles of the functions, and logs.

CloudTrail's management events reach EventBridge by themselves wherever a trail records them. Those that could end,
roll back, copy or open the tenant's keys, or hide who did, are kept in a queue, with who did it and from where, and the
queue has an alarm.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from aws_cdk import Acknowledgment, Duration, Stack, Validations
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from cdk.events import Events
from cdk.parent_key import ParentKey
from cdk.tables import Tables
from cdk.tenants import Tenant

PARENT_KEY_EVENTS = (
    "CreateGrant",
    "DisableKey",
    "PutKeyPolicy",
    "ReplicateKey",
    "ScheduleKeyDeletion",
    "UpdatePrimaryRegion",
)
TABLE_EVENTS = (
    "CreateBackup",
    "DeleteTable",
    "EnableKinesisStreamingDestination",
    "ExportTableToPointInTime",
    "PutResourcePolicy",
    "RestoreTableToPointInTime",
    "UpdateContinuousBackups",
    "UpdateTimeToLive",
)
BACKUP_EVENTS = ("DeleteBackup", "RestoreTableFromBackup")
CHANGED = "UpdateTable"
"""Only if it ends the protection from deletion, or copies the table: a deployment may change other things."""
CODE_EVENTS = (
    "AddPermission20150331v2",
    "CreateFunctionUrlConfig",
    "UpdateFunctionCode20150331v2",
    "UpdateFunctionConfiguration20150331v2",
)
"""The configuration has layers, role, handler and environment."""
ROLE_EVENTS = (
    "AttachRolePolicy",
    "DeleteRolePolicy",
    "DetachRolePolicy",
    "PutRolePolicy",
    "UpdateAssumeRolePolicy",
)
LOG_EVENTS = (
    "CreateExportTask",
    "DeleteLogGroup",
    "DeleteLogStream",
    "DeleteMetricFilter",
    "DeleteRetentionPolicy",
    "PutDataProtectionPolicy",
    "PutRetentionPolicy",
    "PutSubscriptionFilter",
)
STACK_EVENTS = ("CreateChangeSet", "DeleteStack", "UpdateStack")
"""What a deployment through CloudFormation begins with, and is noticed by. Executing a change set is none of them,
since that need not name the stack.
"""
RULE_EVENTS = ("DeleteRule", "DisableRule", "RemoveTargets")
CLOUDFORMATION = "cloudformation.amazonaws.com"
BUS_EVENTS = ("PutPermission", "PutRule", "PutTargets", "RemovePermission")
"""Each could hand secrets on that wait to be sealed; an archive would keep them."""
BUCKET_EVENTS = (
    "DeleteBucketEncryption",
    "DeleteBucketPolicy",
    "DeleteBucketPublicAccessBlock",
    "PutBucketAcl",
    "PutBucketLifecycle",
    "PutBucketNotification",
    "PutBucketPolicy",
    "PutBucketPublicAccessBlock",
    "PutBucketReplication",
    "PutBucketVersioning",
)
QUEUE_EVENTS = ("AddPermission", "SetQueueAttributes", "StartMessageMoveTask")


class Guard(Construct):
    """`seen`: how many events nobody has looked at. Purging the queue `events` ends the alarm."""

    def __init__(
        self, scope: Construct, name: str, tenant: Tenant, tables: Tables, parent: ParentKey, sealing: Events
    ) -> None:
        super().__init__(scope, name)
        self.events = sqs.Queue(self, "Events", enforce_ssl=True, retention_period=Duration.days(14))
        Validations.of(self.events).acknowledge(
            Acknowledgment(
                id="AwsSolutions::AwsSolutions-SQS3",
                reason="Nothing consumes this queue: people read it, so no message of it can fail.",
            )
        )
        self.seen: cloudwatch.Metric = self.events.metric_approximate_number_of_messages_visible(statistic="Maximum")
        key = {"keyId": [parent.key.key_id, *parent.arns, *(arn.rpartition("/")[2] for arn in parent.arns[1:])]}
        self._rule("ParentKey", "kms", PARENT_KEY_EVENTS, [key])
        self._tables("", tables.keys, tables.access)
        if tables.events:  # in rules of its own: with its names the others' patterns would be too long
            self._tables("Events", tables.events)
        made = [{"prefix": tenant.made_prefix}]
        self._rule("Code", "lambda", CODE_EVENTS, [{"functionName": self._functions(tenant)}], by_stack=False)
        # IAM is told of in us-east-1 only: docs/operations.md says how to send that here.
        roles: list[dict[str, Any]] = [{"roleName": made}, {"path": [tenant.role_path]}]
        self._rule("Roles", "iam", (*ROLE_EVENTS, "CreateRole"), roles, by_stack=False)
        self._rule("Logs", "logs", LOG_EVENTS, [{"logGroupName": made}], by_stack=False)
        self._rule("Rules", "events", RULE_EVENTS, [{"name": made}, {"rule": made}], by_stack=False)
        stack = [tenant.stack, {"prefix": self._arn("cloudformation", f"stack/{tenant.stack}/")}]
        self._rule("Stack", "cloudformation", STACK_EVENTS, [{"stackName": stack}])
        self._sealing(sealing)

    def _sealing(self, sealing: Events) -> None:
        """Secrets rest in these until they are sealed."""
        if not (bus := sealing.bus):
            return
        self._rule("Archive", "events", ["CreateArchive"], [{"eventSourceArn": [bus.event_bus_arn]}])
        named = [bus.event_bus_name, bus.event_bus_arn]
        self._rule("Bus", "events", BUS_EVENTS, [{"eventBusName": named}], by_stack=False)
        queues = [queue.queue_url for of in sealing.by_source.values() for queue in (of.queue, of.dead_letters)]
        arns = [of.dead_letters.queue_arn for of in sealing.by_source.values()]
        self._rule("Queues", "sqs", QUEUE_EVENTS, [{"queueUrl": queues}, {"sourceArn": arns}], by_stack=False)
        if buckets := [bucket.bucket_name for bucket in sealing.buckets]:
            self._rule("Buckets", "s3", BUCKET_EVENTS, [{"bucketName": buckets}], by_stack=False)

    def _tables(self, prefix: str, *tables: dynamodb.ITable) -> None:
        # Callers name a resource by its id or by its ARN.
        names = [name for table in tables for name in (table.table_name, table.table_arn)]
        # Which field it is depends on the call.
        fields = ("tableName", "sourceTableName", "sourceTableArn", "tableArn", "resourceArn")
        self._rule(f"{prefix}Tables", "dynamodb", TABLE_EVENTS, [{field: names} for field in fields])
        backups = [{"prefix": f"{table.table_arn}/backup/"} for table in tables]
        self._rule(f"{prefix}Backups", "dynamodb", BACKUP_EVENTS, [{"backupArn": backups}])
        changes = (
            {"deletionProtectionEnabled": [False]},
            {"streamSpecification": {"streamEnabled": [True]}},
            {"replicaUpdates": {"create": {"regionName": [{"exists": True}]}}},
        )
        self._rule(f"{prefix}Protection", "dynamodb", [CHANGED], [{"tableName": names, **change} for change in changes])

    def _functions(self, tenant: Tenant) -> list[dict[str, str]]:
        """Callers name a function by its name, by the end of its ARN, or by the whole."""
        name = tenant.function_prefix
        starts = (name, f"{Stack.of(self).account}:function:{name}", self._arn("lambda", f"function:{name}"))
        return [{"prefix": start} for start in starts]

    def _arn(self, service: str, rest: str) -> str:
        stack = Stack.of(self)
        return f"arn:{stack.partition}:{service}:{stack.region}:{stack.account}:{rest}"

    def _rule(
        self,
        name: str,
        service: str,
        names: Sequence[str],
        parameters: Sequence[Mapping[str, Any]],
        *,
        by_stack: bool = True,
    ) -> None:
        """Keep the calls `names` whose parameters are like one of `parameters`; without `by_stack`, not those that
        CloudFormation makes for a deployment, which is noticed itself.
        """
        detail: dict[str, Any] = {"eventSource": [f"{service}.amazonaws.com"], "eventName": list(names)}
        if not by_stack:
            detail["sourceIPAddress"] = [{"anything-but": [CLOUDFORMATION]}]
        places = [{"requestParameters": dict(one)} for one in parameters]
        detail |= {"$or": places} if len(places) > 1 else places[0]
        events.Rule(
            self,
            name,
            description="Touches what the keys of a tenant rest on",
            event_pattern=events.EventPattern(
                source=[f"aws.{service}"], detail_type=["AWS API Call via CloudTrail"], detail=detail
            ),
            targets=[targets.SqsQueue(self.events)],
        )
