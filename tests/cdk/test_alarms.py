"""What wakes somebody, and that the log lines it is counted from are those that the functions write."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
import templates
from moto_aws import Fault, Wire, kms_client, refusal
from templates import Template

from cdk.catalog import CATALOG
from tenantkms.audit import log_fault
from tenantkms.errors import ERRORS, Unavailable
from tenantkms.sealing import AwsParentKey, key_binding

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
        "AuthenticationFailures",
    }
    sweepers = {
        f"{name}{what}" for name in ("RotateDueKeys", "DeleteDueKeys") for what in ("Errors", "DeadLetters", "Missed")
    }
    assert set(alarms(template)) == service | sweepers


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


def filters(template: Template, metric: str) -> list[Any]:
    found = template.properties("AWS::Logs::MetricFilter")
    return [row for row in found if row["MetricTransformations"][0]["MetricName"] == metric]


def test_refused_signatures_are_counted_by_their_names_in_audit_lines(template: Template) -> None:
    (row,) = filters(template, "AuthenticationFailures")
    names = re.findall(r'\$\.outcome = "(\w+)"', row["FilterPattern"])
    assert {"SignatureMismatch", "UnknownAccessKey"} <= set(names) <= set(ERRORS)
    assert row["LogGroupName"] == template.functions["endpoint"]["LoggingConfig"]["LogGroup"]


def test_every_function_that_asks_the_parent_key_is_watched(template: Template) -> None:
    watched = {row["LogGroupName"] for row in filters(template, "ParentKeyFaults")}
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
    terms = re.findall(r'\?"([^"]+)"', filters(example, "ParentKeyFaults")[0]["FilterPattern"])
    assert any(term in line for term in terms)


def test_metrics_are_the_tenant_s_and_have_no_dimensions(template: Template) -> None:
    for row in template.properties("AWS::Logs::MetricFilter"):
        (transformation,) = row["MetricTransformations"]
        assert transformation["MetricNamespace"] == f"TenantKms/{template.stack.removeprefix('tkms-')}"
        assert "Dimensions" not in transformation


def test_the_dashboard_is_the_tenant_s(template: Template) -> None:
    board = template.only("AWS::CloudWatch::Dashboard")
    assert board["DashboardName"] == template.stack
    body = json.loads(board["DashboardBody"])
    titles = {widget["properties"]["title"] for widget in body["widgets"]}
    assert {"Requests", "Errors", "Latency", "Throttles by function", "Dead letters"} <= titles
    assert f'FunctionName=\\"{template.stack}-\\"' in board["DashboardBody"]
