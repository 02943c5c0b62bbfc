"""`--stack` and `tkms doctor` where no AWS answers, or answers what tests/e2e cannot bring about."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError

from kit.support import new_directory
from tenantkms.model.site import Site
from tenantkms.runtime.assemble import SettingsError
from tenantkms.runtime.invoke import LambdaDispatcher
from tenantkms.store import dynamodb_layout as layout
from tkms.findings import CREDENTIALS, OK, PROBLEM, ROWS, WARNING
from tkms.stack import doctor
from tkms.stack.doctor import Resource

ROOT = Path(__file__).parent.parent.parent
STACK = "tkms-acme"
ARN = "arn:aws:kms:eu-central-1:123456789012:key/5c438b18-05be-40ad-b6c2-3be6752cfa7e"
OUTPUTS = {
    "KeysTable": "keys",
    "AccessTable": "access",
    "ParentKeyArn": ARN,
    "FunctionPrefix": "tkms-acme-",
    "Sandbox": "false",
}


# -- the command line ------------------------------------------------------------------------------------


def tkms(*args: str, **environment: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    nowhere = {"AWS_EC2_METADATA_DISABLED": "true", "AWS_CONFIG_FILE": os.devnull, "AWS_MAX_ATTEMPTS": "1"}
    command = [sys.executable, "-m", "tkms.cli", *args]
    return subprocess.run(
        command, env={**kept, **nowhere, **environment}, input="", capture_output=True, text=True, timeout=60
    )


KEYS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
WRONG = {
    "no region": (("key", "list", "--stack", STACK), {}, 1, "No AWS region is set"),
    "no credentials": (("key", "list", "--stack", STACK), {"AWS_REGION": "eu-central-1"}, 1, "credentials"),
    "nobody answers": (
        ("credential", "list", "--stack", STACK),
        {"AWS_REGION": "eu-central-1", "AWS_ENDPOINT_URL": "http://127.0.0.1:9", **KEYS},
        1,
        "The stack tkms-acme cannot be read: Could not connect",
    ),
    "two places": (("key", "list", "--stack", STACK, "--data-dir", "d"), {}, 2, "not allowed with argument"),
    "a server of a stack": (("serve", "--stack", STACK), {}, 2, "tkms serve: error: unrecognized arguments: --stack"),
    "a doctor of nothing": (("doctor", "--data-dir", "none"), {}, 1, "There is no data directory at none: name yours"),
    "a take-over of one machine": (("take-over", "--data-dir", "none"), {}, 2, "--stack"),
}


@pytest.mark.parametrize(("args", "environment", "status", "text"), WRONG.values(), ids=WRONG)
def test_what_is_wrong_is_said(args: tuple[str, ...], environment: dict[str, str], status: int, text: str) -> None:
    done = tkms(*args, **environment)
    assert (done.returncode, done.stdout) == (status, "")
    assert text in done.stderr
    assert "Traceback" not in done.stderr


# -- the doctor ------------------------------------------------------------------------------------------


class Client:
    """An AWS client whose answers are given by operation. One that is not given is refused."""

    def __init__(self, answers: Mapping[str, Any]) -> None:
        self._answers = answers

    def __getattr__(self, operation: str) -> Any:
        def ask(**_: Any) -> Any:
            if operation not in self._answers:
                error = {"Error": {"Code": "AccessDeniedException", "Message": "you may not"}}
                raise ClientError(error, operation)
            return self._answers[operation]

        return ask


EVENT_URLS = {
    "EventsQueueUrl": "https://sqs.example.test/123456789012/work",
    "EventsDeadLetterQueueUrl": "https://sqs.example.test/123456789012/dead",
}


class Stack:
    """A stack as the doctor asks for it."""

    name = STACK
    outputs = OUTPUTS | EVENT_URLS
    url = "http://127.0.0.1:9"
    settings = SimpleNamespace(
        root=SimpleNamespace(exists=lambda: True),
        site=Site(tenant="acme", region="eu-west-1", account="999999999999"),
    )

    def __init__(self, **answers: Any) -> None:
        self._answers = answers

    def client(self, _service: str) -> Client:
        return Client(self._answers)

    def describe(self) -> Any:
        return self._answers["describe"]

    def call(self, action: str, params: dict[str, object]) -> dict[str, object]:
        from tkms.machine.directory import as_operator

        return as_operator(LambdaDispatcher(self.client("lambda"), OUTPUTS["FunctionPrefix"]), action, params)


def table(**changes: Any) -> Any:
    indexes = [
        {"IndexName": name, "IndexStatus": "ACTIVE"} for name in (layout.INDEX, layout.NAMES_INDEX, layout.DUE_INDEX)
    ]
    found = {"TableStatus": "ACTIVE", "GlobalSecondaryIndexes": indexes, "DeletionProtectionEnabled": True, **changes}
    return {"Table": found}


def expiry(status: str | None) -> Any:
    named = {"AttributeName": "created", "TimeToLiveStatus": status} if status else {}
    return {"TimeToLiveDescription": named}


def backups(status: str) -> Any:
    return {"ContinuousBackupsDescription": {"PointInTimeRecoveryDescription": {"PointInTimeRecoveryStatus": status}}}


QUEUE = Resource("AWS::SQS::Queue", "https://sqs.example.test/123456789012/letters")
RULE = Resource("AWS::Events::Rule", "tkms-acme-Rule")
ALARM = Resource("AWS::CloudWatch::Alarm", "tkms-acme-Faults")
FUNCTION = Resource("AWS::Lambda::Function", "tkms-acme-endpoint")
TOPIC = ["arn:aws:sns:eu-central-1:123456789012:pager"]
TABLE = {
    "describe_table": table(),
    "describe_continuous_backups": backups("ENABLED"),
    "describe_time_to_live": expiry(None),
}
CASES: dict[str, tuple[str, list[Resource], dict[str, Any], str, str, str]] = {
    # (check, resources, answers, worst status, a word of what was found, a word of the advice)
    "settled": ("stack", [], {"describe": {"StackStatus": "UPDATE_COMPLETE", "EnableTerminationProtection": True}}, OK, "UPDATE_COMPLETE", ""),
    "rolled back": ("stack", [], {"describe": {"StackStatus": "UPDATE_ROLLBACK_COMPLETE", "EnableTerminationProtection": True}}, PROBLEM, "ROLLBACK", "Deploy again"),
    "unprotected": ("stack", [], {"describe": {"StackStatus": "CREATE_COMPLETE"}}, WARNING, "termination", "cdk deploy"),
    "a good table": ("keys table", [], TABLE, OK, "ACTIVE", ""),
    "no index": ("keys table", [], {**TABLE, "describe_table": table(GlobalSecondaryIndexes=[])}, PROBLEM, "without index", "Deploy"),
    "no recovery": ("keys table", [], {**TABLE, "describe_continuous_backups": backups("DISABLED")}, PROBLEM, "recovery is off", "update-continuous-backups"),
    "deletable": ("keys table", [], {**TABLE, "describe_table": table(DeletionProtectionEnabled=False)}, PROBLEM, "deletion protection", "update-table"),
    "keys expire": ("keys table", [], {**TABLE, "describe_time_to_live": expiry("ENABLED")}, PROBLEM, "keys expire", "Enabled=false,AttributeName=created"),
    "nonces stay": ("access table", [], TABLE, WARNING, "nonces", "update-time-to-live"),
    "refused": ("keys table", [], {}, PROBLEM, "you may not", "Grant"),
    "a key that goes": ("parent key", [], {"describe_key": {"KeyMetadata": {"KeyState": "PendingDeletion"}}}, PROBLEM, "PendingDeletion", "cancel-key-deletion"),
    "a key that stays": ("parent key", [], {"describe_key": {"KeyMetadata": {"KeyState": "Enabled"}}, "get_key_rotation_status": {"KeyRotationEnabled": False}}, WARNING, "rotation is off", "enable-key-rotation"),
    "no schedule": ("schedules", [], {}, PROBLEM, "none", "cdk deploy"),
    "schedule off": ("schedules", [RULE], {"list_rules": {"Rules": [{"Name": "tkms-acme-Rule", "State": "DISABLED"}]}, "list_targets_by_rule": {"Targets": [{}]}}, PROBLEM, "DISABLED", "enable-rule"),
    "no such schedule": ("schedules", [RULE], {"list_rules": {"Rules": [{"Name": "tkms-acme-Rule-2", "State": "ENABLED"}]}}, PROBLEM, "tkms-acme-Rule is nowhere", "enable-rule"),
    "on another bus": ("schedules", [Resource("AWS::Events::Rule", "tkms-acme|tkms-acme-Rule")], {"list_rules": {"Rules": [{"Name": "tkms-acme-Rule", "State": "DISABLED"}]}, "list_targets_by_rule": {"Targets": [{}]}}, PROBLEM, "DISABLED", "--event-bus-name tkms-acme"),
    "secrets that nobody sealed": ("dead letters", [Resource("AWS::SQS::Queue", EVENT_URLS["EventsDeadLetterQueueUrl"])], {"get_queue_attributes": {"Attributes": {"ApproximateNumberOfMessages": "3"}}}, WARNING, "3 in dead", "tkms events replay"),
    "letters": ("dead letters", [QUEUE], {"get_queue_attributes": {"Attributes": {"ApproximateNumberOfMessages": "3"}}}, WARNING, "3 in letters", "log"),
    "no letters": ("dead letters", [QUEUE], {"get_queue_attributes": {"Attributes": {"ApproximateNumberOfMessages": "0"}}}, OK, "empty", ""),
    "it rings": ("alarms", [ALARM], {"describe_alarms": {"MetricAlarms": [{"AlarmName": "Faults", "StateValue": "ALARM", "AlarmActions": TOPIC}]}}, WARNING, "Faults rings", "docs"),
    "silence": ("alarms", [ALARM], {"describe_alarms": {"MetricAlarms": [{"AlarmName": "Faults", "StateValue": "OK", "AlarmActions": []}]}}, WARNING, "tell nobody", "alarm_topic"),
    "no alarms": ("alarms", [], {}, PROBLEM, "none", "cdk deploy"),
    "no function": ("functions", [], {}, PROBLEM, "not deployed: tkms-acme-archive_key", "cdk deploy"),
    "it runs": ("stopped", [FUNCTION], {"get_function_concurrency": {}}, OK, "no function is", ""),
    "it runs at most so often": ("stopped", [FUNCTION], {"get_function_concurrency": {"ReservedConcurrentExecutions": 50}}, OK, "no function is", ""),
    "it is stopped": ("stopped", [FUNCTION], {"get_function_concurrency": {"ReservedConcurrentExecutions": 0}}, PROBLEM, "tkms-acme-endpoint is stopped", "delete-function-concurrency --function-name tkms-acme-endpoint"),
    "whose ARNs": ("arns", [], {}, OK, "arn:aws:kms:eu-west-1:999999999999: stands in", ""),
    "no service": ("service", [], {}, PROBLEM, "you may not", "Grant"),
}  # fmt: skip


@pytest.mark.parametrize(("check", "resources", "answers", "status", "found", "advice"), CASES.values(), ids=CASES)
def test_what_the_doctor_finds(
    monkeypatch: pytest.MonkeyPatch,
    check: str,
    resources: list[Resource],
    answers: dict[str, Any],
    status: str,
    found: str,
    advice: str,
) -> None:
    monkeypatch.setattr(doctor, "CHECKS", {check: doctor.CHECKS[check]})
    monkeypatch.setattr(doctor, "_resources", lambda _stack: resources)
    findings = list(doctor.examine(Stack(**answers)))  # type: ignore[arg-type]
    assert {finding.check for finding in findings} == {check}
    worst = max(findings, key=lambda finding: (OK, WARNING, PROBLEM).index(finding.status))
    assert worst.status == status
    assert any(found in finding.found and advice in finding.advice for finding in findings)


def test_what_waits_to_be_sealed_is_no_dead_letter(monkeypatch: pytest.MonkeyPatch) -> None:
    work = [Resource("AWS::SQS::Queue", EVENT_URLS["EventsQueueUrl"])]
    monkeypatch.setattr(doctor, "CHECKS", {"dead letters": doctor.CHECKS["dead letters"]})
    monkeypatch.setattr(doctor, "_resources", lambda _stack: work)
    assert list(doctor.examine(Stack())) == []  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("change", "status", "found"),
    [
        ({}, WARNING, "old messages stay for ever"),
        ({"describe_time_to_live": expiry("ENABLED")}, OK, "old messages expire"),
        ({"describe_continuous_backups": backups("DISABLED")}, PROBLEM, "point-in-time recovery is off: no restore"),
        ({"describe_table": table(DeletionProtectionEnabled=False)}, PROBLEM, "deletion protection is off"),
    ],
)
def test_the_table_of_events_is_looked_at_where_there_is_one(
    monkeypatch: pytest.MonkeyPatch, change: dict[str, Any], status: str, found: str
) -> None:
    monkeypatch.setattr(doctor, "CHECKS", {"events table": doctor.CHECKS["events table"]})
    stack = Stack(**{**TABLE, **change})
    assert list(doctor.examine(stack)) == []  # type: ignore[arg-type]
    monkeypatch.setattr(stack, "outputs", {**OUTPUTS, "EventsTableName": "events"})
    findings = list(doctor.examine(stack))  # type: ignore[arg-type]
    assert (status, found) in [(finding.status, finding.found) for finding in findings]
    assert not any("index" in finding.found for finding in findings)


def test_where_the_resources_may_not_be_listed_the_rest_is_still_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_stack: object) -> list[Resource]:
        raise SettingsError("The resources of the stack cannot be listed.")

    monkeypatch.setattr(doctor, "_resources", refuse)
    monkeypatch.setattr(doctor, "CHECKS", {name: doctor.CHECKS[name] for name in ("keys table", "alarms", "schedules")})
    findings = list(doctor.examine(Stack(**TABLE)))  # type: ignore[arg-type]
    assert {finding.check for finding in findings if finding.status == OK} == {"keys table"}
    assert {(finding.check, "listed" in finding.found) for finding in findings if finding.status == PROBLEM} == {
        ("alarms", True),
        ("schedules", True),
    }


def test_it_says_how_far_it_is_with_what_there_may_be_much_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "CHECKS", {name: doctor.CHECKS[name] for name in (ROWS, CREDENTIALS)})
    place: Any = SimpleNamespace(name=STACK, settings=new_directory(tmp_path / "data").open())
    told = list[int]()
    assert {finding.status for finding in doctor.examine(place, told.append)} == {OK}
    assert told == [1, 2, 3, 1], "a key, an alias and an access key"


def test_functions_that_differ_are_a_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    names = [f"tkms-acme-{folder}" for folder in doctor._folders()]

    class Lambda:
        def get_function_configuration(self, FunctionName: str) -> Any:  # noqa: N803 - AWS's name
            old = FunctionName == names[0]
            row = {"Runtime": "python3.13", "Layers": [{"Arn": f"arn:aws:lambda:r:a:layer:l:{1 if old else 2}"}]}
            return {**row, "LastUpdateStatus": "Failed" if old else "Successful", "LastUpdateStatusReason": "no room"}

    stack = Stack()
    monkeypatch.setattr(stack, "client", lambda _service: Lambda())
    resources = [Resource("AWS::Lambda::Function", name) for name in names]
    found = list(doctor.CHECKS["functions"](stack, lambda: resources))  # type: ignore[arg-type]
    assert [(status, text) for status, text, _ in found] == [
        (PROBLEM, f"{names[0]} is Active, its last update Failed: no room"),
        (PROBLEM, "2 versions of runtime and layer side by side"),
    ]


@pytest.mark.parametrize("status", ["REVIEW_IN_PROGRESS", "ROLLBACK_COMPLETE", "ROLLBACK_FAILED"])
def test_a_first_deployment_that_failed_says_where_to_read_on(monkeypatch: pytest.MonkeyPatch, status: str) -> None:
    from tkms.stack import stack

    monkeypatch.setenv("AWS_REGION", "eu-central-1")
    monkeypatch.setattr(stack.Stack, "describe", lambda _self: {"StackStatus": status})
    with pytest.raises(SettingsError, match=f"it is {status}") as caught:
        stack.Stack(STACK)
    page = (ROOT / "docs/operations.md").read_text("utf-8")
    assert f"### {str(caught.value).split(chr(39))[1]}\n" in page


def test_a_stack_of_something_else_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    from tkms.stack import stack

    monkeypatch.setenv("AWS_REGION", "eu-central-1")
    monkeypatch.setattr(stack.Stack, "describe", lambda _self: {"Outputs": [{"OutputKey": "Url", "OutputValue": "x"}]})
    with pytest.raises(SettingsError, match="no stack of tenant-kms"):
        stack.Stack("shop")
