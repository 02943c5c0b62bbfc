"""From the environment of a function to what it works with: the only place that makes clients."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal

import msgspec
from msgspec import Struct

from tenantkms.access.patterns import Patterns, patterns
from tenantkms.runtime.invoke import LambdaDispatcher
from tenantkms_events.actions import Actions, policy
from tenantkms_events.arrivals import ObjectsQueue
from tenantkms_events.buckets import Inbox, SealedBucket
from tenantkms_events.message import Target, kind_of
from tenantkms_events.objects import ObjectSealer, sender
from tenantkms_events.rejected import RejectedQueue
from tenantkms_events.sealing import Messenger, Sealer
from tenantkms_events.table import Table
from tenantkms_events.targets import Buses, Delivery, Fenced, Items, Objects, ParameterWriter, SecretWriter

_DATA = Path(__file__).parent.parent / "botocore_data"
"""What the layer brings of botocore's data of the services that only these functions call (`cdk/bundles.py`)."""


class AllowedTarget(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`name` may have `*` for any run of characters."""

    type: Literal["secretsmanager", "ssm", "s3", "dynamodb", "eventbridge"]
    name: str


class Messages(Struct, frozen=True, kw_only=True):
    """What seal_messages works with."""

    sealer: Sealer
    rejected: RejectedQueue


class Allowed:
    """The targets that messages may name: `text` is a JSON list of `AllowedTarget`. Raises `ValueError`."""

    def __init__(self, text: str) -> None:
        names: dict[str, list[str]] = {}
        for one in msgspec.json.decode(text, type=list[AllowedTarget]):
            names.setdefault(one.type, []).append(one.name)
        self._names: dict[str, Patterns] = {kind: patterns(globs) for kind, globs in names.items()}
        self.kinds = tuple(names)

    def __call__(self, target: Target) -> bool:
        kind = kind_of(target)
        return kind in self._names and self._names[kind].match(target.name)


def aws_client(session: Any = None) -> Callable[[str], Any]:
    """Makes clients of AWS's services. What they are asked may be asked twice: that is what all of this is about."""
    import botocore.session
    from botocore.config import Config

    found = session or botocore.session.get_session()
    found.set_config_variable("data_path", str(_DATA))
    config = Config(connect_timeout=1, read_timeout=7.5, retries={"total_max_attempts": 3, "mode": "standard"})
    return lambda service: found.create_client(service, config=config)


class ObjectsOf(Struct, frozen=True, kw_only=True):
    """What seal_objects works with. `give_back` lets a message of the queue come again after so many seconds."""

    inbox: Inbox
    sealer: ObjectSealer
    rejected: RejectedQueue
    queue: ObjectsQueue


def objects(
    environment: Mapping[str, str], client: Callable[[str], Any], clock: Callable[[], float] = time.time
) -> ObjectsOf:
    """As `messages`, of seal_objects."""
    tenant, key = environment["TENANT"], environment["OBJECTS_KEY"]
    resource = key if key.startswith("alias/") else f"key/{key}"
    dispatch = LambdaDispatcher(client("lambda"), environment["FUNCTION_PREFIX"])
    actions = Actions(dispatch, policy([resource], "GenerateDataKey", "Decrypt"))
    s3, sqs = client("s3"), client("sqs")
    inbox = Inbox(s3, environment["INBOX_BUCKET"])
    return ObjectsOf(
        inbox=inbox,
        sealer=ObjectSealer(
            tenant,
            actions,
            inbox,
            SealedBucket(s3, environment["SEALED_BUCKET"]),
            key,
            msgspec.json.decode(environment["OBJECTS_CONTEXT"], type=dict[str, str]),
            sender(client("events"), environment["EVENT_BUS"]),
        ),
        rejected=RejectedQueue("objects", tenant, actions, sqs, environment["REJECTED_QUEUE_URL"], clock),
        queue=ObjectsQueue(sqs, environment["OBJECTS_QUEUE_URL"]),
    )


def messages(
    environment: Mapping[str, str], client: Callable[[str], Any], clock: Callable[[], float] = time.time
) -> Messages:
    """What seal_messages works with, by the environment that the CDK app sets (docs/events.md). A client is made of
    what is allowed as a target, and of nothing else. Raises `KeyError` and `ValueError` for what is not there or wrong.
    """
    tenant = environment["TENANT"]
    keys = msgspec.json.decode(environment.get("KEYS", '["*"]'), type=list[str])
    dispatch = LambdaDispatcher(client("lambda"), environment["FUNCTION_PREFIX"])
    actions = Actions(dispatch, policy(keys, "Encrypt"))
    dynamodb, allowed = client("dynamodb"), Allowed(environment["TARGETS"])
    table = Table(dynamodb, environment["EVENTS_TABLE"], clock)
    make: Mapping[str, Callable[[], Delivery]] = {
        "secretsmanager": lambda: Fenced(SecretWriter(client("secretsmanager")), table),
        "ssm": lambda: Fenced(ParameterWriter(client("ssm")), table),
        "s3": lambda: Objects(client("s3"), environment["SEALED_BUCKET"]),
        "dynamodb": lambda: Items(dynamodb, table),
        "eventbridge": Buses,
    }
    return Messages(
        sealer=Sealer(
            tenant,
            actions,
            table,
            {kind: make[kind]() for kind in allowed.kinds},
            allowed,
            Messenger(client("events"), environment["EVENT_BUS"]),
            clock,
        ),
        rejected=RejectedQueue("messages", tenant, actions, client("sqs"), environment["REJECTED_QUEUE_URL"], clock),
    )
