"""Event-driven sealing of a tenant: queues, bus and buckets, and the functions that seal what comes by them.

Off unless the tenant's entry has `events`. The functions call the Actions as operators do, by invoking their functions;
they know neither the keys table nor the parent key.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import msgspec
from aws_cdk import Acknowledgment, Duration, RemovalPolicy, Stack, Validations
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_sqs as sqs
from constructs import Construct
from msgspec import Struct

from cdk import bundles
from cdk.catalog import GET, INVOKE, PUT, UPDATE
from cdk.functions import SIZES, Functions, log_group, made
from cdk.layer import Layer
from cdk.tables import Tables
from cdk.tenants import SEALING, Messages, Objects, Target, Tenant
from tenantkms.audit.metrics import NAMESPACE
from tenantkms_events.names import SEAL_ONE

RECEIVES = 8
"""Deliveries of a message before it is a dead letter. Only outages and crashes take that many."""
VISIBILITY = 6
"""Of the function's time-out, as AWS asks for: no message is delivered again while a function may still have it."""
SWEEP_HOURS = 1
_QUARANTINE = ("create_key", "decrypt", "generate_data_key")
"""Of the Actions, those by which what is rejected is sealed: under a CMK that the first rejection makes."""
CALLS: Mapping[str, tuple[str, ...]] = {
    "messages": ("asymmetric_decrypt", "encrypt", *_QUARANTINE),
    "objects": _QUARANTINE,
}
"""Source -> Actions that its function invokes."""
LEFT = "$.left"
"""In the line that a sweep writes: how many objects it found."""
BATCH: Mapping[str, int] = {"messages": 10, "objects": 1}
AT_ONCE: Mapping[str, int] = {"messages": 10, "objects": 5}
"""Functions of a source that work at the same time."""
ROWS = ("META", "SEAL#*", "TARGET#*")
"""Partition keys of the events table."""
_WRITES: Mapping[str, tuple[str, ...]] = {
    "secretsmanager": (
        "secretsmanager:CreateSecret",
        "secretsmanager:DescribeSecret",
        "secretsmanager:PutSecretValue",
        "secretsmanager:UpdateSecretVersionStage",
    ),
    "ssm": ("ssm:GetParameter", "ssm:PutParameter"),
    "s3": ("s3:GetObject", "s3:PutObject"),
    "dynamodb": (PUT,),
    "eventbridge": ("events:PutEvents",),
}
"""Type of a target -> what delivering to it takes."""


class Sealing(Struct, frozen=True, kw_only=True):
    """A source's function with its queue, and where messages go that it could not do."""

    folder: str
    function: lambda_.Function
    queue: sqs.Queue
    dead_letters: sqs.Queue


