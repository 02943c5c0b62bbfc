"""`tkms doctor`: reads a deployed stack, changes nothing, and says what is not in order and what to do about it."""

from __future__ import annotations

import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from functools import cache, partial
from pathlib import Path
from typing import Any

from msgspec import Struct

import functions
from tenantkms.errors import KmsError
from tenantkms.runtime.assemble import SettingsError
from tenantkms.store import dynamodb_layout as layout
from tenantkms_events.names import FUNCTIONS as STARTED_BY_EVENTS
from tkms.events.queues import SOURCES
from tkms.findings import (
    ARNS,
    CREDENTIALS,
    IMPORTED,
    OK,
    PROBLEM,
    ROWS,
    WARNING,
    Finding,
    Found,
    either,
    examine_arns,
    examine_credentials,
    examine_imported,
    examine_rows,
)
from tkms.output import NotDone, Tell, counted
from tkms.places import reason
from tkms.reseal.found import PARENT, examine_stack
from tkms.stack.stack import Stack, aws_errors
from tkms.standby.found import examine_regions

SETTLED = ("CREATE_COMPLETE", "UPDATE_COMPLETE", "IMPORT_COMPLETE")
"""States of a stack whose last deployment succeeded."""


class Resource(Struct, frozen=True):
    """Of the stack: `id` is what its service calls it."""

    kind: str
    id: str


class Listing:
    """The resources of the stack, asked for when they are first needed: not every check needs them."""

    def __init__(self, stack: Stack, tell: Tell | None) -> None:
        self._found, self.tell = cache(partial(_resources, stack)), tell

    def __call__(self) -> Sequence[Resource]:
        return self._found()


Check = Callable[[Stack, Listing], Found]


def examine(stack: Stack, tell: Tell | None = None) -> Iterator[Finding]:
    """Every check's findings, as they come. A check that AWS refuses is a finding too."""
    listing = Listing(stack, tell)
    for name, check in CHECKS.items():
        try:
            with aws_errors("It cannot be checked"):
                for status, found, advice in check(stack, listing):
                    yield Finding(name, status, found, advice)
        except (SettingsError, KmsError) as e:
            yield Finding(name, PROBLEM, reason(e), "Grant what is refused, or repair what does not answer.")


def _resources(stack: Stack) -> list[Resource]:
    with aws_errors("The resources of the stack cannot be listed"):
        pages = stack.client("cloudformation").get_paginator("list_stack_resources").paginate(StackName=stack.name)
        return [
            Resource(row["ResourceType"], row["PhysicalResourceId"])
            for page in pages
            for row in page["StackResourceSummaries"]
            if "PhysicalResourceId" in row
        ]


def _of(listing: Listing, kind: str) -> list[str]:
    return [resource.id for resource in listing() if resource.kind == kind]


def _guarded(stack: Stack) -> bool:
    """False for a sandbox, whose resources may go."""
    return stack.outputs.get("Sandbox") != "true"


def _stack(stack: Stack, _listing: Listing) -> Found:
    described = stack.describe()
    status = described["StackStatus"]
    yield either(status in SETTLED, status, PROBLEM, status, "Deploy again; the stack's events say what went wrong.")
    if _guarded(stack):
        protected = described.get("EnableTerminationProtection")
        deploy = f"cdk deploy {stack.name} switches it on."
        yield either(protected, "termination protection is on", WARNING, "termination protection is off", deploy)


_INDEXES = {"KeysTable": {layout.NAMES_INDEX, layout.DUE_INDEX}, "AccessTable": {layout.INDEX}}
_EXPIRING = {"AccessTable": "nonces", "EventsTableName": "messages"}


