"""`@action`: what an Action must do, what it is called with, what it answers and what the audit log says of it."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from kit.action_samples import PLAINTEXT, Params, Tenant
from tenantkms.access.policy import ALLOW_ALL
from tenantkms.action import action as actions
from tenantkms.action.action import action
from tenantkms.action.call import Result
from tenantkms.action.rule import NO_KEY
from tenantkms.action.scope import Scope
from tenantkms.errors import InvalidAlias, Throttled

CANARY = "c4nary-s3cret"


@pytest.fixture
def tenant(tmp_path: Path) -> Tenant:
    return Tenant(tmp_path / "data")


class Given(actions.Params, frozen=True, kw_only=True):
    number: int = 0


class Answer(Result, frozen=True, kw_only=True):
    number: int


@action("Answer", refuses=NO_KEY, needs=NO_KEY)
def answer(params: Given, scope: Scope) -> Answer:
    scope.allow()
    return Answer(number=params.number)


@action("Answer", refuses=NO_KEY, needs=NO_KEY)
def forgetful(params: Given, scope: Scope) -> Answer:
    return Answer(number=params.number)


@action("Answer", refuses=NO_KEY, needs=NO_KEY)
def failing(params: Given, scope: Scope) -> Answer:
    scope.allow()
    raise LookupError(f"the plaintext was {CANARY}")


@action("Answer", refuses=NO_KEY, needs=NO_KEY)
def refusing(params: Given, scope: Scope) -> Answer:
    raise InvalidAlias("an alias of the test")


@action("Answer", refuses=NO_KEY, needs=NO_KEY)
def throttled(params: Given, scope: Scope) -> Answer:
    raise Throttled


def run(body: actions.Action[Given], tenant: Tenant, **changes: Any) -> dict[str, Any]:
    return body.run(tenant.call("Answer", {"number": 7}, **changes), tenant.deps)


# -- answers ---------------------------------------------------------------------------------------------


def test_a_result_is_data(tenant: Tenant) -> None:
    assert run(answer, tenant) == {"result": {"number": 7}}


def test_an_action_that_forgets_to_ask_the_policy_answers_nothing(
    tenant: Tenant, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(forgetful, tenant)["error"]["type"] == "Internal"
    assert tenant.audit.records[-1].outcome == "Internal"
    assert "RuntimeError" in capsys.readouterr().err


def test_a_domain_error_is_data(tenant: Tenant, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(refusing, tenant) == {"error": {"type": "InvalidAlias", "message": "an alias of the test"}}
    assert capsys.readouterr().err == ""


def test_what_the_operator_should_know_is_logged(tenant: Tenant, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(throttled, tenant, request_id="request-1")["error"]["type"] == "Throttled"
    assert json.loads(capsys.readouterr().err)["request_id"] == "request-1"


def test_the_unforeseen_is_internal_without_detail(tenant: Tenant, capsys: pytest.CaptureFixture[str]) -> None:
    said = run(failing, tenant, request_id="request-1")
    assert said == {"error": {"type": "Internal", "message": "An internal error occurred."}}
    log = capsys.readouterr().err
    assert CANARY not in log + str(tenant.audit.records)
    line = json.loads(log)
    assert (line["request_id"], line["fault"]) == ("request-1", ["LookupError"])
    assert line["at"][-1].endswith(" failing")


# -- calls -----------------------------------------------------------------------------------------------

CALL = {
    "v": 1,
    "request_id": "r",
    "action": "Answer",
    "principal": {"id": "tester", "policy": ALLOW_ALL},
    "profile": "native",
    "params": {},
}


@pytest.mark.parametrize(
    "change",
    [
        {"v": 2},
        {"v": "1"},
        {"v": None},
        {"surprise": 1},
        {"dryrun": True},
        {"dry_run": "true"},
        {"request_id": 1},
        {"request_id": "\ud800"},
        {"action": "\ud800"},
        {"source_ip": "\ud800"},
        {"profile": "gcp"},
        {"profile": ["native"]},
        {"principal": {"id": "tester"}},
        {"principal": {"id": "tester", "policy": ALLOW_ALL, "admin": True}},
        {"principal": {"id": "\ud800", "policy": ALLOW_ALL}},
        {"principal": "tester"},
        {"params": []},
        {"params": None},
        {"params": {"number": "\ud800"}},
    ],
    ids=str,
)
def test_what_is_not_a_canonical_call_is_malformed(change: dict[str, Any], tenant: Tenant) -> None:
    said = answer.run({**CALL, **change}, tenant.deps)
    assert said["error"]["type"] == "MalformedRequest"
    (line,) = tenant.audit.records
    assert (line.action, line.profile, line.principal, line.outcome) == (answer.name, "native", "", "MalformedRequest")


@pytest.mark.parametrize("name", CALL)
def test_every_field_of_a_call_is_required(name: str, tenant: Tenant) -> None:
    short = {field: value for field, value in CALL.items() if field != name}
    assert answer.run(short, tenant.deps)["error"]["type"] == "MalformedRequest"


@pytest.mark.parametrize("event", [None, [], "call", 1, b"call", {}, {1: 2}])
def test_any_event_is_answered(event: Any, tenant: Tenant) -> None:
    assert answer.run(event, tenant.deps)["error"]["type"] == "MalformedRequest"
    tenant.audit.broken = True
    assert answer.run(event, tenant.deps)["error"]["type"] == "MalformedRequest"


@pytest.mark.parametrize("params", [{"number": "1"}, {"number": 1.5}, {"number": None}, {"Number": 1}, {"key_id": "x"}])
def test_parameters_are_the_action_s_own_and_typed(params: dict[str, Any], tenant: Tenant) -> None:
    said = answer.run({**CALL, "params": params}, tenant.deps)
    assert said["error"]["type"] == "InvalidParameter"
    assert next(iter(params)) in said["error"]["message"]
    assert tenant.audit.records[-1].outcome == "InvalidParameter"


@pytest.mark.parametrize("plaintext", ["not base64", "aGk", "aGk=\n", 1, None, ["aGk="]])
def test_bytes_travel_as_base64(plaintext: object, tenant: Tenant) -> None:
    params = {"key_id": "alias/default", "plaintext": plaintext}
    assert tenant.outcome("Encrypt", params) == "InvalidParameter"


@pytest.mark.parametrize(
    ("what", "outcome"),
    [
        ({}, "MissingParameter"),
        ({"plaintext": "", "string": ""}, "InvalidParameter"),
        ({"string": None}, "InvalidParameter"),
        ({"string": "AAAA" * 2048}, "ok"),
        ({"string": "AAAA" * 2048 + "AA=="}, "PlaintextTooLong"),
        ({"string": "~" * 6145}, "PlaintextTooLong"),
    ],
)
def test_bytes_or_a_string_are_encrypted(what: dict[str, Any], outcome: str, tenant: Tenant) -> None:
    assert tenant.outcome("Encrypt", {"key_id": "alias/default", **what}) == outcome


@pytest.mark.parametrize("text", ["password", "hello", "aGVsbG8=", ""])
def test_a_string_is_a_text_whatever_stands_in_it(text: str, tenant: Tenant) -> None:
    blob = tenant.result("Encrypt", {"key_id": "alias/default", "string": text})["ciphertext"]
    opened = tenant.result("Decrypt", {"ciphertext": blob})
    assert (base64.b64decode(opened["plaintext"]), opened["text"]) == (text.encode(), True)
    opened = tenant.result("Decrypt", {"ciphertext": blob, "as_string": True})
    assert (opened["plaintext"], opened["text"]) == (text, True)


def test_bytes_are_base64_where_a_string_is_asked_for(tenant: Tenant) -> None:
    blob = tenant.result("Encrypt", {"key_id": "alias/default", "plaintext": "password"})["ciphertext"]
    for asked in ({}, {"as_string": True}):
        opened = tenant.result("Decrypt", {"ciphertext": blob, **asked})
        assert (opened["plaintext"], opened["text"]) == ("password", False)


def test_a_call_for_another_action_is_refused(tenant: Tenant) -> None:
    assert answer.run({**CALL, "action": "Encrypt"}, tenant.deps)["error"]["type"] == "UnknownAction"


# -- the audit line --------------------------------------------------------------------------------------


def test_a_line_says_who_did_what_with_which_key(tenant: Tenant) -> None:
    key = tenant.create()
    params = {"key_id": f"alias/{tenant.alias(key)}", "plaintext": PLAINTEXT}
    tenant.outcome("Encrypt", params, request_id="request-1", profile="tencent", source_ip="192.0.2.7")
    line = tenant.audit.records[-1]
    assert msgspec.structs.asdict(line) == {
        "time": line.time,
        "request_id": "request-1",
        "tenant": "test",
        "action": "Encrypt",
        "profile": "tencent",
        "principal": "tester",
        "outcome": "ok",
        "keys": (key,),
        "source_ip": "192.0.2.7",
        "dry_run": False,
        "note": "",
        "session": "",
        "trace": "",
        "count": 1,
        "since": 0,
    }


def test_a_refusal_is_audited_with_the_key_it_was_about(tenant: Tenant) -> None:
    key = tenant.create()
    tenant.outcome("DescribeKey", {"key_ids": [key]}, policy='{"Statement":[]}')
    line = tenant.audit.records[-1]
    assert (line.outcome, line.keys) == ("AccessDenied", (key,))


@pytest.mark.parametrize("body", [answer, refusing, failing, forgetful])
def test_without_its_line_nothing_is_answered(
    body: actions.Action[Given], tenant: Tenant, capsys: pytest.CaptureFixture[str]
) -> None:
    tenant.audit.broken = True
    assert run(body, tenant) == {
        "error": {"type": "Unavailable", "message": "The service is temporarily unavailable: try again later."}
    }
    assert "Unavailable" in capsys.readouterr().err


def test_no_plaintext_leaves_when_the_audit_log_is_full(tenant: Tenant) -> None:
    tenant.audit.broken = True
    said = tenant.run("GenerateDataKey", {"key_id": "alias/default"})
    assert set(said) == {"error"}


# -- dry run ---------------------------------------------------------------------------------------------


def test_a_dry_run_tells_that_it_would_succeed_and_shows_nothing(tenant: Tenant) -> None:
    params = {"key_id": "alias/default", "plaintext": PLAINTEXT}
    said = tenant.run("Encrypt", params, dry_run=True)
    assert said == {"error": {"type": "DryRunSucceeded", "message": said["error"]["message"]}}
    assert (tenant.audit.records[-1].dry_run, tenant.audit.records[-1].outcome) == (True, "DryRunSucceeded")


@pytest.mark.parametrize(
    ("changes", "outcome"),
    [({"policy": '{"Statement":[]}'}, "AccessDenied"), ({"params": {"key_id": "alias/none"}}, "AliasNotFound")],
)
def test_a_dry_run_tells_what_would_go_wrong(changes: dict[str, Any], outcome: str, tenant: Tenant) -> None:
    call = tenant.call("GenerateDataKey", {"key_id": "alias/default"}, dry_run=True)
    policy = changes.pop("policy", ALLOW_ALL)
    params = changes.pop("params", call["params"])
    assert tenant.outcome("GenerateDataKey", params, policy=policy, dry_run=True) == outcome


@pytest.mark.parametrize(
    ("name", "params"),
    [
        ("CreateKey", {}),
        ("DisableKey", {"key_ids": ["alias/default"]}),
        ("DeleteAlias", {"alias": "default"}),
        ("CreateAlias", {"alias": "more", "key_id": "alias/default"}),
        ("UpdateKeyDescription", {"key_id": "alias/default", "description": "new"}),
    ],
)
def test_a_dry_run_changes_nothing(name: str, params: Params, tenant: Tenant) -> None:
    before = tenant.result("ListKeys", {}), tenant.result("ListAliases", {})
    assert tenant.outcome(name, params, dry_run=True) == "DryRunSucceeded"
    assert (tenant.result("ListKeys", {}), tenant.result("ListAliases", {})) == before
    assert tenant.outcome(name, params) == "ok"
    assert (tenant.result("ListKeys", {}), tenant.result("ListAliases", {})) != before