class Events(Construct):
    """`by_source`: those that the entry switches on. `outputs`: what `tkms` and people need to find them.

    `left`: how many objects a sweep found that no message had come for.
    """

    def __init__(self, scope: Construct, name: str, tenant: Tenant, functions: Functions, tables: Tables) -> None:
        super().__init__(scope, name)
        self.by_source: dict[str, Sealing] = {}
        self.outputs: dict[str, str] = {}
        self.bus: events.EventBus | None = None
        self.rejected: sqs.Queue | None = None
        self.buckets: list[s3.Bucket] = []
        self.left: cloudwatch.Metric | None = None
        if not tenant.events:
            return
        self._tenant, self._functions = tenant, functions
        _acknowledge(self, "L1", "python3.13 is the runtime that the layers are pinned, compiled and tested for.")
        packed = bundles.layer(bundles.target(), bundles.EVENTS)
        self._layers = [functions.layer, Layer(self, "Layer", packed, "tenantkms_events and its libraries").version]
        self.bus = events.EventBus(self, "Bus", event_bus_name=tenant.stack)
        self.rejected = _queue(self, "Rejected", max_message_size_bytes=1_048_576)
        _acknowledge(self.rejected, "SQS3", "People read this queue with `tkms events`: no message of it can fail.")
        self.outputs |= {"EventsBusName": self.bus.event_bus_name, "EventsRejectedQueueUrl": self.rejected.queue_url}
        objects = any(target.type == "s3" for target in _targets(tenant.events.messages))
        self._sealed = self._bucket("Sealed") if tenant.events.objects or objects else None
        if tenant.events.messages:
            self._messages(tenant.events.messages, tables)
        if tenant.events.objects:
            self._objects(tenant.events.objects)

    # -- sources -----------------------------------------------------------------------------------------

    def _messages(self, source: Messages, tables: Tables) -> None:
        table = tables.events
        assert table  # noqa: S101 - for the type checker
        of = self._source(
            "messages",
            {
                "EVENTS_TABLE": table.table_name,
                "TARGETS": _json(source.targets),
                "KEYS": _json(source.keys),
                **({"SEALED_BUCKET": self._sealed.bucket_name} if self._sealed else {}),
            },
            [
                iam.PolicyStatement(
                    actions=[GET, PUT, UPDATE],
                    resources=[table.table_arn],
                    conditions={"ForAllValues:StringLike": {"dynamodb:LeadingKeys": list(ROWS)}},
                ),
                *self._deliveries(source.targets),
            ],
        )
        if source.bus:
            events.Rule(
                self,
                "FromBus",
                description=f"Secrets on the bus of tenant {self._tenant.name}, to the queue of those to be sealed",
                event_bus=self.bus,
                event_pattern=events.EventPattern(detail_type=[SEAL_ONE]),
                targets=[
                    targets.SqsQueue(
                        of.queue,
                        message=events.RuleTargetInput.from_event_path("$.detail"),
                        dead_letter_queue=of.dead_letters,
                    )
                ],
            )
        self.outputs |= {
            "EventsQueueUrl": of.queue.queue_url,
            "EventsDeadLetterQueueUrl": of.dead_letters.queue_url,
            "EventsTableName": table.table_name,
        }

    def _objects(self, source: Objects) -> None:
        inbox, sealed = self._bucket("Inbox"), self._sealed
        assert sealed  # noqa: S101 - for the type checker
        of = self._source(
            "objects",
            {
                "INBOX_BUCKET": inbox.bucket_name,
                "SEALED_BUCKET": sealed.bucket_name,
                "OBJECTS_KEY": source.key,
                "OBJECTS_CONTEXT": _json(source.context),
            },
            [
                iam.PolicyStatement(
                    actions=[
                        "s3:DeleteObjectVersion",
                        "s3:GetObjectVersion",
                        "s3:GetObjectVersionTagging",
                        "s3:PutObjectVersionTagging",
                    ],
                    resources=[inbox.arn_for_objects("*")],
                ),
                iam.PolicyStatement(actions=["s3:ListBucketVersions"], resources=[inbox.bucket_arn]),
                iam.PolicyStatement(
                    actions=["s3:AbortMultipartUpload", "s3:GetObject", "s3:PutObject"],
                    resources=[sealed.arn_for_objects("*")],
                ),
                # Who may not list a bucket is told of an object that is not there that it may not see it.
                iam.PolicyStatement(
                    actions=["s3:ListBucket", "s3:ListBucketMultipartUploads"], resources=[sealed.bucket_arn]
                ),
            ],
        )
        self._notify(inbox, of.queue)
        events.Rule(
            self,
            "Sweep",
            description=f"What no message came for, in the inbox of tenant {self._tenant.name}",
            schedule=events.Schedule.rate(Duration.hours(SWEEP_HOURS)),
            targets=[targets.LambdaFunction(of.function)],
        )
        of.function.add_environment("OBJECTS_QUEUE_URL", of.queue.queue_url)
        self.outputs |= {
            "ObjectsQueueUrl": of.queue.queue_url,
            "ObjectsDeadLetterQueueUrl": of.dead_letters.queue_url,
        }

    def _source(self, source: str, environment: Mapping[str, str], may: Sequence[iam.PolicyStatement]) -> Sealing:
        assert self.bus  # noqa: S101 - for the type checker
        assert self.rejected  # noqa: S101 - for the type checker
        folder = SEALING[source]
        room = Construct(self, source.capitalize())
        timeout = SIZES[folder].timeout
        dead_letters = _queue(room, "DeadLetters")
        queue = _queue(
            room,
            "Queue",
            visibility_timeout=Duration.seconds(VISIBILITY * timeout),
            retention_period=Duration.days(4),
            max_message_size_bytes=262_144,
            dead_letter_queue=sqs.DeadLetterQueue(queue=dead_letters, max_receive_count=RECEIVES),
        )
        group = log_group(room, "Logs", self._tenant)
        function = made(
            room,
            self._tenant,
            folder,
            layers=self._layers,
            logs_into=group,
            environment={
                "TENANT": self._tenant.name,
                **self._tenant.identity,
                "FUNCTION_PREFIX": self._tenant.function_prefix,
                "EVENT_BUS": self.bus.event_bus_name,
                "REJECTED_QUEUE_URL": self.rejected.queue_url,
                **environment,
            },
            may=[
                iam.PolicyStatement(
                    actions=["sqs:ChangeMessageVisibility", "sqs:DeleteMessage", "sqs:GetQueueAttributes"]
                    + ["sqs:ReceiveMessage"]
                    + (["sqs:SendMessage"] if source == "objects" else []),
                    resources=[queue.queue_arn],
                ),
                iam.PolicyStatement(actions=["sqs:SendMessage"], resources=[self.rejected.queue_arn]),
                iam.PolicyStatement(actions=["events:PutEvents"], resources=[self.bus.event_bus_arn]),
                iam.PolicyStatement(
                    actions=[INVOKE],
                    resources=[self._functions.by_folder[name].function_arn for name in CALLS[source]],
                ),
                *may,
            ],
        )
        lambda_.EventSourceMapping(
            room,
            "Mapping",
            target=function,
            event_source_arn=queue.queue_arn,
            batch_size=BATCH[source],
            report_batch_item_failures=True,
            max_concurrency=AT_ONCE[source],
        )
        _acknowledge_stars(room, may)
        if source == "objects":
            self.left = logs.MetricFilter(
                room,
                "Left",
                log_group=group,
                filter_pattern=logs.FilterPattern.number_value(LEFT, ">=", 0),
                metric_namespace=NAMESPACE.format(self._tenant.name),
                metric_name="ObjectsLeft",
                metric_value=LEFT,
            ).metric(statistic="Maximum", period=Duration.hours(SWEEP_HOURS))
        found = self.by_source[source] = Sealing(
            folder=folder, function=function, queue=queue, dead_letters=dead_letters
        )
        return found

    # -- buckets -----------------------------------------------------------------------------------------

    def _bucket(self, name: str) -> s3.Bucket:
        """Versioned: an object is done with by its version, and what is replaced is not lost."""
        bucket = s3.Bucket(
            self,
            name,
            versioned=True,
            enforce_ssl=True,
            minimum_tls_version=1.2,
            encryption=s3.BucketEncryption.S3_MANAGED,
            block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
            object_ownership=s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
            lifecycle_rules=[
                s3.LifecycleRule(
                    id="leftovers",
                    abort_incomplete_multipart_upload_after=Duration.days(1),
                    expired_object_delete_marker=True,
                )
            ],
            removal_policy=RemovalPolicy.DESTROY if self._tenant.sandbox else RemovalPolicy.RETAIN,
        )
        _acknowledge(bucket, "S1", "CloudTrail's data events tell who read an object, and are the account's to record.")
        self.buckets.append(bucket)
        self.outputs[f"{name}BucketName"] = bucket.bucket_name
        return bucket

    def _notify(self, inbox: s3.Bucket, queue: sqs.Queue) -> None:
        """By the bucket itself: the CDK's own way takes a function that may change notifications of any bucket."""
        stack = Stack.of(self)
        queue.add_to_resource_policy(
            iam.PolicyStatement(
                principals=[iam.ServicePrincipal("s3.amazonaws.com")],
                actions=["sqs:SendMessage"],
                resources=[queue.queue_arn],
                # Not the bucket by its name: bucket and queue would each have to be there before the other.
                conditions={
                    "StringEquals": {"aws:SourceAccount": stack.account},
                    "ArnLike": {"aws:SourceArn": f"arn:{stack.partition}:s3:::{self._tenant.made_prefix}*"},
                },
            )
        )
        resource = inbox.node.default_child
        assert isinstance(resource, s3.CfnBucket)  # noqa: S101 - for the type checker
        resource.notification_configuration = s3.CfnBucket.NotificationConfigurationProperty(
            queue_configurations=[
                s3.CfnBucket.QueueConfigurationProperty(event="s3:ObjectCreated:*", queue=queue.queue_arn)
            ]
        )
        # S3 asks the queue whether it may, when it is told of it.
        inbox.node.add_dependency(queue.node.find_child("Policy"))

    # -- targets -----------------------------------------------------------------------------------------

    def _deliveries(self, targets: Sequence[Target]) -> Iterator[iam.PolicyStatement]:
        """What delivering to exactly these takes."""
        for kind, actions in _WRITES.items():
            if names := [target.name for target in targets if target.type == kind]:
                yield iam.PolicyStatement(actions=list(actions), resources=[self._arn(kind, name) for name in names])

    def _arn(self, kind: str, name: str) -> str:
        stack = Stack.of(self)
        here = f"arn:{stack.partition}:{kind}:{stack.region}:{stack.account}"
        match kind:
            case "secretsmanager":
                # AWS adds six characters to a secret's name.
                return f"{here}:secret:{name}" + ("" if name.endswith("*") else "-??????")
            case "ssm":
                return f"{here}:parameter/{name.removeprefix('/')}"
            case "s3":
                assert self._sealed  # noqa: S101 - for the type checker
                return str(self._sealed.arn_for_objects(name))
            case "dynamodb":
                return f"{here}:table/{name}"
        return f"arn:{stack.partition}:events:{stack.region}:{stack.account}:event-bus/{name}"