def _table(output: str, stack: Stack, _listing: Listing) -> Found:
    """Nothing for a table that the stack does not have: that of events is the entry's to ask for."""
    client, name = stack.client("dynamodb"), stack.outputs.get(output)
    if not name:
        return
    table = client.describe_table(TableName=name)["Table"]
    status = table["TableStatus"]
    yield either(status in ("ACTIVE", "UPDATING"), f"{name} is {status}", PROBLEM, f"{name} is {status}", "Wait.")
    indexes = {
        row["IndexName"]
        for row in table.get("GlobalSecondaryIndexes", [])
        if row.get("IndexStatus", "ACTIVE") == "ACTIVE"
    }
    if wanted := _INDEXES.get(output):
        missing = ", ".join(sorted(wanted - indexes))
        yield either(not missing, "indexes are active", PROBLEM, f"without index {missing}", "Deploy again, and wait.")
    backups = client.describe_continuous_backups(TableName=name)["ContinuousBackupsDescription"]
    restorable = backups.get("PointInTimeRecoveryDescription", {}).get("PointInTimeRecoveryStatus") == "ENABLED"
    enable = (
        f"aws dynamodb update-continuous-backups --table-name {name}"
        " --point-in-time-recovery-specification PointInTimeRecoveryEnabled=true"
    )
    yield either(
        restorable, "point-in-time recovery is on", PROBLEM, "point-in-time recovery is off: no restore", enable
    )
    if _guarded(stack):
        protect = f"aws dynamodb update-table --table-name {name} --deletion-protection-enabled"
        on = table.get("DeletionProtectionEnabled")
        yield either(on, "deletion protection is on", PROBLEM, "deletion protection is off", protect)
    described = client.describe_time_to_live(TableName=name)["TimeToLiveDescription"]
    live = described.get("TimeToLiveStatus")
    old = _EXPIRING.get(output)
    if not old:
        stop = (
            f"aws dynamodb update-time-to-live --table-name {name}"
            f" --time-to-live-specification Enabled=false,AttributeName={described.get('AttributeName')}"
        )
        kept = live in (None, "DISABLED", "DISABLING")
        yield either(kept, "no key expires", PROBLEM, "keys expire: DynamoDB deletes them", stop)
    else:
        expire = (
            f"aws dynamodb update-time-to-live --table-name {name}"
            f" --time-to-live-specification Enabled=true,AttributeName={layout.TTL}"
        )
        yield either(live == "ENABLED", f"old {old} expire", WARNING, f"old {old} stay for ever", expire)


_KEY_ADVICE = {
    "Disabled": "aws kms enable-key --key-id {arn}",
    "PendingDeletion": "aws kms cancel-key-deletion --key-id {arn}; then aws kms enable-key --key-id {arn}",
}


def _parent_key(stack: Stack, _listing: Listing) -> Found:
    client, arn = stack.client("kms"), stack.outputs["ParentKeyArn"]
    state = client.describe_key(KeyId=arn)["KeyMetadata"]["KeyState"]
    advice = _KEY_ADVICE.get(state, "Nothing opens without it: see docs/operations.md.").format(arn=arn)
    yield either(state == "Enabled", "Enabled", PROBLEM, f"{state}: every call is answered 503", advice)
    if state == "Enabled":
        rotated = client.get_key_rotation_status(KeyId=arn)["KeyRotationEnabled"]
        enable = f"aws kms enable-key-rotation --key-id {arn}"
        yield either(rotated, "rotation is on", WARNING, "rotation is off", enable)
    yield from examine_stack(stack.settings, arn, stack.outputs.get("OtherParentKeyArn", ""))


def _folders() -> list[str]:
    there = {path.parent.name for path in Path(functions.__path__[0]).glob("*/handler.py")}
    return sorted(there - set(STARTED_BY_EVENTS))


def _functions(stack: Stack, listing: Listing) -> Found:
    client, deployed = stack.client("lambda"), set(_of(listing, "AWS::Lambda::Function"))
    wanted = {stack.outputs["FunctionPrefix"] + folder for folder in _folders()}
    if missing := sorted(wanted - deployed):
        yield PROBLEM, f"not deployed: {', '.join(missing)}", f"cdk deploy {stack.name}"
    versions = set()
    for name in sorted(wanted & deployed):
        row: Any = client.get_function_configuration(FunctionName=name)
        versions.add((row.get("Runtime", ""), tuple(layer["Arn"] for layer in row.get("Layers", []))))
        updated, state = row.get("LastUpdateStatus", "Successful"), row.get("State", "Active")
        if state not in ("Active", "Inactive") or updated != "Successful":
            reason = row.get("StateReason") or row.get("LastUpdateStatusReason") or "no reason given"
            yield PROBLEM, f"{name} is {state}, its last update {updated}: {reason}", "Deploy again."
    if len(versions) == 1:
        ((runtime, layers),) = versions
        yield (
            OK,
            f"{counted(len(wanted & deployed), 'function')}, {runtime}, layer {':'.join(layers[0].split(':')[-2:])}",
            "",
        )
    else:
        yield PROBLEM, f"{len(versions)} versions of runtime and layer side by side", f"cdk deploy {stack.name}"


def _stopped(stack: Stack, listing: Listing) -> Found:
    """As `stop` of docs/operations.md stops a tenant."""
    client, stopped = stack.client("lambda"), []
    for name in sorted(_of(listing, "AWS::Lambda::Function")):
        # `_functions` tells of those that are not there.
        with suppress(NotDone), aws_errors("It cannot be checked", ("ResourceNotFoundException",)):
            if client.get_function_concurrency(FunctionName=name).get("ReservedConcurrentExecutions") == 0:
                stopped.append(name)
    for name in stopped:
        start = f"aws lambda delete-function-concurrency --function-name {name}"
        yield PROBLEM, f"{name} is stopped: its reserved concurrency is 0", start
    if not stopped:
        yield OK, "no function is", ""


