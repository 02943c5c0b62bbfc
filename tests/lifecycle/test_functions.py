"""The Lambda functions themselves, on moto: their log lines are the metrics of what they did."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import botocore.session
import pytest
from moto import mock_aws
from msgspec.structs import asdict, replace

from functions.create_key.handler import handler as create_key
from functions.delete_due_keys.handler import handler as delete_due_keys
from functions.issue_session.handler import handler as issue_session
from functions.rotate_due_keys.handler import handler as rotate_due_keys
from functions.schedule_key_deletion.handler import handler as schedule_key_deletion
from kit import emf
from kit.moto_aws import REGION, create_tables
from tenantkms.access.policy import ALLOW_ALL
from tenantkms.action.vouch import CALLS, vouch
from tenantkms.keys.maintenance import Report
from tenantkms.model.key import revised
from tenantkms.model.profiles import DAY
from tenantkms.names import DIALECTS
from tenantkms.runtime import lambda_entry
from tenantkms.runtime.assemble import on_aws
from tenantkms.store.port import PutKey
from tkms.anchor import anchor

TENANT = (("tenant", "acme"),)
CONTEXT: Any = SimpleNamespace(aws_request_id="run", get_remaining_time_in_millis=lambda: 300_000)


@pytest.fixture
def deployed(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """This process is one of a tenant's functions, with tables and parent key in moto."""
    with mock_aws():
        monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
        session = botocore.session.get_session()
        create_tables(session.create_client("dynamodb"), "acme-keys", "acme-access")
        environment = {
            "TENANT": "acme",
            "REGION": REGION,
            "ACCOUNT": "123456789012",
            "KEYS_TABLE": "acme-keys",
            "ACCESS_TABLE": "acme-access",
            "PARENT_KEY_ARN": session.create_client("kms").create_key()["KeyMetadata"]["Arn"],
            "STATE_CACHE_SECONDS": "0",
        }
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        lambda_entry.from_environment.cache_clear()
        lambda_entry._session.cache_clear()
        anchor(on_aws(environment))
        yield
        lambda_entry.from_environment.cache_clear()
        lambda_entry._session.cache_clear()


def call(action: str, *, principal: str = "tester", profile: str = "native", **params: Any) -> dict[str, Any]:
    return {
        "v": 1,
        "request_id": "id",
        "action": action,
        "principal": {"id": principal, "policy": ALLOW_ALL},
        "profile": profile,
        "params": params,
    }


def test_what_functions_print_is_what_they_did(deployed: None, capsys: pytest.CaptureFixture[str]) -> None:
    def metrics() -> dict[emf.Metric, float]:
        lines = capsys.readouterr().out.splitlines()
        return {name: value for line in lines for name, value in emf.read(line).items()}

    made = [create_key(call("CreateKey"), CONTEXT)["result"]["key"]["id"] for _ in range(3)]
    found = metrics()
    assert (found["ColdStart", TENANT], found["ParentKeyCalls", TENANT]) == (1, 1)
    assert found["Latency", (("action", "CreateKey"),)] > 0
    assert "result" in schedule_key_deletion(call("ScheduleKeyDeletion", key_id=made[0], days=7), CONTEXT)
    assert set(metrics()) == {("Latency", TENANT), ("Latency", (("action", "ScheduleKeyDeletion"),))}
    assert delete_due_keys({}, CONTEXT) == asdict(Report(due=0, done=0, failed=0))
    assert metrics() == {("KeysPendingDeletion", TENANT): 1}
    rotate_due_keys({}, CONTEXT)
    assert metrics() == {}


