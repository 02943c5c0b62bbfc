"""`tkms reseal --stack`: a stack's tables go under another parent key, while its functions use them."""

from __future__ import annotations

import json
from functools import partial
from itertools import count
from typing import Any
from uuid import uuid4

import pytest
from botocore.exceptions import EndpointConnectionError

from kit.moto_aws import Tables, Wire, WiredSession, any_client, kms_client
from kit.moto_stack import with_create_key
from kit.resealing import Things, opens
from tenantkms.action.vouch import CALLS, vouch, vouched
from tenantkms.errors import InvalidImportToken, Unavailable
from tenantkms.parent.aws_kms import AwsParentKey
from tenantkms.parent.port import ROOT, Binding
from tenantkms.runtime.assemble import Settings, on_aws
from tkms.cli import main
from tkms.findings import OK, PROBLEM
from tkms.machine.directory import call
from tkms.reseal import stack as resealed
from tkms.reseal.found import examine_stack
from tkms.stack import stack
from tkms.stack.stack import Stack

REAL = Stack


class Deployed:
    """A stack on moto whose functions may use two parent keys."""

    def __init__(self) -> None:
        self.tables = Tables.fresh()
        kms = kms_client(self.tables.wire)
        self.old, self.new, self.third = (kms.create_key()["KeyMetadata"]["Arn"] for _ in range(3))
        self.outputs = {
            "Tenant": "acme",
            "Region": "eu-central-1",
            "Account": "123456789012",
            "KeysTable": self.tables.keys,
            "AccessTable": self.tables.access,
            "ParentKeyArn": self.old,
            "OtherParentKeyArn": self.new,
            "FunctionPrefix": f"tkms-{uuid4().hex}-",
        }
        client = partial(any_client, wire=self.tables.wire)
        with_create_key(client, self.outputs["FunctionPrefix"])
        self.logs, self.group = client("logs"), f"/aws/lambda/{self.outputs['FunctionPrefix']}create_key"
        self.logs.create_log_group(logGroupName=self.group)

    def lines(self) -> list[dict[str, Any]]:
        """Of the operator, in the order in which they were written."""
        events = self.logs.filter_log_events(logGroupName=self.group)["events"]
        return [json.loads(event["message"]) for event in sorted(events, key=lambda event: event["timestamp"])]

    def stack(self, name: str) -> Stack:
        made = REAL.__new__(REAL)
        made.name, made.outputs, made._session = name, self.outputs, WiredSession(self.tables.wire)  # type: ignore[assignment]
        return made

    def function(self, *, metered: bool = False) -> Settings:
        """As a function that starts now."""
        environment = {
            "TENANT": "acme",
            "REGION": "eu-central-1",
            "ACCOUNT": "123456789012",
            "KEYS_TABLE": self.tables.keys,
            "ACCESS_TABLE": self.tables.access,
            "PARENT_KEY_ARN": self.outputs["ParentKeyArn"],
            "OTHER_PARENT_KEY_ARN": self.outputs.get("OtherParentKeyArn", ""),
        }
        return on_aws(environment, WiredSession(self.tables.wire), metered=metered)

    def doctor(self) -> list[tuple[str, str, str]]:
        settings = self.stack("tkms-acme").settings
        return list(examine_stack(settings, self.outputs["ParentKeyArn"], self.outputs.get("OtherParentKeyArn", "")))


@pytest.fixture
def deployed(monkeypatch: pytest.MonkeyPatch) -> Deployed:
    made = Deployed()
    monkeypatch.setattr(resealed, "Stack", made.stack)
    monkeypatch.setattr(stack, "Stack", made.stack)
    monkeypatch.setattr(resealed.OnStack.__init__, "__defaults__", (0.0,))
    made.stack("tkms-acme").anchor()
    return made


def _after(calls: int, call: Any, fault: Exception) -> Any:
    """It does not answer once it was called so often."""
    left = calls

    def counted(*args: Any, **kwargs: Any) -> Any:
        nonlocal left
        left -= 1
        if left < 0:
            raise fault
        return call(*args, **kwargs)

    return counted


def vouches(endpoint: Settings, function: Settings) -> bool:
    event = json.loads(vouch({"v": 1}, endpoint.root.key(CALLS), 1))
    return bool(vouched(event, lambda anew: function.root.valid(CALLS, anew), 1))