_WORK = {queue for queue, _ in SOURCES.values()}
"""Outputs with the queues of what is to be sealed."""


def _schedules(stack: Stack, listing: Listing) -> Found:
    client, rules = stack.client("events"), _of(listing, "AWS::Events::Rule")
    if not rules:
        yield PROBLEM, "there is none: no key is rotated or destroyed", f"cdk deploy {stack.name}"
    for rule in rules:
        bus, _, name = rule.rpartition("/")[2].rpartition("|")
        # A rule of another bus has it in its id; an emulator's has not.
        buses = [bus] if bus else ["default", *filter(None, [stack.outputs.get("EventsBusName")])]
        state, targets = "nowhere", []
        for where in buses:
            for row in client.list_rules(NamePrefix=name, EventBusName=where)["Rules"]:
                if row["Name"] == name:
                    bus, state = where, row["State"]
                    targets = client.list_targets_by_rule(Rule=name, EventBusName=where)["Targets"]
        enable = f"aws events enable-rule --name {name} --event-bus-name {bus or buses[0]}"
        yield either(state == "ENABLED" and targets, f"{name} is on", PROBLEM, f"{name} is {state}", enable)


def _dead_letters(stack: Stack, listing: Listing) -> Found:
    client, named = stack.client("sqs"), {url: output for output, url in stack.outputs.items()}
    for url in _of(listing, "AWS::SQS::Queue"):
        if named.get(url) in _WORK:
            continue  # what waits there is on its way
        asked = client.get_queue_attributes(QueueUrl=url, AttributeNames=["ApproximateNumberOfMessages"])
        count, name = int(asked["Attributes"]["ApproximateNumberOfMessages"]), url.rpartition("/")[2]
        advice = "Read the function's log, mend the cause, then purge the queue: what is due stays due."
        if url in named:  # it holds secrets, and nobody else may have them
            advice = f"tkms events rejected --stack {stack.name} says why; mend the cause, then: tkms events replay"
        yield either(not count, f"{name} is empty", WARNING, f"{count} in {name}", advice)


def _alarms(stack: Stack, listing: Listing) -> Found:
    names = _of(listing, "AWS::CloudWatch::Alarm")
    if not names:
        yield PROBLEM, "there is none", f"cdk deploy {stack.name}"
        return
    rows = stack.client("cloudwatch").describe_alarms(AlarmNames=names)["MetricAlarms"]
    for row in rows:
        if row["StateValue"] == "ALARM":
            yield WARNING, f"{row['AlarmName']} rings", "docs/operations.md says where to look."
    if all(not row.get("AlarmActions") for row in rows):
        yield WARNING, f"{len(rows)} alarms tell nobody", "Give the tenant's entry an alarm_topic."
    else:
        yield OK, f"{len(rows)} alarms", ""


def _credentials(stack: Stack, listing: Listing) -> Found:
    yield from examine_credentials(stack.settings, PROBLEM, f" --stack {stack.name}", listing.tell)


def _service(stack: Stack, _listing: Listing) -> Found:
    if not stack.settings.root.exists():
        yield PROBLEM, "it answers nothing yet", f"tkms credential create --stack {stack.name}"
        return
    stack.call("DescribeService", {"count": True})
    yield OK, "an Action answers under its own role", ""
    try:
        with urllib.request.urlopen(f"{stack.url}/healthz", timeout=30) as answer:  # noqa: S310 - the stack's own output
            answered = answer.status == 200
    except urllib.error.HTTPError as e:
        yield PROBLEM, f"{stack.url} answers {e.code}", "See the endpoint's log, and whether it is stopped."
    except OSError as e:
        yield PROBLEM, f"{stack.url} does not answer: {e}", "Look at DNS, mutual TLS, and the endpoint's log."
    else:
        yield either(answered, f"{stack.url} answers", PROBLEM, f"{stack.url} is not well", "See its log.")


def _arns(stack: Stack, _listing: Listing) -> Found:
    yield from examine_arns(stack.settings)


def _rows(stack: Stack, listing: Listing) -> Found:
    yield from examine_rows(stack.settings, listing.tell)


CHECKS: dict[str, Check] = {
    "stack": _stack,
    "keys table": partial(_table, "KeysTable"),
    "access table": partial(_table, "AccessTable"),
    "events table": partial(_table, "EventsTableName"),
    "regions": lambda stack, _: examine_regions(stack),
    PARENT: _parent_key,
    "functions": _functions,
    "stopped": _stopped,
    "schedules": _schedules,
    "dead letters": _dead_letters,
    "alarms": _alarms,
    ARNS: _arns,
    ROWS: _rows,
    CREDENTIALS: _credentials,
    IMPORTED: lambda stack, listing: examine_imported(stack.settings, listing.tell),
    "service": _service,
}
