"""From the environment of a function to what it works with: the only place that makes clients."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from msgspec import Struct

from tenantkms.access.patterns import Patterns, patterns
from tenantkms.runtime.invoke import LambdaDispatcher
from tenantkms_events.actions import Actions, policy
from tenantkms_events.message import Target, kind_of
from tenantkms_events.rejected import RejectedQueue
from tenantkms_events.sealing import Messenger, Sealer
from tenantkms_events.table import Table
from tenantkms_events.targets import Buses, Delivery, Fenced, Items, Objects, ParameterWriter, SecretWriter


class AllowedTarget(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`name` may have `*` for any run of characters."""

    type: str
    name: str


class Messages(Struct, frozen=True, kw_only=True):
    """What seal_messages works with."""

    sealer: Sealer
    rejected: RejectedQueue


def allowed_targets(text: str) -> Callable[[Target], bool]:
    """Whether a target is one of `text`, a JSON list of `AllowedTarget`."""
    names: dict[str, list[str]] = {}
    for one in msgspec.json.decode(text, type=list[AllowedTarget]):
        names.setdefault(one.type, []).append(one.name)
    known: dict[str, Patterns] = {kind: patterns(globs) for kind, globs in names.items()}
    return lambda target: kind_of(target) in known and known[kind_of(target)].match(target.name)


def messages_on_aws(environment: Mapping[str, str], session: Any = None) -> Messages:
    """What seal_messages works with, named by the environment variables that the CDK app sets (docs/events.md)."""
    import botocore.session
    from botocore.config import Config

    session = session or botocore.session.get_session()
    # Every call here may be made twice: that is what all of this is about.
    config = Config(connect_timeout=1, read_timeout=7.5, retries={"total_max_attempts": 3, "mode": "standard"})

    def client(service: str) -> Any:
        return session.create_client(service, config=config)

    tenant, bucket = environment["TENANT"], environment.get("SEALED_BUCKET", "")
    keys = msgspec.json.decode(environment.get("KEYS", '["*"]'), type=list[str])
    dispatch = LambdaDispatcher(client("lambda"), environment["FUNCTION_PREFIX"])
    dynamodb = client("dynamodb")
    return messages(
        tenant=tenant,
        actions=Actions(dispatch, policy(keys, "Encrypt")),
        table=Table(dynamodb, environment["EVENTS_TABLE"]),
        allowed=allowed_targets(environment["TARGETS"]),
        client=client,
        bus=environment["EVENT_BUS"],
        bucket=bucket,
        rejected=environment["REJECTED_QUEUE_URL"],
    )
