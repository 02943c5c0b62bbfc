"""What wakes somebody, and that the log lines it is counted from are those that the functions write."""

from __future__ import annotations

import io
import json
import re
from typing import Any

import msgspec
import pytest

from cdk.catalog import CATALOG
from kit import emf, templates
from kit.audit_writers import record
from kit.moto_aws import Fault, Wire, kms_client, refusal
from kit.templates import Template
from tenantkms.audit.faults import log_fault
from tenantkms.audit.metrics import INTEGRITY_FAULTS, EmbeddedMetrics
from tenantkms.errors import Unavailable
from tenantkms.keys.maintenance import JOBS, Report, tell
from tenantkms.parent.aws_kms import AwsParentKey
from tenantkms.parent.port import key_binding

KEY_ID = "6f1e2d3c-1111-4222-8333-444455556666"


def alarms(template: Template) -> dict[str, Any]:
    """By what they are called in the stack."""
    found = template.of("AWS::CloudWatch::Alarm")
    return {
        re.sub(r"^Alarms|[0-9A-F]{8}$", "", name): template.resolved(row["Properties"]) for name, row in found.items()
    }


def test_there_is_an_alarm_for_everything_that_needs_somebody(template: Template) -> None:
    service = {
        "ServerErrors",
        "Latency",
        "Throttles",
        "EndpointErrors",
        "Faults",
        "ParentKey",
        "Integrity",
        "AuthenticationFailures",
        "Tampering",
    }
    sweepers = {
        f"{name}{what}"
        for name in ("RotateDueKeys", "DeleteDueKeys")
        for what in ("Errors", "Failures", "DeadLetters", "Missed")
    }
    assert set(alarms(template)) == service | sweepers | {"DeleteDueKeysHeld"}


def test_alarms_go_to_the_tenant_s_topic(full: Template, example: Template) -> None:
    assert all(alarm["AlarmActions"] == [templates.TOPIC] for alarm in alarms(full).values())
    assert not any(alarm.get("AlarmActions") for alarm in alarms(example).values())


def test_a_sweeper_that_does_not_run_is_missed(template: Template) -> None:
    for name in ("RotateDueKeysMissed", "DeleteDueKeysMissed"):
        alarm = alarms(template)[name]
        assert (alarm["MetricName"], alarm["ComparisonOperator"], alarm["Threshold"]) == (
            "Invocations",
            "LessThanThreshold",
            1,
        )
        assert alarm["TreatMissingData"] == "breaching"


def filters(template: Template) -> list[Any]:
    return template.properties("AWS::Logs::MetricFilter")


OWN = {
    "Faults": ("Errors", 5),
    "AuthenticationFailures": ("AuthenticationFailures", 100),
    "Integrity": ("IntegrityFaults", 1),
    "RotateDueKeysFailures": ("RotationsFailed", 1),
    "DeleteDueKeysFailures": ("DeletionsFailed", 1),
}


@pytest.mark.parametrize("name", OWN)
def test_what_functions_count_is_what_alarms_read(template: Template, name: str) -> None:
    alarm = alarms(template)[name]
    tenant = template.stack.removeprefix("tkms-")
    metric, threshold = OWN[name]
    assert (alarm["MetricName"], alarm["Threshold"], alarm["Statistic"]) == (metric, threshold, "Sum")
    stream = io.StringIO()
    metrics = EmbeddedMetrics(tenant, lambda: bytes(32), stream)
    metrics.begin(())
    for outcome in ("SignatureMismatch", "Unavailable"):
        metrics.write(msgspec.structs.replace(record("x", 1), time=1.7e9, tenant=tenant, outcome=outcome))
    metrics.put(**{INTEGRITY_FAULTS: 1})
    for job in JOBS.values():
        tell(metrics, job, Report(due=1, done=0, failed=1))
    lines = stream.getvalue().splitlines()
    written = {one for line in lines for one in emf.read(line)}
    dimensions = tuple((one["Name"], one["Value"]) for one in alarm["Dimensions"])
    assert (alarm["MetricName"], dimensions) in written
    for line in lines:
        assert json.loads(line)["_aws"]["CloudWatchMetrics"][0]["Namespace"] == alarm["Namespace"]


def test_every_function_that_asks_the_parent_key_is_watched(template: Template) -> None:
    watched = {row["LogGroupName"] for row in filters(template)}
    asking = {folder for folder, row in CATALOG.items() if row.seals or row.unseals}
    assert watched == {template.functions[folder]["LoggingConfig"]["LogGroup"] for folder in asking}


@pytest.mark.parametrize("code", ["DisabledException", "KMSInvalidStateException"])
def test_a_disabled_parent_key_is_found_in_the_line_that_is_logged(
    example: Template, code: str, capsys: pytest.CaptureFixture[str]
) -> None:
    wire = Wire()
    wire.faults.append(Fault("Decrypt", refusal(code)))
    parent = AwsParentKey(kms_client(wire), "arn:aws:kms:eu-central-1:123456789012:key/" + KEY_ID)
    with pytest.raises(Unavailable) as caught:
        parent.unseal(b"sealed", key_binding("acme", KEY_ID, 1, "AES_256"))
    log_fault("id", caught.value)
    line = capsys.readouterr().err
    assert json.loads(line)["level"] == "error"
    terms = re.findall(r'\?"([^"]+)"', filters(example)[0]["FilterPattern"])
    assert any(term in line for term in terms)


def test_metrics_are_the_tenant_s_and_have_no_dimensions(template: Template) -> None:
    for row in template.properties("AWS::Logs::MetricFilter"):
        (transformation,) = row["MetricTransformations"]
        assert transformation["MetricNamespace"] == f"TenantKms/{template.stack.removeprefix('tkms-')}"
        assert transformation["MetricName"] == "ParentKeyFaults", "everything else is told by the functions themselves"
        assert "Dimensions" not in transformation


def test_the_dashboard_is_the_tenant_s(template: Template) -> None:
    board = template.only("AWS::CloudWatch::Dashboard")
    assert board["DashboardName"] == template.stack
    body = json.loads(board["DashboardBody"])
    titles = {widget["properties"]["title"] for widget in body["widgets"]}
    assert titles == {
        "Requests",
        "Errors",
        "Latency",
        "Requests by Action",
        "Errors by Action",
        "Latency by Action, p99",
        "Throttles",
        "Cold starts",
        "Concurrency by function",
        "Parent-key calls",
        "Parent-key latency, p99",
        "Authentication failures, rows not believed",
        "Keys pending deletion",
        "Rotations and deletions",
        "Dead letters",
    }
    assert f'FunctionName=\\"{template.stack}-\\"' in board["DashboardBody"]
    assert f'{{\\"TenantKms/{template.stack.removeprefix("tkms-")}\\",action}}' in board["DashboardBody"]