def _targets(source: Messages | None) -> tuple[Target, ...]:
    return source.targets if source else ()


def _queue(scope: Construct, name: str, **how: object) -> sqs.Queue:
    """Encrypted, by TLS only; messages rest as long as they may, unless `how` says otherwise."""
    how = {"retention_period": Duration.days(14), **how}
    return sqs.Queue(scope, name, encryption=sqs.QueueEncryption.SQS_MANAGED, enforce_ssl=True, **how)


def _in_words(arn: Any) -> str:
    """A resolved ARN as cdk-nag says it: `<Bucket.Arn>/*`."""
    match arn:
        case {"Fn::Join": [between, parts]}:
            return str(between).join(map(_in_words, parts))
        case {"Fn::GetAtt": [name, attribute]}:
            return f"<{name}.{attribute}>"
        case {"Ref": name}:
            return f"<{name}>"
    return str(arn)


def _acknowledge_stars(role: Construct, statements: Iterable[iam.PolicyStatement]) -> None:
    stack = Stack.of(role)
    for arn in dict.fromkeys(_in_words(stack.resolve(one)) for statement in statements for one in statement.resources):
        if "*" in arn:
            _acknowledge(role, f"IAM5[Resource::{arn}]", "Objects of the tenant's own buckets, or names of its entry.")


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()


def _acknowledge(of: Construct, rule: str, reason: str) -> None:
    Validations.of(of).acknowledge(Acknowledgment(id=f"AwsSolutions::AwsSolutions-{rule}", reason=reason))