def test_a_scheduled_function_ends_before_its_time_is_up(deployed: None) -> None:
    """And says so, rather than to be ended, tried again from the first key on, and be a dead letter in the end."""
    key_id = create_key(call("CreateKey"), CONTEXT)["result"]["key"]["id"]
    keyring = lambda_entry.from_environment().deps.keyring
    key = keyring.key(key_id, fresh=True)
    assert key is not None
    keyring.commit([PutKey(revised(key, "older", created=key.created - 7 * DAY, rotation_seconds=7 * DAY))])
    late: Any = SimpleNamespace(aws_request_id="run", get_remaining_time_in_millis=lambda: 60_000)
    nothing = Report(due=0, done=0, failed=0)
    assert rotate_due_keys({}, late) == asdict(replace(nothing, left=True))
    assert rotate_due_keys({}, CONTEXT) == asdict(replace(nothing, due=1, done=1))
    assert delete_due_keys({}, late) == asdict(nothing)


def audited(capsys: pytest.CaptureFixture[str]) -> list[tuple[str, str, str]]:
    """(profile, principal, outcome) of each audit line since the last look."""
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    return [(line["profile"], line["principal"], line["outcome"]) for line in lines if "outcome" in line]


ACCESS_KEY = "TKMS" + "a" * 20


def test_whom_iam_allows_is_issued_a_session(deployed: None, capsys: pytest.CaptureFixture[str]) -> None:
    settings = lambda_entry.from_environment()
    parent, _ = settings.access.create("app", DIALECTS, ALLOW_ALL, int(settings.deps.clock()))
    made = issue_session(call("IssueSession", principal="batch", credential="app", duration=900), CONTEXT)["result"]
    assert made["parent"] == parent.access_key_id
    opened = on_aws(os.environ).sessions.open(made["security_token"], made["access_key_id"])
    assert (opened.secret, opened.parent, opened.expires) == (
        made["access_key_secret"],
        parent.access_key_id,
        made["expires"],
    )
    for wrong, error in (
        ({"credential": "nobody"}, "UnknownAccessKey"),
        ({"credential": "app", "duration": 899}, "InvalidParameter"),
        ({"credential": "app", "policy": "{"}, "InvalidPolicy"),
        ({}, "MissingParameter"),
    ):
        assert issue_session(call("IssueSession", principal="batch", **wrong), CONTEXT)["error"]["type"] == error
    told = capsys.readouterr().out
    assert '"principal":"batch","outcome":"ok"' in told
    assert made["access_key_secret"] not in told
    assert made["security_token"] not in told


def test_whoever_invokes_a_function_is_no_session(deployed: None) -> None:
    posed = call("CreateKey")
    posed["principal"]["session"] = "TKMTsession"
    assert create_key(posed, CONTEXT)["error"]["type"] == "AccessDenied"


@pytest.mark.parametrize(
    "borrowed",
    [
        {"principal": ACCESS_KEY, "profile": "alibaba"},
        {"principal": ACCESS_KEY},
        {"profile": "tencent"},
        {"principal": ""},
    ],
)
def test_whoever_invokes_a_function_is_no_access_key(
    deployed: None, capsys: pytest.CaptureFixture[str], borrowed: dict[str, str]
) -> None:
    answer = create_key(call("CreateKey", **borrowed), CONTEXT)
    assert answer["error"]["type"] == "AccessDenied"
    assert audited(capsys) == [("native", borrowed.get("principal", "tester"), "AccessDenied")]


def test_a_call_that_the_endpoint_made_is_the_access_key_s(deployed: None, capsys: pytest.CaptureFixture[str]) -> None:
    settings = lambda_entry.from_environment()
    made = call("CreateKey", principal=ACCESS_KEY, profile="alibaba")
    payload = vouch(made, settings.root.key(CALLS), int(settings.deps.clock()))
    answer = create_key(json.loads(payload), CONTEXT)
    assert answer["result"]["key"]["creator"] == ACCESS_KEY
    assert audited(capsys) == [("alibaba", ACCESS_KEY, "intent"), ("alibaba", ACCESS_KEY, "ok")]


def test_a_call_under_a_key_of_one_s_own_is_refused(deployed: None) -> None:
    settings = lambda_entry.from_environment()
    payload = vouch(call("CreateKey", principal=ACCESS_KEY), bytes(32), int(settings.deps.clock()))
    assert create_key(json.loads(payload), CONTEXT)["error"]["type"] == "MalformedRequest"