def test_a_stack_goes_under_another_key_and_its_functions_go_on(
    deployed: Deployed, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    running = deployed.function(metered=True)
    call(running, "CreateKey", {"alias": "default"})
    things = Things(running)
    assert main(["reseal", "--stack", "tkms-acme", "--to", deployed.third]) == 1
    assert "may not use" in capsys.readouterr().err
    assert [status for status, _, _ in deployed.doctor()] == [OK]
    with monkeypatch.context() as patch:
        patch.setattr(AwsParentKey, "seal", _after(5, AwsParentKey.seal, Unavailable("The parent key did not seal.")))
        assert main(["reseal", "--stack", "tkms-acme", "--to", deployed.new]) == 1
    half = deployed.function()
    for settings in (running, half):
        things.work(settings)
    assert vouches(running, half)
    assert vouches(half, running)
    assert [status for status, _, _ in deployed.doctor()] == [PROBLEM]
    assert main(["reseal", "--stack", "tkms-acme", "--to", deployed.old]) == 1
    assert "has not come to its end" in capsys.readouterr().err
    calls, status = 0, 1
    while status:  # AWS is out of reach after so many calls
        calls += 3
        with monkeypatch.context() as patch:
            patch.setattr(
                Wire, "send", _after(calls, Wire.send, EndpointConnectionError(endpoint_url="https://aws.example"))
            )
            status = main(["reseal", "--stack", "tkms-acme", "--json"])
        assert opens(running, things.blobs[0])
    assert calls > 20
    printed = capsys.readouterr().out
    answer, _ = json.JSONDecoder().raw_decode(printed[printed.rfind('{\n  "parent"') :])
    assert answer["parent"] == deployed.new
    ((status, found, advice),) = deployed.doctor()
    assert (status, "parent_key_arn" in advice) == (OK, True)
    assert f"{deployed.old} opens nothing of what rests here" in found
    deployed.outputs = {**deployed.outputs, "ParentKeyArn": deployed.new}
    del deployed.outputs["OtherParentKeyArn"]
    fresh = deployed.function()
    for settings in (running, half, fresh):
        things.work(settings)
        assert things.session_is_good(settings)
        assert settings.root.key("rows") == fresh.root.key("rows")
        with pytest.raises((InvalidImportToken, Unavailable)):  # of another key moto says "access denied"
            call(settings, "ImportKeyMaterial", things.pending)
    assert vouches(running, fresh)
    assert deployed.doctor() == []


def test_the_log_says_what_came_of_each(
    deployed: Deployed, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    call(deployed.function(), "CreateKey", {"alias": "default"})
    with monkeypatch.context() as patch:
        patch.setattr(AwsParentKey, "seal", _after(2, AwsParentKey.seal, Unavailable("The parent key did not seal.")))
        assert main(["reseal", "--stack", "tkms-acme", "--to", deployed.new]) == 1
    assert main(["reseal", "--stack", "tkms-acme"]) == 0
    assert main(["reseal", "--stack", "tkms-acme"]) == 0  # there is nothing to do
    told = [(line["action"], line["outcome"]) for line in deployed.lines()]
    assert told == [("Reseal", outcome) for outcome in ("intent", "Unavailable", "intent", "ok")]
    first, second, third, fourth = (line["request_id"] for line in deployed.lines())
    assert (first, third, first == third) == (second, fourth, False)


def test_nothing_is_begun_without_its_line(deployed: Deployed, capsys: pytest.CaptureFixture[str]) -> None:
    call(deployed.function(), "CreateKey", {"alias": "default"})
    before = deployed.function().root.opened().stored
    deployed.logs.delete_log_group(logGroupName=deployed.group)
    assert main(["reseal", "--stack", "tkms-acme", "--to", deployed.new]) == 1
    assert "cannot be written" in capsys.readouterr().err
    assert deployed.function().root.opened().stored == before


def _blinking(monkeypatch: pytest.MonkeyPatch, arn: str, at: int) -> None:
    """The call of the number `at` fails, of those that the parent key `arn` is asked to unseal the root; no other."""
    unseal, calls = AwsParentKey.unseal, count(1)

    def blinking(self: AwsParentKey, sealed: bytes, binding: Binding) -> bytes:
        if self._key_arn == arn and binding.kind == ROOT and next(calls) == at:
            raise Unavailable("The parent key did not unseal.")
        return unseal(self, sealed, binding)

    monkeypatch.setattr(AwsParentKey, "unseal", blinking)


@pytest.mark.parametrize("at", range(1, 6))
def test_one_call_that_fails_is_no_reseal_that_is_done(
    at: int, deployed: Deployed, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    call(deployed.function(), "CreateKey", {"alias": "default"})
    with monkeypatch.context() as patch:
        _blinking(patch, deployed.new, at)
        status = main(["reseal", "--stack", "tkms-acme", "--to", deployed.new])
    told = capsys.readouterr()
    opened = deployed.stack("tkms-acme").settings.root.opened()
    assert status == 1 or (opened.by is opened.parents[1] and not opened.before), told
    assert main(["reseal", "--stack", "tkms-acme", "--to", deployed.new]) == 0
    ((found, _, _),) = deployed.doctor()
    assert found == OK


def test_a_function_that_missed_it_once_seals_under_the_new_one_all_the_same(
    deployed: Deployed, monkeypatch: pytest.MonkeyPatch
) -> None:
    running = deployed.function()
    call(running, "CreateKey", {"alias": "default"})
    with monkeypatch.context() as patch:
        patch.setattr(AwsParentKey, "seal", _after(2, AwsParentKey.seal, Unavailable("The parent key did not seal.")))
        assert main(["reseal", "--stack", "tkms-acme", "--to", deployed.new]) == 1  # begun
    with monkeypatch.context() as patch:
        _blinking(patch, deployed.new, 1)
        running.root.renew()
    call(running, "CreateKey", {"alias": "after"})
    opened = running.root.opened()
    assert (opened.by is opened.parents[1], len(opened.before)) == (True, 1)
