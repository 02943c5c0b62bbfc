"""Notices who touches what the tenant's keys rest on: parent key, tables and their backups.

CloudTrail's management events reach EventBridge by themselves wherever a trail records them. Those that could end or
roll back the tenant's keys are kept in a queue, with who did it and from where, and the queue has an alarm.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aws_cdk import Acknowledgment, Duration, Validations
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from cdk.parent_key import ParentKey
from cdk.tables import Tables

PARENT_KEY_EVENTS = ("CreateGrant", "DisableKey", "PutKeyPolicy", "ScheduleKeyDeletion")
TABLE_EVENTS = ("DeleteTable", "RestoreTableToPointInTime", "UpdateContinuousBackups")
UNPROTECTED = "UpdateTable"
"""Only if it ends the protection from deletion: a deployment may change other things."""


class Guard(Construct):
    """`seen`: how many events nobody has looked at. Purging the queue `events` ends the alarm."""

    def __init__(self, scope: Construct, name: str, tables: Tables, parent: ParentKey) -> None:
        super().__init__(scope, name)
        self.events = sqs.Queue(self, "Events", enforce_ssl=True, retention_period=Duration.days(14))
        Validations.of(self.events).acknowledge(
            Acknowledgment(
                id="AwsSolutions::AwsSolutions-SQS3",
                reason="Nothing consumes this queue: people read it, so no message of it can fail.",
            )
        )
        self.seen: cloudwatch.Metric = self.events.metric_approximate_number_of_messages_visible(statistic="Maximum")
        key = {"keyId": [parent.key.key_id, parent.key.key_arn]}
        self._rule("ParentKey", "kms", {"eventName": list(PARENT_KEY_EVENTS), "requestParameters": key})
        # Callers name a resource by its id or by its ARN.
        names = [name for table in (tables.keys, tables.access) for name in (table.table_name, table.table_arn)]
        # Which field it is depends on the call.
        fields = ("tableName", "sourceTableName", "sourceTableArn")
        touched = [{"requestParameters": {field: names}} for field in fields]
        self._rule("Tables", "dynamodb", {"eventName": list(TABLE_EVENTS), "$or": touched})
        ended = {"tableName": names, "deletionProtectionEnabled": [False]}
        self._rule("Protection", "dynamodb", {"eventName": [UNPROTECTED], "requestParameters": ended})

    def _rule(self, name: str, service: str, detail: Mapping[str, Any]) -> None:
        events.Rule(
            self,
            name,
            description="Touches what the keys of a tenant rest on",
            event_pattern=events.EventPattern(
                source=[f"aws.{service}"],
                detail_type=["AWS API Call via CloudTrail"],
                detail={"eventSource": [f"{service}.amazonaws.com"], **detail},
            ),
            targets=[targets.SqsQueue(self.events)],
        )
